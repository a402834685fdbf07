// make sim [SEED="a b"] [RUNS=n]: simulated clusters until one breaks a promise; prints the line that repeats it.
// JSON=1 prints one line of JSON for each run, as the tests read it; WATCH=id tells each durable change of one row.

import { FAULTS } from "./faults.ts";
import { runSeed } from "./run.ts";

const { SEED, RUNS, VERBOSE, JSON: isJson } = process.env;
const seeds = SEED?.split(/[\s,]+/).filter((seed) => seed !== "") ?? null;
const runs = seeds ? seeds.length : Number(RUNS ?? Number.POSITIVE_INFINITY);
const startedAt = Date.now();
const base = startedAt.toString(36);
const counts = new Map<string, number>();
let virtualMs = 0;
let failed = 0;

for (let at = 0; at < runs; at++) {
  const seed = seeds?.[at] ?? `${base}-${at}`;
  const result = await runSeed(seed);
  const { digest, description, failure, recent } = result;
  virtualMs += result.virtualMs;
  for (const [name, count] of result.counts) counts.set(name, (counts.get(name) ?? 0) + count);
  if (isJson === "1") {
    console.log(JSON.stringify({ seed, digest, description, counts: Object.fromEntries(result.counts), failure: failure?.message ?? null }));
    continue;
  }
  if (VERBOSE === "1") console.log(recent.join("\n"));
  if (failure) {
    if (VERBOSE !== "1") console.log(recent.slice(-60).join("\n"));
    console.log(`\n${failure.stack ?? failure.message}\n${description}\nrepeat with: make sim SEED=${seed}`);
    failed += 1;
    if (!seeds) break;
    continue;
  }
  const hours = virtualMs / 3_600_000;
  const minutes = (Date.now() - startedAt) / 60_000;
  console.log(`${seed}: ${digest} ${description} (${at + 1} runs, ${hours.toFixed(2)} simulated hours, ${(hours / minutes).toFixed(2)} per minute)`);
}
const missing = FAULTS.filter((fault) => !counts.has(`fault ${fault}`));
if (!seeds && missing.length > 0) console.log(`never happened: ${missing.join(", ")}`);
if (failed > 0) process.exit(1);
