// Logs of tasks: one append-only file per stream. The head is punched out, so positions never move
// and a position is a cursor for ever; where holes cannot be punched the file is copied short.

import type { LogConfig } from "../domain/job.ts";
import { join } from "../domain/paths.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { logFile } from "./layout.ts";

export type LogStream = "stdout" | "stderr";
export const LOG_STREAMS: readonly LogStream[] = ["stdout", "stderr"];

export interface LogPosition {
  readonly path: string;
  /** First position that still has data. */
  readonly headOffset: number;
  /** Position after the last byte. */
  readonly endOffset: number;
}

/** Where the stream begins and ends now; null while the task has written nothing. */
export function logPosition(runtime: Runtime, root: string, allocId: string, task: string, stream: LogStream): LogPosition | null {
  const path = logFile(root, allocId, task, stream);
  const info = runtime.files.stat(path);
  if (info === null) return null;
  return { path, headOffset: Math.min(readHead(runtime, path), info.sizeBytes), endOffset: info.sizeBytes };
}

/** Bytes a stream may keep. */
export function logLimitBytes(logs: LogConfig): number {
  return logs.maxFiles * logs.maxFileSizeMB * 1_000_000;
}

export interface LogLook {
  readonly sizeBytes: number;
  /** `truncated`: the head could not be punched out, and lines may be lost. */
  readonly action: "none" | "punched" | "truncated";
}

/** Cuts the head when the stream is over its limit; writes nothing otherwise. */
export async function boundLog(
  runtime: Runtime,
  root: string,
  allocId: string,
  task: string,
  stream: LogStream,
  limitBytes: number,
): Promise<LogLook> {
  // Most looks end here, at the cost of one stat.
  const sizeBytes = runtime.files.stat(logFile(root, allocId, task, stream))?.sizeBytes ?? 0;
  if (sizeBytes <= limitBytes) return { sizeBytes, action: "none" };
  const position = logPosition(runtime, root, allocId, task, stream);
  if (position === null || position.endOffset - position.headOffset <= limitBytes) return { sizeBytes, action: "none" };
  // A quarter of the limit goes at once, so that a busy log is not punched at every look.
  const wanted = position.endOffset - Math.floor(limitBytes * 0.75);
  const head = await lineStartAfter(runtime, position.path, wanted);
  // The new head is noted first: whoever reads meanwhile must not take the hole for data.
  runtime.files.writeText(headFile(position.path), `${head}\n`);
  const punched = await runtime.processes.run(
    "fallocate",
    ["--punch-hole", "--keep-size", "--offset", "0", "--length", String(head), position.path],
    { timeoutMs: 30_000 },
  );
  if (punched.code === 0) return { sizeBytes, action: "punched" };
  runtime.files.truncate(position.path, 0);
  runtime.files.remove(headFile(position.path));
  return { sizeBytes: 0, action: "truncated" };
}

// --- internal ---

function headFile(path: string): string {
  const at = path.lastIndexOf("/");
  return join(path.slice(0, at), `.${path.slice(at + 1)}.head`);
}

function readHead(runtime: Runtime, path: string): number {
  const head = Number(runtime.files.readText(headFile(path)) ?? "0");
  return Number.isSafeInteger(head) && head >= 0 ? head : 0;
}

const LINE_SCAN_BYTES = 65_536;

/** The first line start at or after the position, so that readers begin with a whole line. */
async function lineStartAfter(runtime: Runtime, path: string, position: number): Promise<number> {
  const bytes = await runtime.files.readAt(path, position, LINE_SCAN_BYTES);
  const at = bytes?.indexOf(10) ?? -1;
  return at < 0 ? position : position + at + 1;
}
