// A snapshot's file on this machine: read with a word on what is wrong with it, and told to a person.

import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import type { Snapshot } from "../../../internal/store/snapshot/decode-snapshot.ts";
import { decodeSnapshot } from "../../../internal/store/snapshot/decode-snapshot.ts";
import type { Pair } from "./output.ts";
import { instantText } from "./times.ts";

export interface SnapshotOnDisk {
  readonly snapshot: Snapshot;
  readonly bytes: Uint8Array;
}

/** Throws `not-found`, and `invalid` for a file that is no sound snapshot. */
export async function readSnapshot(runtime: Runtime, path: string): Promise<SnapshotOnDisk> {
  const info = runtime.files.stat(path);
  if (info !== null && !info.isFile) throw new EdgeError("invalid", `${path} is no file`);
  let bytes: Uint8Array | null;
  try {
    bytes = runtime.files.readBytes(path);
  } catch (error) {
    throw new EdgeError("invalid", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (bytes === null) throw new EdgeError("not-found", `there is no file ${path}`);
  try {
    return { snapshot: await decodeSnapshot(runtime, bytes), bytes };
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    throw new EdgeError(error.code, `${path}: ${error.message}`, { ...(error.hint === undefined ? {} : { hint: error.hint }), cause: error });
  }
}

export function snapshotPairs({ header }: Snapshot): readonly Pair[] {
  return [
    ["Made", instantText(header.madeAtMs)],
    ["By", `edgectl ${header.madeBy}`],
    ["Region", header.region],
    ["Cluster", header.clusterId],
    ["Index", header.index],
    ["Epoch", header.epoch],
    ["Schema", header.schema],
  ];
}

/** As in "3 jobs, 1 node, 7 allocations". */
export function snapshotSummary({ header }: Snapshot): string {
  const nouns = [
    ["jobs", "job"],
    ["nodes", "node"],
    ["allocs", "allocation"],
  ] as const;
  return nouns
    .map(([table, noun]) => {
      const count = header.counts.get(table) ?? 0;
      return `${count} ${noun}${count === 1 ? "" : "s"}`;
    })
    .join(", ");
}
