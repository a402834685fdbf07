// Each decision with its reason, for each case that a group can find an alloc in.

import { describe, expect, test } from "bun:test";
import type { Alloc } from "../../internal/domain/alloc.ts";
import type { Deployment } from "../../internal/domain/deployment.ts";
import type { Job } from "../../internal/domain/job.ts";
import { put } from "../../internal/domain/tables.ts";
import { reconcileGroup } from "../../internal/scheduler/reconcile.ts";
import { State } from "../../internal/state/state.ts";
import { aDeployment, aJob, aNode, anAlloc, aSpec, type GroupDraft, NOW_MS } from "../fixtures/model.ts";

const HEALTHY = { isHealthy: true, atMs: NOW_MS, isCanary: false };
const CANARY = { isHealthy: true, atMs: NOW_MS, isCanary: true };
const D1 = "d1d1d1d1-0000-4000-8000-000000000000";

interface Case {
  readonly job?: Partial<Job>;
  readonly type?: "service" | "batch";
  readonly group?: GroupDraft;
  readonly allocs: readonly Partial<Alloc>[];
  readonly deployment?: Partial<Deployment>;
}

/** Version 1 runs other tasks than version 0, version 2 the same as version 1. */
function jobOf(version: number, { type = "service", group = {}, job = {} }: Case): Job {
  const tasks = [{ name: "t", driver: "raw_exec", env: { V: version === 0 ? "0" : "1" } }];
  return aJob(aSpec({ type }, { count: 1, tasks, ...group }), { version, createIndex: 1, ...job });
}

function decide(given: Case): readonly string[] {
  const state = new State();
  const versions = [0, 1, 2].map((version) => jobOf(version, given));
  const nodes = [
    aNode("n1"),
    aNode("down", { status: "down" }),
    aNode("cut", { status: "disconnected", statusUpdatedAtMs: NOW_MS - 1000 }),
    aNode("left", { eligibility: "ineligible" }),
  ];
  const allocs = given.allocs.map((own, at) =>
    anAlloc(`a${at}`, { name: `j.g[${at}]`, jobVersion: 1, health: HEALTHY, createIndex: at + 2, ...own }),
  );
  const deployment = given.deployment ? aDeployment(D1, { jobVersion: 1, ...given.deployment }) : null;
  state.apply(
    [
      ...versions.map((version) => put("job_versions", version)),
      ...nodes.map((node) => put("nodes", node)),
      ...allocs.map((alloc) => put("allocs", alloc)),
      ...(deployment ? [put("deployments", deployment)] : []),
    ],
    () => [],
  );
  const job = jobOf(1, given);
  const [group] = job.groups;
  if (!group) throw new Error("the job has a group");
  const result = reconcileGroup({ view: state, job, group, allocs, deployment, nowMs: NOW_MS, isExplained: true });
  return result.decisions.map((decision) => `${decision.kind} ${decision.name}: ${decision.reason}`);
}

function rollout(status: Deployment["status"], own: Partial<Deployment["groups"][string]> = {}): Partial<Deployment> {
  const group = {
    autoRevert: false,
    autoPromote: false,
    progressDeadlineMs: 1000,
    requireProgressByMs: null,
    isPromoted: true,
    desiredCanaries: 0,
    desiredTotal: 1,
    ...own,
  };
  return { status, groups: { g: group } };
}

/** The states of a task that ran and ended with these events. */
function taskEnds(...types: readonly string[]): Alloc["taskStates"] {
  const events = types.map((type) => ({ type, atMs: NOW_MS, message: "", details: {} }));
  const ended = {
    state: "dead" as const,
    failed: false,
    restarts: 0,
    lastRestartAtMs: null,
    startedAtMs: NOW_MS - 1000,
    finishedAtMs: NOW_MS,
    events,
  };
  return { t: ended };
}

const UNPROMOTED = { isPromoted: false, desiredCanaries: 1 };
const FAILED = { clientStatus: "failed" as const, modifiedAtMs: NOW_MS - 1000, health: null };
const NEVER: GroupDraft = { reschedule: { attempts: 0, unlimited: false } };
const SOON: GroupDraft = { reschedule: { unlimited: true, delayMs: 5000, delayFunction: "constant" } };

