// Events of the stream: which a change set has, what they are called, and who sees them.

import { describe, expect, test } from "bun:test";
import { eventLine, parseEventFilter } from "../../internal/api/events.ts";
import { setDrain } from "../../internal/cluster/drain.ts";
import { noteNodeEvents } from "../../internal/cluster/node-events.ts";
import { deleteNodePool, putNodePool } from "../../internal/cluster/node-pools.ts";
import { registerNode, setEligibility, stopAlloc } from "../../internal/cluster/nodes.ts";
import type { EdgeError } from "../../internal/domain/errors.ts";
import { type Change, type ChangeSet, put, remove } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aJob, aNode, anAlloc, anEval, aSpec } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

interface Line {
  readonly Index: number;
  readonly Events: readonly {
    readonly Topic: string;
    readonly Type: string;
    readonly Key: string;
    readonly Namespace: string;
    readonly FilterKeys: readonly string[] | null;
    readonly Index: number;
    // biome-ignore lint/suspicious/noExplicitAny: JSON of the wire, looked into by the tests
    readonly Payload: any;
  }[];
}

function linesOf(cluster: Cluster, sets: readonly ChangeSet[], topics: readonly string[] = [], namespace = "default"): Line[] {
  const filter = parseEventFilter(topics, namespace);
  return sets.flatMap((set) => {
    const line = eventLine(set, cluster.state, filter);
    return line === null ? [] : [JSON.parse(line) as Line];
  });
}

/** A cluster that keeps its change sets, as the journal does. */
class Journaled extends Cluster {
  readonly sets: ChangeSet[] = [];
  override apply(changes: readonly Change[]): void {
    if (changes.length > 0) this.sets.push(this.state.apply(changes, () => []));
  }
}

function lived(): { readonly cluster: Journaled; readonly allocId: string } {
  const cluster = new Journaled();
  cluster.addNodes(aNode("node-1"));
  cluster.register(aSpec({ id: "web", type: "service" }));
  cluster.settle();
  return { cluster, allocId: [...cluster.state.allocs()][0]?.id ?? "" };
}

const names = (lines: readonly Line[]) => lines.map((line) => line.Events.map((event) => `${event.Topic}/${event.Type}`).sort());

test("a node pool that is made, changed and deleted, and the one that a node makes", () => {
  const cluster = new Journaled();
  const pool = { name: "edge", description: "", meta: {}, algorithm: null, memoryOversubscription: null };
  cluster.do((view) => putNodePool(view, pool));
  cluster.do((view) => putNodePool(view, { ...pool, description: "far" }));
  cluster.do((view) => deleteNodePool(view, "edge"));
  const spec = aNode("node-1", { nodePool: "far" });
  cluster.do((view, context) => registerNode(view, { spec, secretHash: "s", classOf: () => "c", remembered: 0 }, context));
  const lines = linesOf(cluster, cluster.sets);
  expect(names(lines)).toEqual([
    ["NodePool/NodePoolUpserted"],
    ["NodePool/NodePoolUpserted"],
    ["NodePool/NodePoolDeleted"],
    ["Node/NodeRegistration", "NodePool/NodeRegistration"],
  ]);
  expect([lines[1]?.Events[0]?.Payload.NodePool.Description, lines[2]?.Events[0]?.Payload]).toEqual(["far", { NodePool: { Name: "edge" } }]);
  expect(names(linesOf(cluster, cluster.sets, ["NodePool:far"]))).toEqual([["NodePool/NodeRegistration"]]);
});

test("a registration, its plan, and what the node says of it", () => {
  const { cluster, allocId } = lived();
  const alloc = cluster.state.alloc(allocId);
  if (!alloc) throw new Error("there is an alloc");
  cluster.apply([put("allocs", { ...alloc, clientStatus: "running" })]);
  expect(names(linesOf(cluster, cluster.sets))).toEqual([
    ["Node/NodeRegistration"],
    ["Evaluation/JobRegistered", "Job/JobRegistered"],
    ["Allocation/PlanResult", "Deployment/PlanResult", "Evaluation/PlanResult"],
    ["Allocation/AllocationUpdated"],
  ]);
});

