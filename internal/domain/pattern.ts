// Regular expressions from users, in the dialect of RE2 that the field writes, matched in time that is linear in the
// text: JavaScript's own matcher can take years over `(a+)+$`. Back references and look-around are refused, as in RE2.

import { LIMITS } from "./limits.ts";
import { type AssertionKind, type Atom, type Pattern, PatternFault, parsePattern } from "./pattern-syntax.ts";

export type CompiledPattern =
  | { readonly kind: "pattern"; readonly matches: (text: string) => boolean }
  | { readonly kind: "problem"; readonly message: string };

/** A matcher that looks for the pattern anywhere in a text; or what is wrong with the pattern, to follow its name. */
export function compilePattern(source: string): CompiledPattern {
  try {
    const program: Instruction[] = [];
    emit(program, parsePattern(source));
    push(program, { op: "match" });
    return { kind: "pattern", matches: (text) => run(program, text) };
  } catch (error) {
    if (error instanceof PatternFault) return { kind: "problem", message: error.message };
    throw error;
  }
}

// --- internal ---

type Instruction =
  | { readonly op: "atom"; readonly atom: Atom }
  | { readonly op: "assert"; readonly assertion: AssertionKind }
  /** Goes on at both places; -1 until it is known. */
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "match" };

function push<T extends Instruction>(program: Instruction[], instruction: T): T {
  if (program.length >= LIMITS.patternStepsMax) throw new PatternFault(`repeats too much (patternStepsMax, ${LIMITS.patternStepsMax})`);
  program.push(instruction);
  return instruction;
}

/** Calls itself as deep as groups may be nested (patternDepthMax), which the parser has seen to. */
function emit(program: Instruction[], pattern: Pattern): void {
  switch (pattern.kind) {
    case "atom":
      push(program, { op: "atom", atom: pattern.atom });
      return;
    case "assertion":
      push(program, { op: "assert", assertion: pattern.assertion });
      return;
    case "sequence":
      for (const item of pattern.items) emit(program, item);
      return;
    case "choice":
      emitChoice(program, pattern.options);
      return;
    case "repeat":
      for (let count = 0; count < pattern.min; count++) emit(program, pattern.item);
      if (pattern.max === null) emitLoop(program, pattern.item);
      else emitOptional(program, pattern.item, pattern.max - pattern.min);
      return;
  }
}

function emitChoice(program: Instruction[], options: readonly Pattern[]): void {
  const jumps: { to: number }[] = [];
  for (const [at, option] of options.entries()) {
    const isLast = at === options.length - 1;
    const split = isLast ? null : push(program, { op: "split" as const, first: program.length + 1, second: -1 });
    emit(program, option);
    if (split === null) continue;
    jumps.push(push(program, { op: "jump" as const, to: -1 }));
    split.second = program.length;
  }
  for (const jump of jumps) jump.to = program.length;
}

function emitLoop(program: Instruction[], item: Pattern): void {
  const start = program.length;
  const split = push(program, { op: "split" as const, first: start + 1, second: -1 });
  emit(program, item);
  push(program, { op: "jump", to: start });
  split.second = program.length;
}

function emitOptional(program: Instruction[], item: Pattern, count: number): void {
  const splits: { second: number }[] = [];
  for (let at = 0; at < count; at++) {
    splits.push(push(program, { op: "split" as const, first: program.length + 1, second: -1 }));
    emit(program, item);
  }
  for (const split of splits) split.second = program.length;
}

/** Follows every way through the program at once, each place at most once per character. */
function run(program: readonly Instruction[], text: string): boolean {
  const characters = [...text];
  // A text this long for this pattern is nobody's attribute: it matches nothing.
  if (characters.length * program.length > LIMITS.patternWorkMax) return false;
  const seenAt = new Int32Array(program.length).fill(-1);
  let current: Atom[] = [];
  let places: number[] = [];
  for (let position = 0; position <= characters.length; position++) {
    const nextPlaces: number[] = [0];
    const character = characters[position - 1];
    if (character !== undefined) for (const [at, atom] of current.entries()) if (atom(character)) nextPlaces.push((places[at] ?? 0) + 1);
    const reached = follow({ program, characters, position, seenAt }, nextPlaces);
    if (reached === null) return true;
    ({ atoms: current, places } = reached);
  }
  return false;
}

interface Step {
  readonly program: readonly Instruction[];
  readonly characters: readonly string[];
  readonly position: number;
  readonly seenAt: Int32Array;
}

/** The atoms that the next character is tried on; null when a match was reached. */
function follow(step: Step, starts: readonly number[]): { readonly atoms: Atom[]; readonly places: number[] } | null {
  const atoms: Atom[] = [];
  const places: number[] = [];
  const open = [...starts];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (step.seenAt[place] === step.position) continue;
    step.seenAt[place] = step.position;
    const instruction = step.program[place];
    if (instruction === undefined || instruction.op === "match") return null;
    if (instruction.op === "split") open.push(instruction.second, instruction.first);
    else if (instruction.op === "jump") open.push(instruction.to);
    else if (instruction.op === "atom") {
      atoms.push(instruction.atom);
      places.push(place);
    } else if (holds(instruction.assertion, step.characters, step.position)) open.push(place + 1);
  }
  return { atoms, places };
}

function holds(assertion: AssertionKind, characters: readonly string[], position: number): boolean {
  const before = characters[position - 1];
  const after = characters[position];
  switch (assertion) {
    case "text-start":
      return before === undefined;
    case "text-end":
      return after === undefined;
    case "line-start":
      return before === undefined || before === "\n";
    case "line-end":
      return after === undefined || after === "\n";
    case "word-edge":
      return isWord(before) !== isWord(after);
    case "no-word-edge":
      return isWord(before) === isWord(after);
  }
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /^\w$/.test(character);
}
