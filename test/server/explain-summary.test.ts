// Explanations in a sentence: why an allocation is on its node and not on another, and what became of its tasks.

import { describe, expect, test } from "bun:test";
import { accountsOf } from "../../internal/cluster/task-account.ts";
import type { Alloc } from "../../internal/domain/alloc.ts";
import { put } from "../../internal/domain/tables.ts";
import { EVENT } from "../../internal/runner/task-events.ts";
import { allocSummary, jobSummary } from "../../internal/server/http/explain-summary.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anEval, aSpec, aTaskState } from "../fixtures/model.ts";

const summary = (cluster: Cluster, alloc: Alloc) => allocSummary(cluster.state, alloc, accountsOf(alloc));
const BIG = { tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 1500, memoryMiB: 1500 } }] };

function placed(cluster: Cluster, spec = aSpec({ type: "service" })): Alloc {
  cluster.start(spec);
  const [alloc] = cluster.live(spec.id);
  if (!alloc) throw new Error("it was placed");
  return alloc;
}

describe("why there", () => {
  test("by score against the runner-up, with the term that told most", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"), aNode("n2"));
    placed(cluster, aSpec({ id: "other", type: "service" }, BIG));
    expect(summary(cluster, placed(cluster))[0]).toMatch(
      /^it was placed on name-n1: it scored 0\.\d+, name-n2 0\.\d+; most by binpack \(\+0\.\d+\)$/,
    );
  });

  test("by id among equals", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"), aNode("n2"));
    expect(summary(cluster, placed(cluster))[0]).toMatch(
      /^it was placed on name-n1: it scored 0\.\d+, as name-n2 did; of equals the lower id is taken$/,
    );
  });

  test("for want of another", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    expect(summary(cluster, placed(cluster))).toEqual([
      "it was placed on name-n1: the only node there was for it",
      "its node has not told of it yet",
    ]);
    cluster.addNodes(aNode("n2", { attributes: { "kernel.name": "windows" } }));
    const spec = aSpec({ id: "k", type: "service", constraints: [{ attribute: "${attr.kernel.name}", operator: "=", value: "linux" }] });
    expect(summary(cluster, placed(cluster, spec))[0]).toBe("it was placed on name-n1: no other fitted (2 looked at, 1 filtered, 0 full)");
  });
});

describe("a job", () => {
  const nothing = { groups: [], last: null, fires: [], firings: [], missedAtMs: null, child: undefined, node: null };

  test("whose fire nobody took is told so", () => {
    const cluster = new Cluster();
    cluster.start(aSpec({ type: "batch", periodic: { enabled: true, crons: ["0 * * * *"], catchUp: "none" } }));
    expect(jobSummary(cluster.state, { ...nothing, job: cluster.job(), missedAtMs: Date.UTC(2027, 0, 2, 3) })).toEqual([
      "the job runs by its schedule: each fire makes a job of its own",
      "it has not fired since it was registered",
      'its fire of 2027-01-02T03:00:00.000Z was given up: no server took it in time (catch_up = "none")',
    ]);
  });

  test("whose evaluation failed is told that first", () => {
    const cluster = new Cluster();
    cluster.start(aSpec({ type: "service" }));
    cluster.apply([put("evals", anEval("e-last", { jobId: "j", status: "failed", statusDescription: "a bug", createIndex: 0 }))]);
    expect(jobSummary(cluster.state, { ...nothing, job: cluster.job() })).toEqual(["its last evaluation, e-last, failed: a bug"]);
  });
});

test("what became of it: its node, its orders, its tasks", () => {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  const alloc = placed(cluster);
  const events = [EVENT.terminated(1, { code: 127, signal: 0, isOom: false }), EVENT.notRestarting(2, "Policy allows no restarts")];
  const ended = { ...alloc, clientStatus: "failed", taskStates: { t: aTaskState({ state: "dead", failed: true, restarts: 2, events }) } } as const;
  expect(summary(cluster, ended).slice(1)).toEqual([
    'task "t" ended (Exit Code: 127, Exit Message: the program, or one that it runs, was not found): the program, or one that it runs, was not found',
    'task "t" was started again 2 times',
    'task "t": Policy allows no restarts',
  ]);
  cluster.addNodes(aNode("n1", { status: "down" }));
  const evicted = { ...alloc, desiredStatus: "evict", desiredDescription: "preempted", preemptedByAlloc: "12345678-rest" } as const;
  expect(summary(cluster, evicted).slice(1, 4)).toEqual([
    "its node is down",
    "it was told to evict: preempted",
    "it had to go for allocation 12345678 of higher priority",
  ]);
});
