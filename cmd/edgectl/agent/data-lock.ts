// One process per data directory, and one that upgrades its program. A lock is a file with the holder's identity, so a lock whose holder
// died, or lived before the last boot, is free.

import { EdgeError } from "../../../internal/domain/errors.ts";
import {
  decodeIdentity,
  encodeIdentity,
  identityOf,
  livenessOf,
  type ProcessIdentity,
  readBootId,
} from "../../../internal/runtime/process-identity.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

/** Throws `busy` while another agent holds the directory. Returns how to let go. */
export function lockDataDirectory(runtime: Runtime, directory: string): () => void {
  const taken = takeLock(runtime, dataLockPath(directory));
  if (taken.kind === "taken") return taken.release;
  throw new EdgeError("busy", `another agent (pid ${taken.holder.pid}) already uses the data directory ${directory}`, {
    hint: "stop that one first, or give this one its own --data-dir",
  });
}

export function dataLockPath(directory: string): string {
  return `${directory}/lock`;
}

export type TakenLock = { readonly kind: "taken"; release(): void } | { readonly kind: "held"; readonly holder: ProcessIdentity };

/** Throws `busy` when others take and leave it all the while. */
export function takeLock(runtime: Runtime, path: string): TakenLock {
  const { files, host } = runtime;
  const mine = `${path}.${host.pid}`;
  const text = encodeIdentity(identityOf(files, host.pid));
  files.writeText(mine, text, 0o600);
  try {
    for (let round = 0; round < 10; round++) {
      // A link appears whole or not at all: nobody ever reads a lock that is half written.
      if (files.linkExclusive(mine, path)) return { kind: "taken", release: () => release(runtime, path, text) };
      const held = files.readText(path);
      if (held === null) continue;
      const holder = livingHolder(runtime, held);
      if (holder !== null) return { kind: "held", holder };
      // Moved aside, not deleted: only one of two rivals can move it.
      const aside = `${path}.stale.${host.pid}`;
      try {
        files.rename(path, aside);
      } catch {
        continue; // the other one was faster
      }
      if (files.readText(aside) !== held) files.linkExclusive(aside, path);
      files.remove(aside);
    }
  } finally {
    files.remove(mine);
  }
  throw new EdgeError("busy", `${path} is being taken by another process`, { hint: "try again" });
}

/** Who holds the lock and lives, as far as can be told; null = nobody. */
export function lockHolder(runtime: Runtime, path: string): ProcessIdentity | null {
  return livingHolder(runtime, runtime.files.readText(path) ?? "");
}

// --- internal ---

function livingHolder(runtime: Runtime, held: string): ProcessIdentity | null {
  const holder = decodeIdentity(held);
  if (holder === null || holder.bootId !== readBootId(runtime.files) || livenessOf(runtime.files, holder) === "gone") return null;
  return holder;
}

function release(runtime: Runtime, path: string, text: string): void {
  if (runtime.files.readText(path) === text) runtime.files.remove(path);
}