test("an event says its index, its keys, and the object as it stood then", () => {
  const { cluster } = lived();
  cluster.register(aSpec({ id: "web", type: "service", meta: { later: "yes" } }));
  const [first] = linesOf(cluster, cluster.sets, ["Job:web"]);
  const [event] = first?.Events ?? [];
  expect(first?.Index).toBe(event?.Index ?? -1);
  expect([event?.Key, event?.Namespace, event?.FilterKeys]).toEqual(["web", "default", null]);
  expect([event?.Payload.Job.ID, event?.Payload.Job.Version, event?.Payload.Job.Meta]).toEqual(["web", 0, null]);
  const [plan] = linesOf(cluster, cluster.sets, ["Allocation"]);
  expect([plan?.Events[0]?.FilterKeys, plan?.Events[0]?.Payload.Allocation.Job]).toEqual([["web", cluster.allocs("web")[0]?.deploymentId], null]);
});

describe("what is asked for", () => {
  const { cluster, allocId } = lived();
  cluster.register(aSpec({ id: "db", type: "service" }));
  const rows: readonly (readonly [string, readonly string[], string, readonly string[]])[] = [
    ["everything", [], "default", ["Allocation", "Deployment", "Evaluation", "Evaluation", "Evaluation", "Job", "Job", "Node"]],
    ["everything, said so", ["*"], "default", ["Allocation", "Deployment", "Evaluation", "Evaluation", "Evaluation", "Job", "Job", "Node"]],
    ["everything of every key", ["*:*"], "*", ["Allocation", "Deployment", "Evaluation", "Evaluation", "Evaluation", "Job", "Job", "Node"]],
    ["a topic", ["Job"], "default", ["Job", "Job"]],
    ["a topic of every key", ["Job:*"], "default", ["Job", "Job"]],
    ["one job", ["Job:db"], "default", ["Job"]],
    ["a job's evaluations by its id", ["Evaluation:web"], "default", ["Evaluation", "Evaluation"]],
    ["an allocation by its own id", [`Allocation:${allocId}`], "default", ["Allocation"]],
    ["whatever has a key", ["*:web"], "default", ["Allocation", "Deployment", "Evaluation", "Evaluation", "Job"]],
    ["several topics", ["Job:db", "Node"], "default", ["Job", "Node"]],
    ["a namespace without anything: nodes belong to none", [], "other", ["Node"]],
    ["every namespace", ["Job"], "*", ["Job", "Job"]],
    ["nouns that do not exist here", ["CSIPlugin", "Service:web"], "default", []],
  ];
  for (const [name, topics, namespace, want] of rows)
    test(name, () => {
      const topicsSeen = linesOf(cluster, cluster.sets, topics, namespace).flatMap((line) => line.Events.map((event) => event.Topic));
      expect(topicsSeen.sort()).toEqual([...want]);
    });
});

