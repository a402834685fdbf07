// What reconciling a group gives: the changes it asks for, as data, and the words that go with them.

import type { Alloc } from "../domain/alloc.ts";
import { allocNameIndex } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { View } from "../domain/view.ts";
import type { Decided, Decision } from "./decision.ts";

export interface Stop {
  readonly alloc: Alloc;
  readonly description: string;
  /** Set where the node cannot report any more. */
  readonly clientStatus?: "lost";
}

export interface Place {
  readonly name: string;
  readonly previous: Alloc | null;
  /** The delay that a reschedule waited; null when this is none. */
  readonly rescheduleDelayMs: number | null;
  /** System jobs, and those that their node fires: the one node it is for. */
  readonly nodeId: string | null;
  /** Why it is placed; counted under this name in the plan's annotations, one that resumes another as a new one. */
  readonly kind: "place" | "migrate" | "destructive" | "resume";
  /** It is judged before older ones are replaced. */
  readonly isCanary?: true;
  /** What its alloc says of why it is there. */
  readonly decided: Decided;
  /** The version it is placed of, where that is not the newest: what a roll-out that stands still has to replace. */
  readonly jobVersion?: number;
}

export interface Later {
  readonly alloc: Alloc;
  readonly atMs: number;
  /** What happens then; a failed alloc is tried elsewhere, unless said otherwise. */
  readonly trigger?: "alloc-failure" | "max-disconnect-timeout";
}

/** Its node is out of reach since then; at `atMs` it counts as lost. */
export interface CutOff extends Later {
  readonly sinceMs: number;
}

/** How far a group's roll-out has come. */
export interface Rollout {
  /** Whether anything of the new version has to be placed or brought to it. */
  readonly isNeeded: boolean;
  readonly canaries: number;
  readonly total: number;
  /** Nothing is left to do but for what is placed to become healthy. */
  readonly isDone: boolean;
}

export interface GroupChanges {
  readonly stops: readonly Stop[];
  readonly places: readonly Place[];
  readonly inPlace: readonly Alloc[];
  readonly later: readonly Later[];
  readonly unknowns: readonly CutOff[];
  readonly reconnects: readonly Alloc[];
  readonly decisions: readonly Decision[];
  readonly ignored: number;
  readonly rollout: Rollout;
}

export const STOP_TEXT = {
  notNeeded: "alloc not needed due to job update",
  updating: "alloc is being updated due to job update",
  lost: "alloc is lost since its node is down",
  expired: "alloc is lost since its node did not come back in time",
  migrating: "alloc is being migrated",
  rescheduled: "alloc was rescheduled because it failed",
  resumed: "alloc failed: another one goes on where it stopped",
  restarted: "alloc is stopped and replaced by request",
  reconnected: "alloc not needed: its replacement runs on",
  replacementOver: "alloc not needed: the one it replaced is back",
} as const;

export interface GroupInput {
  readonly view: View;
  readonly job: Job;
  readonly group: TaskGroup;
  readonly allocs: readonly Alloc[];
  /** The roll-out of the job's version, whatever became of it. */
  readonly deployment: Deployment | null;
  readonly nowMs: number;
  /** Whether somebody reads every decision, not those alone that change an alloc: of a job of 50,000 they take longer than all else. */
  readonly isExplained: boolean;
}

export function allocName(jobId: string, group: string, number: number): string {
  return `${jobId}.${group}[${number}]`;
}

export function isOfThisVersion(job: Pick<Job, "version" | "createIndex">, alloc: Alloc): boolean {
  return alloc.jobVersion === job.version && alloc.jobCreateIndex === job.createIndex;
}

/** Whether its tasks are out of reach, for good or for a while. */
export function isGone(node: Node | undefined): boolean {
  return node === undefined || node.status === "down" || node.status === "disconnected";
}

/** Lowest number first; of one number the older first. */
export function byNumber(a: Alloc, b: Alloc): number {
  return allocNameIndex(a.name) - allocNameIndex(b.name) || a.createIndex - b.createIndex || (a.id < b.id ? -1 : 1);
}
