// One in-memory table: rows by key, secondary indexes kept in step, and the last index that touched it.
// Rows that are looked at rarely are kept as their JSON text, which takes fewer objects and less memory.

import { rowText } from "./row-text.ts";

export interface IndexDefinition<R> {
  readonly name: string;
  /** The group a row belongs to; undefined = in none. */
  readonly groupOf: (row: R) => string | undefined;
}

export interface TableOptions<R> {
  readonly indexes?: readonly IndexDefinition<R>[];
  /** Which rows are kept as text. */
  readonly isPacked?: (row: R) => boolean;
}

/** Rows unpacked lately, so that a reader in a loop does not parse one again and again. */
const UNPACKED_KEPT = 64;

export class Table<R extends object> {
  lastIndex = 0;
  readonly #rows = new Map<string, R | string>();
  readonly #groups: readonly { readonly definition: IndexDefinition<R>; readonly members: Map<string, string | Set<string>> }[];
  readonly #isPacked: (row: R) => boolean;
  readonly #unpacked = new Map<string, R>();

  constructor(options: TableOptions<R> = {}) {
    this.#groups = (options.indexes ?? []).map((definition) => ({ definition, members: new Map() }));
    this.#isPacked = options.isPacked ?? (() => false);
  }

  get size(): number {
    return this.#rows.size;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  get(key: string): R | undefined {
    const held = this.#rows.get(key);
    if (typeof held !== "string") return held;
    const known = this.#unpacked.get(key);
    if (known) return known;
    const row = JSON.parse(held) as R; // written by put
    this.#remember(key, row);
    return row;
  }

  keys(): Iterable<string> {
    return this.#rows.keys();
  }

  *values(): Iterable<R> {
    // A list reads each row once: unpacking them would only push out what others read often.
    for (const held of this.#rows.values()) yield typeof held === "string" ? (JSON.parse(held) as R) : held; // written by put
  }

  /** Rows as they are held at this instant, packed ones as their text: rows never change, so this is a picture of it. */
  held(): readonly (R | string)[] {
    return [...this.#rows.values()];
  }

  /** Rows of one group, in the order they entered it. */
  *group(position: number, group: string): Iterable<R> {
    const keys = this.#groups[position]?.members.get(group);
    if (keys === undefined) return;
    for (const key of typeof keys === "string" ? [keys] : [...keys]) {
      const row = this.get(key);
      if (row !== undefined) yield row;
    }
  }

  put(key: string, row: R): void {
    const previous = this.#groups.length > 0 ? this.get(key) : undefined;
    const isPacked = this.#isPacked(row);
    this.#rows.set(key, isPacked ? rowText(row) : row);
    // What was just written is what is read next.
    if (isPacked) this.#remember(key, row);
    else this.#unpacked.delete(key);
    for (const { definition, members } of this.#groups) {
      const group = definition.groupOf(row);
      if (previous !== undefined) {
        const old = definition.groupOf(previous);
        if (old === group) continue;
        if (old !== undefined) leave(members, old, key);
      }
      if (group !== undefined) enter(members, group, key);
    }
  }

  delete(key: string): R | undefined {
    const previous = this.get(key);
    if (previous === undefined) return undefined;
    this.#rows.delete(key);
    this.#unpacked.delete(key);
    for (const { definition, members } of this.#groups) {
      const group = definition.groupOf(previous);
      if (group !== undefined) leave(members, group, key);
    }
    return previous;
  }

  // --- internal ---

  #remember(key: string, row: R): void {
    this.#unpacked.delete(key);
    if (this.#unpacked.size >= UNPACKED_KEPT) this.#unpacked.delete(this.#unpacked.keys().next().value ?? "");
    this.#unpacked.set(key, row);
  }
}

// --- internal ---

/** Most groups have one member: that one is kept as its bare key. */
function enter(members: Map<string, string | Set<string>>, group: string, key: string): void {
  const held = members.get(group);
  if (held === undefined) members.set(group, key);
  else if (typeof held === "string") members.set(group, new Set([held, key]));
  else held.add(key);
}

function leave(members: Map<string, string | Set<string>>, group: string, key: string): void {
  const held = members.get(group);
  if (held === key) members.delete(group);
  if (held === undefined || typeof held === "string") return;
  held.delete(key);
  if (held.size === 0) members.delete(group);
}
