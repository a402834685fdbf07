// Which config keys an external driver takes, as it says when it is greeted, and what of a job's config is wrong by that. Pure.

import type { Json, JsonMap } from "../../../domain/job.ts";
import { LIMITS } from "../../../domain/limits.ts";

export type ConfigTable = Readonly<Record<string, ConfigKey>>;

export interface ConfigKey {
  readonly type: (typeof TYPES)[number];
  readonly required?: boolean;
  readonly choices?: readonly string[];
}

/** The table, or what is wrong with it. */
export function readConfigTable(value: Json): ConfigTable | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "is no table of keys";
  const entries = Object.entries(value);
  if (entries.length > LIMITS.driverConfigKeysMax) return `has more than ${LIMITS.driverConfigKeysMax} keys (driverConfigKeysMax)`;
  const table: Record<string, ConfigKey> = {};
  for (const [name, said] of entries) {
    const key = typeof said === "string" ? { type: said } : (said as JsonMap | null);
    const type = TYPES.find((one) => one === key?.type);
    if (type === undefined || !/^[A-Za-z_][\w-]{0,63}$/.test(name))
      return `has a key "${name.slice(0, 64)}" whose type is none of ${TYPES.join(", ")}`;
    const choices = Array.isArray(key?.choices) ? key.choices.map(String) : undefined;
    table[name] = { type, ...(key?.required === true ? { required: true } : {}), ...(choices ? { choices } : {}) };
  }
  return table;
}

/** What the table has against a job's config: each with its key. */
export function tableProblems(driver: string, table: ConfigTable, config: JsonMap): { readonly path: readonly string[]; readonly message: string }[] {
  const problems: { readonly path: readonly string[]; readonly message: string }[] = [];
  const report = (key: string, message: string) => problems.push({ path: [key], message });
  for (const name of Object.keys(config))
    if (!Object.hasOwn(table, name)) report(name, `${driver} has no config key "${name}" (known: ${Object.keys(table).join(", ") || "none"})`);
  for (const [name, key] of Object.entries(table)) {
    const value = Object.hasOwn(config, name) ? config[name] : undefined;
    if (value === undefined || value === null) {
      if (key.required) report(name, `${driver} needs config "${name}"`);
      continue;
    }
    if (JSON.stringify(value).includes("${")) continue; // known on the node only, which checks it again
    if (!FITS[key.type](value)) report(name, `${driver} config "${name}" must be ${WORDS[key.type]}`);
    else if (key.choices && !key.choices.includes(String(value))) report(name, `${driver} config "${name}" must be one of ${key.choices.join(", ")}`);
  }
  return problems;
}

// --- internal ---

const TYPES = ["string", "number", "bool", "list", "map", "any"] as const;

const WORDS: Readonly<Record<ConfigKey["type"], string>> = {
  string: "a string",
  number: "a number",
  bool: "true or false",
  list: "a list of strings",
  map: "a map of strings",
  any: "anything",
};

const isText = (value: unknown) => typeof value === "string";

const FITS: Readonly<Record<ConfigKey["type"], (value: Json) => boolean>> = {
  string: isText,
  number: (value) => typeof value === "number",
  bool: (value) => typeof value === "boolean",
  list: (value) => Array.isArray(value) && value.every(isText),
  map: (value) => typeof value === "object" && !Array.isArray(value) && Object.values(value as object).every(isText),
  any: () => true,
};
