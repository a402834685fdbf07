// Days of a device without any server: its jobs fire on, its agent is killed, it is rebooted; then a server is there again, and the
// history of those days arrives once, in its order, within its bounds.

import { LIMITS } from "../../internal/domain/limits.ts";
import { bootsChecker } from "./checkers/boots.ts";
import { nodeFiresChecker } from "./checkers/node-fires.ts";
import { Violation } from "./history.ts";
import { CHIME, firedSpec, PATROL, strikeAtClaim } from "./node-fires.ts";
import type { World } from "./world.ts";

const HOUR_MS = 3_600_000;
/** More than are kept fall into these days. */
const CHIME_EVERY_S = 30;
const PATROL_EVERY_S = 1800;

/** Resolves when every promise held; throws what was broken. The world is the caller's to close. */
export async function daysAlone(world: World): Promise<void> {
  const chance = world.chance.fork("days");
  world.checkers.push(nodeFiresChecker(), bootsChecker());
  for (const server of world.servers) world.startServer(server);
  for (const node of world.nodes) world.startNode(node);
  await world.runUntil(8000);
  for (const [job, cron] of [
    [CHIME, "*/30 * * * * * *"],
    [PATROL, "0 */30 * * * * *"],
  ] as const)
    await register(world, firedSpec(job, cron));
  await world.runUntil(3 * 60_000);
  for (const { program } of world.servers) program?.crash();
  const aloneSinceMs = world.time.nowMs;
  const forMs = chance.integer(19, 26) * HOUR_MS;
  world.history.count("fault days without a server");
  const strike = () => {
    if (world.time.nowMs > aloneSinceMs + forMs - HOUR_MS) return;
    const node = chance.pick(world.nodes);
    strikeAtClaim(node, {
      world,
      chance,
      isOver: () => false,
      struck: () => void world.time.after(chance.integer(200, 300_000), () => world.startNode(node)),
    });
    world.time.after(chance.integer(1, 6) * HOUR_MS, strike);
  };
  world.time.after(HOUR_MS, strike);
  await world.runUntil(aloneSinceMs + forMs);
  for (const node of world.nodes) {
    node.atClaim = null;
    world.startNode(node);
  }
  await world.runUntil(world.time.nowMs + 1000);
  const most = Math.max(...world.nodes.map((node) => node.agent?.device.untoldFires ?? 0));
  if (most < LIMITS.firesKeptOnNodeMax) throw new Violation("bounds", `${most} fires wait to be told: too few for their bound to be tried`);
  for (const server of world.servers) world.startServer(server);
  await world.runUntil(world.time.nowMs + 120_000);
  for (const { name, agent } of world.nodes) {
    const left = agent?.device.untoldFires ?? 0;
    if (left > 1) throw new Violation("history", `${name} still has ${left} fires to tell two minutes after its server came back`);
  }
  await world.untilSettled(10_000);
  countEach(world, { fromMs: aloneSinceMs, untilMs: aloneSinceMs + forMs });
}

// --- internal ---

async function register(world: World, job: unknown): Promise<void> {
  for (let at = 0; at < 20; at++) {
    const server = world.servers[at % world.servers.length];
    const asked = server
      ? world.network.of(world.user).fetch(`${world.urlOf(server)}/v1/jobs`, { method: "PUT", body: JSON.stringify({ Job: job }) })
      : null;
    let status = 0;
    void asked?.then(
      (response) => {
        status = response.status;
      },
      () => undefined,
    );
    await world.runUntil(world.time.nowMs + 6000);
    if (status === 200) return;
  }
  throw new Error("no server took the job");
}

/** Of the job that every node fires and that has few fires, none is missing: each has its record, as a run or with why there was none. */
function countEach(world: World, { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number }): void {
  const view = world.leader?.leader.view;
  if (!view) throw new Violation("convergence", "nobody leads although everything is mended");
  for (const { name, agent, machine } of world.nodes) {
    const own = [...view.firesOfJob("default", PATROL.id)].filter((fire) => fire.nodeId === agent?.identity.id);
    const epochS = (machine.wallMs - world.time.nowMs) / 1000;
    const newest = Math.max(...own.map((fire) => fire.scheduledAtS));
    const expected = Math.floor((epochS + untilMs / 1000) / PATROL_EVERY_S) * PATROL_EVERY_S;
    if (newest < expected) throw new Violation("history", `${name} told of nothing after ${newest}, ${expected} was due`);
    // A server keeps so many records; those before are gone.
    const oldest = Math.max(Math.min(...own.map((fire) => fire.scheduledAtS)), Math.ceil((epochS + fromMs / 1000) / PATROL_EVERY_S) * PATROL_EVERY_S);
    const seconds = new Set(own.map((fire) => fire.scheduledAtS));
    for (let second = oldest; second <= newest; second += PATROL_EVERY_S)
      if (!seconds.has(second)) throw new Violation("history", `${name} told nothing of ${second} of ${PATROL.id}`);
    world.history.count("seen days of history");
  }
  const told = [...view.firesOfJob("default", CHIME.id)].map((fire) => fire.scheduledAtS).sort((a, b) => a - b);
  for (const [at, second] of told.entries())
    if (at > 0 && second - (told[at - 1] ?? 0) !== CHIME_EVERY_S)
      throw new Violation("history", `${CHIME.id} has no record between ${told[at - 1]} and ${second}`);
}
