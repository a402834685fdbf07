// Where each member of a JSON text stands, and where a text stops being JSON. Loaded only when a problem must be shown.

import type { PathPart } from "../domain/job-model/read.ts";
import { pathKey, type Spot, type Spots } from "./positions.ts";
import type { Position } from "./source-problem.ts";

const DEPTH_MAX = 200;

export interface JsonScan {
  readonly spots: Spots;
  readonly problem: (Position & { readonly message: string }) | null;
}

/** Reads the text once, strictly, up to its first fault. */
export function scanJson(text: string): JsonScan {
  const scanner = new Scanner(text);
  try {
    scanner.value([], null);
    scanner.skipSpace();
    if (scanner.offset < text.length) scanner.fail("nothing may follow the job");
    return { spots: scanner.spots, problem: null };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { spots: scanner.spots, problem: { ...scanner.positionOf(error.offset), message: error.message } };
  }
}

// --- internal ---

class Fault extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

class Scanner {
  readonly spots = new Map<string, Spot>();
  offset = 0;
  private readonly text: string;
  private readonly lineStarts: readonly number[];

  constructor(text: string) {
    this.text = text;
    this.lineStarts = [0, ...[...text.matchAll(/\n/g)].map((match) => match.index + 1)];
  }

  value(path: readonly PathPart[], keyOffset: number | null): void {
    if (path.length > DEPTH_MAX) this.fail("nested too deeply");
    this.skipSpace();
    const value = this.positionOf(this.offset);
    this.spots.set(pathKey(path), { key: keyOffset === null ? value : this.positionOf(keyOffset), value });
    const next = this.text[this.offset];
    if (next === "{") this.members(path);
    else if (next === "[") this.items(path);
    else if (next === '"') this.string();
    else this.literal();
  }

  skipSpace(): void {
    while (" \t\r\n".includes(this.text[this.offset] ?? "x")) this.offset++;
  }

  fail(message: string): never {
    throw new Fault(message, this.offset);
  }

  positionOf(offset: number): Position {
    let [low, high] = [0, this.lineStarts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.lineStarts[low] ?? 0) + 1 };
  }

  private members(path: readonly PathPart[]): void {
    this.list("}", () => {
      this.skipSpace();
      const keyOffset = this.offset;
      if (this.text[this.offset] !== '"') this.fail("a key in double quotes is expected here");
      const key = this.string();
      this.skipSpace();
      if (this.text[this.offset] !== ":") this.fail('":" is expected here');
      this.offset++;
      this.value([...path, key], keyOffset);
    });
  }

  private items(path: readonly PathPart[]): void {
    let index = 0;
    this.list("]", () => this.value([...path, index++], null));
  }

  private list(close: string, item: () => void): void {
    this.offset++;
    this.skipSpace();
    if (this.text[this.offset] === close) {
      this.offset++;
      return;
    }
    for (;;) {
      item();
      this.skipSpace();
      const next = this.text[this.offset];
      if (next !== "," && next !== close) this.fail(`"," or "${close}" is expected here`);
      this.offset++;
      if (next === close) return;
    }
  }

  private string(): string {
    const match = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
    match.lastIndex = this.offset;
    const found = match.exec(this.text)?.[0];
    if (found === undefined) this.fail("this string is not closed or holds a bad character");
    this.offset += found.length;
    const parsed: unknown = JSON.parse(found);
    return String(parsed);
  }

  private literal(): void {
    const match = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    match.lastIndex = this.offset;
    const found = match.exec(this.text)?.[0];
    if (found === undefined) this.fail(this.offset >= this.text.length ? "the text ends too early" : "a value is expected here");
    this.offset += found.length;
  }
}
