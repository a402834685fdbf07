// An allocation: one instance of a task group on one node. The server owns what is desired,
// the node owns what ran.

import type { AllocCheck } from "./check.ts";
import type { StringMap } from "./job.ts";
import { LIMITS } from "./limits.ts";

export type DesiredStatus = "run" | "stop" | "evict";
export type ClientStatus = "pending" | "running" | "complete" | "failed" | "lost" | "unknown";
export type TaskStatus = "pending" | "running" | "dead";

export interface TaskEvent {
  readonly type: string;
  readonly atMs: number;
  /** The sentence people read. */
  readonly message: string;
  readonly details: StringMap;
}

/** Whether its schedule, or somebody, has a task run or rest; "" = it runs as its schedule says, or has none. */
export type PauseState = "" | "force_run" | "scheduled_pause" | "force_pause";

export interface TaskState {
  readonly state: TaskStatus;
  readonly failed: boolean;
  readonly restarts: number;
  readonly lastRestartAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  /** Absent as "". */
  readonly paused?: PauseState;
  readonly events: readonly TaskEvent[];
}

/** What a task was given of a node's devices: whole ones by id, or a share of one. */
export interface AllocatedDevice {
  readonly vendor: string;
  readonly type: string;
  readonly name: string;
  readonly ids: readonly string[];
  /** Of each device named: above 0, at most 1. */
  readonly share: number;
}

export interface TaskResources {
  readonly cpuMHz: number;
  readonly cores: number;
  /** Ids of the cores that are this task's alone; absent where it reserves none. */
  readonly coreIds?: readonly number[];
  readonly devices?: readonly AllocatedDevice[];
  readonly memoryMiB: number;
  readonly memoryMaxMiB: number;
}

export interface AllocatedPort {
  readonly label: string;
  readonly value: number;
  readonly to: number;
  readonly hostNetwork: string;
  /** Of that network on the alloc's node; absent where it was not noted. */
  readonly hostAddress?: string;
}

export interface AllocResources {
  readonly tasks: Readonly<Record<string, TaskResources>>;
  /** "" = of the whole alloc, "prestart" tasks are counted by their maximum with main tasks. */
  readonly cpuMHz: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  readonly ports: readonly AllocatedPort[];
}

export interface NodeScore {
  readonly nodeId: string;
  readonly scores: Readonly<Record<string, number>>;
  readonly normScore: number;
}

/** How a placement was decided, or why there was none. */
export interface AllocMetric {
  readonly nodesEvaluated: number;
  readonly nodesFiltered: number;
  readonly nodesInPool: number;
  readonly nodesAvailable: Readonly<Record<string, number>>;
  readonly classFiltered: Readonly<Record<string, number>>;
  readonly constraintFiltered: Readonly<Record<string, number>>;
  readonly nodesExhausted: number;
  readonly classExhausted: Readonly<Record<string, number>>;
  readonly dimensionExhausted: Readonly<Record<string, number>>;
  readonly scores: readonly NodeScore[];
  readonly allocationTimeMs: number;
  readonly coalescedFailures: number;
}

export interface RescheduleEvent {
  readonly atMs: number;
  readonly previousAllocId: string;
  readonly previousNodeId: string;
  readonly delayMs: number;
}

export interface AllocHealth {
  readonly isHealthy: boolean | null;
  readonly atMs: number;
  readonly isCanary: boolean;
}

/** How an alloc goes on where another one failed. */
export interface AllocResume {
  readonly allocId: string;
  /** Whether that one's data comes along; it is on the same node then. */
  readonly takesData: boolean;
  /** Tasks that succeeded there and are not run again, with what is known of them. */
  readonly done: Readonly<Record<string, TaskState>>;
}

/** What an evaluation decided when it changed an alloc; the words of scheduler/decision.ts. */
export interface AllocDecision {
  readonly kind:
    | "place"
    | "canary"
    | "update-in-place"
    | "replace"
    | "migrate"
    | "reschedule"
    | "resume"
    | "reschedule-later"
    | "lose"
    | "disconnect"
    | "reconnect"
    | "stop"
    | "preempt";
  /** A sentence's worth of why: lower case, no full stop. */
  readonly reason: string;
  readonly atMs: number;
}

/** The alloc's decisions with one more, the newest last; one that says the same as the last adds nothing. */
export function withDecision(decisions: readonly AllocDecision[] | undefined, decision: AllocDecision): readonly AllocDecision[] {
  const last = decisions?.at(-1);
  if (last?.kind === decision.kind && last.reason === decision.reason) return decisions ?? [];
  return [...(decisions ?? []), decision].slice(-LIMITS.allocDecisionsKept);
}

