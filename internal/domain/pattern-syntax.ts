// Reads a regular expression in RE2's dialect into a tree. It refuses what RE2 refuses, and what would take more than
// linear time to match.

import { LIMITS } from "./limits.ts";

/** Whether one character fits. */
export type Atom = (character: string) => boolean;

export type AssertionKind = "text-start" | "text-end" | "line-start" | "line-end" | "word-edge" | "no-word-edge";

export type Pattern =
  | { readonly kind: "atom"; readonly atom: Atom }
  | { readonly kind: "assertion"; readonly assertion: AssertionKind }
  | { readonly kind: "sequence"; readonly items: readonly Pattern[] }
  | { readonly kind: "choice"; readonly options: readonly Pattern[] }
  | { readonly kind: "repeat"; readonly item: Pattern; readonly min: number; readonly max: number | null };

/** What is wrong with a pattern: a sentence without its subject. */
export class PatternFault extends Error {}

export function parsePattern(source: string): Pattern {
  if (source.length > LIMITS.patternCharsMax) throw new PatternFault(`is longer than ${LIMITS.patternCharsMax} characters (patternCharsMax)`);
  const parser = new Parser(source);
  const pattern = parser.choice(0, { isCaseless: false, isDotAll: false, isMultiLine: false });
  parser.expectEnd();
  return pattern;
}

// --- internal ---

