// JSON from the engine, read without trusting its shape: what is absent or of another type reads as empty.

export class DockerJson {
  readonly #value: Readonly<Record<string, unknown>>;

  constructor(value: unknown) {
    this.#value = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {}; // checked just before
  }

  text(key: string): string {
    const value = this.#value[key];
    return typeof value === "string" ? value : "";
  }

  number(key: string): number {
    const value = this.#value[key];
    return typeof value === "number" ? value : 0;
  }

  bool(key: string): boolean {
    return this.#value[key] === true;
  }

  at(key: string): DockerJson {
    return new DockerJson(this.#value[key]);
  }

  list(key: string): readonly DockerJson[] {
    const value = this.#value[key];
    return Array.isArray(value) ? value.map((item) => new DockerJson(item)) : [];
  }

  texts(key: string): readonly string[] {
    const value = this.#value[key];
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
  }

  names(): readonly string[] {
    return Object.keys(this.#value);
  }

  /** The members of a list. */
  members(): readonly DockerJson[] {
    return Array.isArray(this.#value) ? this.#value.map((item) => new DockerJson(item)) : [];
  }
}

/** An empty object for what is no JSON. */
export function parseObject(text: string): DockerJson {
  try {
    return new DockerJson(JSON.parse(text));
  } catch {
    // A plain text, as some refusals are, or a torn answer: its reader finds nothing in it.
    return new DockerJson(null);
  }
}
