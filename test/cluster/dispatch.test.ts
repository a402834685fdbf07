// Dispatch of parameterized jobs: payload and meta rules, the child, and one effect per idempotency token.

import { expect, test } from "bun:test";
import { type DispatchInput, dispatchJob } from "../../internal/cluster/dispatch.ts";
import { deregisterJob } from "../../internal/cluster/jobs.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, NOW_MS } from "../fixtures/model.ts";
import { refusal } from "../fixtures/refusal.ts";

function aCluster(parameterized: JobDraft["parameterized"] = {}, own: JobDraft = {}): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  cluster.register(aSpec({ type: "batch", parameterized, ...own }));
  return cluster;
}

function dispatch(cluster: Cluster, own: Partial<DispatchInput> = {}) {
  const input: DispatchInput = { namespace: "default", id: "j", payload: "", meta: {}, idPrefix: "", idempotencyToken: "", priority: 0, ...own };
  return cluster.do((view, context) => dispatchJob(view, input, context));
}

const base64 = (bytes: number) => Buffer.alloc(bytes, 7).toString("base64");

test("a dispatch makes a child with the parent's spec, its own payload and meta, and an evaluation", () => {
  const cluster = aCluster({ metaOptional: ["who"] }, { meta: { team: "a", who: "nobody" } });
  const { childId, evalId, jobCreateIndex } = dispatch(cluster, { payload: base64(5), meta: { who: "me" }, idPrefix: "x", priority: 80 });
  expect(childId).toMatch(new RegExp(`^j/dispatch-x-${NOW_MS / 1000}-[0-9a-f]{8}$`));
  const child = cluster.job(childId);
  expect(child).toMatchObject({
    parentId: "j",
    dispatched: true,
    payload: base64(5),
    meta: { team: "a", who: "me" },
    priority: 80,
    createIndex: jobCreateIndex,
  });
  expect(cluster.state.evaluation(evalId)).toMatchObject({ jobId: childId, triggeredBy: "job-register", priority: 80 });
  cluster.settle();
  expect(cluster.live(childId)).toHaveLength(1);
  expect([...cluster.state.childrenOf("default", "j")].map((head) => head.id)).toEqual([childId]);
});

test("a dispatched child of a periodic job waits for its fires", () => {
  const cluster = aCluster({}, { periodic: { crons: ["@daily"] } });
  const { childId, evalId } = dispatch(cluster);
  expect(evalId).toBe("");
  expect(cluster.job(childId).periodic).not.toBeNull();
});

/** [rule, payload bytes, refusal] */
const PAYLOADS: readonly (readonly ["optional" | "required" | "forbidden", number, string])[] = [
  ["optional", 0, ""],
  ["optional", 1, ""],
  ["required", 1, ""],
  ["required", 0, "invalid-job: Payload is not provided but required by parameterized job"],
  ["forbidden", 0, ""],
  ["forbidden", 1, "invalid-job: Payload provided but forbidden by parameterized job"],
  ["optional", LIMITS.dispatchPayloadBytesMax - 1, ""],
  ["optional", LIMITS.dispatchPayloadBytesMax, ""],
  ["optional", LIMITS.dispatchPayloadBytesMax + 1, "invalid-job: Payload exceeds maximum size; 16385 > 16384 bytes (dispatchPayloadBytesMax)"],
];

for (const [payload, bytes, want] of PAYLOADS) {
  test(`a payload of ${bytes} bytes where it is ${payload} is ${want === "" ? "taken" : "refused"}`, () => {
    expect(refusal(() => dispatch(aCluster({ payload }), { payload: bytes === 0 ? "" : base64(bytes) }))).toBe(want);
  });
}

/** [meta that is given, refusal] */
const METAS: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
  [{ who: "me" }, ""],
  [{ who: "me", why: "so" }, ""],
  [{}, "invalid-job: Dispatch did not provide required meta keys: [who]"],
  [{ why: "so" }, "invalid-job: Dispatch did not provide required meta keys: [who]"],
  [{ who: "me", a: "1", b: "2" }, "invalid-job: Dispatch request included unpermitted metadata keys: [a b]"],
  [JSON.parse('{"who":"me","__proto__":"x"}'), "invalid-job: Dispatch request included unpermitted metadata keys: [__proto__]"],
  [{ toString: "x" } as never, "invalid-job: Dispatch did not provide required meta keys: [who]"],
];

for (const [meta, want] of METAS) {
  test(`the meta ${JSON.stringify(meta)} is ${want === "" ? "taken" : "refused"}`, () => {
    expect(refusal(() => dispatch(aCluster({ metaRequired: ["who"], metaOptional: ["why"] }), { meta }))).toBe(want);
  });
}

test("a required key that every object inherits has to be given all the same", () => {
  expect(refusal(() => dispatch(aCluster({ metaRequired: ["constructor"] })))).toContain("required meta keys: [constructor]");
});

test("a token has one effect as long as its child lives", () => {
  const cluster = aCluster();
  const first = dispatch(cluster, { idempotencyToken: "t" });
  expect(dispatch(cluster, { idempotencyToken: "t" })).toEqual({
    childId: first.childId,
    evalId: "",
    evalCreateIndex: 0,
    jobCreateIndex: first.jobCreateIndex,
    waits: "",
  });
  const other = dispatch(cluster, { idempotencyToken: "u" });
  expect(other.childId).not.toBe(first.childId);
  expect(dispatch(cluster).childId).not.toBe(dispatch(cluster).childId);
  cluster.settle();
  for (const alloc of cluster.live(first.childId)) cluster.report(alloc, { clientStatus: "complete" });
  expect(cluster.job(first.childId).status).toBe("dead");
  expect(dispatch(cluster, { idempotencyToken: "t" }).childId).not.toBe(first.childId);
});

test("two dispatches of one second that draw the same id are two children", () => {
  const cluster = aCluster();
  const drawn = ["aaaaaaaa-1", "e1", "aaaaaaaa-2", "bbbbbbbb-3", "e2"];
  const input: DispatchInput = { namespace: "default", id: "j", payload: "", meta: {}, idPrefix: "", idempotencyToken: "", priority: 0 };
  const once = () => cluster.do((view, context) => dispatchJob(view, input, { ...context, newId: () => drawn.shift() ?? "aaaaaaaa-9" }));
  expect([once().childId, once().childId].map((id) => id.slice(-8))).toEqual(["aaaaaaaa", "bbbbbbbb"]);
  expect(refusal(once)).toContain("conflict: no free id");
});

test("only a parameterized job that stands and is not itself a child can be dispatched", () => {
  const cluster = aCluster();
  const { childId } = dispatch(cluster);
  expect(refusal(() => dispatch(cluster, { id: childId }))).toContain("is not a parameterized job");
  expect(refusal(() => dispatch(cluster, { id: "unknown" }))).toBe("not-found: job not found");
  cluster.register(aSpec({ id: "plain" }));
  expect(refusal(() => dispatch(cluster, { id: "plain" }))).toBe('invalid-job: Specified job "plain" is not a parameterized job');
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: false, evalPriority: 0 }, context));
  expect(refusal(() => dispatch(cluster))).toBe('invalid-job: Specified job "j" is stopped');
});

test("a stopped parent's children go on", () => {
  const cluster = aCluster();
  const { childId } = dispatch(cluster);
  cluster.settle();
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: false, evalPriority: 0 }, context));
  cluster.settle();
  expect(cluster.live(childId)).toHaveLength(1);
});
