// Who a process is beyond its number: boot id, pid namespace, pid and start time.
// A pid alone may be reused; nothing is ever signalled or believed alive by its number only.

import { readOrNull } from "./read-or-null.ts";
import type { Files } from "./runtime.ts";

export interface ProcessIdentity {
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks after boot at which the process started; 0 = unknown. */
  readonly startTicks: number;
}

export function readBootId(files: Files): string {
  return files.readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
}

/** Start of the process in clock ticks after boot, or null when there is none with this pid (zombies count as gone). */
export function readStartTicks(files: Files, pid: number): number | null {
  const stat = readOrNull(files, `/proc/${pid}/stat`);
  if (stat === null) return null;
  // The name in parentheses may hold anything, so fields are counted after its last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return null;
  const ticks = Number(fields[19]);
  return Number.isSafeInteger(ticks) ? ticks : null;
}

export function identityOf(files: Files, pid: number): ProcessIdentity {
  return {
    bootId: readBootId(files),
    pidNamespace: files.readLink("/proc/self/ns/pid") ?? "",
    pid,
    startTicks: readStartTicks(files, pid) ?? 0,
  };
}

/** Whether the kernel holds the process stopped, by a signal or by a tracer. */
export function isStopped(files: Files, pid: number): boolean {
  const stat = readOrNull(files, `/proc/${pid}/stat`);
  if (stat === null) return false;
  return /^[Tt]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

/** `unknown` when it lives on another boot's or namespace's terms that this process cannot see. */
export function livenessOf(files: Files, identity: ProcessIdentity): "alive" | "gone" | "unknown" {
  if (identity.bootId !== readBootId(files)) return "unknown";
  if (identity.pidNamespace !== (files.readLink("/proc/self/ns/pid") ?? "")) return "unknown";
  return readStartTicks(files, identity.pid) === identity.startTicks ? "alive" : "gone";
}

export function encodeIdentity(identity: ProcessIdentity): string {
  return JSON.stringify([identity.bootId, identity.pidNamespace, identity.pid, identity.startTicks]);
}

/** Null when the text is no identity. */
export function decodeIdentity(text: string): ProcessIdentity | null {
  try {
    const [bootId, pidNamespace, pid, startTicks] = JSON.parse(text) as unknown[];
    if (typeof bootId !== "string" || typeof pidNamespace !== "string" || typeof pid !== "number" || typeof startTicks !== "number") return null;
    return { bootId, pidNamespace, pid, startTicks };
  } catch {
    // A torn or foreign file: the caller treats "no identity" as its own case.
    return null;
  }
}
