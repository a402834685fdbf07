// Resuming a failed batch job: what is placed, where, with what; once per failure; and every refusal by name.

import { describe, expect, test } from "bun:test";
import { dispatchJob } from "../../internal/cluster/dispatch.ts";
import { deregisterJob } from "../../internal/cluster/jobs.ts";
import { nextOfAlloc, nextOfJob } from "../../internal/cluster/outlook.ts";
import { type ResumeInput, resumeJob } from "../../internal/cluster/resume.ts";
import type { Alloc, TaskState } from "../../internal/domain/alloc.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, aTaskState, type GroupDraft, NOW_MS } from "../fixtures/model.ts";
import { refusal } from "../fixtures/refusal.ts";

const KNOWS = { "kernel.name": "linux", "edgectl.resume": "1" };
const node = (id: string, own: Partial<Node> = {}) => aNode(id, { attributes: KNOWS, ...own });
const DONE = aTaskState({ state: "dead", finishedAtMs: NOW_MS });
const FAILED = aTaskState({ state: "dead", failed: true, finishedAtMs: NOW_MS });
const AB: Readonly<Record<string, TaskState>> = { a: DONE, b: FAILED };
const NO_RETRY = { attempts: 0, unlimited: false };

function batch(draft: JobDraft = {}, group: GroupDraft = {}) {
  const tasks = ["a", "b"].map((name) => ({ name, driver: "raw_exec" }));
  return aSpec({ type: "batch", ...draft }, { tasks, reschedule: NO_RETRY, ...group });
}

function resume(cluster: Cluster, own: Partial<ResumeInput> = {}) {
  const input = { namespace: "default", id: "j", allocId: "", group: "", isAnywhere: false, ...own };
  const result = cluster.do((view, context) => resumeJob(view, input, context));
  cluster.settle();
  return result;
}

function failed(nodes: readonly Node[] = [node("n1")], draft: JobDraft = {}, group: GroupDraft = {}): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(...nodes);
  cluster.start(batch(draft, group));
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "failed", taskStates: AB });
  cluster.settle();
  return cluster;
}

const successors = (cluster: Cluster): readonly Alloc[] => cluster.allocs().filter((alloc) => alloc.resumes !== undefined);

