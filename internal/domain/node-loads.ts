// Every node with what of it is in use, in columns: what placing reads of thousands of nodes without touching one of them.

import type { Node } from "./node.ts";

/** All columns have the order and length of `nodes`. They are live: read them, and read them again after a change. */
export interface NodeLoads {
  /** In the order of their ids. */
  readonly nodes: readonly Node[];
  /** 1 where a node may take new work: it is ready and eligible. */
  readonly isOpen: Uint8Array;
  /** The node's class, as a place in `classes`. */
  readonly classOf: Int32Array;
  /** One node of each class. All of a class share datacenter, pool, node class, drivers, attributes and meta, `unique.` ones apart. */
  readonly classes: readonly Node[];
  readonly totalCpuMHz: Float64Array;
  readonly totalMemoryMiB: Float64Array;
  readonly totalDiskMiB: Float64Array;
  readonly reservedCpuMHz: Float64Array;
  readonly reservedMemoryMiB: Float64Array;
  /** What is reserved, and what allocs hold that are not terminal. */
  readonly usedCpuMHz: Float64Array;
  readonly usedMemoryMiB: Float64Array;
  readonly usedDiskMiB: Float64Array;
  /** The index at which a node's use changed last. */
  readonly changedAt: Float64Array;
  /** The index at which any node itself joined, changed or left last: places and classes may be others since. */
  readonly rowsChangedAt: number;
  /** The node's place in every column; -1 where there is no such node. */
  positionOf(nodeId: string): number;
}
