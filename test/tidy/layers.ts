// Who may import whom: the table of folders, checked import by import.
import { type Import, importsOf } from "./imports.ts";
import { type Check, type Problem, problemAt, problemsOf, type Source } from "./source.ts";

/** Imports point to lower numbers only. */
export const layers: Readonly<Record<string, number>> = {
  "cmd/edgectl": 4,
  "internal/server": 3,
  "internal/client": 3,
  "internal/store": 2,
  "internal/runner": 2,
  "internal/cluster": 1,
  "internal/device": 1,
  "internal/scheduler": 1,
  "internal/state": 1,
  "internal/lease": 1,
  "internal/jobspec": 1,
  "internal/api": 1,
  "internal/domain": 0,
  "internal/runtime": 0,
};

/** Every import of product code goes to its own folder or a lower layer, and never to tests or scripts. */
export const checkLayers: Check = (source) => {
  const from = folderOf(source.path);
  if (from === null) return isProduct(source.path) ? [unknownFolder(source)] : [];
  return importsOf(source).flatMap((entry) => {
    const message = refusal({ from, path: source.path, entry });
    return message === null ? [] : [problemAt(source, entry.index, message)];
  });
};

/** Decisions are synchronous: a pass over live tables is one uninterrupted call. */
export const checkSynchronous: Check = (source) => {
  if (!synchronousFolders.some((folder) => source.path.startsWith(`${folder}/`))) return [];
  return problemsOf(
    source,
    "code",
    /(?<![\w$.])(?:async|await)(?![\w$:])/g,
    (word) => `"${word}" in a folder of pure decisions: return the decision as data and let internal/server or internal/client carry it out`,
  );
};

/** What the scheduler is compared with shares nothing with it: an error they had in common would never show. */
export const checkOracles: Check = (source) => {
  if (!source.path.startsWith("test/oracle/")) return [];
  return importsOf(source).flatMap((entry) => {
    const isOwn = entry.path?.startsWith("test/oracle/") === true;
    if (isOwn || entry.path?.startsWith("internal/domain/")) return [];
    const message = `${entry.specifier} in an oracle: say it again in the plainest way; of the product it may know internal/domain alone`;
    return [problemAt(source, entry.index, message)];
  });
};

// --- internal ---

const synchronousFolders = ["cluster", "device", "scheduler", "state", "lease", "domain"].map((name) => `internal/${name}`);
const machineFiles = ["bun.ts", "node.ts", "posix.ts"].map((name) => `internal/runtime/${name}`);

function isProduct(path: string): boolean {
  return (path.startsWith("internal/") && !path.startsWith("internal/ui/")) || path.startsWith("cmd/");
}

function unknownFolder(source: Source): Problem {
  return problemAt(source, 0, "this folder has no layer: add it to the table in test/tidy/layers.ts, with who may import it");
}

/** The entry of the table that a path lies in. The web page's sources have no layer: they run elsewhere. */
function folderOf(path: string): string | null {
  return Object.keys(layers).find((folder) => path.startsWith(`${folder}/`)) ?? null;
}

function refusal(where: { readonly from: string; readonly path: string; readonly entry: Import }): string | null {
  const { from, path, entry } = where;
  if (entry.path === null) return packageRefusal(from, entry);
  if (machineFiles.includes(entry.path) && from !== "internal/runtime" && from !== "cmd/edgectl") {
    return `${entry.path} is one machine's runtime: take a Runtime (internal/runtime/runtime.ts) as an argument; only cmd/ and test/ make one`;
  }
  if (isUi(entry.path)) {
    return (layers[from] ?? 0) >= 3 ? null : `${path} imports the web page: only internal/server and cmd/ serve it`;
  }
  const to = folderOf(entry.path);
  if (to === null) return `${entry.specifier} leaves the product: move what is needed from ${entry.path} into internal/`;
  if (to === from) return null;
  return layerRefusal({ from, to, entry });
}

function layerRefusal(where: { readonly from: string; readonly to: string; readonly entry: Import }): string | null {
  const { from, to, entry } = where;
  const [fromLayer = 0, toLayer = 0] = [layers[from], layers[to]];
  // An adapter throws the errors that everyone catches; domain imports nothing, so no cycle can come of it.
  if (from === "internal/runtime" && to === "internal/domain") return null;
  if (from === "internal/domain") return `internal/domain imports nothing: move the part of ${to} that it needs into domain`;
  if (isPair(from, to, "internal/server", "internal/client")) {
    return "internal/server and internal/client never import each other: they meet in internal/api";
  }
  if (to === "internal/runtime" && fromLayer === 1 && !entry.isTypeOnly) {
    return `${from} decides and touches no machine: take instants and ids as arguments, or import a type only`;
  }
  if (fromLayer === 1 && to === "internal/state") return `${from} sees the view's interface in internal/domain, not internal/state`;
  if (fromLayer > toLayer) return null;
  if (fromLayer === 1 && toLayer === 1) {
    return `${from} and ${to} are of one layer: let the caller in a higher layer pass the value, or move the shared part to internal/domain`;
  }
  return `${from} (layer ${fromLayer}) imports ${to} (layer ${toLayer}): imports point down only; pass it in as an argument`;
}

function packageRefusal(from: string, entry: Import): string | null {
  const { specifier } = entry;
  if (/^drizzle-orm(\/|$)/.test(specifier) && from !== "internal/store") {
    return "drizzle lives in internal/store only: ask the store through its interface";
  }
  if (from === "internal/domain") return `internal/domain imports nothing, not "${specifier}": write the few lines that are needed`;
  const isMachine = /^(?:node:|bun(?::|$))/.test(specifier);
  if (isMachine && layers[from] === 1) return `"${specifier}" in ${from}: layer 1 never touches the machine; the caller reads and passes data`;
  return null;
}

function isUi(path: string): boolean {
  return path.startsWith("internal/ui/");
}

function isPair(a: string, b: string, one: string, other: string): boolean {
  return (a === one && b === other) || (a === other && b === one);
}