describe("a resume", () => {
  test("places one that goes on, on the same node and with its data, and ends with what it is told", () => {
    const cluster = failed([node("n1"), node("n2")]);
    const [before] = cluster.allocs();
    expect(nextOfJob(cluster.state, cluster.job(), NOW_MS)[0]?.what).toContain("edgectl job resume j");
    expect(resume(cluster).allocIds).toEqual([before?.id as string]);
    const [after] = successors(cluster);
    expect(after).toMatchObject({ nodeId: before?.nodeId, name: before?.name, previousAlloc: before?.id, desiredStatus: "run" });
    expect(after?.resumes).toMatchObject({ allocId: before?.id, takesData: true });
    expect(Object.keys(after?.taskStates ?? {})).toEqual(["a"]);
    expect(cluster.state.alloc(before?.id as string)).toMatchObject({ desiredStatus: "stop", nextAlloc: after?.id });
    expect(cluster.state.alloc(before?.id as string)?.isToResume).toBeUndefined();
    expect(cluster.state.alloc(before?.id as string)?.decisions?.at(-1)).toMatchObject({ kind: "resume" });
    if (after) cluster.report(after, { clientStatus: "complete", taskStates: { a: DONE, b: DONE } });
    cluster.settle();
    expect([cluster.job().status, cluster.allocs().length]).toEqual(["dead", 2]);
  });

  test("is asked for once per failure, and again after the next one", () => {
    const cluster = failed();
    resume(cluster);
    expect(refusal(() => resume(cluster))).toBe('conflict: nothing of job "j" has failed: it runs');
    for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "failed", taskStates: AB });
    cluster.settle();
    resume(cluster);
    expect(successors(cluster).length).toBe(2);
  });

  test("of one group, or of one allocation, leaves the others alone", () => {
    const cluster = failed([node("n1")], {}, { count: 3 });
    const second = cluster.allocs()[1] as Alloc;
    expect(resume(cluster, { allocId: second.id, group: "g" }).allocIds).toEqual([second.id]);
    expect(successors(cluster).map((alloc) => alloc.name)).toEqual([second.name]);
    expect(resume(cluster).allocIds.length).toBe(2);
    expect(refusal(() => resume(cluster, { allocId: second.id }))).toContain("took its place");
    expect(refusal(() => resume(cluster, { group: "h" }))).toBe('not-found: job "j" has no group "h"');
  });

  test("waits for room on its node, is told so, and may go elsewhere then", () => {
    const cluster = failed([node("n1"), node("n2")], {}, { tasks: [{ name: "a", driver: "raw_exec", resources: { memoryMiB: 3000 } }] });
    const [before] = cluster.allocs();
    cluster.start(batch({ id: "other" }, { count: 2, tasks: [{ name: "x", driver: "raw_exec", resources: { memoryMiB: 3000 } }] }));
    resume(cluster);
    expect(successors(cluster)).toEqual([]);
    expect(cluster.state.alloc(before?.id as string)).toMatchObject({ desiredStatus: "run", isToResume: "on-its-node" });
    expect(nextOfAlloc(cluster.state, cluster.state.alloc(before?.id as string) as Alloc)[0]?.what).toContain("as soon as there is a place");
    expect(refusal(() => resume(cluster))).toContain("waits to be resumed already");
    const elsewhere = cluster.live("other").find((alloc) => alloc.nodeId !== before?.nodeId);
    if (elsewhere) cluster.report(elsewhere, { clientStatus: "complete" });
    cluster.unblock();
    expect(successors(cluster)).toEqual([]);
    resume(cluster, { isAnywhere: true });
    expect(successors(cluster).map((alloc) => [alloc.nodeId, alloc.resumes?.takesData])).toEqual([[elsewhere?.nodeId as string, false]]);
  });

  test("goes nowhere where its tasks would be run again by an older program", () => {
    const cluster = failed([node("n1"), aNode("n0")], { constraints: [{ attribute: "${node.unique.id}", operator: "=", value: "n1" }] });
    cluster.addNodes(aNode("n1"));
    expect(refusal(() => resume(cluster))).toContain("runs an older edgectl");
    resume(cluster, { isAnywhere: true });
    expect(successors(cluster)).toEqual([]);
    cluster.addNodes(node("n1"));
    cluster.unblock();
    expect(successors(cluster).map((alloc) => alloc.nodeId)).toEqual(["n1"]);
  });

  test("of a sysbatch job goes on where it failed alone", () => {
    const cluster = failed([node("n1"), node("n2")], { type: "sysbatch" }, { reschedule: null });
    const [first] = cluster.allocs();
    expect(refusal(() => resume(cluster, { isAnywhere: true }))).toContain("is resumed there, not anywhere");
    resume(cluster, { allocId: first?.id as string });
    expect(successors(cluster).map((alloc) => alloc.nodeId)).toEqual([first?.nodeId as string]);
  });

  test("of a dispatched run works, of its parent not", () => {
    const cluster = new Cluster();
    cluster.addNodes(node("n1"));
    cluster.start(batch({ parameterized: {} }));
    const dispatch = { namespace: "default", id: "j", payload: "", meta: {}, idPrefix: "", idempotencyToken: "", priority: 0 };
    const { childId } = cluster.do((view, context) => dispatchJob(view, dispatch, context));
    cluster.settle();
    for (const alloc of cluster.live(childId)) cluster.report(alloc, { clientStatus: "failed", taskStates: AB });
    cluster.settle();
    expect(refusal(() => resume(cluster))).toContain("resume the run of it that failed");
    resume(cluster, { id: childId });
    expect(cluster.live(childId).map((alloc) => Object.keys(alloc.resumes?.done ?? {}))).toEqual([["a"]]);
  });
});

/** [when, what was done before, the refusal] */
const REFUSALS: readonly (readonly [string, () => Cluster, string])[] = [
  ["a service", () => failed([node("n1")], { type: "service" }), 'invalid: job "j" is a service job: only batch and sysbatch jobs are resumed'],
  ["its node is gone", () => changedNode({ status: "down" }), "its node name-n1 is down"],
  ["its node is ineligible", () => changedNode({ eligibility: "ineligible" }), "takes no work, it is ineligible"],
  ["it is stopped", stopped, 'invalid: job "j" is stopped'],
  ["all went well", completed, 'conflict: nothing of job "j" has failed: there is nothing to resume'],
  ["it was fired by its node", firedByNode, "the next fire is the next attempt"],
  ["there is no such job", () => new Cluster(), "not-found: job not found"],
];

function changedNode(own: Partial<Node>): Cluster {
  const cluster = failed();
  cluster.addNodes(node("n1", own));
  return cluster;
}

function stopped(): Cluster {
  const cluster = failed();
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: false, evalPriority: 0 }, context));
  return cluster;
}

function completed(): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(node("n1"));
  cluster.start(batch());
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "complete" });
  cluster.settle();
  return cluster;
}

function firedByNode(): Cluster {
  const cluster = failed();
  const version = cluster.state.jobVersions("default", "j")[0];
  if (version) cluster.apply([put("job_versions", { ...version, isFiredByNode: true })]);
  return cluster;
}

describe("refused", () => {
  for (const [when, make, text] of REFUSALS) test(when, () => expect(refusal(() => resume(make()))).toContain(text));

  test("an allocation of an older version", () => {
    const cluster = failed();
    const [before] = cluster.allocs();
    cluster.register(batch({ meta: { changed: "yes" } }));
    expect(refusal(() => resume(cluster, { allocId: before?.id as string }))).toContain("it is of version 0 of the job, which is at 1 now");
  });
});
