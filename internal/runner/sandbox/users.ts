// Who a task runs as: a user of the machine, a number, or one of a range that nobody else has, lent for as long as
// the task lives. A claim is a file, so that it outlives the agent; whose allocation is gone no longer counts.

import { EdgeError } from "../../domain/errors.ts";
import { join } from "../../domain/paths.ts";
import type { Files } from "../../runtime/runtime.ts";
import { allocDirectory } from "../layout.ts";

export interface TaskUser {
  readonly uid: number;
  readonly gid: number;
  /** Besides its own. */
  readonly groups: readonly number[];
}

export interface UserRange {
  /** Inclusive. */
  readonly min: number;
  readonly max: number;
}

/** The user that a job names: by name, uid or uid:gid. Throws `invalid` when this machine has no such name. */
export function userNamed(files: Files, name: string): TaskUser {
  const entries = linesOf(files, "/etc/passwd");
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(name) ?? [];
  const entry = entries.find((fields) => fields[0] === name) ?? entries.find((fields) => uid !== undefined && fields[2] === uid);
  if (uid !== undefined && (gid !== undefined || !entry)) return { uid: Number(uid), gid: Number(gid ?? uid), groups: [] };
  if (!entry) throw new EdgeError("invalid", `user "${name}" does not exist on this node`);
  const [own = "", , entryUid = "", entryGid = ""] = entry;
  const groups = linesOf(files, "/etc/group").filter((fields) => (fields[3] ?? "").split(",").includes(own));
  return { uid: Number(entryUid), gid: Number(entryGid), groups: groups.map((fields) => Number(fields[2])) };
}

export interface UserClaims {
  readonly files: Files;
  readonly directory: string;
  readonly allocRoot: string;
  readonly range: UserRange;
}

export interface ClaimOwner {
  readonly allocId: string;
  readonly task: string;
}

/** A user of the range for this task alone; the one it had before, if that is still free. Throws when all are lent. */
export function claimUser(claims: UserClaims, owner: ClaimOwner, before: number | null): TaskUser {
  const { files, directory, range } = claims;
  files.makeDirectory(directory, 0o700);
  const count = range.max - range.min + 1;
  const taken = new Set(linesOf(files, "/etc/passwd").map((fields) => Number(fields[2])));
  const first = range.min + (hashOf(keyOf(owner)) % count);
  const candidates = before !== null && before >= range.min && before <= range.max ? [before] : [];
  for (let step = 0; step < count; step++) {
    const uid = step < candidates.length ? (candidates[step] ?? first) : range.min + ((first - range.min + step) % count);
    if (!taken.has(uid) && take(claims, uid, owner)) return { uid, gid: uid, groups: [] };
  }
  throw new EdgeError("internal", `all users from ${range.min} to ${range.max} are lent to tasks`, {
    hint: "widen client.dynamic_user_min and client.dynamic_user_max",
  });
}

/** Gives the task's user back. Repeatable. */
export function releaseUser(claims: UserClaims, owner: ClaimOwner): void {
  const { files, directory } = claims;
  for (const name of files.list(directory) ?? []) if (files.readText(join(directory, name)) === keyOf(owner)) files.remove(join(directory, name));
}

// --- internal ---

function take(claims: UserClaims, uid: number, owner: ClaimOwner): boolean {
  const { files, directory, allocRoot } = claims;
  const path = join(directory, String(uid));
  if (files.createExclusive(path, keyOf(owner))) return true;
  const holder = files.readText(path) ?? "";
  if (holder === keyOf(owner)) return true;
  const allocId = holder.split("/")[0] ?? "";
  // A torn claim, as after a power cut, names nobody; one whose allocation is gone holds nothing any more.
  if (holder.endsWith("\n") && files.stat(allocDirectory(allocRoot, allocId)) !== null) return false;
  files.remove(path);
  return files.createExclusive(path, keyOf(owner));
}

function keyOf(owner: ClaimOwner): string {
  return `${owner.allocId}/${owner.task}\n`;
}

/** FNV-1a: spreads tasks over the range, so that a number is not lent again at once. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}

function linesOf(files: Files, path: string): string[][] {
  return (files.readText(path) ?? "").split("\n").map((line) => line.split(":"));
}
