// A job as a register: its registration with EnforceIndex is a compare-and-set, its reading a read. Clients use it
// through every server while leaders are killed, paused and changed; the recorded history must be linearizable.

import { expect, test } from "bun:test";
import { freePort, inPlace, sleep } from "../e2e/place.ts";
import { unplaceable } from "../e2e/servers.ts";
import { Prng } from "../sim/prng.ts";
import { type Answer, call } from "./calls.ts";
import { Cluster, Program, storeFlags, withCluster } from "./cluster.ts";
import { checkRegister, type RegisterCall, type RegisterOperation } from "./linearizability.ts";

const SECONDS = Math.min(Number(process.env.FAULT_SECONDS || 25), 60);
const SEED = process.env.SEED || String(Date.now() % 1_000_000);
const CLIENTS = 8;
const JOB = "register";

interface Known {
  readonly value: number;
  readonly index: number;
}

class Clients {
  readonly operations: RegisterOperation[] = [];
  /** Refusals other than conflicts, which promise that nothing happened. */
  refused = 0;
  readonly #servers: readonly Program[];
  readonly #chance: Prng;
  #nextValue = 1;
  #isOver = false;
  readonly #running: Promise<void>[];

  constructor(servers: readonly Program[], chance: Prng) {
    this.#servers = servers;
    this.#chance = chance;
    this.#running = Array.from({ length: CLIENTS }, (_, at) => this.#use(`client-${at}`));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  async #use(name: string): Promise<void> {
    const chance = this.#chance.fork(name);
    let known: Known | null = null;
    while (!this.#isOver) {
      await sleep(chance.integer(0, 40));
      const server = chance.pick(this.#servers);
      known = known === null || chance.chance(0.4) ? await this.#read(name, server) : await this.#swap(name, server, known);
    }
  }

  async #read(name: string, server: Program): Promise<Known | null> {
    const startedAtMs = performance.now();
    const answer = await readRegister(server.address);
    if (answer.outcome !== "done") return null;
    const known = { value: Number(answer.body.Meta.value), index: answer.body.JobModifyIndex };
    this.#note(name, { kind: "read" }, startedAtMs, { kind: "value", value: known.value });
    return known;
  }

  async #swap(name: string, server: Program, from: Known): Promise<Known | null> {
    const to = this.#nextValue++;
    const asked: RegisterCall = { kind: "swap", from: from.value, to };
    const startedAtMs = performance.now();
    const answer = await writeRegister(server.address, to, from.index);
    if (answer.outcome === "done") {
      this.#note(name, asked, startedAtMs, { kind: "swapped" });
      return { value: to, index: answer.body.JobModifyIndex };
    }
    if (answer.outcome === "unknown") this.#note(name, asked, startedAtMs, null);
    else if (/[Ee]nforcing job modify index/.test(answer.text)) this.#note(name, asked, startedAtMs, { kind: "conflict" });
    else this.refused += 1;
    return null;
  }

  #note(name: string, asked: RegisterCall, startedAtMs: number, answer: RegisterOperation["answer"]): void {
    const endedAtMs = answer === null ? Number.POSITIVE_INFINITY : performance.now();
    this.operations.push({ name, call: asked, startedAtMs, endedAtMs, answer });
  }
}

/**
 * Nobody waits long: a client that hangs at a server that stands still sees nothing of what the next leader does, and a
 * request that begins there after that is what a leader would answer wrongly that wakes up and believes that it still leads.
 */
function readRegister(address: string): Promise<Answer> {
  return call(address, { method: "GET", path: `/v1/job/${JOB}`, timeoutMs: 1500 });
}

function writeRegister(address: string, value: number, index: number): Promise<Answer> {
  const { Job: job } = unplaceable(JOB) as { readonly Job: object };
  const body = { Job: { ...job, Meta: { value: String(value) } }, EnforceIndex: true, JobModifyIndex: index };
  return call(address, { method: "PUT", path: "/v1/jobs", body, timeoutMs: 3000 });
}

/** Leaders that die, stand still beyond their lease, and hand over; one at a time, with a moment of calm between. */
async function disturb(cluster: Cluster, chance: Prng): Promise<string[]> {
  const [told, beganMs]: [string[], number] = [[], performance.now()];
  let deck: string[] = [];
  while (performance.now() - beganMs < SECONDS * 1000) {
    await sleep(chance.integer(300, 1500));
    if (deck.length === 0) deck = ["kill", "pause", "blink", "hand over", "kill a standby"];
    const [kind = ""] = deck.splice(chance.integer(0, deck.length - 1), 1);
    const lengthMs = kind === "pause" ? chance.integer(4500, 7500) : chance.integer(200, 2500);
    const leader = await cluster.leader();
    const target = kind === "kill a standby" ? cluster.servers.find((one) => one !== leader) : leader;
    if (!target) continue;
    told.push(`${((performance.now() - beganMs) / 1000).toFixed(2)} s ${kind} ${target.name} for ${lengthMs} ms`);
    if (kind === "hand over") {
      await call(target.address, { method: "PUT", path: "/v1/operator/raft/transfer-leadership" });
      continue;
    }
    if (kind.startsWith("kill")) await target.kill();
    else target.pause();
    await sleep(lengthMs);
    if (kind.startsWith("kill")) await target.start();
    else target.resume();
  }
  return told;
}

test(
  `a job as a register is linearizable while leaders are killed, paused and changed for ${SECONDS} s (SEED=${SEED})`,
  () =>
    inPlace(async (place) => {
      const chance = new Prng(SEED);
      const ports = [await freePort(), await freePort(), await freePort()];
      const programs = ports.map(
        (port, at) => new Program(place, { name: `server-${at}`, host: "127.0.0.1", port, flags: storeFlags(place.folder) }),
      );
      const cluster = new Cluster({ servers: programs, nodes: [] });
      await withCluster(cluster, async () => {
        const first = await cluster.untilLeader(30_000);
        expect((await writeRegister(first.address, 0, 0)).status).toBe(200);
        const clients = new Clients(programs, chance.fork("clients"));
        const told = await disturb(cluster, chance.fork("faults"));
        await cluster.heal();
        await clients.end();
        const last = await cluster.untilLeader(30_000);
        expect((await readRegister(last.address)).status).toBe(200);
        const verdict = checkRegister(clients.operations);
        const heard = clients.operations.map((one) => one.answer?.kind ?? "unknown");
        const counts = ["value", "swapped", "conflict", "unknown"].map((kind) => `${heard.filter((one) => one === kind).length} ${kind}`);
        console.log(`register: SEED=${SEED}, ${told.length} faults, ${counts.join(", ")}, ${clients.refused} refused: ${verdict.kind}`);
        if (verdict.kind !== "linearizable") {
          console.log(told.join("\n"));
          throw new Error(`${verdict.kind}\n${JSON.stringify(verdict, (_, value) => (Array.isArray(value) ? value.slice(-30) : value), 1)}`);
        }
        expect(heard.filter((one) => one === "swapped").length).toBeGreaterThan(50);
        expect(heard.filter((one) => one === "conflict").length).toBeGreaterThan(5);
        expect(cluster.surprises).toEqual([]);
      });
    }),
  (SECONDS + 90) * 1000,
);
