// The services of the whole cluster as routes ask for them, and since which index each list is as it is. Services are read
// off allocs, most of whose changes change none: whoever waits for a list is answered when it differs, not with each report.
//
// What is kept here is a memory of what was read: a server that starts over answers its readers once, and knows again.

import type { Alloc } from "../domain/alloc.ts";
import type { Registration } from "../domain/registration.ts";
import { type JobVersion, versionKey } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import { servicesOf } from "../runner/service-env.ts";
import type { Hashing } from "../runtime/runtime.ts";
import { mayServe, registrationsOf } from "./registrations.ts";

const LISTS_KEPT = 1000;
const VERSIONS_KEPT = 10_000;

export class ServiceCatalog {
  readonly #hashing: Hashing;
  readonly #lists = new Map<string, { readonly digest: string; readonly index: number }>();
  /** Versions with their services, which never change; null = it has none. Reading one from its text takes long. */
  readonly #versions = new Map<string, JobVersion | null>();

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
  }

  /** Every service of a namespace, `*` = all, by name and id. */
  registrationsIn(view: View, namespace: string): readonly Registration[] {
    const found: Registration[] = [];
    for (const head of view.jobHeads()) {
      if (namespace !== "*" && head.namespace !== namespace) continue;
      for (const alloc of view.liveAllocsOfJob(head.namespace, head.id)) found.push(...this.registrationsOf(view, alloc));
    }
    return found.sort((a, b) => compare(a.name, b.name) || compare(a.id, b.id));
  }

  registrationsOf(view: View, alloc: Alloc): readonly Registration[] {
    if (!mayServe(alloc)) return [];
    const job = this.#version(view, alloc);
    const node = job && view.node(alloc.nodeId);
    return job && node ? registrationsOf(alloc, job, node) : [];
  }

  /** The index of this list, read at `index`. One that is looked at for the first time counts as just changed. */
  indexOf(list: string, content: unknown, index: number): number {
    const digest = this.#hashing.sha256Hex(JSON.stringify(content));
    const known = this.#lists.get(list);
    // After a restore the indexes go on from elsewhere.
    if (known?.digest === digest && known.index <= index) return known.index;
    keep(this.#lists, list, { digest, index }, LISTS_KEPT);
    return index;
  }

  // --- internal ---

  #version(view: View, alloc: Alloc): JobVersion | null {
    const key = versionKey(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const version = view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
    if (!version) return null;
    const found = version.groups.some((group) => servicesOf(group).length > 0) ? version : null;
    keep(this.#versions, key, found, VERSIONS_KEPT);
    return found;
  }
}

// --- internal ---

function keep<V>(map: Map<string, V>, key: string, value: V, max: number): void {
  map.delete(key);
  if (map.size >= max) map.delete(map.keys().next().value ?? "");
  map.set(key, value);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
