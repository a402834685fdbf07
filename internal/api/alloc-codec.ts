// Allocations as Nomad's wire has them: the full object, the list stub, metrics and task states.

import type { Alloc, AllocatedDevice, AllocMetric, AllocResources, AllocResume, TaskEvent, TaskState } from "../domain/alloc.ts";
import type { Job } from "../domain/job.ts";
import type { JobVersion } from "../domain/tables.ts";
import type { JsonObject } from "./wire.ts";
import { nanos, nullIfEmpty, nullIfEmptyMap, timeText } from "./wire.ts";

export function encodeAlloc(alloc: Alloc, job: JsonObject | null): JsonObject {
  return {
    ID: alloc.id,
    Namespace: alloc.namespace,
    EvalID: alloc.evalId,
    Name: alloc.name,
    NodeID: alloc.nodeId,
    NodeName: alloc.nodeName,
    JobID: alloc.jobId,
    Job: job,
    TaskGroup: alloc.group,
    Resources: null,
    TaskResources: null,
    AllocatedResources: encodeResources(alloc.resources),
    Services: null,
    Metrics: encodeMetric(alloc.metrics),
    Decisions: (alloc.decisions ?? []).map(({ kind, reason, atMs }) => ({ Kind: kind, Reason: reason, Time: nanos(atMs) })),
    DesiredStatus: alloc.desiredStatus,
    DesiredDescription: alloc.desiredDescription,
    DesiredTransition: {
      Migrate: alloc.isToMigrate || null,
      Reschedule: alloc.isToReschedule || null,
      ForceReschedule: null,
      NoShutdownDelay: alloc.skipsShutdownDelay ?? null,
      MigrateDisablePlacement: null,
      ...(alloc.isToResume ? { Resume: true } : {}),
    },
    ClientStatus: alloc.clientStatus,
    ClientDescription: alloc.clientDescription,
    TaskStates: nullIfEmptyMap(mapValues(alloc.taskStates, encodeTaskState)),
    DeploymentID: alloc.deploymentId,
    DeploymentStatus: encodeHealth(alloc),
    FollowupEvalID: alloc.followupEvalId,
    PreviousAllocation: alloc.previousAlloc,
    ...(alloc.resumes ? { Resumes: encodeResume(alloc.resumes) } : {}),
    NextAllocation: alloc.nextAlloc,
    RescheduleTracker: encodeRescheduleTracker(alloc),
    NetworkStatus: alloc.clientStatus === "pending" ? null : { InterfaceName: "", Address: "", AddressIPv6: "", DNS: null },
    PreemptedAllocations: nullIfEmpty(alloc.preemptedAllocs ?? []),
    PreemptedByAllocation: alloc.preemptedByAlloc ?? "",
    AllocStates: null,
    CreateIndex: alloc.createIndex,
    ModifyIndex: alloc.modifyIndex,
    AllocModifyIndex: alloc.allocModifyIndex,
    CreateTime: nanos(alloc.createdAtMs),
    ModifyTime: nanos(alloc.modifiedAtMs),
  };
}

export function encodeAllocStub(
  alloc: Alloc,
  job: JobVersion | Job | undefined,
  options: { readonly withResources: boolean; readonly withTaskStates: boolean },
): JsonObject {
  return {
    ID: alloc.id,
    EvalID: alloc.evalId,
    Name: alloc.name,
    Namespace: alloc.namespace,
    NodeID: alloc.nodeId,
    NodeName: alloc.nodeName,
    JobID: alloc.jobId,
    JobType: job?.type ?? "",
    JobVersion: alloc.jobVersion,
    TaskGroup: alloc.group,
    AllocatedResources: options.withResources ? encodeResources(alloc.resources) : null,
    DesiredStatus: alloc.desiredStatus,
    DesiredDescription: alloc.desiredDescription,
    ClientStatus: alloc.clientStatus,
    ClientDescription: alloc.clientDescription,
    DesiredTransition: {
      Migrate: alloc.isToMigrate || null,
      Reschedule: alloc.isToReschedule || null,
      ForceReschedule: null,
      NoShutdownDelay: alloc.skipsShutdownDelay ?? null,
      MigrateDisablePlacement: null,
      ...(alloc.isToResume ? { Resume: true } : {}),
    },
    TaskStates: options.withTaskStates ? nullIfEmptyMap(mapValues(alloc.taskStates, encodeTaskState)) : null,
    DeploymentStatus: encodeHealth(alloc),
    FollowupEvalID: alloc.followupEvalId,
    NextAllocation: alloc.nextAlloc,
    RescheduleTracker: encodeRescheduleTracker(alloc),
    PreemptedAllocations: nullIfEmpty(alloc.preemptedAllocs ?? []),
    PreemptedByAllocation: alloc.preemptedByAlloc ?? "",
    CreateIndex: alloc.createIndex,
    ModifyIndex: alloc.modifyIndex,
    CreateTime: nanos(alloc.createdAtMs),
    ModifyTime: nanos(alloc.modifiedAtMs),
  };
}

