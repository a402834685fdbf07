// One process per data directory. The lock is a file with the holder's identity, so a lock whose holder
// died, or lived before the last boot, is free.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { decodeIdentity, encodeIdentity, identityOf, livenessOf, readBootId } from "../../../internal/runtime/process-identity.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

/** Throws `busy` while another agent holds the directory. Returns how to let go. */
export function lockDataDirectory(runtime: Runtime, directory: string): () => void {
  const { files, host } = runtime;
  const path = `${directory}/lock`;
  const mine = `${path}.${host.pid}`;
  const text = encodeIdentity(identityOf(files, host.pid));
  files.writeText(mine, text, 0o600);
  try {
    for (let round = 0; round < 10; round++) {
      // A link appears whole or not at all: nobody ever reads a lock that is half written.
      if (files.linkExclusive(mine, path)) return () => release(runtime, path, text);
      const held = files.readText(path);
      if (held === null) continue;
      refuseWhileAlive(runtime, held, directory);
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
  throw new EdgeError("busy", `the data directory ${directory} is being locked by another agent`, { hint: "try again" });
}

// --- internal ---

function refuseWhileAlive(runtime: Runtime, held: string, directory: string): void {
  const holder = decodeIdentity(held);
  if (holder === null || holder.bootId !== readBootId(runtime.files) || livenessOf(runtime.files, holder) === "gone") return;
  throw new EdgeError("busy", `another agent (pid ${holder.pid}) already uses the data directory ${directory}`, {
    hint: "stop that one first, or give this one its own --data-dir",
  });
}

function release(runtime: Runtime, path: string, text: string): void {
  if (runtime.files.readText(path) === text) runtime.files.remove(path);
}
