// A device that was cut off, on a simulated clock: how long after its link is back the server knows every run that it fired meanwhile.

import { World } from "../sim/world.ts";
import { type Figure, figure, round } from "./measure.ts";

const HOUR_MS = 3_600_000;
/** Of virtual time; what is measured is done long before. */
const PATIENCE_MS = 600_000;
const JOB = "reader";

export async function catchUp(): Promise<Figure[]> {
  return [...(await caughtUp("an hour", HOUR_MS)), ...(await caughtUp("a day", 24 * HOUR_MS))];
}

// --- internal ---

/** One server, one node, one job that the node fires every minute. */
async function caughtUp(what: string, awayMs: number): Promise<Figure[]> {
  const world = quietWorld();
  const [server, node] = [world.servers[0], world.nodes[0]];
  if (!server || !node) throw new Error("a world without a server or a node");
  try {
    world.startServer(server);
    world.startNode(node);
    await untilTrue(world, "the server to lead", () => world.leader !== null);
    await register(world);
    const known = () => [...(world.leader?.leader.view.childrenOf("default", JOB) ?? [])].length;
    await untilTrue(world, "the first run", () => known() > 0);
    const before = known();
    world.network.cut(node.machine, server.machine, { isOneWay: false });
    await world.runUntil(world.time.nowMs + awayMs);
    const fires = Math.floor(awayMs / 60_000);
    const [backAtMs, cpu] = [world.time.nowMs, process.cpuUsage()];
    world.network.mend(node.machine, server.machine);
    await untilTrue(world, "all of them to be known", () => known() - before >= fires);
    const { user, system } = process.cpuUsage(cpu);
    const note = `${fires} runs fired and ended without a server; ${round((user + system) / 1e6, 2)} s of processor time for server, node and simulation`;
    return [
      figure({
        name: `catch-up after ${what} without a server, link back to the last run known`,
        unit: "s of simulated time",
        value: round((world.time.nowMs - backAtMs) / 1000, 2),
        field: null,
        budget: 30,
        isRate: false,
        note,
      }),
    ];
  } finally {
    world.close();
  }
}

function quietWorld(): World {
  for (let at = 0; ; at++) {
    const world = new World(`catch-up ${at}`);
    if (world.servers.length === 1) return world;
    world.close();
  }
}

async function untilTrue(world: World, what: string, isTrue: () => boolean): Promise<void> {
  const deadlineMs = world.time.nowMs + PATIENCE_MS;
  while (!isTrue()) {
    if (world.time.nowMs > deadlineMs) throw new Error(`waited ${PATIENCE_MS / 1000} simulated seconds for ${what}`);
    await world.runUntil(world.time.nowMs + 20);
  }
}

async function register(world: World): Promise<void> {
  const task = { Name: "t", Driver: "raw_exec", Config: { command: "sim", args: ["1500", "0", "obeys"] }, Resources: { CPU: 20, MemoryMB: 20 } };
  const job = {
    ID: JOB,
    Type: "batch",
    Datacenters: ["*"],
    Periodic: { Enabled: true, Specs: ["* * * * *"], SpecType: "cron", TimeZone: "UTC", RunOn: "node" },
    TaskGroups: [{ Name: "g", Count: 1, Tasks: [task] }],
  };
  const [server] = world.servers;
  let status = 0;
  const sent = async () => {
    const url = `${server ? world.urlOf(server) : ""}/v1/jobs`;
    const response = await world.network.of(world.user).fetch(url, { method: "PUT", body: JSON.stringify({ Job: job }) });
    status = response.status;
  };
  void sent();
  await untilTrue(world, "the job to be registered", () => status === 200);
}
