// Reads a driver's config as a job writes it: each key that is asked for is known, all others are problems, and so is
// every value of another type. A block may come as a map or, from files written in blocks, as a list of maps.

import type { Json, JsonMap } from "../../domain/job.ts";
import { nearest } from "../../jobspec/nearest.ts";
import type { ConfigProblem } from "./registry.ts";

export class ConfigReader {
  readonly problems: ConfigProblem[] = [];
  readonly #driver: string;
  readonly #values: JsonMap;
  readonly #path: readonly (string | number)[];
  readonly #known = new Set<string>();
  readonly #children: ConfigReader[] = [];

  constructor(driver: string, values: JsonMap, path: readonly (string | number)[] = []) {
    this.#driver = driver;
    this.#values = values;
    this.#path = path;
  }

  /** Problems of this block and of those in it, unknown keys included; call when everything was asked for. */
  allProblems(): ConfigProblem[] {
    const unknown = Object.keys(this.#values)
      .filter((key) => !this.#known.has(key))
      .map((key) => ({ path: [...this.#path, key], message: this.#unknownText(key) }));
    return [...this.problems, ...unknown, ...this.#children.flatMap((child) => child.allProblems())];
  }

  has(key: string): boolean {
    return this.#value(key) !== undefined;
  }

  report(key: string, message: string): void {
    this.problems.push({ path: [...this.#path, key], message });
  }

  /** A key that the field knows and this driver does not carry out: refused with the reason, unless it says nothing. */
  refused(key: string, reason: string): void {
    const value = this.#value(key);
    if (value === undefined || value === "" || value === false || value === 0) return;
    this.report(key, `${this.#driver} config "${key}" is not supported: ${reason}`);
  }

  string(key: string): string {
    const value = this.#value(key);
    if (value === undefined) return "";
    if (typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    return this.#wrong(key, "a string", "");
  }

  choice(key: string, choices: readonly string[]): string {
    const value = this.string(key);
    if (value === "" || choices.includes(value) || isOpen(value)) return value;
    this.report(key, `${this.#driver} config "${key}" must be one of ${choices.join(", ")}, not "${value}"`);
    return "";
  }

  bool(key: string): boolean {
    const value = this.#value(key);
    if (value === undefined || value === false || value === "false") return false;
    if (value === true || value === "true" || isOpen(value)) return true;
    return this.#wrong(key, "true or false", false);
  }

  /** Whole and not negative unless a smallest value is given; 0 when it is not there. */
  int(key: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#value(key);
    if (value === undefined || isOpen(value)) return 0;
    const number = typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max) return number;
    return this.#wrong(key, max === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`, 0);
  }

  strings(key: string): readonly string[] {
    const value = this.#value(key);
    if (value === undefined) return [];
    if (Array.isArray(value) && value.every((item) => typeof item === "string" || typeof item === "number")) return value.map(String);
    return this.#wrong(key, "a list of strings", []);
  }

  /** A string counts as a list of one. */
  stringOrStrings(key: string): readonly string[] {
    const value = this.#value(key);
    return typeof value === "string" ? [value] : this.strings(key);
  }

  map(key: string): Readonly<Record<string, string>> {
    const merged: Record<string, string> = {};
    for (const block of this.#maps(key, "a map of strings"))
      for (const [name, value] of Object.entries(block)) {
        if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") merged[name] = String(value);
        else this.report(key, `${this.#driver} config "${key}": the value of "${name}" must be a string`);
      }
    return merged;
  }

  /** One reader for each block of that name. */
  blocks(key: string): readonly ConfigReader[] {
    return this.#maps(key, "a block").map((block, at) => {
      const child = new ConfigReader(this.#driver, block, [...this.#path, key, ...(Array.isArray(this.#value(key)) ? [at] : [])]);
      this.#children.push(child);
      return child;
    });
  }

  /** The only block of that name; an empty one where there is none. */
  block(key: string): ConfigReader {
    const all = this.blocks(key);
    if (all.length > 1) this.report(key, `${this.#driver} config "${key}" may stand once`);
    return all[0] ?? new ConfigReader(this.#driver, {});
  }

  // --- internal ---

  #value(key: string): Json | undefined {
    this.#known.add(key);
    const value = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
    return value === null ? undefined : value;
  }

  #maps(key: string, expected: string): readonly JsonMap[] {
    const value = this.#value(key);
    if (value === undefined) return [];
    const list: readonly Json[] = Array.isArray(value) ? value : [value];
    if (list.every((item): item is JsonMap => typeof item === "object" && item !== null && !Array.isArray(item))) return list;
    return this.#wrong(key, expected, []);
  }

  #wrong<T>(key: string, expected: string, otherwise: T): T {
    this.report(key, `${this.#driver} config "${key}" must be ${expected}`);
    return otherwise;
  }

  #unknownText(key: string): string {
    const within = this.#path.filter((part) => typeof part === "string").at(-1);
    const where = within === undefined ? `${this.#driver} has no config key` : `${this.#driver} config "${within}" has no key`;
    const near = nearest(key, [...this.#known]);
    return `${where} "${key}"${near ? `; did you mean "${near}"?` : ` (known: ${[...this.#known].sort().join(", ")})`}`;
  }
}

// --- internal ---

/** A value that is known on the node only: it is checked there again. */
function isOpen(value: unknown): boolean {
  return typeof value === "string" && value.includes("${");
}
