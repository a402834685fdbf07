// From typed words to a command, a group of commands, or the nearest thing that exists.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { nearest } from "../../../internal/jobspec/nearest.ts";
import { splitLeadingOptions } from "./arguments.ts";
import { COMMANDS, type CommandEntry } from "./command-table.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";

/** The agent, and what it starts as a process of its own to spare its event loop and memory. */
const RAW_WORDS = ["agent", "internal-checkpoint", "internal-copy", "internal-check", "internal-upgrade"] as const;

export type RawWord = (typeof RAW_WORDS)[number];

export type Dispatched =
  | { readonly kind: "command"; readonly entry: CommandEntry; readonly typed: string; readonly argv: readonly string[] }
  /** A word that takes its arguments as they stand. */
  | { readonly kind: "raw"; readonly name: RawWord; readonly argv: readonly string[] }
  /** Help on everything (""), on a group, or on a command. */
  | { readonly kind: "help"; readonly topic: string };

/** Throws `invalid` for words that name nothing. */
export function dispatch(argv: readonly string[]): Dispatched {
  const { leading, rest } = splitLeadingOptions(argv, GLOBAL_OPTIONS);
  const [first = ""] = rest;
  if (first === "" || /^--?(?:h|help)$/.test(first)) return { kind: "help", topic: "" };
  if (/^--?(?:v|version)$/.test(first)) return dispatch(["version", ...rest.slice(1)]);
  if (first === "help") return { kind: "help", topic: rest.slice(1).join(" ") };
  // The agent takes its words as they stand, save for the one command under its name.
  const raw = findCommand(rest.slice(0, 2).join(" ")) ? undefined : RAW_WORDS.find((word) => word === first);
  if (raw) return { kind: "raw", name: raw, argv: rest.slice(1) };
  for (let count = Math.min(WORDS_MAX, rest.length); count > 0; count--) {
    const typed = rest.slice(0, count).join(" ");
    const entry = findCommand(typed);
    if (entry) return { kind: "command", entry, typed, argv: [...leading, ...rest.slice(count)] };
  }
  return inGroup(rest);
}

export function findCommand(words: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.words === words || entry.aliases?.includes(words));
}

/** Every command under a word, by the words that name it there. */
export function commandsUnder(group: string): readonly (readonly [words: string, entry: CommandEntry])[] {
  return COMMANDS.flatMap((entry) =>
    [entry.words, ...(entry.aliases ?? [])].filter((words) => words.startsWith(`${group} `)).map((words) => [words, entry] as const),
  );
}

// --- internal ---

const WORDS_MAX = 3;

function inGroup(words: readonly string[]): Dispatched {
  const [first = "", second = ""] = words;
  if (commandsUnder(first).length === 0) throw unknown(first, "");
  if (second === "" || second.startsWith("-")) return { kind: "help", topic: first };
  if (commandsUnder(`${first} ${second}`).length === 0) throw unknown(second, first);
  const third = words[2] ?? "";
  if (third === "" || third.startsWith("-")) return { kind: "help", topic: `${first} ${second}` };
  throw unknown(third, `${first} ${second}`);
}

function unknown(word: string, group: string): EdgeError {
  const before = group === "" ? "" : `${group} `;
  const siblings =
    group === ""
      ? [...COMMANDS.flatMap((entry) => [entry.words.split(" ")[0] ?? ""]), "agent", "help"]
      : commandsUnder(group).map(([words]) => words.slice(before.length));
  const near = nearest(word, siblings);
  const hint = near ? `did you mean "edgectl ${before}${near}"?` : `"edgectl help${group === "" ? "" : ` ${group}`}" lists the commands`;
  return new EdgeError("invalid", `there is no command "${before}${word}"`, { hint });
}
