// Help as text: of everything, of a group of commands, of one command with its options.

import type { Command, OptionDefinition, OptionDefinitions } from "./command.ts";
import { COMMANDS, type CommandEntry } from "./command-table.ts";
import { commandsUnder } from "./dispatch.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";

export function helpOfAll(): string {
  const daily = COMMANDS.filter((entry) => !entry.isHidden && !entry.words.includes(" "));
  const groups = new Set(
    COMMANDS.flatMap((entry) => [entry.words, ...(entry.aliases ?? [])]).flatMap((words) =>
      words.includes(" ") ? [words.slice(0, words.indexOf(" "))] : [],
    ),
  );
  const groupRows = [...groups].map(
    (group) => [group, [...new Set(commandsUnder(group).map(([words]) => words.split(" ")[1] ?? ""))].join(", ")] as const,
  );
  return `edgectl runs, schedules and explains work on Linux devices. It is CLI, server and node agent in one.

Usage: edgectl COMMAND [options] [arguments]

Commands:
${columns([...daily.map((entry) => [entry.words, entry.summary] as const), ["agent", "run the server and node on this machine; install makes it a service, upgrade another program"], ["help", "show help on a command, as --help does"]])}

Groups, with the same words as in Nomad:
${columns(groupRows)}

Try it:
  edgectl agent --dev            an agent on this machine, with temporary data
  edgectl init && edgectl run job.toml
  edgectl status hello
  edgectl logs -f hello

Long options take one dash or two. "edgectl COMMAND --help" shows a command's own.
`;
}

export function helpOfGroup(group: string): string {
  const rows = commandsUnder(group)
    .filter(([, entry]) => !entry.isHidden)
    .map(([words, entry]) => [words, entry.summary] as const);
  return `Usage: edgectl ${group} COMMAND [options] [arguments]

Commands:
${columns(rows)}

"edgectl ${group} COMMAND --help" shows a command's options and examples.
`;
}

/** `typed`: the words it was asked by, which are the ones to show. */
export function helpOfCommand(entry: CommandEntry, command: Command, typed: string): string {
  const others = [entry.words, ...(entry.aliases ?? [])].filter((words) => words !== typed);
  const parts = [
    `${capital(entry.summary)}.`,
    ...(command.description ? [command.description] : []),
    `Usage: ${usageOf(command, typed)}`,
    ...(others.length > 0 ? [`Also: ${others.map((words) => `edgectl ${words}`).join(", ")}`] : []),
    `Examples:\n${columns(command.examples.map(([line, what]) => [`edgectl ${line}`, what] as const))}`,
    ...(optionRows(command.options).length > 0 ? [`Options:\n${columns(optionRows(command.options))}`] : []),
    `Options of every command:\n${columns(optionRows(GLOBAL_OPTIONS))}`,
  ];
  return `${parts.join("\n\n")}\n`;
}

export function usageOf(command: Pick<Command, "operands">, typed: string): string {
  return `edgectl ${typed} [options]${command.operands === "" ? "" : ` ${command.operands}`}`;
}

/** Options as they are written, and what they do; hidden ones left out. */
export function optionRows(options: OptionDefinitions): readonly (readonly [string, string])[] {
  return Object.entries(options)
    .filter(([, definition]) => !definition.isHidden)
    .map(
      ([name, definition]) => [spelling(name, definition), definition.description + (definition.isRepeated ? " (may be given again)" : "")] as const,
    );
}

// --- internal ---

function spelling(name: string, definition: OptionDefinition): string {
  const short = (definition.alias ?? []).filter((alias) => alias.length === 1).map((alias) => `-${alias}`);
  const dashed = name.length === 1 ? `-${name}` : `--${name}`;
  return `${[...short, dashed].join(", ")}${definition.type === "string" ? ` ${definition.valueHint ?? "VALUE"}` : ""}`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(36, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd()).join("\n");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
