// make bench: edgectl's figures as JSON, each beside the field's, with its budget and whether it is met.
// BENCH_ONLY=start,submit,... runs some of them.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { shellJob } from "../e2e/jobs.ts";
import { executable, inPlace, type Place, root, sleep, until } from "../e2e/place.ts";
import { catchUp } from "./catch-up.ts";
import * as device from "./device.ts";
import { docker } from "./docker.ts";
import { driverWeights } from "./driver-weights.ts";
import * as drivers from "./drivers.ts";
import { idleLink } from "./link.ts";
import {
  anonymousMiB,
  bytesWritten,
  calibrate,
  changedSince,
  clientRate,
  cpuSeconds,
  diskCommits,
  type Figure,
  figure,
  hammer,
  markerAt,
  percentile,
  pidsOf,
  processTimes,
  proportionalMiB,
  residentMiB,
  round,
} from "./measure.ts";
import { schedulerParts } from "./scheduler.ts";
import * as servers from "./servers.ts";

/** Seconds that 200 million rounds took on the machine where the field's figures were measured, with Node 20. */
const FIELD_CALIBRATION_S = 0.96;

// The temporary folder may be memory: figures about the disk need one, and the repository stands on it.
process.env.TMPDIR = mkdtempSync(join(root, ".cache-bench-"));
// PostgreSQL runs as another user, below it.
chmodSync(process.env.TMPDIR, 0o755);

const disk = diskCommits(process.env.TMPDIR);
const syncMs = percentile(disk.samples, 0.5);
const wanted = (process.env.BENCH_ONLY ?? "").split(",").filter((name) => name !== "");

const parts: Readonly<Record<string, () => Promise<Figure[]>>> = {
  start,
  memory,
  tasks,
  idle,
  link: idleLink,
  driverStarts: drivers.driverStarts,
  driverWeights,
  boot: device.boot,
  output: device.output,
  ends: device.ends,
  catchUp,
  submit,
  docker,
  registrations,
  sizes,
  commits: () => servers.commits(disk),
  stall: servers.stall,
  failover: servers.failover,
  idlePair: servers.idlePair,
  large: servers.large,
  simulated: servers.simulated,
  ...schedulerParts,
};
const figures: Figure[] = [];
try {
  for (const [name, measure] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.some((one) => name === one || name.startsWith(`${one}/`))) continue;
    process.stderr.write(`bench: ${name}\n`);
    figures.push(...(await measure()));
  }
} finally {
  spawnSync("rm", ["-rf", process.env.TMPDIR]);
}

const calibrationS = calibrate();
console.log(
  JSON.stringify(
    {
      commit: spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).stdout.trim(),
      executable,
      calibration: { xorshift_200m_s: round(calibrationS, 3), field_s: FIELD_CALIBRATION_S, ratio: round(calibrationS / FIELD_CALIBRATION_S, 3) },
      disk: {
        durable_commits_per_s: round(disk.perSecond, 0),
        fdatasync_p50_ms: round(syncMs, 3),
        fdatasync_p99_ms: round(percentile(disk.samples, 0.99), 3),
      },
      figures,
      missed: figures.filter((entry) => !entry.ok).map((entry) => entry.name),
    },
    null,
    2,
  ),
);

// --- internal ---

async function start(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    await place.start();
    const version = processTimes([executable, "version"], {}, 60);
    const status = processTimes([executable, "status"], { EDGECTL_ADDR: place.agent.address }, 60);
    results.push(
      figure({
        name: "version, start to end, p50",
        unit: "ms",
        value: round(percentile(version, 0.5)),
        samples: version.map((value) => round(value)),
        field: 30,
        budget: 10,
        isRate: false,
      }),
    );
    results.push(
      figure({
        name: "status, start to end, p50",
        unit: "ms",
        value: round(percentile(status, 0.5)),
        samples: status.map((value) => round(value)),
        field: 30,
        budget: 15,
        isRate: false,
      }),
    );
  });
  return results;
}

