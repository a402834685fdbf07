// Messages of a later version: skipped, and told once each.

const KINDS_MAX = 32;
const KIND_CHARS_MAX = 40;

export class UnknownKinds {
  readonly #seen = new Set<string>();

  /** The kind as it may be shown the first time it comes, else null: also once there are more than anybody wants to read. */
  first(message: unknown): string | null {
    const kind = String((message as { readonly kind?: unknown } | null)?.kind).slice(0, KIND_CHARS_MAX);
    if (this.#seen.has(kind) || this.#seen.size >= KINDS_MAX) return null;
    this.#seen.add(kind);
    return kind;
  }
}
