// One in-memory table: rows by key, secondary indexes kept in step, and the last index that touched it. Rows that have
// ended lie in compressed blocks beside the others, and every reader sees both as one.

import { type ColdOptions, ColdRows } from "./cold-rows.ts";
import { GroupCount, GroupIndex, type IndexDefinition } from "./group-index.ts";
import { rowText } from "./row-text.ts";

export interface TableOptions<R> {
  readonly keyOf: (row: R) => string;
  readonly cold: ColdOptions;
  readonly indexes?: readonly IndexDefinition<R>[];
  /** Groups of which only the size is asked. */
  readonly counts?: readonly IndexDefinition<R>[];
  /** Which living rows are kept as text: they are looked at rarely. */
  readonly isText?: (row: R) => boolean;
  /** Which rows have ended, asked when a row is put. */
  readonly hasEnded?: (row: R) => boolean;
}

/** Rows as they are at one instant, some as their JSON text; may be gone through later. */
export interface HeldRows<R> extends Iterable<R | string> {
  readonly length: number;
}

/** Rows parsed lately, so that a reader in a loop does not parse one again and again. */
const PARSED_KEPT = 64;

export class Table<R extends object> {
  lastIndex = 0;
  readonly #options: TableOptions<R>;
  readonly #hot = new Map<string, R | string>();
  /** Slots of the rows that have ended. */
  readonly #cold = new Map<string, number>();
  readonly #blocks: ColdRows;
  readonly #indexes: readonly GroupIndex<R>[];
  readonly #counts: readonly GroupCount<R>[];
  readonly #parsed = new Map<string, R>();

  constructor(options: TableOptions<R>) {
    this.#options = options;
    this.#blocks = new ColdRows(options.cold);
    this.#indexes = (options.indexes ?? []).map((definition) => new GroupIndex(definition));
    this.#counts = (options.counts ?? []).map((definition) => new GroupCount(definition));
  }

  get size(): number {
    return this.#hot.size + this.#cold.size;
  }

  /** Blocks in which rows that have ended lie: what they cost. */
  get blockCount(): number {
    return this.#blocks.blockCount;
  }

  has(key: string): boolean {
    return this.#hot.has(key) || this.#cold.has(key);
  }

  get(key: string): R | undefined {
    const held = this.#hot.get(key);
    if (held !== undefined && typeof held !== "string") return held;
    const known = this.#parsed.get(key);
    if (known) return known;
    const row = this.#parse(key);
    if (row !== undefined) this.#remember(key, row);
    return row;
  }

