// The state file and an upgrade that goes back: what the new program raised is put aside, the copy from before takes its place.

import type { BeforeUpgrade } from "../../../internal/device/upgrade.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

/** The copies of older schemas beside a state file, by what changes when one is made anew. */
export function schemaCopies(runtime: Runtime, stateFile: string): Readonly<Record<string, string>> {
  if (stateFile === "") return {};
  const [folder, name] = splitPath(stateFile);
  const copies = (runtime.files.list(folder) ?? []).filter((entry) => entry.startsWith(`${name}.schema-`) && /\d$/.test(entry));
  return Object.fromEntries(
    copies.flatMap((entry) => {
      const info = runtime.files.stat(`${folder}/${entry}`);
      return info === null ? [] : [[`${folder}/${entry}`, `${info.inode}:${info.sizeBytes}:${info.modifiedAtMs}`]];
    }),
  );
}

/**
 * Puts the copy back that came since, should there be one, and says so; "" = the file was not raised. No agent of this data
 * directory runs. Can be done again after a power cut at any point.
 */
export function putStoreBack(runtime: Runtime, before: BeforeUpgrade, nowMs: number): string {
  const { files } = runtime;
  const { stateFile } = before;
  if (before.isDatabase)
    return "its database was left as it is: if its schema was raised, the way back is server/snapshots/before-schema-N.snap, restored into an empty one";
  const made = Object.entries(schemaCopies(runtime, stateFile)).find(([path, mark]) => before.schemaCopies[path] !== mark)?.[0];
  if (made === undefined) return "";
  if (isOpenElsewhere(runtime, stateFile))
    return `its state file was raised to a newer schema and another server uses it: it was left as it is; ${made} is the file from before`;
  const aside = `${stateFile}.raised-${nowMs}`;
  // The log before its database: a file without its log is an older state, one with another's log is none.
  for (const part of ["-wal", ""]) if (files.stat(`${stateFile}${part}`) !== null) files.rename(`${stateFile}${part}`, `${aside}${part}`);
  files.remove(`${stateFile}-shm`);
  files.renameDurably(made, stateFile);
  return `its state file is the one from before the schema was raised; what was written since is in ${aside}`;
}

// --- internal ---

function splitPath(path: string): readonly [folder: string, name: string] {
  const at = path.lastIndexOf("/");
  return at < 0 ? [".", path] : [path.slice(0, at), path.slice(at + 1)];
}

/** Whether any process has it open, as far as this one may look. */
function isOpenElsewhere(runtime: Runtime, path: string): boolean {
  const { files } = runtime;
  const real = files.realPath(path);
  if (real === null) return false;
  return (files.list("/proc") ?? [])
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => openFiles(runtime, `/proc/${pid}/fd`).some((open) => open === real));
}

function openFiles(runtime: Runtime, folder: string): readonly string[] {
  try {
    return (runtime.files.list(folder) ?? []).flatMap((fd) => runtime.files.readLink(`${folder}/${fd}`) ?? []);
  } catch {
    // Another user's process, or one that ended while it was looked at.
    return [];
  }
}
