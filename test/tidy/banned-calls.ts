// Calls that hide an input (clock, chance, environment) or an effect (timers, exit, output) from the caller:
// they are made in internal/runtime and nowhere else in the product.
import { type Check, problemAt, problemsOf } from "./source.ts";

/** Clock, chance, timers, environment, exit and console go through the Runtime. */
export const checkBannedCalls: Check = (source) => {
  if (!isBound(source.path)) return [];
  const isMain = /^cmd\/edgectl\/main(?:\.\w+)?\.ts$/.test(source.path);
  return banned
    .filter((rule) => !(isMain && rule.isForMain === true))
    .flatMap((rule) => problemsOf(source, "code", rule.pattern, (call) => `${call.trim()}: ${rule.instead}`));
};

/** SQL takes its instants and its chance as parameters. */
export const checkBannedSql: Check = (source) => {
  if (!isBound(source.path)) return [];
  const pattern = /(?<![\w.])(?:random\(\)|randomblob\(|datetime\(\s*'now'|unixepoch\(\s*\)|strftime\([^)]*'now'|CURRENT_TIMESTAMP\b|now\(\))/gi;
  return (
    [...source.uncommented.matchAll(pattern)]
      // SQL stands in strings, which are blank in the other view; the same words in code are somebody's function.
      .filter((match) => source.code[match.index] === " ")
      .map((match) => problemAt(source, match.index, `${match[0]} in SQL: bind the instant or the number as a parameter`))
  );
};

// --- internal ---

interface BannedCall {
  readonly pattern: RegExp;
  readonly instead: string;
  /** The entry points own the exit code and the environment. */
  readonly isForMain?: boolean;
}

const banned: readonly BannedCall[] = [
  { pattern: /\bDate\.now\b/g, instead: "take nowMs as an argument, or runtime.clock.nowMs() in a loop" },
  { pattern: /\bnew Date\(\s*\)/g, instead: "take nowMs as an argument and use new Date(nowMs)" },
  { pattern: /(?<![\w.])Date\(\s*\)/g, instead: "take nowMs as an argument and use new Date(nowMs)" },
  { pattern: /\bperformance\.now\b/g, instead: "use runtime.clock.monotonicMs() for durations" },
  { pattern: /\bMath\.random\b/g, instead: "use runtime.chance, or take the number as an argument" },
  { pattern: /\brandomUUID\b/g, instead: "take the id as an argument; the loop gets it from runtime.chance" },
  {
    pattern: /(?<![\w.])(?:globalThis\.)?set(?:Timeout|Interval|Immediate)\b/g,
    instead: "use runtime.clock.after or sleep, which a simulated clock can drive",
  },
  { pattern: /\b(?:Bun\.sleep)\b/g, instead: "use runtime.clock.sleep" },
  { pattern: /\bprocess\.env\b/g, instead: "settings are read once in cmd/edgectl/main.ts and passed on", isForMain: true },
  { pattern: /\bprocess\.exit\b/g, instead: "return or throw; cmd/edgectl/main.ts owns the exit code", isForMain: true },
  { pattern: /(?<![\w.])console\.\w+/g, instead: "write through the output or log that was passed in" },
  { pattern: /\.localeCompare\b/g, instead: "compare with < and >: an order must not depend on the machine's locale" },
];

/** The web page runs in a browser, which has no Runtime; tests and build scripts are no part of the product. */
function isBound(path: string): boolean {
  if (path.startsWith("internal/runtime/") || path.startsWith("internal/ui/")) return false;
  return path.startsWith("internal/") || path.startsWith("cmd/");
}
