// Figures of several servers and of both stores: commits, stalls, failover, idle writes, a large state, the simulator.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Agent, inPlace, type Place, root, sleep, until } from "../e2e/place.ts";
import { findPostgresPrograms, PostgresServer } from "../support/postgres.ts";
import { bytesWritten, changedSince, cpuSeconds, type Figure, figure, hammer, percentile, residentMiB, round } from "./measure.ts";

export interface Disk {
  readonly perSecond: number;
}

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 30);

/** The store's URL in this place; a PostgreSQL database of its own, or a file. */
async function withStore(kind: StoreKind, use: (url: (place: Place) => string, postgres: PostgresServer | null) => Promise<void>): Promise<void> {
  if (kind === "sqlite") return use((place) => `sqlite:${place.path("state.db")}`, null);
  const postgres = await PostgresServer.start();
  try {
    const url = postgres.url(postgres.createDatabase());
    await use(() => url, postgres);
  } finally {
    await postgres.stop();
    rmSync(postgres.folder, { recursive: true, force: true });
  }
}

type StoreKind = "sqlite" | "postgres";
const STORES: readonly StoreKind[] = findPostgresPrograms() === null ? ["sqlite"] : ["sqlite", "postgres"];

/** Register calls a second, and how long one takes, beside what the store itself can commit one after another. */
export async function commits(disk: Disk): Promise<Figure[]> {
  const results: Figure[] = [];
  for (const kind of STORES) {
    await withStore(kind, async (url, postgres) => {
      const own = postgres === null ? disk.perSecond : postgresCommits(postgres);
      await inPlace(async (place) => {
        await place.start({ flags: ["--server", "--store", url(place)] });
        await hammer(place.agent.port, 4, 500, (at) => aJob(at));
        let base = 1_000_000;
        for (const [callers, count] of [
          [1, 1500],
          [16, 5000],
          [256, 8000],
        ] as const) {
          const from = base;
          base += 1_000_000;
          const { perSecond, samples } = await hammer(place.agent.port, callers, count, (at) => aJob(from + at));
          results.push(
            figure({
              name: `${kind}: register calls per second, ${callers} callers`,
              unit: "per second",
              value: round(perSecond, 0),
              field: callers === 1 ? 468 : callers === 16 ? 2064 : null,
              budget: callers === 1 ? round(Math.min(1000, 0.6 * own), 0) : callers === 16 ? 6000 : 0,
              isRate: true,
              note: `one call p50 ${round(percentile(samples, 0.5))} ms, p99 ${round(percentile(samples, 0.99))} ms; the store alone: ${round(own, 0)} durable commits per second, one after another`,
            }),
          );
        }
      });
    });
  }
  return results;
}

/** How long the event loop stands still while the disk takes 400 ms for each sync. */
export async function stall(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    const inject = ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_exit=400000"];
    await place.start({ flags: ["--server", "--store", `sqlite:${place.path("state.db")}`], wrapper: inject });
    const samples: number[] = [];
    let isDone = false;
    const writing = hammer(place.agent.port, 8, 40, (at) => aJob(at)).finally(() => {
      isDone = true;
    });
    while (!isDone) {
      const began = performance.now();
      await fetch(`${place.agent.address}/v1/status/leader`).then((reply) => reply.text());
      samples.push(performance.now() - began);
      await sleep(2);
    }
    const written = await writing;
    results.push(
      figure({
        name: "stall of the event loop while a sync takes 400 ms, longest",
        unit: "ms",
        value: round(Math.max(...samples)),
        samples: samples.map((value) => round(value)),
        field: null,
        budget: 50,
        isRate: false,
        note: `a write took ${round(percentile(written.samples, 0.5), 0)} ms (p50); reads beside it p50 ${round(percentile(samples, 0.5))} ms`,
      }),
    );
  });
  return results;
}

