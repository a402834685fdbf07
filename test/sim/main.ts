// make sim [SEED=...] [RUNS=n]: simulated clusters until one breaks a promise; prints the line that repeats it.

import { FAULTS } from "./faults.ts";
import { runSeed } from "./run.ts";

const { SEED, RUNS, VERBOSE } = process.env;
const seeds = SEED ? [SEED] : null;
const runs = seeds ? seeds.length : Number(RUNS ?? Number.POSITIVE_INFINITY);
const startedAt = Date.now();
const base = startedAt.toString(36);
let virtualMs = 0;
const counts = new Map<string, number>();

for (let at = 0; at < runs; at++) {
  const seed = seeds?.[at] ?? `${base}-${at}`;
  const result = await runSeed(seed);
  virtualMs += result.virtualMs;
  for (const [name, count] of result.counts) counts.set(name, (counts.get(name) ?? 0) + count);
  if (VERBOSE === "1") console.log(result.recent.join("\n"));
  if (result.failure) {
    if (VERBOSE !== "1") console.log(result.recent.slice(-60).join("\n"));
    console.log(`\n${result.failure.stack ?? result.failure.message}`);
    console.log(`${result.description}\nrepeat with: make sim SEED=${seed}`);
    process.exit(1);
  }
  const hours = virtualMs / 3_600_000;
  const minutes = (Date.now() - startedAt) / 60_000;
  console.log(
    `${seed}: ${result.digest} ${result.description} (${at + 1} runs, ${hours.toFixed(1)} simulated hours, ${(hours / minutes).toFixed(1)} per minute)`,
  );
}
const missing = FAULTS.filter((fault) => !counts.has(`fault ${fault}`));
if (!SEED && missing.length > 0) console.log(`never happened: ${missing.join(", ")}`);
