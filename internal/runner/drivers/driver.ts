// What a driver is to the runner: it starts a task, finds it again, and says how it ended.

import type { Exit } from "../../device/restart.ts";
import type { TaskVolume } from "../../device/volumes.ts";
import type { AllocResources } from "../../domain/alloc.ts";
import type { StringMap, Task } from "../../domain/job.ts";
import type { TaskUsage } from "../usage.ts";

export interface StartRequest {
  readonly allocId: string;
  readonly task: Task;
  /** The task with its `${...}` replaced. */
  readonly attempt: number;
  readonly env: Readonly<Record<string, string>>;
  readonly resources: AllocResources;
  readonly origin: TaskOrigin;
  /** Folders of the machine that are there; absent = none. */
  readonly volumes?: readonly TaskVolume[];
  /** Tells people what takes its time: each is an event of the task. */
  say(message: string): void;
  /** Aborted when the task is to end before it began: `start` rejects soon then, and leaves nothing behind. */
  readonly cancelled: AbortSignal;
}

/** Where a task comes from, for the names and labels that others see. */
export interface TaskOrigin {
  readonly namespace: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly group: string;
  readonly nodeId: string;
  readonly nodeName: string;
}

/**
 * What a task sees of the machine: all of it; its own folders at /alloc, /local and /secrets below a root of its own,
 * with the host's programs; or the same within an image, which brings its own programs and their PATH.
 */
export type TaskView = "host" | "rooted" | "image";

export interface ExecRequest {
  readonly command: readonly string[];
  /** Null = no terminal. */
  readonly terminal: { readonly columns: number; readonly rows: number } | null;
}

/** A command that runs beside a task, within what the task sees. */
export interface ExecSession {
  /** Ends when the command has closed both streams; with a terminal all is stdout. Read once. */
  readonly output: AsyncIterable<{ readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array }>;
  /** Resolves when the command has taken it, or takes nothing any more. */
  write(bytes: Uint8Array): Promise<void>;
  endInput(): void;
  /** Does nothing where there is no terminal any more. */
  resize(columns: number, rows: number): Promise<void>;
  /** After the output ended. 128 and more: ended by a signal, as shells tell it. */
  exitCode(): Promise<number>;
  /** Ends the command, if it has not ended: a hang-up, and what is left a little later is killed. */
  close(): void;
}

/** A task that runs, or ran. */
export interface TaskHandle {
  readonly startedAtMs: number;
  /** Resolves once, when the task has ended and nothing of it is left. */
  readonly exited: Promise<Exit>;
  /** False when there is nothing left to signal. */
  signal(name: string): boolean;
  /** SIGKILL to everything that belongs to the task. */
  kill(): Promise<void>;
  /** The signal that asks this very task to end, where it differs from its driver's. */
  readonly stopSignal?: string;
  /** Absent where the driver cannot. Throws EdgeError. */
  exec?(request: ExecRequest): Promise<ExecSession>;
  /** Lets go without touching the task: the agent leaves. */
  release?(): void;
  /** CPU time so far and memory now; null where nobody can tell. */
  usage(): TaskUsage | null;
}

/** Whether a driver's own needs are met on this machine. */
export interface DriverState {
  readonly detected: boolean;
  readonly healthy: boolean;
  readonly description: string;
  readonly attributes: StringMap;
}

export interface Driver {
  readonly name: string;
  /** Absent = "host". */
  readonly view?: TaskView;
  readonly defaultSignal: string;
  /** Tasks with volumes are not started where the driver cannot give them. */
  readonly canGiveVolumes?: true;
  /** Throws EdgeError with words for the person who wrote the job. */
  start(request: StartRequest): Promise<TaskHandle>;
  /** For drivers whose health comes and goes: calls at the first look and at each change, until `stop`. */
  watch?(changed: (state: DriverState) => void): void;
  stop?(): void;
  /** The task of that attempt as an earlier agent left it: running, ended, or null when it never started. */
  recover(request: { readonly allocId: string; readonly task: Pick<Task, "name">; readonly attempt: number }): Promise<TaskHandle | null>;
  /** Called now and then while tasks run: brings up to date what they see of a machine that changes. */
  refresh?(): void;
}