/** From the leader's end to the next write that another server accepts. */
export async function failover(): Promise<Figure[]> {
  const results: Figure[] = [];
  for (const kind of STORES) {
    for (const [way, field, budgetS] of [
      ["kill -9", 3.4, kind === "sqlite" ? 0.5 : 3],
      ["clean stop", 3.1, 0.3],
      ["SIGSTOP", null, 5],
    ] as const) {
      const samples: number[] = [];
      await withStore(kind, (url) =>
        inPlace(async (place) => {
          const flags = ["--server", "--store", url(place)];
          const start = (name: string, agent?: Agent) =>
            place.start({ name, flags: [...flags, "--name", name], ...(agent ? { port: agent.port, dataDirectory: agent.dataDirectory } : {}) });
          let [leader, standby] = [await start("a"), await start("b")];
          for (let at = 0; at < ROUNDS; at++) {
            await untilStandby(standby, leader);
            const began = performance.now();
            const ended = way === "kill -9" ? leader.stop("SIGKILL") : way === "clean stop" ? leader.stop("SIGTERM") : null;
            if (ended === null) leader.process.kill("SIGSTOP");
            await untilWritten(standby, at);
            samples.push((performance.now() - began) / 1000);
            if (ended === null) leader.process.kill("SIGCONT");
            else {
              await ended;
              leader = await start(nameOf(leader), leader);
            }
            [leader, standby] = [standby, leader];
          }
        }),
      );
      results.push(
        figure({
          name: `${kind}: ${way} of the leader to the next accepted write, p50`,
          unit: "s",
          value: round(percentile(samples, 0.5), 3),
          samples: samples.map((value) => round(value, 3)),
          field,
          budget: budgetS,
          isRate: false,
          note: `longest of ${ROUNDS}: ${round(Math.max(...samples), 3)} s`,
        }),
      );
    }
  }
  return results;
}

/** Two servers with nothing to do. */
export async function idlePair(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    const flags = ["--server", "--store", `sqlite:${place.path("state.db")}`];
    const a = await place.start({ name: "a", flags: [...flags, "--name", "a"] });
    const b = await place.start({ name: "b", flags: [...flags, "--name", "b"] });
    await untilStandby(b, a);
    await sleep(5000);
    const pids = [a, b].map((agent) => agent.process.pid ?? 0);
    const marker = place.write("mark", "");
    const before = pids.reduce((sum, pid) => sum + bytesWritten(pid), 0);
    const cpu = pids.map(cpuSeconds);
    await sleep(60_000);
    const bytes = pids.reduce((sum, pid) => sum + bytesWritten(pid), 0) - before;
    const changed = changedSince(place.folder, marker).filter((path) => path !== place.folder && path !== marker);
    const shares = pids.map((pid, at) => round((100 * (cpuSeconds(pid) - (cpu[at] ?? 0))) / 60, 3));
    results.push(
      figure({
        name: "bytes written in an idle minute, two servers",
        unit: "bytes",
        value: bytes,
        field: 106_000,
        budget: 0,
        isRate: false,
        note: `files changed: ${changed.length}; CPU of leader and standby: ${shares.join(" and ")} % of a core`,
      }),
    );
    const index = await untilWritten(b, 1);
    if (index === 0 || pids.reduce((sum, pid) => sum + bytesWritten(pid), 0) === before) throw new Error("the meter of written bytes sees nothing");
  });
  return results;
}

/** A server that starts over 100,000 allocations: those that run, and those that have ended, with an evaluation each. */
export async function large(): Promise<Figure[]> {
  return [...(await largeOf("running")), ...(await largeOf("ended"))];
}