async function memory(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    await place.start();
    const fresh = residentMiB(pidOf(place));
    await hammer(place.agent.port, 4, 3000, unplaceable);
    await sleep(20_000);
    const note = `fresh ${round(fresh, 1)} MiB; of the figure ${round(anonymousMiB(pidOf(place)), 1)} MiB are anonymous`;
    results.push(
      figure({
        name: "agent resident, 20 s after 3,000 registrations",
        unit: "MiB",
        value: round(residentMiB(pidOf(place)), 1),
        field: 90,
        budget: 64,
        isRate: false,
        note,
      }),
    );
  });
  const bundle = join(root, "dist/edgectl-node.cjs");
  if (existsSync(bundle)) results.push(await nodeClientMemory(bundle));
  return results;
}

async function nodeClientMemory(bundle: string): Promise<Figure> {
  let value = Number.NaN;
  await inPlace(async (place) => {
    const server = await place.start({ name: "server", flags: ["--server"] });
    const { spawn } = await import("node:child_process");
    const child = spawn("node", [bundle, "agent", "--client", "--servers", server.address, "--data-dir", place.path("node-client"), "--port", "0"], {
      stdio: "ignore",
    });
    place.onClose(() => child.kill("SIGKILL"));
    await until("the node to join", async () => (await place.get("/v1/nodes")).length === 1);
    await sleep(20_000);
    value = residentMiB(child.pid ?? 0);
  });
  return figure({ name: "client-only agent under Node, resident", unit: "MiB", value: round(value, 1), field: null, budget: 64, isRate: false });
}

async function tasks(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    await place.start();
    await runSleepers(place, 20);
    await sleep(1000);
    const helpers = pidsOf(place.folder).filter((pid) => pid !== pidOf(place));
    const perTask = helpers.reduce((sum, pid) => sum + proportionalMiB(pid), 0) / 20;
    results.push(
      figure({
        name: "memory (PSS) per further task, task and helper",
        unit: "MiB",
        value: round(perTask, 3),
        field: 30,
        budget: 0.5,
        isRate: false,
      }),
    );
    results.push(
      figure({
        name: "processes per further task, the task itself included",
        unit: "processes",
        value: helpers.length / 20,
        field: 3,
        budget: 2,
        isRate: false,
      }),
    );
  });
  return results;
}

async function idle(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    await place.start();
    await sleep(5000);
    results.push(...(await idleMinute(place, "without tasks", 106_000)));
    await runSleepers(place, 20);
    await sleep(15_000);
    results.push(...(await idleMinute(place, "with 20 tasks", 4_800_000)));
    // The meter works: one run in the same place is seen by all of it.
    const marker = markerAt(place.path("mark"));
    const before = written(place);
    place.run(shellJob({ id: "proof", script: "true" }), "--wait");
    await sleep(500);
    if (written(place) <= before || changedSince(place.agent.dataDirectory, marker).length === 0)
      throw new Error("the meter of written bytes sees nothing: its zeros prove nothing");
  });
  return results;
}

async function idleMinute(place: Place, what: string, field: number): Promise<Figure[]> {
  const marker = markerAt(place.path("mark"));
  const [bytes, cpu, began] = [written(place), cpuSeconds(pidOf(place)), performance.now()];
  await sleep(60_000);
  const changed = changedSince(place.agent.dataDirectory, marker);
  const share = (100 * (cpuSeconds(pidOf(place)) - cpu)) / ((performance.now() - began) / 1000);
  return [
    figure({
      name: `bytes written in an idle minute, ${what}`,
      unit: "bytes",
      value: written(place) - bytes,
      field,
      budget: 0,
      isRate: false,
      note: `files changed: ${changed.length}`,
    }),
    figure({ name: `files changed in an idle minute, ${what}`, unit: "files", value: changed.length, field: null, budget: 0, isRate: false }),
    figure({
      name: `CPU of the agent in an idle minute, ${what}`,
      unit: "% of a core",
      value: round(share, 3),
      field: 0.5,
      budget: 0.1,
      isRate: false,
    }),
  ];
}

