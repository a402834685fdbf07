// What this node says of itself: as it was found, as its drivers know it now, with the meta that operators set; and as what
// it counts, where it took another's place. Servers are told of what differs.

import { EdgeError, messageOf } from "../domain/errors.ts";
import { asSuccessor, type NodeSpec, type NodeSuccession } from "../domain/node.ts";
import { type DynamicMeta, mergedMeta, type NodeMeta, withMetaChanges } from "../domain/node-meta.ts";
import type { DriverState } from "../runner/drivers/driver.ts";
import type { Log } from "../runtime/log.ts";
import type { Clock } from "../runtime/runtime.ts";
import { withDriverState } from "./driver-health.ts";
import type { MetaFile } from "./meta-file.ts";

export interface OwnNodeParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly found: NodeSpec;
  readonly metaFile: MetaFile;
  succession(): NodeSuccession | undefined;
  /** Servers are to know what it says now. */
  changed(node: NodeSpec): void;
}

export class OwnNode {
  readonly #parts: OwnNodeParts;
  /** By its settings, without what was learned since. */
  #found: NodeSpec;
  readonly #drivers = new Map<string, { readonly state: DriverState; readonly atMs: number }>();
  #dynamic: DynamicMeta;
  #said: NodeSpec;

  constructor(parts: OwnNodeParts) {
    this.#parts = parts;
    this.#found = parts.found;
    this.#dynamic = parts.metaFile.read(parts.log);
    this.#said = this.#whole();
  }

  /** To servers, who know themselves what it took over. */
  get said(): NodeSpec {
    return this.#said;
  }

  /** To its tasks and to people. */
  get spec(): NodeSpec {
    return asSuccessor(this.#said, this.#parts.succession());
  }

  get meta(): NodeMeta {
    return { meta: this.spec.meta, dynamic: this.#dynamic, static: { ...this.#parts.succession()?.meta, ...this.#found.meta } };
  }

  driverChanged(name: string, state: DriverState): void {
    this.#drivers.set(name, { state, atMs: this.#parts.clock.nowMs() });
    this.#parts.log.info(`driver ${name}: ${state.description}`);
    this.#tell();
  }

  /** Durable once it returns. Throws `too-large`, and `internal` where the disk does not take it: then nothing has changed. */
  applyMeta(changes: DynamicMeta): NodeMeta {
    const dynamic = withMetaChanges(this.meta, changes);
    if (JSON.stringify(dynamic) === JSON.stringify(this.#dynamic)) return this.meta;
    try {
      this.#parts.metaFile.write(dynamic);
    } catch (error) {
      throw new EdgeError("internal", `the node could not write its meta down, nothing has changed: ${messageOf(error)}`);
    }
    this.#dynamic = dynamic;
    this.#tell();
    return this.meta;
  }

  /** The settings are others now. What tasks took of the disk since the start is theirs, and not missing from it. */
  foundAnew(found: NodeSpec): void {
    const free = this.#found.attributes["unique.storage.bytesfree"];
    const attributes = free === undefined ? found.attributes : { ...found.attributes, "unique.storage.bytesfree": free };
    this.#found = { ...found, attributes, resources: { ...found.resources, diskMiB: this.#found.resources.diskMiB } };
    this.#tell();
  }

  // --- internal ---

  #whole(): NodeSpec {
    let spec = this.#found;
    for (const [name, { state, atMs }] of this.#drivers) spec = withDriverState(spec, name, state, atMs);
    const unsetMeta = Object.keys(this.#dynamic).filter((key) => this.#dynamic[key] === null);
    return { ...spec, meta: mergedMeta(this.#found.meta, this.#dynamic), ...(unsetMeta.length > 0 ? { unsetMeta } : {}) };
  }

  #tell(): void {
    this.#said = this.#whole();
    this.#parts.changed(this.#said);
  }
}
