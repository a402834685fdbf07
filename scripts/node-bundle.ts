// Bundles edgectl for Node (18 and newer, for devices that Bun has no executable for) into one CommonJS file.
// bun scripts/node-bundle.ts [--entry FILE] [--outfile FILE]
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { run } from "./bases.ts";
import { defines } from "./build-info.ts";

/** Writes the bundle. `node:sqlite`, which Node 18 and 20 lack, is required where the server role opens its store and nowhere else. */
export function bundleForNode(options: { readonly entry: string; readonly outfile: string }): void {
  mkdirSync(dirname(options.outfile), { recursive: true });
  const partial = `${options.outfile}.partial.cjs`;
  run([process.execPath, "build", "--target=node", "--format=cjs", "--minify", ...defines(), options.entry, "--outfile", partial]);
  const bundle = requireBuiltins(readFileSync(partial, "utf8"));
  const early = firstEagerSqlite(bundle);
  if (early !== undefined) throw new Error(`the Node bundle requires node:sqlite at start; import it where the store is opened: ${early}`);
  writeFileSync(partial, `${quietWarnings}${bundle}`);
  // The whole file is compiled once by the oldest syntax level we promise, so a feature Node 18 lacks stops the build.
  refuseNewSyntax(partial);
  renameSync(partial, options.outfile);
}

// --- internal ---

/** Node warns about node:sqlite (and, in a SEA, about itself) on stderr, which belongs to edgectl's own messages. */
const quietWarnings =
  'var emitWarning=process.emitWarning;process.emitWarning=function(warning,kind){if(kind!=="ExperimentalWarning")emitWarning.apply(process,arguments)};\n';

/** A single executable has no module loader behind `import()`; `require` of a builtin works everywhere. */
function requireBuiltins(bundle: string): string {
  return bundle.replaceAll(/\bimport\("(node:[a-z_/]+)"\)/g, 'Promise.resolve().then(()=>require("$1"))');
}

function firstEagerSqlite(bundle: string): string | undefined {
  // Bun turns a static import into a top-level `var x = require("node:sqlite")`, or `__toESM(require(...))`.
  return /(?:^|[;\n])(?:var|let|const)\s[^;{}]*\brequire\("node:sqlite"\)/.exec(bundle)?.[0].slice(0, 120);
}

function refuseNewSyntax(file: string): void {
  const source = readFileSync(file, "utf8");
  const newer: readonly (readonly [RegExp, string])[] = [
    [/\bawait using\b|\busing [a-zA-Z_$][\w$]*\s*=/, "using declarations (Node 24)"],
    [/\/[dgimsuy]*v[dgimsuy]*\.(?:test|exec)\(/, "regular expressions with the v flag (Node 20)"],
    [/\bimport\.meta\b/, "import.meta (no CommonJS has it)"],
  ];
  for (const [pattern, what] of newer) {
    const found = pattern.exec(source);
    if (found !== null) throw new Error(`the Node bundle uses ${what}: ${source.slice(Math.max(0, found.index - 60), found.index + 60)}`);
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { entry: { type: "string" }, outfile: { type: "string" } } });
  bundleForNode({ entry: values.entry ?? "cmd/edgectl/main.node.ts", outfile: values.outfile ?? "dist/edgectl-node.cjs" });
}