async function submit(): Promise<Figure[]> {
  const samples: number[] = [];
  await inPlace(async (place) => {
    await place.start();
    for (let at = 0; at < 120; at++) {
      const id = `s-${at}`;
      const began = performance.now();
      await place.request("PUT", "/v1/jobs", {
        Job: {
          ID: id,
          Type: "batch",
          TaskGroups: [
            {
              Name: "g",
              Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/sleep", args: ["1000"] }, Resources: { CPU: 1, MemoryMB: 10 } }],
            },
          ],
        },
      });
      let index = "0";
      for (;;) {
        const reply = await place.request("GET", `/v1/job/${id}/allocations?index=${index}&wait=10s`);
        index = reply.headers.get("x-nomad-index") ?? "0";
        if (reply.text.includes('"ClientStatus":"running"')) break;
      }
      // The first ones warm up code that a service runs ever after.
      if (at >= 20) samples.push(performance.now() - began);
      await place.request("DELETE", `/v1/job/${id}?purge=true`);
    }
  });
  const extra = 3 * syncMs;
  const list = samples.map((value) => round(value));
  return [
    figure({
      name: "submit to running, raw_exec, p50",
      unit: "ms",
      value: round(percentile(samples, 0.5)),
      samples: list,
      field: 1056,
      budget: round(15 + extra),
      isRate: false,
    }),
    figure({
      name: "submit to running, raw_exec, p99",
      unit: "ms",
      value: round(percentile(samples, 0.99)),
      field: 1058,
      budget: round(50 + extra),
      isRate: false,
    }),
  ];
}

async function registrations(): Promise<Figure[]> {
  const results: Figure[] = [];
  const own = { 1: await clientRate(1, unplaceable(0)), 16: await clientRate(16, unplaceable(0)) };
  await inPlace(async (place) => {
    await place.start();
    await hammer(place.agent.port, 4, 500, (at) => unplaceable(at + 1_000_000));
    const single = await hammer(place.agent.port, 1, 2000, (at) => unplaceable(at + 2_000_000));
    const many = await hammer(place.agent.port, 16, 6000, (at) => unplaceable(at + 3_000_000));
    const note = (connections: 1 | 16) => `the client alone reaches ${round(own[connections], 0)} per second`;
    results.push(
      figure({
        name: "registrations per second, 1 connection",
        unit: "per second",
        value: round(single.perSecond, 0),
        field: 468,
        budget: round(Math.min(1000, 0.6 * disk.perSecond), 0),
        isRate: true,
        note: note(1),
      }),
    );
    results.push(
      figure({
        name: "registrations per second, 16 connections",
        unit: "per second",
        value: round(many.perSecond, 0),
        field: 2064,
        budget: 6000,
        isRate: true,
        note: `${note(16)}; p99 of one ${round(percentile(many.samples, 0.99))} ms`,
      }),
    );
  });
  return results;
}

async function sizes(): Promise<Figure[]> {
  const folder = join(root, "dist");
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith("edgectl") && !name.endsWith(".zst")) : [];
  return files.map((name) =>
    figure({
      name: `size of ${name}`,
      unit: "MiB",
      value: round(statSync(join(folder, name)).size / 1_048_576, 1),
      field: 105,
      budget: 125,
      isRate: false,
    }),
  );
}

async function runSleepers(place: Place, count: number): Promise<void> {
  place.run(
    `id = "sleepers"\ntype = "service"\n[group.g]\ncount = ${count}\n[group.g.task.t]\ndriver = "raw_exec"\nconfig = { command = "/bin/sleep", args = ["100000"] }\nresources = { cpu = 1, memory = 10 }\n`,
    "--detach",
  );
  await until(
    "the sleepers to run",
    async () =>
      (await place.get("/v1/job/sleepers/allocations")).filter((alloc: { ClientStatus: string }) => alloc.ClientStatus === "running").length ===
      count,
  );
}

function unplaceable(at: number): string {
  return JSON.stringify({
    Job: {
      ID: `big-${at}`,
      Type: "service",
      TaskGroups: [
        {
          Name: "g",
          Count: 1,
          Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/sleep", args: ["1000"] }, Resources: { CPU: 9_999_999, MemoryMB: 10 } }],
        },
      ],
    },
  });
}

function pidOf(place: Place): number {
  return place.agent.process.pid ?? 0;
}

function written(place: Place): number {
  return pidsOf(place.folder).reduce((sum, pid) => sum + bytesWritten(pid), 0);
}
