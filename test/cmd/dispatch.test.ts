// Words to commands: aliases, groups, help, and what is said of words that name nothing.

import { expect, test } from "bun:test";
import { COMMANDS } from "../../cmd/edgectl/cli/command-table.ts";
import { dispatch } from "../../cmd/edgectl/cli/dispatch.ts";
import { helpOfAll, helpOfCommand } from "../../cmd/edgectl/cli/help.ts";

const FOUND: readonly (readonly [typed: string, words: string, rest: readonly string[]])[] = [
  ["run job.toml", "run", ["job.toml"]],
  ["job run job.toml", "run", ["job.toml"]],
  ["status", "status", []],
  ["job status web", "status", ["web"]],
  ["alloc logs -f 1234", "logs", ["-f", "1234"]],
  ["job periodic force tick", "job periodic force", ["tick"]],
  ["--address=http://x status", "status", ["--address=http://x"]],
  ["-address http://x node status", "node status", ["-address", "http://x"]],
  ["--version", "version", []],
  ["-v", "version", []],
];

for (const [typed, words, rest] of FOUND) {
  test(`"${typed}" is ${words}`, () => {
    const found = dispatch(typed.split(" "));
    expect(found.kind === "command" ? [found.entry.words, found.argv] : found.kind).toEqual([words, rest]);
  });
}

const HELPED: readonly (readonly [typed: string, topic: string])[] = [
  ["", ""],
  ["--help", ""],
  ["help", ""],
  ["help job run", "job run"],
  ["job", "job"],
  ["job --help", "job"],
  ["job periodic", "job periodic"],
];

for (const [typed, topic] of HELPED) {
  test(`"${typed}" is help on "${topic}"`, () => {
    expect(dispatch(typed.split(" ").filter((word) => word !== ""))).toEqual({ kind: "help", topic });
  });
}

test("agent and its settings are handed on as they stand", () => {
  expect(dispatch(["agent", "--dev", "-port", "1"])).toEqual({ kind: "raw", name: "agent", argv: ["--dev", "-port", "1"] });
});

for (const [typed, hint] of [
  ["stauts", "status"],
  ["job stpo web", "stop"],
  ["frobnicate", ""],
] as const) {
  test(`"${typed}" names nothing and says what is near`, () => {
    let said = "";
    try {
      dispatch(typed.split(" "));
    } catch (error) {
      said = `${error instanceof Error ? error.message : ""} ${error instanceof Error && "hint" in error ? error.hint : ""}`;
    }
    expect(said).toContain("there is no command");
    expect(said).toContain(hint);
  });
}

test("help names every command, and each command's own help has an example", async () => {
  const all = helpOfAll();
  for (const entry of COMMANDS) {
    // A third word is told by the help of its group.
    for (const word of entry.words.split(" ").slice(0, 2)) expect(all).toContain(word);
    const command = (await entry.load()).default;
    const help = helpOfCommand(entry, command, entry.words);
    expect([entry.words, help.includes(`Usage: edgectl ${entry.words}`), /Examples?:\n {2}edgectl /.test(help)]).toEqual([entry.words, true, true]);
  }
});
