// Services and their checks as Nomad's wire has them.

import type { Alloc } from "../domain/alloc.ts";
import type { AllocCheck, CheckReading } from "../domain/check.ts";
import type { Registration } from "../domain/registration.ts";
import type { JsonObject } from "./wire.ts";

export function encodeRegistration(registration: Registration): JsonObject {
  return {
    ID: registration.id,
    ServiceName: registration.name,
    Namespace: registration.namespace,
    NodeID: registration.nodeId,
    Datacenter: registration.datacenter,
    JobID: registration.jobId,
    AllocID: registration.allocId,
    Tags: registration.tags,
    Address: registration.address,
    Port: registration.port,
    CreateIndex: registration.createIndex,
    ModifyIndex: registration.modifyIndex,
  };
}

/** Checks by id, as a node knows them this moment. */
export function encodeReadings(readings: readonly CheckReading[], alloc: Alloc): JsonObject {
  return Object.fromEntries(readings.map((reading) => [reading.id, encodeCheck(reading, alloc, reading)]));
}

/** The same as its node told them last: their output is that of the result that changed them. */
export function encodeToldChecks(checks: readonly AllocCheck[], alloc: Alloc): JsonObject {
  return Object.fromEntries(checks.map((check) => [check.id, encodeCheck(check, alloc, { checkedAtMs: check.changedAtMs, code: 0 })]));
}

// --- internal ---

function encodeCheck(check: AllocCheck, alloc: Alloc, last: Pick<CheckReading, "checkedAtMs" | "code">): JsonObject {
  return {
    ID: check.id,
    Check: check.name,
    Group: alloc.name,
    Mode: check.mode,
    Output: check.output,
    Service: check.service,
    Task: check.task,
    Status: check.status,
    StatusCode: last.code,
    Timestamp: Math.round(last.checkedAtMs / 1000),
  };
}
