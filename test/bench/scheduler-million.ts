// A million placements through the whole write path: jobs over HTTP, a durable SQLite file, kill -9, and the same million
// after the restart. BENCH_MILLION_JOBS shortens it. The nodes are rows: as if they had just been heard of.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable, freePort, root, sleep, until } from "../e2e/place.ts";
import { cpuSeconds, type Figure, figure, percentile, residentMiB, round } from "./measure.ts";

const JOBS = Number(process.env.BENCH_MILLION_JOBS ?? "1000");
const PER_JOB = 1000;
const NODES = 5000;
const CONNECTIONS = 16;

export async function million(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "million-"));
  mkdirSync(join(folder, "server"));
  spawnSync(process.execPath, [join(root, "test/bench/million-state.ts"), join(folder, "server/state.db"), String(NODES)], { stdio: "inherit" });
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const start = () => spawn(executable, ["agent", "--server", "--data-dir", folder, "--port", String(port)], { stdio: "ignore" });
  let child = start();
  try {
    await until("the server to lead", () => answers(address, "/v1/nodes"), 60_000);
    const began = performance.now();
    await registerAll(address);
    const reads: number[] = [];
    while (!(await isDone(address, reads))) await sleep(200);
    const seconds = (performance.now() - began) / 1000;
    const cpu = cpuSeconds(child.pid ?? 0);
    const peakMiB = peakOf(child);
    const before = await sumOf(address);
    await kill(child);
    const restarted = performance.now();
    child = start();
    await until("the server to lead again", () => answers(address, "/v1/job/million-0"), 300_000);
    const restartS = (performance.now() - restarted) / 1000;
    const peakAfterMiB = peakOf(child);
    const after = await sumOf(address);
    const placed = JOBS * PER_JOB;
    const isSame = before.sum === after.sum && before.count === placed && after.count === placed;
    const name = `${placed} placements on ${NODES} nodes, durable`;
    return [
      figure({
        name: `${name}, registration of the first job to the last placement`,
        unit: "s",
        value: round(seconds),
        field: 300,
        budget: (60 * placed) / 1_000_000,
        isRate: false,
        note: `the server took ${round(cpu)} s of CPU; an unrelated read meanwhile took p50 ${round(percentile(reads, 0.5))} ms, p99 ${round(percentile(reads, 0.99))} ms`,
      }),
      figure({ name: `${name}, peak memory`, unit: "MiB", value: round(peakMiB, 0), field: null, budget: 4096, isRate: false }),
      figure({
        name: `${name}, peak memory of the next start`,
        unit: "MiB",
        value: round(peakAfterMiB, 0),
        field: null,
        budget: 4096,
        isRate: false,
      }),
      figure({ name: `${name}, kill -9 to the next answer`, unit: "s", value: round(restartS), field: null, budget: 60, isRate: false }),
      figure({
        name: `${name}, allocations that the restart lost or changed`,
        unit: "allocations",
        value: isSame ? 0 : Math.max(1, Math.abs(placed - after.count)),
        field: null,
        budget: 0,
        isRate: false,
        note: `${before.count} before, ${after.count} after; sums over ids and nodes ${before.sum.slice(0, 12)}, ${after.sum.slice(0, 12)}`,
      }),
    ];
  } finally {
    await kill(child);
    spawnSync("rm", ["-rf", folder]);
  }
}

// --- internal ---

async function registerAll(address: string): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < JOBS) {
      const reply = await fetch(`${address}/v1/jobs`, { method: "PUT", body: jobOf(next++) });
      if (!reply.ok) throw new Error(`a registration was answered with ${reply.status}: ${await reply.text()}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, one));
}

function jobOf(at: number): string {
  const task = { Name: "t", Driver: "raw_exec", Config: { command: "/bin/sleep", args: ["1000"] }, Resources: { CPU: 100, MemoryMB: 300 } };
  return JSON.stringify({
    Job: { ID: `million-${at}`, Type: "service", TaskGroups: [{ Name: "g", Count: PER_JOB, EphemeralDisk: { SizeMB: 150 }, Tasks: [task] }] },
  });
}

/** Whether no evaluation waits any more; what an unrelated read took is noted. */
async function isDone(address: string, reads: number[]): Promise<boolean> {
  const began = performance.now();
  await (await fetch(`${address}/v1/node/00000000-aaaa-4000-8000-000000000000`)).text();
  reads.push(performance.now() - began);
  const reply = await fetch(`${address}/v1/evaluations?per_page=1&filter=${encodeURIComponent('Status == "pending"')}`);
  return ((await reply.json()) as readonly unknown[]).length === 0;
}

/** How many allocations the API shows, and a sum over their ids and nodes that does not depend on their order. */
async function sumOf(address: string): Promise<{ readonly count: number; readonly sum: string }> {
  const sum = Buffer.alloc(16);
  let count = 0;
  for (let at = 0; at < JOBS; at++) {
    const allocs = (await (await fetch(`${address}/v1/job/million-${at}/allocations`)).json()) as { ID: string; NodeID: string }[];
    count += allocs.length;
    for (const { ID, NodeID } of allocs) {
      const own = createHash("md5").update(`${ID} ${NodeID}`).digest();
      for (let byte = 0; byte < sum.length; byte++) sum[byte] = (sum[byte] ?? 0) ^ (own[byte] ?? 0);
    }
  }
  return { count, sum: sum.toString("hex") };
}

async function answers(address: string, path: string): Promise<boolean> {
  return (await fetch(`${address}${path}`).catch(() => null))?.ok === true;
}

function peakOf(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? residentMiB(child.pid ?? 0) * 1024) / 1024;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
