// What a node says of itself comes from anywhere that reaches the port: looked at before anything is decided by it, and
// taken field by field, so that nothing gets into a node's row that is the server's to say.

import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NodeSpec } from "../domain/node.ts";
import type { NodeMessage } from "./node-protocol.ts";

export type Hello = NodeMessage & { readonly kind: "hello" };

/** Throws `invalid` with the first field that cannot be. Fields of later versions are left out. */
export function checkHello(message: Hello): Hello {
  const { protocol, secret, lastOrder, memory, processId, calls, linkWindowBytes, joinToken } = message;
  demand(typeof protocol === "number", "protocol");
  demand(isText(secret, SECRET_CHARS_MAX) && secret !== "", "secret");
  demand(isText(processId, SECRET_CHARS_MAX), "processId");
  demand(memory === null || (isObject(memory) && isText(memory.clusterId, SECRET_CHARS_MAX) && isCount(memory.incarnation)), "memory");
  demand(calls === undefined || isListOfTexts(calls, CALLS_MAX), "calls");
  demand(linkWindowBytes === undefined || isAmount(linkWindowBytes), "linkWindowBytes");
  demand(joinToken === undefined || isText(joinToken, LIMITS.joinTokenCharsMax), "joinToken");
  return {
    kind: "hello",
    protocol,
    node: checkNodeSpec(message.node),
    secret,
    lastOrder,
    memory,
    processId,
    ...(calls ? { calls } : {}),
    ...(linkWindowBytes === undefined ? {} : { linkWindowBytes }),
    ...(joinToken === undefined ? {} : { joinToken }),
  };
}

/** The same of a node's description alone. */
export function checkNodeSpec(said: NodeSpec): NodeSpec {
  demand(isObject(said), "node");
  demand(isText(said.id, SECRET_CHARS_MAX) && said.id !== "", "node.id");
  demand(isText(said.name, LIMITS.nodeNameCharsMax) && said.name !== "", "node.name");
  for (const field of TEXTS) demand(isText(said[field], TEXT_CHARS_MAX), `node.${field}`);
  for (const field of TEXT_MAPS) demand(isTextMap(said[field]), `node.${field}`);
  demand(isObject(said.resources) && AMOUNTS.every((field) => isAmount(said.resources[field])), "node.resources");
  demand(isObject(said.reserved) && RESERVED.every((field) => isAmount(said.reserved[field])) && Array.isArray(said.reserved.ports), "node.reserved");
  demand(
    isObject(said.drivers) &&
      Object.values(said.drivers).every((driver) => isObject(driver) && isText(driver.description, TEXT_CHARS_MAX) && isTextMap(driver.attributes)),
    "node.drivers",
  );
  demand(Array.isArray(said.conditions) && said.conditions.every(isObject), "node.conditions");
  demand(said.hostVolumes === undefined || (isObject(said.hostVolumes) && Object.values(said.hostVolumes).every(isObject)), "node.hostVolumes");
  const { id, name, region, datacenter, nodeClass, nodePool, attributes, sources, meta, resources, reserved, drivers, conditions } = said;
  const { hostVolumes, httpAddress, version, machineId, unsetMeta } = said;
  demand(unsetMeta === undefined || isListOfTexts(unsetMeta, LIMITS.nodeMetaKeysMax), "node.unsetMeta");
  return {
    id,
    name,
    region,
    datacenter,
    nodeClass,
    nodePool,
    attributes,
    sources,
    meta,
    resources,
    reserved,
    drivers,
    conditions,
    ...(hostVolumes ? { hostVolumes } : {}),
    httpAddress,
    version,
    machineId,
    ...(unsetMeta ? { unsetMeta } : {}),
  };
}

// --- internal ---

const SECRET_CHARS_MAX = 256;
const TEXT_CHARS_MAX = 1024;
const CALLS_MAX = 200;
const TEXTS = ["region", "datacenter", "nodeClass", "nodePool", "httpAddress", "version", "machineId"] as const;
const TEXT_MAPS = ["attributes", "sources", "meta"] as const;
const AMOUNTS = ["cpuMHz", "cores", "memoryMiB", "diskMiB", "portMin", "portMax"] as const;
const RESERVED = ["cpuMHz", "memoryMiB", "diskMiB"] as const;

function demand(holds: boolean, field: string): void {
  if (!holds) throw new EdgeError("invalid", `what the node says of itself cannot be read: ${field}`, { hint: "is it edgectl that speaks there?" });
}

function isText(value: unknown, charsMax: number): value is string {
  return typeof value === "string" && value.length <= charsMax;
}

function isListOfTexts(value: unknown, lengthMax: number): boolean {
  return Array.isArray(value) && value.length <= lengthMax && value.every((entry) => isText(entry, SECRET_CHARS_MAX));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTextMap(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((entry) => typeof entry === "string");
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0; // a safe integer
}