describe("what an event is called", () => {
  const last = (act: (cluster: Journaled, allocId: string) => void): readonly string[] => {
    const { cluster, allocId } = lived();
    const before = cluster.sets.length;
    act(cluster, allocId);
    return names(linesOf(cluster, cluster.sets.slice(before))).flat();
  };
  const jobOf = (cluster: Cluster) => {
    const head = [...cluster.state.jobHeads()][0];
    const version = head && cluster.state.jobVersion(head.namespace, head.id, head.createIndex, head.version);
    if (!head || !version) throw new Error("there is a job");
    return { head, version };
  };
  const rows: readonly (readonly [string, (cluster: Journaled, allocId: string) => void, readonly string[]])[] = [
    [
      "a job that is stopped",
      (cluster) => {
        const { head, version } = jobOf(cluster);
        const index = cluster.state.index + 1;
        cluster.apply([put("job_versions", { ...version, version: 1, stop: true, jobModifyIndex: index }), put("jobs", { ...head, version: 1 })]);
      },
      ["Job/JobDeregistered"],
    ],
    ["a job that is gone", (cluster) => cluster.apply([remove("jobs", jobOf(cluster).head)]), ["Job/JobDeregistered"]],
    ["a version that is marked stable", (cluster) => cluster.apply([put("job_versions", { ...jobOf(cluster).version, stable: true })]), []],
    [
      "a node that is not heard",
      (cluster) => void cluster.do((view, context) => setNodeStatus(view, { nodeId: "node-1", status: "down", description: "" }, context)),
      ["Evaluation/NodeStreamEvent", "Node/NodeStreamEvent"],
    ],
    [
      "a node that takes no work",
      (cluster) => void cluster.do((view, context) => setEligibility(view, { nodeId: "node-1", eligibility: "ineligible" }, context)),
      ["Node/NodeEligibility"],
    ],
    [
      "a node that is drained",
      (cluster) => {
        const input = { nodeId: "node-1", drain: { deadlineMs: 0, ignoresSystemJobs: false }, isMarkedEligible: false, meta: null };
        cluster.do((view, context) => setDrain(view, input, context));
      },
      ["Node/NodeDrain"],
    ],
    [
      "a node that tells of its disk",
      (cluster) => {
        const events = [{ atMs: 1, subsystem: "Storage", message: "The disk is full", details: {} }];
        cluster.do((view, context) => noteNodeEvents(view, { nodeId: "node-1", events }, context));
      },
      ["Node/NodeStreamEvent"],
    ],
    ["a node that is purged", (cluster) => cluster.apply([remove("nodes", aNode("node-1"))]), ["Node/NodeDeregistration"]],
    [
      "an alloc that is told to move",
      (cluster, allocId) => void cluster.do((view, context) => stopAlloc(view, { allocId, isReschedule: false }, context)),
      ["Allocation/AllocationUpdateDesiredStatus", "Evaluation/AllocationUpdateDesiredStatus"],
    ],
    ["an evaluation alone", (cluster) => cluster.apply([put("evals", anEval("eval-9"))]), ["Evaluation/EvaluationUpdated"]],
    ["what is collected", (cluster, allocId) => cluster.apply([remove("allocs", anAlloc(allocId)), remove("evals", anEval("eval-9"))]), []],
  ];
  for (const [name, act, want] of rows) test(name, () => expect(last(act)).toEqual([...want]));
});

test("a job whose version is no longer kept is told by what is left of it", () => {
  const cluster = new Journaled();
  const job = aJob(aSpec({ id: "old" }), { version: 3, createIndex: 2, modifyIndex: 9, jobModifyIndex: 9 });
  const set: ChangeSet = { index: 9, changes: [put("jobs", { ...job, status: "dead" }), put("evals", anEval("eval-1", { jobId: "old" }))] };
  const [line] = linesOf(cluster, [set], ["Job"]);
  expect([line?.Events[0]?.Payload.Job.ID, line?.Events[0]?.Payload.Job.Version]).toEqual(["old", 3]);
});

test.each([
  ["Jobs", /no topic "Jobs"/],
  ["", /Invalid key value pair/],
  ["Job:", /Invalid key value pair/],
  [":web", /Invalid key value pair/],
])("topic %p is refused", (topic, message) => {
  const refused = (() => {
    try {
      parseEventFilter([topic], "default");
      return null;
    } catch (error) {
      return error as EdgeError;
    }
  })();
  expect([refused?.code, message.test(refused?.message ?? "")]).toEqual(["invalid", true]);
});

test("a job's id may hold colons", () => {
  expect(parseEventFilter(["Job:a:b/c"], "default").keysByTopic.get("Job")).toEqual(new Set(["a:b/c"]));
});
