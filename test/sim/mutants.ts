// make sim-mutants: plants each bug of test/sim/mutants in a copy of the sources and hunts for it, seed after seed.
// A bug that no seed finds, or a patch that no longer fits, fails the run.

import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");
const seedsMax = Number(process.env.SEEDS ?? 60);
const only = process.env.MUTANT ?? "";
const names = readdirSync(join(import.meta.dir, "mutants"))
  .filter((name) => name.endsWith(".patch") && name.includes(only))
  .sort();

let missed = 0;
const queue = [...names];
await Promise.all([hunt(), hunt()]);
process.exit(missed === 0 ? 0 : 1);

async function hunt(): Promise<void> {
  for (let patch = queue.shift(); patch !== undefined; patch = queue.shift()) {
    const name = patch.replace(/\.patch$/, "");
    const folder = mkdtempSync(join(tmpdir(), "edgectl-mutant-"));
    try {
      plant(folder, patch);
      const found = await firstFailure(folder, name);
      if (found === null) missed += 1;
      console.log(found === null ? `${name} NOT CAUGHT in ${seedsMax} seeds` : `${name} caught at seed ${found.at} of ${seedsMax}: ${found.by}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function plant(folder: string, patch: string): void {
  for (const part of ["internal", "test/sim"]) cpSync(join(root, part), join(folder, part), { recursive: true });
  for (const file of ["package.json", "tsconfig.json", "bunfig.toml"]) cpSync(join(root, file), join(folder, file));
  mkdirSync(join(folder, "test"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const done = spawnSync("patch", ["-p1", "--silent", "-i", join(import.meta.dir, "mutants", patch)], { cwd: folder, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${patch} does not fit the sources any more: ${done.stdout}${done.stderr}`);
}

async function firstFailure(folder: string, name: string): Promise<{ readonly at: number; readonly by: string } | null> {
  for (let at = 1; at <= seedsMax; at++) {
    const output = await run(folder, `mutant-${at}`);
    const by = /^Error: ([^:\n]+): /m.exec(output)?.[1] ?? /^(\w*Error: .{0,80})/m.exec(output)?.[1];
    if (by !== undefined) return { at, by };
    if (!output.includes("simulated hours")) throw new Error(`${name}: the simulator itself failed\n${output.slice(-2000)}`);
  }
  return null;
}

function run(folder: string, seed: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["test/sim/main.ts"], {
      cwd: folder,
      env: { ...process.env, SEED: seed },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", reject);
    child.on("exit", () => resolve(output));
  });
}