export interface Alloc {
  readonly id: string;
  readonly namespace: string;
  /** `<job>.<group>[<index>]`. */
  readonly name: string;
  readonly jobId: string;
  readonly jobCreateIndex: number;
  readonly jobVersion: number;
  readonly group: string;
  readonly nodeId: string;
  readonly nodeName: string;
  readonly evalId: string;
  readonly desiredStatus: DesiredStatus;
  readonly desiredDescription: string;
  /** Set by `alloc stop`: replace this alloc at the next evaluation. */
  readonly isToMigrate: boolean;
  readonly isToReschedule: boolean;
  /** Set by `job resume` on one that failed: another goes on where it stopped, on its node with its data or anywhere without. */
  readonly isToResume?: "on-its-node" | "anywhere";
  /** Absent where it begins from the start. */
  readonly resumes?: AllocResume;
  /** The alloc on the same node whose data becomes its own, as the group's ephemeral_disk is sticky; absent = none. */
  readonly takesDataOf?: string;
  /** The concurrency key that its job counts for; absent = none. */
  readonly concurrencyKey?: string;
  /** Whoever had it stopped does not want it to wait before; absent where nobody said so. */
  readonly skipsShutdownDelay?: boolean;
  readonly clientStatus: ClientStatus;
  readonly clientDescription: string;
  readonly taskStates: Readonly<Record<string, TaskState>>;
  /** Of its services; absent where it has none, or its node tells of none. */
  readonly checks?: readonly AllocCheck[];
  /** Ids of registrations that an operator took out of the lists; absent = none. */
  readonly hiddenServices?: readonly string[];
  readonly resources: AllocResources;
  readonly deploymentId: string;
  readonly health: AllocHealth | null;
  /** The alloc whose place this was taken for. */
  readonly preemptedByAlloc?: string;
  /** Those that were ended to make room for this one. */
  readonly preemptedAllocs?: readonly string[];
  /** When its node was last cut off, and came back; absent where it never was. */
  readonly disconnectedAtMs?: number;
  readonly reconnectedAtMs?: number;
  readonly previousAlloc: string;
  readonly nextAlloc: string;
  readonly rescheduleEvents: readonly RescheduleEvent[];
  readonly followupEvalId: string;
  readonly metrics: AllocMetric;
  /** The newest last; absent in rows of programs that wrote none down. */
  readonly decisions?: readonly AllocDecision[];
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
  /** Index of the last change by the server (client reports leave it alone). */
  readonly allocModifyIndex: number;
}

/** What a node reports of one alloc. */
export interface AllocReport {
  readonly id: string;
  readonly clientStatus: ClientStatus;
  readonly clientDescription: string;
  readonly taskStates: Readonly<Record<string, TaskState>>;
  readonly isHealthy: boolean | null;
  readonly healthAtMs: number;
  /** Absent = it has none. */
  readonly checks?: readonly AllocCheck[];
}

/** Whether the task rests, by its schedule or by somebody's word. */
export function isPaused(state: TaskState | undefined): boolean {
  return state?.state === "pending" && (state.paused === "scheduled_pause" || state.paused === "force_pause");
}

/** Whether the task ran and ended by itself, however. */
export function hasCompleted(state: TaskState | undefined): boolean {
  return state?.state === "dead" && state.startedAtMs !== null && !state.events.some((event) => event.type === "Killed");
}

/** Whether the client will never report anything else of this alloc. */
export function isClientTerminal(alloc: { readonly clientStatus: ClientStatus }): boolean {
  return alloc.clientStatus === "complete" || alloc.clientStatus === "failed" || alloc.clientStatus === "lost";
}

export function isServerTerminal(alloc: { readonly desiredStatus: DesiredStatus }): boolean {
  return alloc.desiredStatus !== "run";
}

export function isTerminal(alloc: Pick<Alloc, "clientStatus" | "desiredStatus">): boolean {
  return isServerTerminal(alloc) || isClientTerminal(alloc);
}

/** Whether its node told its end: no report changes it any more. One that counts as lost may still turn up. */
export function isSettled(alloc: Pick<Alloc, "clientStatus">): boolean {
  return alloc.clientStatus === "complete" || alloc.clientStatus === "failed";
}

/** Whether the alloc still holds its node's resources: until the client says it ended. */
export function holdsResources(alloc: Pick<Alloc, "clientStatus">): boolean {
  return !isClientTerminal(alloc);
}

/** The number in `job.group[7]`. */
export function allocNameIndex(name: string): number {
  const open = name.lastIndexOf("[");
  return Number(name.slice(open + 1, -1));
}

export const EMPTY_METRIC: AllocMetric = {
  nodesEvaluated: 0,
  nodesFiltered: 0,
  nodesInPool: 0,
  nodesAvailable: {},
  classFiltered: {},
  constraintFiltered: {},
  nodesExhausted: 0,
  classExhausted: {},
  dimensionExhausted: {},
  scores: [],
  allocationTimeMs: 0,
  coalescedFailures: 0,
};