async function largeOf(kind: "running" | "ended"): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    const script = [join(root, "test/bench/large-state.ts"), place.path("state.db"), "100000", kind];
    const made = spawnSync(process.execPath, script, { encoding: "utf8" });
    if (made.status !== 0) throw new Error(made.stderr);
    const began = performance.now();
    const agent = await place.start({ flags: ["--server", "--store", `sqlite:${place.path("state.db")}`] });
    const seconds = (performance.now() - began) / 1000;
    const shown = await fetch(`${agent.address}/v1/job/large-0/allocations`).then((reply) => reply.json());
    if (!Array.isArray(shown) || shown.length !== 1000) throw new Error(`the large state is not there: ${JSON.stringify(shown).slice(0, 200)}`);
    await sleep(5000);
    const cpu = `${round(cpuSeconds(agent.process.pid ?? 0))} s of CPU`;
    const resident = residentMiB(agent.process.pid ?? 0);
    const listBegan = performance.now();
    await fetch(`${agent.address}/v1/allocations`).then((reply) => reply.arrayBuffer());
    const listS = (performance.now() - listBegan) / 1000;
    const name = kind === "running" ? "100,000 allocations" : "100,000 allocations that have ended";
    const budget = kind === "running" ? 1024 : 512;
    results.push(
      figure({ name: `start over ${name}`, unit: "s", value: round(seconds, 2), field: null, budget: 10, isRate: false, note: cpu }),
      figure({ name: `resident with ${name}`, unit: "MiB", value: round(resident, 0), field: null, budget, isRate: false }),
      figure({ name: `list of ${name}`, unit: "s", value: round(listS, 2), field: null, budget: 10, isRate: false }),
    );
    if (kind === "running") return;
    let longestMs = 0;
    let isDone = false;
    const gcBegan = performance.now();
    const collecting = fetch(`${agent.address}/v1/system/gc`, { method: "PUT" }).finally(() => {
      isDone = true;
    });
    while (!isDone) {
      const asked = performance.now();
      await fetch(`${agent.address}/v1/status/leader`).then((reply) => reply.text());
      longestMs = Math.max(longestMs, performance.now() - asked);
      await sleep(2);
    }
    const answer = await collecting;
    if (answer.status !== 200) throw new Error(`garbage was not collected: ${await answer.text()}`);
    const note = `collected in ${round((performance.now() - gcBegan) / 1000, 1)} s`;
    results.push(
      figure({
        name: "longest answer while 100,000 are collected",
        unit: "ms",
        value: round(longestMs, 0),
        field: null,
        budget: 500,
        isRate: false,
        note,
      }),
    );
  });
  return results;
}

/** Hours of virtual time that one core gets through in a minute. */
export async function simulated(): Promise<Figure[]> {
  const done = spawnSync(process.execPath, [join(root, "test/sim/main.ts")], {
    env: { ...process.env, SEED: "b1 b2 b3 b4 b5 b6" },
    encoding: "utf8",
  });
  const value = Number(/([\d.]+) per minute\)\s*$/.exec(done.stdout)?.[1]);
  return [figure({ name: "simulated hours per minute, one core", unit: "hours", value, field: null, budget: 0, isRate: true })];
}

// --- internal ---

function aJob(at: number): string {
  return JSON.stringify({
    Job: { ID: `job-${at}`, TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" } }] }] },
  });
}

/** Durable commits of one small row, one after another, as the server's own benchmark makes them. */
function postgresCommits(postgres: PostgresServer): number {
  postgres.sql("CREATE TABLE meter (at int)");
  const began = performance.now();
  const count = 500;
  postgres.sql(`DO $$ BEGIN FOR i IN 1..${count} LOOP INSERT INTO meter VALUES (i); COMMIT; END LOOP; END $$`);
  return count / ((performance.now() - began) / 1000);
}

async function untilStandby(standby: Agent, leader: Agent): Promise<void> {
  await until("the standby to know the leader", async () => {
    const reply = await fetch(`${standby.address}/v1/jobs?stale`).catch(() => null);
    const known = await fetch(`${standby.address}/v1/status/leader`)
      .then((answer) => answer.json())
      .catch(() => "");
    return reply?.status === 200 && reply.headers.get("x-nomad-knownleader") === "true" && String(known).endsWith(`:${leader.port}`);
  });
}

/** Asks again and again until a write is accepted; its index. */
async function untilWritten(agent: Agent, at: number): Promise<number> {
  for (;;) {
    const answer = await fetch(`${agent.address}/v1/jobs`, { method: "PUT", body: aJob(at), signal: AbortSignal.timeout(20_000) }).catch(() => null);
    if (answer?.status === 200) return Number(answer.headers.get("x-nomad-index"));
    await sleep(5);
  }
}

function nameOf(agent: Agent): string {
  return agent.dataDirectory.endsWith("-a") ? "a" : "b";
}
