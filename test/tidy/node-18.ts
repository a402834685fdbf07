// What Node 18 lacks, the newest Node there is for an ARMv6 device: it would fail there, at run time, and nowhere else.
import { type Check, problemsOf } from "./source.ts";

/** Product code keeps to the library of Node 18; Bun's own runtime may use what it likes. */
export const checkNode18: Check = (source) => {
  const isProduct = /^(?:internal|cmd)\//.test(source.path) && !source.path.startsWith("internal/ui/");
  if (!isProduct || bunOnly.includes(source.path)) return [];
  return missing.flatMap(({ pattern, instead }) => problemsOf(source, "code", pattern, (found) => `${found.trim()} is not in Node 18: ${instead}`));
};

// --- internal ---

const bunOnly = ["internal/runtime/bun.ts", "cmd/edgectl/main.ts"];

const missing: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\.to(?:Sorted|Reversed|Spliced)\(/g, instead: "copy first, as in [...list].sort(compare)" },
  { pattern: /\b(?:Object|Map)\.groupBy\b/g, instead: "fill a Map in a loop" },
  { pattern: /\bPromise\.(?:withResolvers|try)\b/g, instead: "use new Promise" },
  { pattern: /\bArray\.fromAsync\b/g, instead: "use a for await loop" },
  { pattern: /\bnew WebSocket\(/g, instead: "take the socket from the runtime" },
  { pattern: /\.(?:isWellFormed|toWellFormed)\(/g, instead: "compare with encoding and decoding again" },
  { pattern: /\.(?:isSubsetOf|isSupersetOf|isDisjointFrom|symmetricDifference)\(/g, instead: "loop over the set" },
  {
    pattern: /\.(?:values|keys|entries)\(\)\s*\.(?:map|filter|take|drop|flatMap|reduce|toArray|forEach|some|every|find)\(/g,
    instead: "an iterator has no list methods there: spread it first, as in [...map.values()].map(...)",
  },
  { pattern: /(?<![\w.])(?:await\s+)?using\s+\w+\s*=/g, instead: "use try and finally" },
  { pattern: /\bBun\./g, instead: "only internal/runtime/bun.ts knows Bun" },
  {
    pattern: /\bimport\.meta\.(?:dir|dirname|filename|file|path|main)\b/g,
    instead: "a single executable has no files beside it: embed what is needed",
  },
];