export function encodeMetric(metric: AllocMetric): JsonObject {
  return {
    NodesEvaluated: metric.nodesEvaluated,
    NodesFiltered: metric.nodesFiltered,
    NodesInPool: metric.nodesInPool,
    NodePool: "",
    NodesAvailable: metric.nodesAvailable,
    ClassFiltered: nullIfEmptyMap(metric.classFiltered),
    ConstraintFiltered: nullIfEmptyMap(metric.constraintFiltered),
    NodesExhausted: metric.nodesExhausted,
    ClassExhausted: nullIfEmptyMap(metric.classExhausted),
    DimensionExhausted: nullIfEmptyMap(metric.dimensionExhausted),
    QuotaExhausted: null,
    ResourcesExhausted: null,
    Scores: null,
    AllocationTime: nanos(metric.allocationTimeMs),
    CoalescedFailures: metric.coalescedFailures,
    ScoreMetaData: nullIfEmpty(metric.scores.map((score) => ({ NodeID: score.nodeId, Scores: score.scores, NormScore: score.normScore }))),
  };
}

// --- internal ---

function encodeResources(resources: AllocResources): JsonObject {
  const tasks = mapValues(resources.tasks, (task) => ({
    Cpu: { CpuShares: task.cpuMHz, ReservedCores: nullIfEmpty(task.coreIds ?? []) },
    Memory: { MemoryMB: task.memoryMiB, MemoryMaxMB: task.memoryMaxMiB },
    Networks: null,
    Devices: nullIfEmpty((task.devices ?? []).map(encodeDevice)),
  }));
  const ports = resources.ports.map((port) => ({
    Label: port.label,
    Value: port.value,
    To: port.to,
    HostIP: port.hostAddress ?? "",
    HostNetwork: port.hostNetwork,
  }));
  return { Tasks: tasks, TaskLifecycles: null, Shared: { DiskMB: resources.diskMiB, Networks: null, Ports: nullIfEmpty(ports) } };
}

/** Of a share its size stands beside what the field knows. */
function encodeDevice({ vendor, type, name, ids, share }: AllocatedDevice): JsonObject {
  return { Vendor: vendor, Type: type, Name: name, DeviceIDs: ids, ...(share < 1 ? { Share: share } : {}) };
}

function encodeTaskState(state: TaskState): JsonObject {
  return {
    State: state.state,
    Failed: state.failed,
    Restarts: state.restarts,
    LastRestart: timeText(state.lastRestartAtMs),
    StartedAt: timeText(state.startedAtMs),
    FinishedAt: timeText(state.finishedAtMs),
    Events: state.events.map(encodeTaskEvent),
    TaskHandle: null,
    Paused: state.paused ?? "",
  };
}

function encodeTaskEvent(event: TaskEvent): JsonObject {
  return {
    Type: event.type,
    Time: nanos(event.atMs),
    DisplayMessage: event.message,
    Message: event.details.message ?? "",
    Details: event.details,
    ExitCode: Number(event.details.exit_code ?? 0),
    Signal: Number(event.details.signal ?? 0),
    FailsTask: event.details.fails_task === "true",
    RestartReason: event.details.restart_reason ?? "",
    KillReason: event.details.kill_reason ?? "",
    DriverError: event.details.driver_error ?? "",
    SetupError: event.details.setup_error ?? "",
    KillTimeout: 0,
    KillError: "",
    StartDelay: 0,
    DownloadError: "",
    ValidationError: "",
    DiskLimit: 0,
    FailedSibling: "",
    VaultError: "",
    TaskSignalReason: "",
    TaskSignal: event.details.task_signal ?? "",
    DriverMessage: "",
    GenericSource: "",
  };
}

function encodeHealth(alloc: Alloc): JsonObject | null {
  if (alloc.health === null) return null;
  return {
    Healthy: alloc.health.isHealthy,
    Timestamp: timeText(alloc.health.atMs || null),
    Canary: alloc.health.isCanary,
    ModifyIndex: alloc.modifyIndex,
  };
}

function encodeResume({ allocId, takesData, done }: AllocResume): JsonObject {
  return { AllocID: allocId, TakesData: takesData, DoneTasks: Object.keys(done).sort() };
}

function encodeRescheduleTracker(alloc: Alloc): JsonObject | null {
  if (alloc.rescheduleEvents.length === 0) return null;
  return {
    Events: alloc.rescheduleEvents.map((event) => ({
      RescheduleTime: nanos(event.atMs),
      PrevAllocID: event.previousAllocId,
      PrevNodeID: event.previousNodeId,
      Delay: nanos(event.delayMs),
    })),
    LastReschedule: "ok",
  };
}

function mapValues<T, R>(map: Readonly<Record<string, T>>, of: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, of(value)]));
}
