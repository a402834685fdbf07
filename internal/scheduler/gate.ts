// What a group's roll-out allows at this moment: how much may be replaced, whether canaries come first, or why all stands still.

import type { Deployment } from "../domain/deployment.ts";
import type { Job, TaskGroup } from "../domain/job.ts";

export interface Gate {
  /** Old allocs that may be down at once. */
  readonly maxParallel: number;
  /** Canaries that have to be there, and found good, before anything is replaced; 0 = none. */
  readonly canaries: number;
  readonly isPlacingCanaries: boolean;
  /** Why no old alloc is replaced now; null = they may be. */
  readonly replacing: string | null;
  /** Why nothing new is placed now, replacements of what is gone apart; null = it may be. */
  readonly growing: string | null;
}

export interface GateInput {
  readonly job: Job;
  readonly group: TaskGroup;
  readonly deployment: Deployment | null;
  /** Whether allocs of older versions have to be replaced. */
  readonly hasOutdated: boolean;
  /** Of how many a percentage of canaries is meant, for jobs that run on every node. */
  readonly nodes: number | null;
}

export function gateOf({ job, group, deployment, hasOutdated, nodes }: GateInput): Gate {
  const { update } = group;
  if (update === null || update.maxParallel === 0 || job.type === "batch" || job.type === "sysbatch") return OPEN;
  const rolling: Gate = { ...OPEN, maxParallel: update.maxParallel };
  const canarying = (canaries: number): Gate => ({
    ...rolling,
    canaries,
    isPlacingCanaries: true,
    replacing: CANARIES_FIRST,
    growing: CANARIES_FIRST,
  });
  if (deployment === null) return hasOutdated && update.canary > 0 ? canarying(canaryCount(update.canary, nodes)) : rolling;
  const own = deployment.groups[group.name];
  if (!own) return rolling;
  const isCanarying = own.desiredCanaries > 0 && !own.isPromoted;
  switch (deployment.status) {
    case "failed":
      return { ...rolling, replacing: "the deployment of this version failed" };
    case "paused":
    case "pending":
    case "initializing":
    case "blocked": {
      const reason = `the deployment is ${deployment.status}`;
      return { ...rolling, canaries: isCanarying ? own.desiredCanaries : 0, replacing: reason, growing: reason };
    }
    case "running":
    case "unblocking":
      return isCanarying ? canarying(own.desiredCanaries) : rolling;
    case "successful":
    case "cancelled":
      return rolling;
  }
}

/** For a system job the number is a percentage of its nodes, rounded up. */
export function canaryCount(canary: number, nodes: number | null): number {
  return nodes === null ? canary : Math.min(nodes, Math.ceil((nodes * canary) / 100));
}

// --- internal ---

const OPEN: Gate = { maxParallel: Number.POSITIVE_INFINITY, canaries: 0, isPlacingCanaries: false, replacing: null, growing: null };
const CANARIES_FIRST = "the canaries of the new version have to be promoted first";
