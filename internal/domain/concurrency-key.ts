// The key under which runs take turns: a text in which the meta of a run may stand.

import type { JobSpec, StringMap } from "./job.ts";

/** The key of a job's run that has this meta; the job's id where the key is empty. What the run has no meta for is left out. */
export function concurrencyKeyOf(job: Pick<JobSpec, "id" | "concurrency">, meta: StringMap): string {
  const values = new Map(Object.entries(meta).flatMap(([name, value]) => variablesOf(name).map((variable) => [variable, value] as const)));
  const key = (job.concurrency?.key ?? "").replace(VARIABLE, (_whole, name: string) => values.get(name.trim()) ?? "");
  return key === "" ? job.id : key;
}

/** What the key asks for and no run has that is given meta under these names. */
export function unknownNames(key: string, metaNames: readonly string[]): readonly string[] {
  const known = new Set(metaNames.flatMap(variablesOf));
  return [...key.matchAll(VARIABLE)].flatMap(([, name = ""]) => (known.has(name.trim()) ? [] : [name.trim()]));
}

// --- internal ---

const VARIABLE = /\$\{([^{}]*)\}/g;

/** As tasks see it in their environment. */
function variablesOf(name: string): readonly string[] {
  const plain = name.replace(/[^A-Za-z0-9_]/g, "_");
  return [`NOMAD_META_${plain}`, `NOMAD_META_${plain.toUpperCase()}`];
}
