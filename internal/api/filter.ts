// Filter expressions of list endpoints, the dialect of go-bexpr: ==, !=, in, not in, contains, matches,
// is [not] empty, is [not] nil, and, or, not, parentheses. Evaluated over an object as it goes on the wire.

import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { compilePattern } from "../domain/pattern.ts";
import type { JsonObject } from "./wire.ts";

export type Filter = (item: JsonObject) => boolean;

/** Throws `internal` (Nomad answers 500) with the text that makes older clients fall back to plain lists. */
export function compileFilter(expression: string): Filter {
  if (expression.length > LIMITS.filterCharsMax) throw refusal(`the expression is longer than ${LIMITS.filterCharsMax} characters (filterCharsMax)`);
  const parser = new Parser(tokenize(expression));
  const filter = parser.expression(0);
  parser.expectEnd();
  return filter;
}

// --- internal ---

type Token =
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "symbol"; readonly text: string };

type Path = readonly string[];

function refusal(reason: string): EdgeError {
  return new EdgeError("invalid", `failed to create result paginator: failed to read filter expression: ${reason}`);
}

function tokenize(text: string): Token[] {
  const pattern = /\s*(?:(==|!=|\(|\)|\[|\]|\.)|"((?:[^"\\]|\\.)*)"|`([^`]*)`|([A-Za-z0-9_/*:@+-]+(?:\.\d+)?))/y;
  const tokens: Token[] = [];
  let at = 0;
  while (text.slice(at).trim() !== "") {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) throw refusal(`unexpected "${text.slice(at).trim().slice(0, 20)}" at character ${at + 1}`);
    if (match[1] !== undefined) tokens.push({ kind: "symbol", text: match[1] });
    else if (match[2] !== undefined) tokens.push({ kind: "string", text: match[2].replace(/\\(.)/g, "$1") });
    else if (match[3] !== undefined) tokens.push({ kind: "string", text: match[3] });
    else tokens.push({ kind: "word", text: match[4] ?? "" });
    at = pattern.lastIndex;
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  expression(depth: number): Filter {
    if (depth > LIMITS.filterDepthMax) throw refusal(`it is nested deeper than ${LIMITS.filterDepthMax} (filterDepthMax)`);
    let left = this.#conjunction(depth);
    while (this.#takeWord("or")) {
      const before = left;
      const right = this.#conjunction(depth);
      left = (item) => before(item) || right(item);
    }
    return left;
  }

  expectEnd(): void {
    const token = this.#tokens[this.#at];
    if (token) throw refusal(`unexpected "${token.text}"`);
    if (this.#tokens.length === 0) throw refusal("it is empty");
  }

  #conjunction(depth: number): Filter {
    let left = this.#term(depth);
    while (this.#takeWord("and")) {
      const before = left;
      const right = this.#term(depth);
      left = (item) => before(item) && right(item);
    }
    return left;
  }

  #term(depth: number): Filter {
    if (depth > LIMITS.filterDepthMax) throw refusal(`it is nested deeper than ${LIMITS.filterDepthMax} (filterDepthMax)`);
    if (this.#takeWord("not")) {
      const inner = this.#term(depth + 1);
      return (item) => !inner(item);
    }
    if (this.#takeSymbol("(")) {
      const inner = this.expression(depth + 1);
      if (!this.#takeSymbol(")")) throw refusal('a ")" is missing');
      return inner;
    }
    return this.#match();
  }

  /** `selector op value`, `value [not] in selector`, `selector is [not] nil|empty`. */
  #match(): Filter {
    const first = this.#tokens[this.#at];
    if (!first) throw refusal("it ends where a selector or a value was expected");
    if (first.kind === "string" || this.#isMembership()) {
      this.#at += 1;
      const isNegated = this.#takeWord("not");
      if (!this.#takeWord("in")) throw refusal(`"in" was expected after "${first.text}"`);
      return negateIf(isNegated, contains(this.#selector(), first.text));
    }
    return this.#afterSelector(this.#selector());
  }

  #isMembership(): boolean {
    const [, second, third] = this.#tokens.slice(this.#at, this.#at + 3);
    return isWord(second, "in") || (isWord(second, "not") && isWord(third, "in"));
  }

  #afterSelector(path: Path): Filter {
    if (this.#takeSymbol("==")) return equals(path, this.#value());
    if (this.#takeSymbol("!=")) return negateIf(true, equals(path, this.#value()));
    if (this.#takeWord("is")) {
      const isNegated = this.#takeWord("not");
      if (this.#takeWord("nil")) return negateIf(isNegated, (item) => isNil(lookUp(item, path)));
      if (this.#takeWord("empty")) return negateIf(isNegated, (item) => isEmpty(lookUp(item, path)));
      throw refusal('"nil" or "empty" was expected after "is"');
    }
    const isNegated = this.#takeWord("not");
    if (this.#takeWord("contains")) return negateIf(isNegated, contains(path, this.#value()));
    if (this.#takeWord("matches")) return negateIf(isNegated, matchesPattern(path, this.#value()));
    if (this.#takeWord("in")) throw refusal(`"in" needs a value on its left and a selector on its right`);
    throw refusal(`an operator was expected after "${path.join(".")}"`);
  }

  #selector(): Path {
    const path: string[] = [];
    do {
      const token = this.#tokens[this.#at];
      if (token?.kind !== "word") throw refusal(`a selector was expected${token ? ` instead of "${token.text}"` : ""}`);
      path.push(...token.text.split("."));
      this.#at += 1;
      while (this.#takeSymbol("[")) {
        path.push(this.#value());
        if (!this.#takeSymbol("]")) throw refusal('a "]" is missing');
      }
    } while (this.#takeSymbol("."));
    return path;
  }

  #value(): string {
    const token = this.#tokens[this.#at];
    if (!token || token.kind === "symbol") throw refusal(`a value was expected${token ? ` instead of "${token.text}"` : ""}`);
    this.#at += 1;
    return token.text;
  }

  #takeWord(text: string): boolean {
    if (!isWord(this.#tokens[this.#at], text)) return false;
    this.#at += 1;
    return true;
  }

  #takeSymbol(text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "symbol" || token.text !== text) return false;
    this.#at += 1;
    return true;
  }
}

function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === "word" && token.text === text;
}

function negateIf(isNegated: boolean, filter: Filter): Filter {
  return isNegated ? (item) => !filter(item) : filter;
}

function lookUp(item: unknown, path: Path): unknown {
  let value: unknown = item;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.hasOwn(value, part) ? (value as JsonObject)[part] : undefined;
  }
  return value;
}

function equals(path: Path, wanted: string): Filter {
  return (item) => textOf(lookUp(item, path)) === wanted;
}

function contains(path: Path, wanted: string): Filter {
  return (item) => {
    const value = lookUp(item, path);
    if (typeof value === "string") return value.includes(wanted);
    if (Array.isArray(value)) return value.some((entry) => textOf(entry) === wanted);
    return typeof value === "object" && value !== null && Object.hasOwn(value, wanted);
  };
}

function matchesPattern(path: Path, source: string): Filter {
  const pattern = compilePattern(source);
  if (pattern.kind === "problem") throw refusal(`the pattern "${source}" ${pattern.message}`);
  return (item) => pattern.matches(textOf(lookUp(item, path)));
}

function textOf(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}

function isNil(value: unknown): boolean {
  return value === undefined || value === null;
}

function isEmpty(value: unknown): boolean {
  if (isNil(value) || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value as object).length === 0;
}
