// What is known of an allocation on this machine: what it was ordered as, and what must outlive the agent.

import type { AllocResources, AllocResume, ClientStatus } from "../domain/alloc.ts";
import type { AllocCheck } from "../domain/check.ts";
import { NEW_TASK, type TaskRecord } from "./task-record.ts";

export interface RunnableAlloc {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly group: string;
  readonly resources: AllocResources;
  readonly createdAtMs: number;
  /** "" = it came with no roll-out; absent in what an older agent wrote down. */
  readonly deploymentId?: string;
  /** Absent where it begins from the start. */
  readonly resumes?: AllocResume;
  /** Whose data becomes its own, where that is there. */
  readonly takesDataOf?: string;
}

/** What must survive the agent. */
export interface AllocRecord {
  readonly tasks: Readonly<Record<string, TaskRecord>>;
  readonly isHealthy: boolean | null;
  readonly healthAtMs: number;
  readonly isDone: boolean;
  readonly clientStatus: ClientStatus;
  readonly description: string;
  readonly isStopping: boolean;
  /** As they were told last; absent = it has none. */
  readonly checks?: readonly AllocCheck[];
  /** It is to stop and has its group's shutdown_delay first. An agent that comes meanwhile grants it anew. */
  readonly isHeldBack?: boolean;
}

export const NEW_ALLOC: AllocRecord = {
  tasks: {},
  isHealthy: null,
  healthAtMs: 0,
  isDone: false,
  clientStatus: "pending",
  description: "",
  isStopping: false,
};

/** Whether it ever began, as far as is known. */
export function hasAttempts(record: AllocRecord): boolean {
  return Object.values(record.tasks).some((task) => task.attempt > 0);
}

/** A run that this node decided on by itself and holds no more: its server, as one that was restored, does not know its end. */
export function endedUnseen(record: AllocRecord): AllocRecord {
  return { ...record, isDone: true, clientStatus: "failed", description: "its node, which fired it, holds nothing of it any more" };
}

/** What an alloc begins with: of one that goes on where another failed, the tasks that were done there. */
export function firstRecord({ resumes }: Pick<RunnableAlloc, "resumes">): AllocRecord {
  const done = Object.entries(resumes?.done ?? {}).map(([name, state]) => [name, { ...NEW_TASK, state }] as const);
  return { ...NEW_ALLOC, tasks: Object.fromEntries(done) };
}
