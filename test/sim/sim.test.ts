// The simulator's share of the tests: seeds that failed once and fresh ones from the commit, one of them twice.

import { expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FAULTS } from "./faults.ts";

const FRESH = 6;
const OPERATIONS = ["run", "stop", "purge", "dispatch", "drain", "give back", "promote", "save", "restore", "fire now"];
/** What has to come of them and of the faults, somewhere. */
const SEEN = [
  ...["drain complete", "drain canceled", "node down", "node disconnected", "alloc unknown", "unknown back", "unknown lost"],
  ...["run of a node's own fire", "fire told", "fire left out", "fire told as one of many", "agent killed in a fire", "power lost in a fire"],
  ...["begin at boot without a server", "days of history"],
];

interface Told {
  readonly seed: string;
  readonly digest: string;
  readonly description: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly failure: string | null;
}

const known = readFileSync(join(import.meta.dir, "seeds.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(/\s+/)[0] ?? "");
const commit = spawnSync("git", ["rev-parse", "--short=12", "HEAD"], { cwd: import.meta.dir, encoding: "utf8" }).stdout.trim() || "no-commit";
const fresh = Array.from({ length: FRESH }, (_, at) => `${commit}-${at}`);

test("no promise is broken, the same seed gives the same trace, and every fault and operation happens", async () => {
  const seeds = [`days-${commit}`, ...known, ...fresh, fresh[0] ?? ""];
  const halves = await Promise.all([0, 1].map((half) => simulate(seeds.filter((_, at) => at % 2 === half))));
  const told = halves.flat();
  expect(told).toHaveLength(seeds.length);
  for (const { seed, description, failure } of told) if (failure !== null) throw new Error(`make sim SEED=${seed} (${description}): ${failure}`);
  const twice = told.filter((one) => one.seed === fresh[0]).map((one) => one.digest);
  expect(twice).toHaveLength(2);
  expect(twice[0]).toBe(twice[1] ?? "");
  const counts = new Map<string, number>();
  for (const one of told) for (const [name, count] of Object.entries(one.counts)) counts.set(name, (counts.get(name) ?? 0) + count);
  const names = [
    ...FAULTS.map((fault) => `fault ${fault}`),
    "fault node kept away",
    "fault days without a server",
    ...OPERATIONS.map((operation) => `operation ${operation}`),
    ...SEEN.map((what) => `seen ${what}`),
  ];
  expect(names.filter((name) => !counts.has(name))).toEqual([]);
}, 600_000);

function simulate(seeds: readonly string[]): Promise<readonly Told[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dir, "main.ts")], {
      env: { ...process.env, SEED: seeds.join(" "), JSON: "1" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code !== 0) return reject(new Error(`the simulator ended with ${code}: ${output.slice(-2000)}`));
      resolve(
        output
          .split("\n")
          .filter((line) => line.startsWith("{"))
          .map((line) => JSON.parse(line) as Told),
      );
    });
  });
}
