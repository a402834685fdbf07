// The way out of a terminal that takes every key.

import { expect, test } from "bun:test";
import { EscapeInput } from "../../cmd/edgectl/cli/escape-input.ts";

/** [escape character, what is typed in pieces, what goes on, whether it leaves] */
const CASES: readonly (readonly [string, readonly string[], string, boolean])[] = [
  ["~", ["~."], "", true],
  ["~", ["ls\r~."], "ls\r", true],
  ["~", ["ls\r", "~", "."], "ls\r", true],
  ["~", ["a~.b"], "a~.b", false],
  ["~", ["~x~."], "~x~.", false],
  ["~", ["~~."], "~.", false],
  ["~", ["\r~\r~.rest"], "\r~\r", true],
  ["none", ["~."], "~.", false],
  ["%", ["~.\n%."], "~.\n", true],
];

for (const [character, pieces, want, isLeaving] of CASES)
  test(`with ${character}, ${JSON.stringify(pieces)} sends ${JSON.stringify(want)}${isLeaving ? " and leaves" : ""}`, () => {
    const input = new EscapeInput(character);
    const typed = pieces.map((piece) => input.push(Buffer.from(piece)));
    expect(Buffer.concat(typed.map(({ bytes }) => bytes)).toString()).toBe(want);
    expect(typed.at(-1)?.isLeaving).toBe(isLeaving);
  });
