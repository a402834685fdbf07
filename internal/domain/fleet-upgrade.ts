// A roll-out of a new program over many nodes, in waves: what an operator asked for and how far it is. One row of settings.

export interface FleetProgram {
  /** As a node's `cpu.arch` names it. */
  readonly architecture: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Text of a minisign signature, "" = none. */
  readonly signature: string;
}

/** told: the node has the program and was told to become it. skipped: the roll-out leaves it as it is. */
export type FleetNodeState = "waiting" | "told" | "healthy" | "failed" | "skipped";

export interface FleetNode {
  /** Counted from 1; 0 for those that are skipped. */
  readonly wave: number;
  readonly state: FleetNodeState;
  readonly reason: string;
  readonly changedAtMs: number;
}

/** stopped: by an operator. failed: by the first node that went back, or could not be upgraded. */
export type FleetState = "running" | "stopped" | "failed" | "done";

export interface FleetUpgrade {
  readonly id: string;
  readonly state: FleetState;
  readonly reason: string;
  readonly programs: readonly FleetProgram[];
  /** Between the last node of a wave that got healthy and the first of the next. */
  readonly pauseMs: number;
  readonly healthyWithinMs: number;
  readonly healthyForMs: number;
  readonly isForced: boolean;
  readonly wave: number;
  readonly waves: number;
  readonly waveBeganAtMs: number;
  /** When all nodes of the wave were through; null = some are not. */
  readonly waveDoneAtMs: number | null;
  readonly startedAtMs: number;
  readonly changedAtMs: number;
  /** By node id. */
  readonly nodes: Readonly<Record<string, FleetNode>>;
}

/** What a node says of whether it lets a server upgrade it, as its attribute `edgectl.upgrade`. */
export const UPGRADE_ATTRIBUTE = "edgectl.upgrade";
