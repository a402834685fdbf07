// Meta of a node that operators set while it runs, over what its settings say. Pure.

import { EdgeError } from "./errors.ts";
import type { StringMap } from "./job.ts";
import { LIMITS } from "./limits.ts";

/** Null: the key is unset, also where the settings have it. */
export type DynamicMeta = Readonly<Record<string, string | null>>;

/** A node's meta, as clients ask for it. */
export interface NodeMeta {
  /** As jobs see it. */
  readonly meta: StringMap;
  readonly dynamic: DynamicMeta;
  /** Of the agent's settings. */
  readonly static: StringMap;
}

/** Checked changes of what came from outside. Throws `invalid` with the key and what is wrong with it. */
export function parseMetaChanges(value: unknown): DynamicMeta {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new EdgeError("invalid", "missing required Meta object");
  const entries = Object.entries(value);
  if (entries.length === 0) throw new EdgeError("invalid", "Meta has no keys: name those that are to change");
  for (const [key, entry] of entries) {
    if (!KEY.test(key) || key === "__proto__")
      throw new EdgeError("invalid", `"${key.slice(0, 64)}" is no key of meta: letters, digits and . _ - / : make one, ${KEY_CHARS_MAX} at most`);
    if (entry !== null && typeof entry !== "string") throw new EdgeError("invalid", `meta "${key}" must be a string, or null to unset it`);
    if (entry !== null && (entry.length > LIMITS.nodeMetaValueCharsMax || entry.includes("\0")))
      throw new EdgeError(
        "invalid",
        `meta "${key}" is longer than ${LIMITS.nodeMetaValueCharsMax} characters (nodeMetaValueCharsMax), or holds a NUL`,
      );
  }
  return Object.fromEntries(entries);
}

/** What is set after the changes: a key that neither they nor the settings have is kept no more. Throws `too-large`. */
export function withMetaChanges(known: Pick<NodeMeta, "dynamic" | "static">, changes: DynamicMeta): DynamicMeta {
  const entries = Object.entries({ ...known.dynamic, ...changes }).filter(([key, value]) => value !== null || Object.hasOwn(known.static, key));
  if (entries.length > LIMITS.nodeMetaKeysMax)
    throw new EdgeError(
      "too-large",
      `the node would have ${entries.length} keys of meta set; ${LIMITS.nodeMetaKeysMax} are allowed (nodeMetaKeysMax)`,
    );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function mergedMeta(fixed: StringMap, dynamic: DynamicMeta): StringMap {
  const entries = Object.entries({ ...fixed, ...dynamic });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== null));
}

// --- internal ---

const KEY_CHARS_MAX = 128;
const KEY = /^[A-Za-z0-9_][\w./:-]{0,127}$/;
