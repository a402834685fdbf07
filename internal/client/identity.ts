// Who this node is: an id and a secret in client/node.key, bound to the machine it was made on.

import { EdgeError } from "../domain/errors.ts";
import { join } from "../domain/paths.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface NodeIdentity {
  readonly id: string;
  readonly secret: string;
  /** Hash of what identifies the machine, "" where nothing does. */
  readonly machineId: string;
  /** It was made on another machine: its card was copied, or moved to another board. */
  readonly isFromElsewhere?: true;
}

/** The identity kept in the data directory, or a new one. */
export function loadIdentity(runtime: Runtime, directory: string): NodeIdentity {
  const path = keyPath(directory);
  const machineId = readMachineId(runtime);
  const text = runtime.files.readText(path);
  if (text !== null) {
    const stored = parseKey(text);
    if (!stored)
      throw new EdgeError("config", `the node key ${path} cannot be read`, {
        hint: "stop the agent and run `edgectl node reset-identity`: the device joins as a new node then",
      });
    const { id, secret } = stored;
    const isFromElsewhere = stored.machineId !== "" && machineId !== "" && stored.machineId !== machineId;
    return { id, secret, machineId, ...(isFromElsewhere ? { isFromElsewhere } : {}) };
  }
  return { ...newIdentity(runtime, directory), machineId };
}

/** Another identity than any, in the place of what was there. */
export function newIdentity(runtime: Runtime, directory: string): Omit<NodeIdentity, "machineId"> {
  const identity = { id: runtime.chance.uuid(), secret: runtime.chance.secret(32) };
  runtime.files.writeAtomic(keyPath(directory), `${JSON.stringify({ ...identity, machineId: readMachineId(runtime) })}\n`, 0o600);
  return identity;
}

export function keyPath(directory: string): string {
  return join(directory, "node.key");
}

/** The id in the key, "" where there is none that can be read. */
export function knownNodeId(runtime: Runtime, directory: string): string {
  return parseKey(runtime.files.readText(keyPath(directory)) ?? "")?.id ?? "";
}

// --- internal ---

function parseKey(text: string): { readonly id: string; readonly secret: string; readonly machineId: string } | null {
  try {
    const key: unknown = JSON.parse(text);
    if (typeof key !== "object" || key === null || !("id" in key) || !("secret" in key)) return null;
    const machineId = "machineId" in key && typeof key.machineId === "string" ? key.machineId : "";
    return typeof key.id === "string" && typeof key.secret === "string" && key.id.length === 36
      ? { id: key.id, secret: key.secret, machineId }
      : null;
  } catch {
    // Torn or edited: the caller says what to do.
    return null;
  }
}

/** Board serial, DMI uuid, first MAC: the first that the machine has. An SD card's content is none of them. */
function readMachineId(runtime: Runtime): string {
  const { files, hashing } = runtime;
  for (const path of ["/sys/firmware/devicetree/base/serial-number", "/sys/class/dmi/id/product_uuid"]) {
    const value = quietly(() => files.readText(path))
      ?.replaceAll("\0", "")
      .trim();
    if (value) return hashing.sha256Hex(value).slice(0, 32);
  }
  const interfaces = quietly(() => files.list("/sys/class/net")) ?? [];
  for (const name of interfaces) {
    const address = quietly(() => files.readText(`/sys/class/net/${name}/address`))?.trim();
    if (address && address !== "00:00:00:00:00:00" && files.stat(`/sys/class/net/${name}/device`)) return hashing.sha256Hex(address).slice(0, 32);
  }
  return "";
}

/** Some of these files are root's alone: not readable counts as not there. */
function quietly<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
