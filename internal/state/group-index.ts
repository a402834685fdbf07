// The keys of a table's rows by what they belong to, living rows apart from those that have ended.

export interface IndexDefinition<R> {
  readonly name: string;
  /** The group a row belongs to; undefined = in none. */
  readonly groupOf: (row: R) => string | undefined;
}

type Members = Map<string, string | Set<string>>;

export class GroupIndex<R> {
  readonly #groupOf: (row: R) => string | undefined;
  readonly #hot: Members = new Map();
  readonly #cold: Members = new Map();

  constructor(definition: IndexDefinition<R>) {
    this.#groupOf = definition.groupOf;
  }

  /** Keys of the rows that live, in the order in which they entered the group. */
  hotKeys(group: string): readonly string[] {
    return keysOf(this.#hot, group);
  }

  /** Keys of the rows that have ended, in the order in which they did. */
  coldKeys(group: string): readonly string[] {
    return keysOf(this.#cold, group);
  }

  has(group: string): boolean {
    return this.#hot.has(group) || this.#cold.has(group);
  }

  enter(key: string, row: R, isCold: boolean): void {
    const group = this.#groupOf(row);
    if (group !== undefined) enter(isCold ? this.#cold : this.#hot, group, key);
  }

  leave(key: string, row: R, isCold: boolean): void {
    const group = this.#groupOf(row);
    if (group !== undefined) leave(isCold ? this.#cold : this.#hot, group, key);
  }

  /** Whether both rows stand at the same place. */
  isSame(one: R, other: R): boolean {
    return this.#groupOf(one) === this.#groupOf(other);
  }
}

/** How many rows are in each group, where nobody asks which. */
export class GroupCount<R> {
  readonly #groupOf: (row: R) => string | undefined;
  readonly #counts = new Map<string, number>();

  constructor(definition: IndexDefinition<R>) {
    this.#groupOf = definition.groupOf;
  }

  of(group: string): number {
    return this.#counts.get(group) ?? 0;
  }

  /** One row more (1) or less (-1). */
  change(row: R, by: 1 | -1): void {
    const group = this.#groupOf(row);
    if (group === undefined) return;
    const count = this.of(group) + by;
    if (count === 0) this.#counts.delete(group);
    else this.#counts.set(group, count);
  }
}

// --- internal ---

function keysOf(members: Members, group: string): readonly string[] {
  const held = members.get(group);
  if (held === undefined) return [];
  return typeof held === "string" ? [held] : [...held];
}

/** Most groups have one member: that one is kept as its bare key. */
function enter(members: Members, group: string, key: string): void {
  const held = members.get(group);
  if (held === undefined) members.set(group, key);
  else if (typeof held === "string") members.set(group, new Set([held, key]));
  else held.add(key);
}

function leave(members: Members, group: string, key: string): void {
  const held = members.get(group);
  if (held === key) members.delete(group);
  if (held === undefined || typeof held === "string") return;
  held.delete(key);
  if (held.size === 0) members.delete(group);
}
