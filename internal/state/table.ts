// One in-memory table: rows by key, secondary indexes kept in step, and the last index that touched it.

export interface IndexDefinition<R> {
  readonly name: string;
  /** The group a row belongs to; undefined = in none. */
  readonly groupOf: (row: R) => string | undefined;
}

export class Table<R extends object> {
  lastIndex = 0;
  readonly #rows = new Map<string, R>();
  readonly #groups: readonly { readonly definition: IndexDefinition<R>; readonly members: Map<string, Map<string, R>> }[];

  constructor(definitions: readonly IndexDefinition<R>[] = []) {
    this.#groups = definitions.map((definition) => ({ definition, members: new Map() }));
  }

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): R | undefined {
    return this.#rows.get(key);
  }

  values(): Iterable<R> {
    return this.#rows.values();
  }

  /** Rows of one group, in the order they entered it. */
  group(position: number, group: string): Iterable<R> {
    return this.#groups[position]?.members.get(group)?.values() ?? [];
  }

  put(key: string, row: R): void {
    const previous = this.#rows.get(key);
    this.#rows.set(key, row);
    for (const { definition, members } of this.#groups) {
      const group = definition.groupOf(row);
      if (previous !== undefined) {
        const old = definition.groupOf(previous);
        if (old !== undefined && old !== group) leave(members, old, key);
      }
      if (group === undefined) continue;
      const set = members.get(group);
      if (set) set.set(key, row);
      else members.set(group, new Map([[key, row]]));
    }
  }

  delete(key: string): R | undefined {
    const previous = this.#rows.get(key);
    if (previous === undefined) return undefined;
    this.#rows.delete(key);
    for (const { definition, members } of this.#groups) {
      const group = definition.groupOf(previous);
      if (group !== undefined) leave(members, group, key);
    }
    return previous;
  }
}

// --- internal ---

function leave<R>(members: Map<string, Map<string, R>>, group: string, key: string): void {
  const set = members.get(group);
  set?.delete(key);
  if (set?.size === 0) members.delete(group);
}
