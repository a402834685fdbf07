// The scheduler's config and node pools as Nomad's wire has them.

import { EdgeError } from "../domain/errors.ts";
import type { NodePool, SchedulerAlgorithm, SchedulerConfig } from "../domain/setting.ts";
import type { JsonObject } from "./wire.ts";
import { nullIfEmptyMap } from "./wire.ts";

export function encodeSchedulerConfig(config: SchedulerConfig): JsonObject {
  const { service, batch, system, sysbatch } = config.preemption;
  return {
    SchedulerAlgorithm: config.algorithm,
    PreemptionConfig: {
      SystemSchedulerEnabled: system,
      SysBatchSchedulerEnabled: sysbatch,
      BatchSchedulerEnabled: batch,
      ServiceSchedulerEnabled: service,
    },
    MemoryOversubscriptionEnabled: config.memoryOversubscription,
    RejectJobRegistration: config.rejectJobRegistration,
    PauseEvalBroker: config.pauseEvalBroker,
    // Every feasible node is looked at, whatever is set here.
    NodeLimitForFeasibilityChecks: 0,
    CreateIndex: config.createIndex,
    ModifyIndex: config.modifyIndex,
  };
}

/** The whole config: as in Nomad, a switch that is left out is off. Throws `invalid` by field. */
export function decodeSchedulerConfig(body: JsonObject): Omit<SchedulerConfig, "createIndex" | "modifyIndex"> {
  const preemption = objectOf(body, "PreemptionConfig") ?? {};
  return {
    algorithm: algorithmOf(body) ?? "binpack",
    preemption: {
      system: switchOf(preemption, "SystemSchedulerEnabled") ?? false,
      sysbatch: switchOf(preemption, "SysBatchSchedulerEnabled") ?? false,
      batch: switchOf(preemption, "BatchSchedulerEnabled") ?? false,
      service: switchOf(preemption, "ServiceSchedulerEnabled") ?? false,
    },
    memoryOversubscription: switchOf(body, "MemoryOversubscriptionEnabled") ?? false,
    rejectJobRegistration: switchOf(body, "RejectJobRegistration") ?? false,
    pauseEvalBroker: switchOf(body, "PauseEvalBroker") ?? false,
  };
}

export function encodeNodePool(pool: NodePool): JsonObject {
  const { algorithm, memoryOversubscription } = pool;
  const isPlain = algorithm === null && memoryOversubscription === null;
  return {
    Name: pool.name,
    Description: pool.description,
    Meta: nullIfEmptyMap(pool.meta),
    NodeIdentityTTL: 0,
    SchedulerConfiguration: isPlain ? null : { SchedulerAlgorithm: algorithm ?? "", MemoryOversubscriptionEnabled: memoryOversubscription },
    CreateIndex: pool.createIndex,
    ModifyIndex: pool.modifyIndex,
  };
}

/** What a person says of a pool. Throws `invalid` by field; the name is checked by the rules. */
export function decodeNodePool(body: JsonObject): Omit<NodePool, "createIndex" | "modifyIndex"> {
  const scheduler = objectOf(body, "SchedulerConfiguration") ?? {};
  return {
    name: textOf(body, "Name") ?? "",
    description: textOf(body, "Description") ?? "",
    meta: Object.fromEntries(Object.entries(objectOf(body, "Meta") ?? {}).map(([key, value]) => [key, String(value)])),
    algorithm: algorithmOf(scheduler),
    memoryOversubscription: switchOf(scheduler, "MemoryOversubscriptionEnabled"),
  };
}

// --- internal ---

/** Null for the default, which is left out or empty. */
function algorithmOf(body: JsonObject): SchedulerAlgorithm | null {
  const value = textOf(body, "SchedulerAlgorithm") ?? "";
  if (value === "") return null;
  if (value !== "binpack" && value !== "spread") throw new EdgeError("invalid", `invalid scheduler algorithm: ${value}`);
  return value;
}

function switchOf(body: JsonObject, name: string): boolean | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "boolean") throw new EdgeError("invalid", `field "${name}" must be true or false`);
  return value;
}

function textOf(body: JsonObject, name: string): string | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw new EdgeError("invalid", `field "${name}" must be a string`);
  return value;
}

function objectOf(body: JsonObject, name: string): JsonObject | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "object" || Array.isArray(value)) throw new EdgeError("invalid", `field "${name}" must be an object`);
  return value as JsonObject;
}
