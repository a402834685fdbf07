// What allocs note of why evaluations made and changed them, as the decisions are carried out.

import { expect, test } from "bun:test";
import { withDecision } from "../../internal/domain/alloc.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anEval, aSpec, type GroupDraft, NOW_MS } from "../fixtures/model.ts";

const task = (cpuMHz: number, env = "a") => [{ name: "t", driver: "raw_exec", resources: { cpuMHz }, env: { V: env } }];

function clusterWith(count: number, group: GroupDraft = {}): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"), aNode("n2"));
  cluster.register(aSpec({ id: "j" }, { count, tasks: task(100), ...group }));
  cluster.settle();
  return cluster;
}

/** Of each alloc in the order in which they were made. */
function said(cluster: Cluster, job = "j"): readonly (readonly string[])[] {
  const allocs = [...cluster.allocs(job)].sort((a, b) => a.createIndex - b.createIndex || (a.name < b.name ? -1 : 1));
  return allocs.map((alloc) => (alloc.decisions ?? []).map(({ kind, reason }) => `${kind}: ${reason.replace(/[0-9a-f]{8}|id-\d+/, "ID")}`));
}

test("what is placed says why, and those placed together share the words", () => {
  const cluster = clusterWith(2);
  expect(said(cluster)).toEqual([["place: the count is 2"], ["place: the count is 2"]]);
  const [one, two] = cluster.allocs("j");
  expect(one?.decisions).toBe(two?.decisions as NonNullable<typeof two>["decisions"]);
  expect(one?.decisions?.[0]?.atMs).toBe(cluster.nowMs);
});

test("a new version: what is replaced, what takes its place, and what is changed in place", () => {
  const cluster = clusterWith(1);
  cluster.register(aSpec({ id: "j" }, { count: 1, tasks: task(100, "b") }));
  cluster.settle();
  const replaced = "its tasks run differently in the new version";
  expect(said(cluster)).toEqual([["place: the count is 1", `replace: ${replaced}`], [`place: it takes the place of ID: ${replaced}`]]);
  cluster.register(aSpec({ id: "j", priority: 60 }, { count: 1, tasks: task(100, "b") }));
  cluster.settle();
  expect(said(cluster)[1]?.[1]).toBe("update-in-place: the new version changes nothing that its tasks see");
});

test("a lost node, fewer, a stopped job", () => {
  const cluster = clusterWith(2);
  const lost = cluster.allocs("j").filter((alloc) => alloc.nodeId === "n1").length;
  cluster.addNodes(aNode("n1", { status: "down" }));
  cluster.run(anEval("lost", { jobId: "j", triggeredBy: "node-update" }));
  expect(said(cluster).filter((one) => one.at(-1) === "lose: its node is down")).toHaveLength(lost);
  expect(said(cluster).filter((one) => one[0] === "place: it takes the place of ID: its node is down")).toHaveLength(lost);
  cluster.register(aSpec({ id: "j" }, { count: 1, tasks: task(100) }));
  cluster.settle();
  expect(said(cluster).filter((one) => one.at(-1) === "stop: the count is 1")).toHaveLength(1);
});

test("who makes room says for whom", () => {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  const { createIndex, modifyIndex, ...value } = { ...SCHEDULER_DEFAULTS, preemption: { service: true, batch: true, system: true, sysbatch: true } };
  cluster.apply([put("settings", { name: "scheduler", value, createIndex, modifyIndex })]);
  cluster.register(aSpec({ id: "low", priority: 10 }, { count: 1, tasks: task(3000) }));
  cluster.settle();
  cluster.register(aSpec({ id: "high", priority: 90 }, { count: 1, tasks: task(3000) }));
  cluster.settle();
  expect(said(cluster, "low")[0]?.at(-1)).toBe("preempt: an alloc of the more important job high takes its place");
});

test("the newest decisions are kept, and the same one is not said twice", () => {
  const stop = { kind: "stop", reason: "x", atMs: NOW_MS } as const;
  expect(withDecision([stop], { ...stop, atMs: NOW_MS + 1 })).toEqual([stop]);
  let many = withDecision(undefined, stop);
  for (let at = 0; at < 30; at++) many = withDecision(many, { ...stop, reason: `${at}` });
  expect([many.length, many.at(-1)?.reason]).toEqual([LIMITS.allocDecisionsKept, "29"]);
});