const ROWS: readonly (readonly [string, Case, readonly string[]])[] = [
  ["nothing is there", { allocs: [] }, ["place j.g[0]: the count is 1"]],
  ["it runs", { allocs: [{}] }, ["keep j.g[0]: it runs as the job says"]],
  ["it ended well, a service", { allocs: [{ clientStatus: "complete" }] }, ["place j.g[0]: the count is 1"]],
  ["it ended well, a batch", { type: "batch", allocs: [{ clientStatus: "complete" }] }, ["settle j.g[0]: its tasks completed"]],
  [
    "it ended well and was told to stop, a batch",
    { type: "batch", allocs: [{ clientStatus: "complete", desiredStatus: "stop", taskStates: taskEnds("Terminated") }] },
    ["settle j.g[0]: it had completed before it was told to stop"],
  ],
  [
    "it was ended by a drain that found no room for it elsewhere, a batch",
    { type: "batch", allocs: [{ clientStatus: "complete", desiredStatus: "stop", taskStates: taskEnds("Terminated", "Killed") }] },
    ["place j.g[0]: the count is 1"],
  ],
  [
    "it ended well as an older version, a batch",
    { type: "batch", allocs: [{ clientStatus: "complete", jobVersion: 0 }] },
    ["place j.g[0]: the count is 1"],
  ],
  ["it was lost", { allocs: [{ clientStatus: "lost" }] }, ["place j.g[0]: the count is 1"]],
  ["it was told to stop", { allocs: [{ desiredStatus: "stop" }] }, ["place j.g[0]: the count is 1"]],
  ["one too many", { allocs: [{}, {}] }, ["stop j.g[1]: the count is 1", "keep j.g[0]: it runs as the job says"]],
  [
    "two of one name",
    { group: { count: 1 }, allocs: [{ name: "j.g[0]" }, { name: "j.g[0]" }] },
    ["stop j.g[0]: a newer one of its name takes its place", "keep j.g[0]: it runs as the job says"],
  ],
  [
    "a hole in the numbers",
    { group: { count: 2 }, allocs: [{ name: "j.g[1]" }] },
    ["keep j.g[1]: it runs as the job says", "place j.g[0]: the count is 2"],
  ],
  ["its node is down", { allocs: [{ nodeId: "down" }] }, ["lose j.g[0]: its node is down"]],
  ["its node is not known", { allocs: [{ nodeId: "nowhere" }] }, ["lose j.g[0]: its node is not known any more"]],
  ["its node is cut off", { allocs: [{ nodeId: "cut" }] }, ["lose j.g[0]: its node is cut off"]],
  [
    "its node is cut off, and may come back",
    { group: { disconnect: { lostAfterMs: 5000 } }, allocs: [{ nodeId: "cut" }] },
    ["disconnect j.g[0]: its node is cut off: it is replaced until it is back"],
  ],
  [
    "its node is cut off, and is waited for",
    { group: { disconnect: { lostAfterMs: 5000, replace: false } }, allocs: [{ nodeId: "cut" }] },
    ["disconnect j.g[0]: its node is cut off: it is waited for"],
  ],
  [
    "its node is cut off still",
    {
      group: { disconnect: { lostAfterMs: 5000, replace: false } },
      allocs: [{ nodeId: "cut", clientStatus: "unknown", disconnectedAtMs: NOW_MS - 1000 }],
    },
    ["disconnect j.g[0]: its node is cut off"],
  ],
  [
    "its node was cut off for too long",
    { group: { disconnect: { lostAfterMs: 5000 } }, allocs: [{ nodeId: "cut", clientStatus: "unknown", disconnectedAtMs: NOW_MS - 5000 }] },
    ["lose j.g[0]: its node did not come back in time"],
  ],
  [
    "its node is back",
    { group: { disconnect: { lostAfterMs: 5000 } }, allocs: [{ disconnectedAtMs: NOW_MS - 1000 }] },
    ["reconnect j.g[0]: its node is back"],
  ],
  ["it has to go", { allocs: [{ isToMigrate: true }] }, ["migrate j.g[0]: it has to leave its node"]],
  ["it is stopped by request", { allocs: [{ isToReschedule: true }] }, ["migrate j.g[0]: it is replaced by request"]],
  ["its node takes nothing new", { allocs: [{ nodeId: "left" }] }, ["keep j.g[0]: it runs as the job says"]],
  ["it failed", { group: SOON, allocs: [FAILED] }, ["reschedule-later j.g[0]: it failed: another is tried after its delay"]],
  [
    "it failed a while ago",
    { group: SOON, allocs: [{ ...FAILED, modifiedAtMs: NOW_MS - 5000 }] },
    ["reschedule j.g[0]: it failed: its delay is over"],
  ],
  [
    "it failed, and another is asked for",
    { group: NEVER, allocs: [{ ...FAILED, isToReschedule: true }] },
    ["reschedule j.g[0]: it failed, and another is asked for"],
  ],
  ["it failed for good", { group: NEVER, allocs: [FAILED] }, ["settle j.g[0]: it failed, and the group has no reschedule attempts"]],
  ["it failed and has a successor", { allocs: [{ ...FAILED, nextAlloc: "x" }, { name: "j.g[0]" }] }, ["keep j.g[0]: it runs as the job says"]],
  ["it failed as an older version", { group: NEVER, allocs: [{ ...FAILED, jobVersion: 0 }] }, ["replace j.g[0]: it failed as an older version"]],
  [
    "it failed, and fewer are wanted",
    { group: SOON, allocs: [{}, FAILED] },
    ["settle j.g[1]: it failed, and fewer are wanted", "keep j.g[0]: it runs as the job says"],
  ],
  [
    "another version, the same tasks",
    { allocs: [{ jobVersion: 2 }] },
    ["update-in-place j.g[0]: the new version changes nothing that its tasks see"],
  ],
  ["another version, other tasks", { allocs: [{ jobVersion: 0 }] }, ["replace j.g[0]: its tasks run differently in the new version"]],
  [
    "more of another version than max_parallel",
    { group: { count: 2 }, allocs: [{ jobVersion: 0 }, { jobVersion: 0 }] },
    [
      "replace j.g[0]: its tasks run differently in the new version",
      "replace-later j.g[1]: max_parallel is 1: those of the new version have to be healthy first",
    ],
  ],
  [
    "of those of another version one is not healthy",
    { group: { count: 2 }, allocs: [{ jobVersion: 0 }, { jobVersion: 0, health: null }] },
    [
      "replace j.g[1]: its tasks run differently in the new version",
      "replace-later j.g[0]: max_parallel is 1: those of the new version have to be healthy first",
    ],
  ],
  [
    "one of the new version is unhealthy",
    { group: { count: 2 }, allocs: [{ health: { ...HEALTHY, isHealthy: false } }, { jobVersion: 0 }] },
    ["keep j.g[0]: it runs as the job says", "replace-later j.g[1]: one of the new version is unhealthy"],
  ],
  [
    "canaries come first",
    { group: { update: { canary: 1 } }, allocs: [{ jobVersion: 0 }] },
    ["replace-later j.g[0]: the canaries of the new version have to be promoted first", "canary j.g[0]: it is to show that the new version is good"],
  ],
  [
    "canaries are there, and more are wanted",
    {
      group: { count: 2, update: { canary: 1 } },
      deployment: rollout("running", UNPROMOTED),
      allocs: [{ jobVersion: 0 }, { name: "j.g[0]", deploymentId: D1, health: CANARY }],
    },
    [
      "keep j.g[0]: it is a canary of the new version",
      "replace-later j.g[0]: the canaries of the new version have to be promoted first",
      "hold j.g[1]: the canaries of the new version have to be promoted first",
    ],
  ],
  [
    "canaries were promoted",
    { deployment: rollout("running", { desiredCanaries: 1 }), allocs: [{ jobVersion: 0 }, { name: "j.g[0]", deploymentId: D1, health: HEALTHY }] },
    ["stop j.g[0]: a newer one of its name takes its place", "keep j.g[0]: it runs as the job says"],
  ],
  [
    "a canary of what failed",
    { deployment: rollout("failed", UNPROMOTED), allocs: [{ jobVersion: 0 }, { name: "j.g[0]", deploymentId: D1, health: CANARY }] },
    ["stop j.g[0]: it is a canary of a roll-out that ended before it was promoted", "replace-later j.g[0]: the deployment of this version failed"],
  ],
  [
    "the deployment failed: what is missing is placed, nothing is replaced",
    { group: { count: 2 }, deployment: rollout("failed"), allocs: [{ jobVersion: 0 }] },
    ["replace-later j.g[0]: the deployment of this version failed", "place j.g[1]: the count is 2"],
  ],
  [
    "the deployment is paused",
    { group: { count: 2 }, deployment: rollout("paused"), allocs: [{ jobVersion: 0 }] },
    ["replace-later j.g[0]: the deployment is paused", "hold j.g[1]: the deployment is paused"],
  ],
];

describe("one group, one decision each", () => {
  for (const [name, given, want] of ROWS) test(name, () => expect(decide(given)).toEqual([...want]));
});
