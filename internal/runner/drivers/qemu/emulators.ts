// Which emulators this machine has, and which of them a job may name.

import { EdgeError } from "../../../domain/errors.ts";
import { join } from "../../../domain/paths.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { SAFE_PATH } from "../../sandbox/tools.ts";

/** Paths of those that are here and allowed, each name once. */
export function findEmulators({ files }: Runtime, allowed: readonly string[] | null): readonly string[] {
  const found = new Map<string, string>();
  const add = (path: string) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (!found.has(name) && files.isExecutable(path)) found.set(name, path);
  };
  for (const folder of SAFE_PATH.split(":"))
    for (const name of files.list(folder) ?? []) if (NAME.test(name) && isAllowed(name, allowed)) add(join(folder, name));
  for (const path of (allowed ?? []).filter((one) => one.startsWith("/"))) add(path);
  return [...found.values()].sort();
}

/** The path of the one that a job names. Throws `invalid`. */
export function findEmulator({ files }: Runtime, name: string, allowed: readonly string[] | null): string {
  if (!isAllowed(name, allowed))
    throw new EdgeError("invalid", `qemu config "emulator": this node does not allow "${name}"`, {
      hint: allowed === null ? "name one such as qemu-system-aarch64" : `it allows ${allowed.join(", ")} (client.qemu.emulators_allowlist)`,
    });
  const candidates = name.startsWith("/") ? [name] : SAFE_PATH.split(":").map((folder) => join(folder, name));
  const path = candidates.find((candidate) => files.isExecutable(candidate) && !files.stat(candidate)?.isDirectory);
  if (path === undefined) throw new EdgeError("invalid", `the emulator "${name}" was not found on this node`);
  return path;
}

// --- internal ---

const NAME = /^(?:qemu-system-[a-z0-9_]+|qemu-kvm)$/;

function isAllowed(name: string, allowed: readonly string[] | null): boolean {
  return allowed === null ? NAME.test(name) : allowed.includes(name);
}
