// Every command: the words that name it, what it does, and where it is. Nothing is loaded before it is run.

import type { Command } from "./command.ts";

export type Loaded = { readonly default: Command };

export interface CommandEntry {
  /** As typed: `run`, `job inspect`. */
  readonly words: string;
  /** Other words for it, Nomad's among them. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Left out of the list in help. */
  readonly isHidden?: true;
  load(): Promise<Loaded>;
}

/** In the order of help: daily verbs first, then noun groups. */
export const COMMANDS: readonly CommandEntry[] = [
  entry("run", "start a job, or change it to what its file says", () => import("../commands/run.ts"), { aliases: ["job run"] }),
  entry("status", "list jobs, or show one job, allocation, evaluation or node", () => import("../commands/status.ts"), { aliases: ["job status"] }),
  entry("logs", "show what a task wrote", () => import("../commands/logs.ts"), { aliases: ["alloc logs"] }),
  entry("stop", "stop a job", () => import("../commands/stop.ts"), { aliases: ["job stop"] }),
  entry("init", "write an example job file", () => import("../commands/init.ts"), { aliases: ["job init"] }),
  entry("validate", "check a job file", () => import("../commands/validate.ts"), { aliases: ["job validate"] }),
  entry("version", "show the version", () => import("../commands/version.ts")),
];

// --- internal ---

function entry(
  words: string,
  summary: string,
  load: () => Promise<unknown>,
  more: { readonly aliases?: readonly string[]; readonly isHidden?: true } = {},
): CommandEntry {
  // A command's own options are narrower than the table's: how it reads them is its own business.
  return { words, summary, load: load as CommandEntry["load"], ...more };
}