interface Flags {
  readonly isCaseless: boolean;
  readonly isDotAll: boolean;
  readonly isMultiLine: boolean;
}

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7f",
  blank: "\\t ",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-/:-@\\[-`{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const CONTROLS: Readonly<Record<string, string>> = { a: "\u0007", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
const REPEATS_MAX = 1000;

class Parser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  expectEnd(): void {
    if (this.#at < this.#source.length) throw new PatternFault('has a ")" without its "("');
  }

  choice(depth: number, given: Flags): Pattern {
    if (depth > LIMITS.patternDepthMax) throw new PatternFault(`is nested deeper than ${LIMITS.patternDepthMax} (patternDepthMax)`);
    const options: Pattern[] = [];
    let flags = given;
    let items: Pattern[] = [];
    while (this.#at < this.#source.length && this.#peek() !== ")") {
      if (this.#take("|")) {
        options.push({ kind: "sequence", items });
        items = [];
        continue;
      }
      const changed = this.#flagsForTheRest(flags);
      if (changed !== null) flags = changed;
      else items.push(this.#repeated(this.#item(depth, flags)));
    }
    options.push({ kind: "sequence", items });
    return options.length === 1 ? { kind: "sequence", items } : { kind: "choice", options };
  }

  #peek(): string {
    return this.#source[this.#at] ?? "";
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** What the expression finds right here, passed over. */
  #match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#source);
    if (found) this.#at += found[0].length;
    return found;
  }

  /** `(?i)` and the like change all that follows in their group. */
  #flagsForTheRest(flags: Flags): Flags | null {
    const found = this.#match(/\(\?([imsU]*)(?:-([imsU]+))?\)/y);
    return found ? changedFlags(flags, found[1] ?? "", found[2] ?? "") : null;
  }

  #item(depth: number, flags: Flags): Pattern {
    const character = this.#character();
    switch (character) {
      case "(":
        return this.#group(depth, flags);
      case "[":
        return this.#class(flags);
      case "\\":
        return this.#escape(flags);
      case ".":
        return { kind: "atom", atom: flags.isDotAll ? () => true : (one) => one !== "\n" };
      case "^":
        return { kind: "assertion", assertion: flags.isMultiLine ? "line-start" : "text-start" };
      case "$":
        return { kind: "assertion", assertion: flags.isMultiLine ? "line-end" : "text-end" };
      case "*":
      case "+":
      case "?":
        throw new PatternFault(`has "${character}" with nothing before it to repeat`);
      default:
        return literal(character, flags);
    }
  }

  #character(): string {
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at) ?? 0);
    this.#at += character.length;
    return character;
  }

  #group(depth: number, flags: Flags): Pattern {
    const inner = this.#groupFlags(flags);
    const pattern = this.choice(depth + 1, inner);
    if (!this.#take(")")) throw new PatternFault('has a "(" without its ")"');
    return pattern;
  }

  #groupFlags(flags: Flags): Flags {
    if (this.#match(/\?(?:P?<)(?![=!])\w+>/y)) return flags;
    const found = this.#match(/\?([imsU]*)(?:-([imsU]+))?:/y);
    if (found) return changedFlags(flags, found[1] ?? "", found[2] ?? "");
    if (this.#match(/\?<?[=!]/y)) throw new PatternFault("looks ahead or behind, which cannot be matched in linear time");
    if (this.#peek() === "?") throw new PatternFault(`has an unknown group "(${this.#source.slice(this.#at, this.#at + 3)}"`);
    return flags;
  }

  #repeated(item: Pattern): Pattern {
    const found = this.#match(/(?:([*+?])|\{(\d{1,9})(?:(,)(\d{1,9})?)?\})\??/y);
    if (!found) return item;
    if (this.#match(/[*+]|\?|\{\d+(?:,\d*)?\}/y)) throw new PatternFault(`repeats a repetition ("${found[0]}")`);
    const [, sign, least = "0", comma, most] = found;
    const min = sign === undefined ? Number(least) : sign === "+" ? 1 : 0;
    const max = sign !== undefined ? (sign === "?" ? 1 : null) : comma === undefined ? min : most === undefined ? null : Number(most);
    if (min > REPEATS_MAX || (max ?? 0) > REPEATS_MAX) throw new PatternFault(`repeats more than ${REPEATS_MAX} times`);
    if (max !== null && max < min) throw new PatternFault(`repeats at least ${min} and at most ${max} times`);
    return { kind: "repeat", item, min, max };
  }

  #escape(flags: Flags): Pattern {
    const kind = this.#match(/[bBAz]/y)?.[0];
    if (kind === "b" || kind === "B") return { kind: "assertion", assertion: kind === "b" ? "word-edge" : "no-word-edge" };
    if (kind === "A" || kind === "z") return { kind: "assertion", assertion: kind === "A" ? "text-start" : "text-end" };
    const family = this.#family();
    if (family !== null) return set(family, flags);
    return literal(this.#escaped(), flags);
  }

  /** `\d`, `\pL`, `\p{Greek}`: text that stands in a class as it is; null where none follows. */
  #family(): string | null {
    const short = this.#match(/[dDsSwW]/y)?.[0];
    if (short !== undefined) return `\\${short}`;
    const found = this.#match(/([pP])(?:(\w)|\{(\^?)(\w+)\})/y);
    if (!found) return null;
    const [, letter = "p", single, negation, name = single ?? ""] = found;
    const sign = negation === "^" ? (letter === "p" ? "P" : "p") : letter;
    return `\\${sign}{${/^(?:[A-Z][a-z]?)$/.test(name) ? name : `Script=${name}`}}`;
  }

  /** The character that the rest of an escape stands for. */
  #escaped(): string {
    const hex = this.#match(/x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/y);
    if (hex) {
      const code = Number.parseInt(hex[1] ?? hex[2] ?? "0", 16);
      if (code > 0x10ffff) throw new PatternFault("names a character beyond the last one");
      return String.fromCodePoint(code);
    }
    if (this.#at >= this.#source.length) throw new PatternFault("ends in a backslash");
    const character = this.#character();
    if (/[1-9]/.test(character)) throw new PatternFault("refers back to a group, which cannot be matched in linear time");
    const control = Object.hasOwn(CONTROLS, character) ? CONTROLS[character] : undefined;
    if (control !== undefined) return control;
    if (/[0-9A-Za-z]/.test(character)) throw new PatternFault(`has an unknown escape "\\${character}"`);
    return character;
  }

  #class(flags: Flags): Pattern {
    const isNegated = this.#take("^");
    let text = "";
    for (let count = 0; count === 0 || this.#peek() !== "]"; count++) {
      if (this.#at >= this.#source.length) throw new PatternFault('has a "[" without its "]"');
      text += this.#classItem();
    }
    this.#at += 1;
    return set(text, flags, isNegated ? "^" : "");
  }

  #classItem(): string {
    const named = this.#match(/\[:(\^?)(\w+):\]/y);
    if (named) {
      const range = Object.hasOwn(POSIX_CLASSES, named[2] ?? "") ? POSIX_CLASSES[named[2] ?? ""] : undefined;
      if (range === undefined || named[1] === "^") throw new PatternFault(`has an unknown class "${named[0]}"`);
      return range;
    }
    const from = this.#classCharacter();
    if (from.length > 1 && from.startsWith("\\")) return from;
    if (!this.#match(/-(?!\])/y)) return hexOf(from);
    const to = this.#classCharacter();
    if (to.length > 1 && to.startsWith("\\")) throw new PatternFault(`has a range that ends in "${to}"`);
    if ((from.codePointAt(0) ?? 0) > (to.codePointAt(0) ?? 0)) throw new PatternFault(`has a range backwards ("${from}-${to}")`);
    return `${hexOf(from)}-${hexOf(to)}`;
  }

  /** One character, or a family of them as its escape. */
  #classCharacter(): string {
    if (this.#at >= this.#source.length) throw new PatternFault('has a "[" without its "]"');
    return this.#take("\\") ? (this.#family() ?? this.#escaped()) : this.#character();
  }
}

function changedFlags(flags: Flags, on: string, off: string): Flags {
  const of = (letter: string, before: boolean) => (off.includes(letter) ? false : on.includes(letter) || before);
  return { isCaseless: of("i", flags.isCaseless), isDotAll: of("s", flags.isDotAll), isMultiLine: of("m", flags.isMultiLine) };
}

function literal(character: string, flags: Flags): Pattern {
  if (flags.isCaseless) return set(hexOf(character), flags);
  return { kind: "atom", atom: (one) => one === character };
}

/** One character is too short to backtrack over: here the machine's own matcher knows best. */
function set(text: string, flags: Flags, negation: "^" | "" = ""): Pattern {
  let expression: RegExp;
  try {
    expression = new RegExp(`^[${negation}${text}]$`, flags.isCaseless ? "iu" : "u");
  } catch {
    // All else was checked before: what is left is a family of characters that does not exist.
    throw new PatternFault(`has an unknown family of characters in "[${text}]"`);
  }
  return { kind: "atom", atom: (one) => expression.test(one) };
}

function hexOf(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
