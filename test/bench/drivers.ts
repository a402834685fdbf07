// What a driver costs: milliseconds from the order to the program's own first step, beside a plain fork and exec in the
// same run, and memory and processes per task that runs.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCgroups } from "../../internal/runner/cgroups.ts";
import type { Driver } from "../../internal/runner/drivers/driver.ts";
import { rawExecDriver } from "../../internal/runner/drivers/raw-exec.ts";
import { SHIM_SCRIPT, TASK_SCRIPT } from "../../internal/runner/shim-scripts.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { Bench } from "../contract/driver-bench.ts";
import { execMissing, openExec } from "../contract/exec-kit.ts";
import { type Figure, figure, percentile, round } from "./measure.ts";

const RUNS = 100;
const runtime = bunRuntime();
const missing = execMissing(runtime);

/** Starts one after the other, the kinds in turn: whatever else the machine does meets all of them alike. */
export async function driverStarts(): Promise<Figure[]> {
  const samples = { plain: [] as number[], raw_exec: [] as number[], exec: [] as number[] };
  for (let run = 0; run < RUNS; run++) {
    samples.plain.push(await plainStart());
    samples.raw_exec.push(await driverStart("raw_exec"));
    if (missing === null) samples.exec.push(await driverStart("exec"));
  }
  const plain = `plain fork and exec in the same run: p50 ${round(percentile(samples.plain, 0.5))}, p99 ${round(percentile(samples.plain, 0.99))} ms`;
  const rows = missing === null ? (["raw_exec", "exec"] as const) : (["raw_exec"] as const);
  return rows.flatMap((name) =>
    ([0.5, 0.99] as const).map((share) =>
      figure({
        name: `order to the program's first step, ${name}, p${share * 100}`,
        unit: "ms",
        value: round(percentile(samples[name], share)),
        samples: samples[name].map((value) => round(value)),
        field: null,
        budget: 100,
        isRate: false,
        note: plain,
      }),
    ),
  );
}

// --- internal ---

const nowMs = () => performance.timeOrigin + performance.now();
const PRINT_TIME = ["/bin/date", "+%s%N"] as const;

async function plainStart(): Promise<number> {
  const began = nowMs();
  const child = spawn(PRINT_TIME[0], [PRINT_TIME[1]], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  return Number(text) / 1e6 - began;
}

async function driverStart(name: "raw_exec" | "exec"): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "edgectl-start-"));
  try {
    const kit = { name, missing: null, open: () => driver, script: () => ({}), absent: () => ({}), hasShim: true, workDirectory: () => "/" };
    const bench = new Bench(runtime, folder, kit);
    const driver: Driver = name === "exec" ? openExec(runtime, folder) : openRawExec(folder);
    // A node has run a task of its kind before: what is made once is made.
    if (name === "exec") await (await driver.start(bench.request(driver, { command: "/bin/true" }))).exited;
    const request = bench.request(driver, { command: PRINT_TIME[0], args: [PRINT_TIME[1]] }, { attempt: 2 });
    const began = nowMs();
    await (await driver.start(request)).exited;
    return Number(readFileSync(`${folder}/alloc/${bench.allocId}/alloc/logs/main.stdout.0`, "utf8")) / 1e6 - began;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function openRawExec(folder: string): Driver {
  runtime.files.writeAtomic(`${folder}/client/shim.sh`, SHIM_SCRIPT);
  runtime.files.writeAtomic(`${folder}/client/task.sh`, TASK_SCRIPT);
  return rawExecDriver({
    runtime,
    allocRoot: `${folder}/alloc`,
    cgroups: findCgroups(runtime.files),
    shimPath: `${folder}/client/shim.sh`,
    taskScriptPath: `${folder}/client/task.sh`,
  });
}
