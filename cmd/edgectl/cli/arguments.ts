// Command lines as people and Nomad's scripts write them, brought to one form for citty:
// long options take one dash or two, values follow after "=" or a space.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { nearest } from "../../../internal/jobspec/nearest.ts";
import type { OptionDefinition, OptionDefinitions } from "./command.ts";

export interface NormalArguments {
  /** `--name=value`, `--name`, `--no-name`, then `--` and the operands. */
  readonly args: readonly string[];
  readonly operands: readonly string[];
  readonly repeated: ReadonlyMap<string, readonly string[]>;
  readonly isHelpWanted: boolean;
}

/** Throws `invalid` for an option that is unknown, lacks its value, or has one it does not take. */
export function normalizeArguments(
  argv: readonly string[],
  definitions: OptionDefinitions,
  isVerbatimAfter = Number.POSITIVE_INFINITY,
): NormalArguments {
  const names = namesOf(definitions);
  const args: string[] = [];
  const operands: string[] = [];
  const repeated = new Map<string, string[]>();
  let isHelpWanted = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (operands.length >= isVerbatimAfter && word !== "--") {
      operands.push(...argv.slice(at));
      break;
    }
    if (word === "--") {
      operands.push(...argv.slice(at + 1));
      break;
    }
    const option = readOption(word);
    if (option === null) {
      operands.push(word);
      continue;
    }
    if (["h", "help"].includes(option.name) && !names.has(option.name)) {
      isHelpWanted = true;
      continue;
    }
    const found = findOption(option.name, names);
    const { name, definition } = found;
    if (definition.type === "boolean") {
      args.push(booleanArgument(found, option.value));
      continue;
    }
    const next = argv[at + 1];
    const isNextTaken =
      option.value === undefined && (definition.bare === undefined || (next !== undefined && definition.bare.valuePattern.test(next)));
    const value = isNextTaken ? next : (option.value ?? definition.bare?.value);
    if (isNextTaken) at += 1;
    if (value === undefined)
      throw new EdgeError("invalid", `option --${name} needs a value`, { hint: `write --${name}=${definition.valueHint ?? "VALUE"}` });
    if (definition.isRepeated) repeated.set(name, [...(repeated.get(name) ?? []), value]);
    else args.push(`--${name}=${value}`);
  }
  return { args: [...args, "--", ...operands], operands, repeated, isHelpWanted };
}

/** Leading options of the program itself, as in `edgectl --address=X status`, and the words behind them. */
export function splitLeadingOptions(
  argv: readonly string[],
  definitions: OptionDefinitions,
): { readonly leading: readonly string[]; readonly rest: readonly string[] } {
  const names = namesOf(definitions);
  let at = 0;
  while (at < argv.length) {
    const option = readOption(argv[at] ?? "");
    const known = option === null ? undefined : names.get(option.name);
    if (option === null || known === undefined) break;
    at += known.definition.type === "string" && option.value === undefined ? 2 : 1;
  }
  return { leading: argv.slice(0, at), rest: argv.slice(at) };
}

/** Throws `invalid` when there are too few or too many operands for a form like `JOB [TASK]`. */
export function checkOperands(form: string, operands: readonly string[], usage: string): void {
  const words = form.split(" ").filter((word) => word !== "");
  const required = words.filter((word) => !word.startsWith("["));
  const hint = `usage: ${usage}`;
  if (operands.length < required.length) throw new EdgeError("invalid", `${required.slice(operands.length).join(" and ")} is missing`, { hint });
  if (operands.length > words.length && !form.includes("..."))
    throw new EdgeError("invalid", `unexpected argument "${operands[words.length] ?? ""}"`, { hint });
}

// --- internal ---

interface NamedOption {
  readonly name: string;
  readonly definition: OptionDefinition;
  /** Named by its negation. */
  readonly isNegated?: boolean;
}

/** Every name and alias of the options. */
function namesOf(definitions: OptionDefinitions): ReadonlyMap<string, NamedOption> {
  const names = new Map<string, NamedOption>();
  for (const [name, definition] of Object.entries(definitions)) {
    for (const known of [name, ...(definition.alias ?? [])]) names.set(known, { name, definition });
  }
  return names;
}

/** A negative number and a lone dash are no options. */
function readOption(word: string): { readonly name: string; readonly value: string | undefined } | null {
  const match = /^--?([A-Za-z][\w.-]*)(?:=(.*))?$/s.exec(word);
  return match ? { name: match[1] ?? "", value: match[2] } : null;
}

function findOption(name: string, names: ReadonlyMap<string, NamedOption>): NamedOption {
  const found = names.get(name);
  if (found) return found;
  const negated = name.startsWith("no-") ? names.get(name.slice(3)) : undefined;
  if (negated?.definition.type === "boolean") return { ...negated, isNegated: true };
  const near = nearest(
    name,
    [...names.keys()].filter((known) => known.length > 1),
  );
  throw new EdgeError("invalid", `unknown option --${name}`, { hint: near ? `did you mean --${near}?` : "add --help to see the options" });
}

function booleanArgument(found: NamedOption, value: string | undefined): string {
  const meaning = BOOLEANS[value ?? "true"];
  if (meaning === undefined) throw new EdgeError("invalid", `option --${found.name} is a switch: "${value}" is neither true nor false`);
  return meaning === (found.isNegated === true) ? `--no-${found.name}` : `--${found.name}`;
}

const BOOLEANS: Readonly<Record<string, boolean>> = { true: true, t: true, "1": true, false: false, f: false, "0": false };
