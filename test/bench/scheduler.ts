// The scheduler's parts of the benchmark: BENCH_ONLY=scheduler runs them all, BENCH_ONLY=scheduler/shapes one of them.

import { spawnSync } from "node:child_process";
import { calibrate, type Figure } from "./measure.ts";
import { churn } from "./scheduler-churn.ts";
import { million } from "./scheduler-million.ts";
import { dyingNodes, quality, smallJobs } from "./scheduler-plans.ts";
import { fieldShapes, growth } from "./scheduler-shapes.ts";
import { slices } from "./scheduler-slices.ts";

/** The field's figures were taken on a machine that runs this loop so fast, by Node. */
const FIELD_CALIBRATION_S = 0.96;

export const schedulerParts: Readonly<Record<string, () => Promise<Figure[]>>> = {
  "scheduler/shapes": async () => fieldShapes(calibrationRatio()),
  "scheduler/growth": async () => growth(),
  "scheduler/slices": async () => slices(),
  "scheduler/small-jobs": async () => smallJobs(),
  "scheduler/dying-nodes": async () => dyingNodes(),
  "scheduler/quality": async () => quality(),
  "scheduler/churn": churn,
  "scheduler/million": million,
};

// --- internal ---

/** By Node where there is one, as the field's; Bun runs the loop about twice as fast. */
function calibrationRatio(): number {
  const loop = `const b=performance.now();let x=2463534242;for(let r=0;r<2e8;r++){x^=x<<13;x^=x>>>17;x^=x<<5}console.log((performance.now()-b)/1000)`;
  const done = spawnSync("node", ["-e", loop], { encoding: "utf8" });
  const seconds = done.status === 0 ? Number(done.stdout) : 2 * calibrate();
  return seconds / FIELD_CALIBRATION_S;
}