  /** Every row once, living ones first; what is put or deleted meanwhile is seen as it is when its turn comes. */
  *values(): Iterable<R> {
    for (const key of [...this.#hot.keys(), ...this.#cold.keys()]) {
      const held = this.#hot.get(key);
      // A list reads each row once: remembering them would only push out what others read often.
      const row = held !== undefined && typeof held !== "string" ? held : this.#parse(key);
      if (row !== undefined) yield row;
    }
  }

  *hotValues(): Iterable<R> {
    for (const key of [...this.#hot.keys()]) {
      const row = this.get(key);
      if (row !== undefined) yield row;
    }
  }

  /** Keys of the rows that have ended, in the order in which they first did. */
  coldKeys(): Iterable<string> {
    return this.#cold.keys();
  }

  held(): HeldRows<R> {
    const hot = [...this.#hot.values()];
    // By slot, so that each block is unpacked once.
    const slots = [...this.#cold.values()].sort((a, b) => a - b);
    const textOf = this.#blocks.picture();
    return {
      length: hot.length + slots.length,
      *[Symbol.iterator]() {
        yield* hot;
        for (const slot of slots) yield textOf(slot);
      },
    };
  }

  /** Rows of one group: living ones in the order they entered it, then those that have ended. */
  *group(position: number, group: string): Iterable<R> {
    yield* this.#rowsOf(this.#indexes[position]?.hotKeys(group) ?? []);
    yield* this.#rowsOf(this.#indexes[position]?.coldKeys(group) ?? []);
  }

  /** The same from its end: who looks for the latest reads little. */
  *groupLatestFirst(position: number, group: string): Iterable<R> {
    const index = this.#indexes[position];
    yield* this.#rowsOf([...(index?.coldKeys(group) ?? [])].reverse());
    yield* this.#rowsOf([...(index?.hotKeys(group) ?? [])].reverse());
  }

  /** Rows of one group that have not ended. */
  hotGroup(position: number, group: string): Iterable<R> {
    return this.#rowsOf(this.#indexes[position]?.hotKeys(group) ?? []);
  }

  hotGroupKeys(position: number, group: string): readonly string[] {
    return this.#indexes[position]?.hotKeys(group) ?? [];
  }

  groupKeys(position: number, group: string): readonly string[] {
    const index = this.#indexes[position];
    return index ? [...index.hotKeys(group), ...index.coldKeys(group)] : [];
  }

  hasGroup(position: number, group: string): boolean {
    return this.#indexes[position]?.has(group) ?? false;
  }

  count(position: number, group: string): number {
    return this.#counts[position]?.of(group) ?? 0;
  }

  /** `text`: the row's JSON where it is at hand. */
  put(key: string, row: R, text?: string): void {
    this.#place(key, row, this.#options.hasEnded?.(row) ?? false, text);
  }

  /** Moves a row to where living rows are, or to where ended ones are, when it is not there already. */
  move(key: string, to: "hot" | "cold"): void {
    if ((to === "hot" ? this.#hot : this.#cold).has(key)) return;
    const row = this.get(key);
    const held = this.#hot.get(key);
    if (row !== undefined) this.#place(key, row, to === "cold", typeof held === "string" ? held : undefined);
  }

  delete(key: string): R | undefined {
    const previous = this.get(key);
    if (previous === undefined) return undefined;
    const slot = this.#cold.get(key);
    this.#hot.delete(key);
    this.#cold.delete(key);
    this.#parsed.delete(key);
    if (slot !== undefined) this.#vacate(slot);
    for (const index of this.#indexes) index.leave(key, previous, slot !== undefined);
    for (const count of this.#counts) count.change(previous, -1);
    return previous;
  }

  // --- internal ---

  #place(key: string, row: R, isCold: boolean, text?: string): void {
    const previous = this.#indexes.length > 0 ? this.get(key) : undefined;
    const slot = this.#cold.get(key);
    const wasCold = slot !== undefined;
    const isText = !isCold && (this.#options.isText?.(row) ?? false);
    if (isCold) this.#hot.delete(key);
    else if (wasCold) this.#cold.delete(key);
    if (isCold) this.#cold.set(key, this.#blocks.add(text ?? rowText(row)));
    else this.#hot.set(key, isText ? (text ?? rowText(row)) : row);
    if (wasCold) this.#vacate(slot);
    // What was just written is what is read next.
    if (isCold || isText) this.#remember(key, row);
    else this.#parsed.delete(key);
    for (const count of this.#counts) {
      if (previous !== undefined) count.change(previous, -1);
      count.change(row, 1);
    }
    for (const index of this.#indexes) {
      if (previous !== undefined) {
        if (wasCold === isCold && index.isSame(previous, row)) continue;
        index.leave(key, previous, wasCold);
      }
      index.enter(key, row, isCold);
    }
  }

  /** Rows of a block that is mostly dead begin anew in the one that is being filled. */
  #vacate(slot: number): void {
    for (const text of this.#blocks.remove(slot)) {
      const row = JSON.parse(text) as R; // written by #place
      this.#cold.set(this.#options.keyOf(row), this.#blocks.add(text));
    }
  }

  *#rowsOf(keys: readonly string[]): Iterable<R> {
    for (const key of keys) {
      const row = this.get(key);
      if (row !== undefined) yield row;
    }
  }

  #parse(key: string): R | undefined {
    const held = this.#hot.get(key);
    if (held !== undefined) return typeof held === "string" ? (JSON.parse(held) as R) : held; // written by #place
    const slot = this.#cold.get(key);
    return slot === undefined ? undefined : (JSON.parse(this.#blocks.text(slot)) as R); // written by #place
  }

  #remember(key: string, row: R): void {
    this.#parsed.delete(key);
    if (this.#parsed.size >= PARSED_KEPT) this.#parsed.delete(this.#parsed.keys().next().value ?? "");
    this.#parsed.set(key, row);
  }
}
