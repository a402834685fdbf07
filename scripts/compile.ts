// Compiles edgectl into one Bun executable, for this machine or for another by a base binary from scripts/bases.ts.
// bun scripts/compile.ts [--entry FILE] [--outfile FILE] [--base NAME]
import { chmodSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { type BaseName, bases, fetchBase, run } from "./bases.ts";
import { defines } from "./build-info.ts";

export type BunBase = Extract<BaseName, `bun-${string}`>;

/**
 * Writes the executable. Splitting is what makes it start in 3 ms (18 ms without: every lazily imported module is then
 * parsed at start); bytecode halves the start of the agent and costs 3 MB.
 */
export function compile(options: { readonly entry: string; readonly outfile: string; readonly base?: BunBase }): void {
  const target = options.base === undefined ? [] : [`--target=${options.base}`, `--compile-executable-path=${fetchBase(options.base)}`];
  mkdirSync(dirname(options.outfile), { recursive: true });
  // Written beside and renamed: a running edgectl keeps its file, and a failed build leaves the last good one.
  const partial = `${options.outfile}.partial`;
  run([process.execPath, "build", ...flags, ...defines(), ...target, options.entry, "--outfile", partial]);
  chmodSync(partial, 0o755);
  renameSync(partial, options.outfile);
}

// --- internal ---

const flags = [
  "--compile",
  "--minify",
  "--bytecode",
  "--splitting",
  "--format=esm",
  // edgectl takes nothing from files that happen to lie in the folder where it is started.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
];

if (import.meta.main) {
  const { values } = parseArgs({ options: { entry: { type: "string" }, outfile: { type: "string" }, base: { type: "string" } } });
  const { entry = "cmd/edgectl/main.ts", outfile = "dist/edgectl", base } = values;
  if (base !== undefined && !(base.startsWith("bun-") && base in bases)) throw new Error(`no Bun base "${base}"`);
  compile({ entry, outfile, ...(base === undefined ? {} : { base: base as BunBase }) });
}
