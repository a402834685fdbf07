// Steady churn: a hundred evaluations a second that each place or stop something, and what an unrelated read takes meanwhile.
// BENCH_CHURN_SECONDS shortens it.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable, freePort, root, sleep, until } from "../e2e/place.ts";
import { type Figure, figure, percentile, round } from "./measure.ts";
import { explanations } from "./scheduler-explain.ts";

const SECONDS = Number(process.env.BENCH_CHURN_SECONDS ?? "60");
const PER_SECOND = 100;
const JOBS = 200;

export async function churn(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "churn-"));
  mkdirSync(join(folder, "server"));
  spawnSync(process.execPath, [join(root, "test/bench/million-state.ts"), join(folder, "server/state.db"), "5000"], { stdio: "inherit" });
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const child = spawn(executable, ["agent", "--server", "--data-dir", folder, "--port", String(port)], { stdio: "ignore" });
  try {
    await until("the server to lead", async () => (await fetch(`${address}/v1/nodes`).catch(() => null))?.ok === true, 60_000);
    for (let at = 0; at < JOBS; at++) await register(address, at, 10);
    const reads: number[] = [];
    const writes: number[] = [];
    const pending: Promise<void>[] = [];
    const began = performance.now();
    for (let at = 0; at < SECONDS * PER_SECOND; at++) {
      const dueMs = began + (at * 1000) / PER_SECOND;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      pending.push(timed(writes, () => register(address, at % JOBS, at % (2 * JOBS) < JOBS ? 12 : 10)));
      pending.push(timed(reads, async () => void (await (await fetch(`${address}/v1/node/00000000-aaaa-4000-8000-000000000000`)).text())));
    }
    await Promise.all(pending);
    const seconds = (performance.now() - began) / 1000;
    const name = `churn of ${PER_SECOND} evaluations a second on 5,000 nodes`;
    return [
      ...(await explanations(address, async (memoryMiB) => register(address, memoryMiB, 10, memoryMiB))),
      figure({
        name: `${name}, kept up`,
        unit: "per second",
        value: round(writes.length / seconds, 1),
        field: null,
        budget: 0.9 * PER_SECOND,
        isRate: true,
      }),
      figure({
        name: `${name}, an unrelated read, p99`,
        unit: "ms",
        value: round(percentile(reads, 0.99)),
        field: null,
        budget: 50,
        isRate: false,
        note: `p50 ${round(percentile(reads, 0.5))} ms; a registration took p50 ${round(percentile(writes, 0.5))} ms, p99 ${round(percentile(writes, 0.99))} ms`,
      }),
    ];
  } finally {
    child.kill("SIGKILL");
    await new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve(null) : child.once("exit", resolve)));
    spawnSync("rm", ["-rf", folder]);
  }
}

// --- internal ---

async function timed(samples: number[], work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  samples.push(performance.now() - began);
}

async function register(address: string, at: number, count: number, memoryMiB = 100): Promise<string> {
  const task = { Name: "t", Driver: "raw_exec", Config: { command: "/bin/sleep", args: ["1000"] }, Resources: { CPU: 100, MemoryMB: memoryMiB } };
  const job = { ID: `churn-${at}`, Type: "service", TaskGroups: [{ Name: "g", Count: count, EphemeralDisk: { SizeMB: 150 }, Tasks: [task] }] };
  const reply = await fetch(`${address}/v1/jobs`, { method: "PUT", body: JSON.stringify({ Job: job }) });
  if (!reply.ok) throw new Error(`a registration was answered with ${reply.status}: ${await reply.text()}`);
  await reply.text();
  return job.ID;
}
