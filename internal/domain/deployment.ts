// A deployment: the course of one job version's roll-out, group by group, until it succeeded, failed or was superseded.
// What can be counted from allocs is counted from them; only its end writes the counts down.

export type DeploymentStatus = "initializing" | "running" | "paused" | "pending" | "blocked" | "unblocking" | "successful" | "failed" | "cancelled";

export interface DeploymentGroup {
  readonly autoRevert: boolean;
  readonly autoPromote: boolean;
  readonly progressDeadlineMs: number;
  /** The wall instant by which another alloc must have become healthy; null while nothing is placed, or while it is paused. */
  readonly requireProgressByMs: number | null;
  /** Canaries were found good and may replace the old allocs; true from the start where there are none to place. */
  readonly isPromoted: boolean;
  readonly desiredCanaries: number;
  readonly desiredTotal: number;
  /** What was counted when the deployment ended; absent while it runs. */
  readonly final?: DeploymentCounts;
}

export interface DeploymentCounts {
  readonly placed: number;
  readonly healthy: number;
  readonly unhealthy: number;
  readonly canaries: readonly string[];
}

export interface Deployment {
  readonly id: string;
  readonly namespace: string;
  readonly jobId: string;
  readonly jobCreateIndex: number;
  readonly jobVersion: number;
  readonly jobModifyIndex: number;
  /** By group name. */
  readonly groups: Readonly<Record<string, DeploymentGroup>>;
  readonly status: DeploymentStatus;
  readonly statusDescription: string;
  readonly evalPriority: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** Whether it still decides anything. */
export function isActiveDeployment(deployment: Pick<Deployment, "status">): boolean {
  switch (deployment.status) {
    case "successful":
    case "failed":
    case "cancelled":
      return false;
    default:
      return true;
  }
}
