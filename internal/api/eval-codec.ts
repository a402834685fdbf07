// Evaluations as Nomad's wire has them.

import type { Evaluation } from "../domain/evaluation.ts";
import { encodeMetric } from "./alloc-codec.ts";
import type { JsonObject } from "./wire.ts";
import { nanos, nullIfEmptyMap, timeText } from "./wire.ts";

export function encodeEval(evaluation: Evaluation): JsonObject {
  const failed = Object.fromEntries(Object.entries(evaluation.failedGroups).map(([group, metric]) => [group, encodeMetric(metric)]));
  return {
    ID: evaluation.id,
    Namespace: evaluation.namespace,
    Priority: evaluation.priority,
    Type: evaluation.type,
    TriggeredBy: evaluation.triggeredBy,
    JobID: evaluation.jobId,
    JobModifyIndex: evaluation.jobModifyIndex,
    NodeID: evaluation.nodeId,
    NodeModifyIndex: 0,
    DeploymentID: evaluation.deploymentId,
    Status: evaluation.status,
    StatusDescription: evaluation.statusDescription,
    Wait: 0,
    WaitUntil: timeText(evaluation.waitUntilMs),
    NextEval: evaluation.nextEval,
    PreviousEval: evaluation.previousEval,
    BlockedEval: evaluation.blockedEval,
    RelatedEvals: null,
    FailedTGAllocs: nullIfEmptyMap(failed),
    PlanAnnotations: null,
    ClassEligibility: null,
    EscapedComputedClass: false,
    QuotaLimitReached: "",
    AnnotatePlan: false,
    QueuedAllocations: evaluation.queued,
    LeaderACL: "",
    SnapshotIndex: evaluation.modifyIndex,
    CreateIndex: evaluation.createIndex,
    ModifyIndex: evaluation.modifyIndex,
    CreateTime: nanos(evaluation.createdAtMs),
    ModifyTime: nanos(evaluation.modifiedAtMs),
  };
}

/** The short form under RelatedEvals. */
export function encodeEvalStub(evaluation: Evaluation): JsonObject {
  const {
    ID,
    Priority,
    Type,
    TriggeredBy,
    Namespace,
    JobID,
    NodeID,
    DeploymentID,
    Status,
    StatusDescription,
    WaitUntil,
    NextEval,
    PreviousEval,
    BlockedEval,
    CreateIndex,
    ModifyIndex,
    CreateTime,
    ModifyTime,
  } = encodeEval(evaluation);
  return {
    ID,
    Priority,
    Type,
    TriggeredBy,
    Namespace,
    JobID,
    NodeID,
    DeploymentID,
    Status,
    StatusDescription,
    WaitUntil,
    NextEval,
    PreviousEval,
    BlockedEval,
    CreateIndex,
    ModifyIndex,
    CreateTime,
    ModifyTime,
  };
}
