// Why a group is placed somewhere or nowhere: every node's answer in words, the nearest change that helps, and that both are
// what the scheduler itself decides.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { evalForJob } from "../../internal/cluster/evals.ts";
import { setScheduler } from "../../internal/cluster/settings.ts";
import type { JobSpec } from "../../internal/domain/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { explainGroup, type PlacementReport } from "../../internal/scheduler/explain.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, type GroupDraft } from "../fixtures/model.ts";

const needs = (resources: object, own: GroupDraft = {}): GroupDraft => ({ tasks: [{ name: "t", driver: "raw_exec", resources }], ...own });

function explained(cluster: Cluster, spec: JobSpec, nodeId: string | null = null): PlacementReport {
  cluster.register(spec);
  return explainedAgain(cluster, spec.id, nodeId);
}

function explainedAgain(cluster: Cluster, id: string, nodeId: string | null = null): PlacementReport {
  const job = cluster.job(id);
  const plan = cluster.plan(evalForJob(job, "job-register", 0, cluster.context));
  const [group] = job.groups;
  if (!group) throw new Error("it has a group");
  return explainGroup({ view: cluster.state, job, group, plan, nodeId });
}

/** Nodes with so much memory free, all else plenty. */
function withFree(...memoryMiB: readonly number[]): Cluster {
  const cluster = new Cluster();
  memoryMiB.forEach((free, at) => {
    const node = aNode(`n${at}`, { meta: { tight: "yes" } });
    cluster.addNodes({ ...node, resources: { ...node.resources, memoryMiB: free } });
  });
  return cluster;
}

const lines = (report: PlacementReport) => report.verdicts.map((one) => `${one.count} ${one.kind}: ${one.reason}`);
const fixes = (report: PlacementReport) => report.fixes.map((fix) => fix.text);

describe("a node's answer", () => {
  const cases: readonly (readonly [name: string, node: Partial<Node>, spec: JobSpec, want: object])[] = [
    ["it fits", {}, aSpec(), { kind: "fits" }],
    ["another pool", { nodePool: "edge" }, aSpec(), { kind: "unreachable", reason: "another node pool", actual: "edge", wanted: "default" }],
    ["another datacenter", { datacenter: "dc2" }, aSpec({ datacenters: ["dc1", "x*"] }), { kind: "unreachable", actual: "dc2", wanted: "dc1, x*" }],
    ["down", { status: "down" }, aSpec(), { kind: "unreachable", reason: "the node is down", actual: "down", wanted: "ready" }],
    ["not eligible", { eligibility: "ineligible" }, aSpec(), { reason: "the node is not eligible", fix: "edgectl node eligibility --enable NODE" }],
    [
      "drained",
      { eligibility: "ineligible", drain: { startedAtMs: 0, deadlineAtMs: null, isForced: false, ignoresSystemJobs: false, deadlineMs: 0 } },
      aSpec(),
      { reason: "the node is being drained", actual: "draining" },
    ],
    [
      "a constraint, with what the node has",
      { attributes: { "cpu.arch": "amd64" } },
      aSpec({ constraints: [{ attribute: "${attr.cpu.arch}", operator: "=", value: "arm" }] }),
      { kind: "filtered", reason: "${attr.cpu.arch} = arm", actual: "amd64", wanted: "= arm" },
    ],
    [
      "a constraint on what the node has not",
      {},
      aSpec({}, { constraints: [{ attribute: "${meta.rack}", operator: "is_set", value: "" }] }),
      { kind: "filtered", actual: "not set", wanted: "is_set" },
    ],
    [
      "a task's constraint",
      {},
      aSpec({}, { tasks: [{ name: "t", driver: "raw_exec", constraints: [{ attribute: "${node.class}", operator: "=", value: "big" }] }] }),
      { kind: "filtered", reason: "${node.class} = big", actual: "" },
    ],
    [
      "a driver that is off, with its own words",
      { drivers: { raw_exec: { detected: false, healthy: false, description: "disabled by client.raw_exec", attributes: {}, updatedAtMs: 0 } } },
      aSpec(),
      {
        kind: "filtered",
        reason: "missing drivers",
        actual: "raw_exec: disabled by client.raw_exec",
        wanted: "driver raw_exec, detected and healthy",
      },
    ],
    ["a driver that is not there", { drivers: {} }, aSpec(), { reason: "missing drivers", actual: "no driver raw_exec" }],
    ["cpu", {}, aSpec({}, needs({ cpuMHz: 4001 })), { kind: "exhausted", reason: "cpu", actual: "4000 MHz free of 4000", wanted: "4001 MHz" }],
    [
      "memory",
      {},
      aSpec({}, needs({ memoryMiB: 5000 })),
      { kind: "exhausted", reason: "memory", actual: "4096 MiB free of 4096", wanted: "5000 MiB" },
    ],
    [
      "a host volume",
      {},
      aSpec({}, { volumes: [{ name: "d", type: "host", source: "data" }], tasks: [{ name: "t", driver: "raw_exec" }] }),
      { kind: "filtered", reason: "missing compatible host volumes", actual: "none", wanted: "data" },
    ],
  ];

  test.each(cases)("%s", (_name, own, spec, want) => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1", own));
    for (const nodeId of [null, "n1"]) {
      const report = explained(cluster, spec, nodeId);
      // What the plan itself has just placed has taken its room.
      expect(report.verdicts).toMatchObject([{ ...want, count: 1, nodes: ["name-n1"] }]);
    }
  });

  test("of a system job that runs there says so, and of the others why not", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"), aNode("n2", { attributes: { "kernel.name": "windows" } }));
    cluster.start(aSpec({ type: "system", constraints: [{ attribute: "${attr.kernel.name}", operator: "=", value: "linux" }] }));
    expect(lines(explainedAgain(cluster, "j"))).toEqual(["1 serves: it runs there", "1 filtered: ${attr.kernel.name} = linux"]);
  });

  test("of several obstacles is the first, so that no fix is promised that would not do", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1", { status: "down", eligibility: "ineligible" }));
    const report = explained(cluster, aSpec({}, needs({ memoryMiB: 5000 })));
    expect([lines(report), fixes(report)]).toEqual([["1 unreachable: the node is down"], []]);
  });
});

describe("the nearest change that helps", () => {
  const memory = (memoryMiB: number, own: GroupDraft = {}) => aSpec({}, needs({ cpuMHz: 10, memoryMiB }, own));

  test.each([
    ["one waits: the node with most", [100, 212, 180], 1, "1 node would fit if memory were 212 MiB instead of 256"],
    ["three of the same", [212, 212, 212, 100], 1, "3 nodes would fit if memory were 212 MiB instead of 256"],
    ["three wait: so much less that all have a place", [100, 230, 212, 220], 3, "3 nodes would fit if memory were 212 MiB instead of 256"],
    ["more wait than there are nodes", [230, 212], 9, "2 nodes would fit if memory were 212 MiB instead of 256"],
  ] as const)("%s", (_name, free, count, want) => {
    expect(fixes(explained(withFree(...free), memory(256, { count })))).toEqual([want]);
  });

  test("a dimension that is short beside another counts only with both", () => {
    const cluster = withFree(200);
    expect(fixes(explained(cluster, aSpec({}, needs({ cpuMHz: 5000, memoryMiB: 256 }))))).toEqual([
      "1 node would fit if cpu were 4000 MHz instead of 5000 and memory were 200 MiB instead of 256",
    ]);
  });

  test("what has nothing left is no help, and what something else is in the way of neither", () => {
    expect(fixes(explained(withFree(5), memory(256)))).toEqual([]);
    const cluster = withFree(200);
    const spec = aSpec({ constraints: [{ attribute: "${meta.tight}", operator: "=", value: "no" }] }, needs({ memoryMiB: 256 }));
    expect(fixes(explained(cluster, spec))).toEqual([]);
  });

  test("less important jobs that could make room are named, while they may not be pushed away; then the plan does it", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    cluster.start(aSpec({ id: "low", priority: 20 }, needs({ cpuMHz: 3900 })));
    const high = aSpec({ priority: 70 }, needs({ cpuMHz: 2000 }));
    const hint =
      "1 node (name-n1) would fit if less important jobs made room: edgectl operator scheduler set-config --preempt-service-scheduler=true";
    expect(fixes(explained(cluster, high))).toEqual(["1 node would fit if cpu were 100 MHz instead of 2000", hint]);
    // Nobody gives way to an equal.
    expect(fixes(explained(cluster, aSpec({ id: "equal", priority: 25 }, needs({ cpuMHz: 2000 }))))).toEqual([
      "1 node would fit if cpu were 100 MHz instead of 2000",
    ]);
    const preemption = { ...SCHEDULER_DEFAULTS.preemption, service: true };
    cluster.do((view) => setScheduler(view, { value: { ...SCHEDULER_DEFAULTS, preemption }, enforceIndex: null }));
    expect(fixes(explainedAgain(cluster, "j"))).toEqual([]);
  });

  test("less of a dimension is no help where a distinct rule is broken too", () => {
    const distinct = aSpec(
      { constraints: [{ attribute: "", operator: "distinct_hosts", value: "true" }] },
      needs({ cpuMHz: 10, memoryMiB: 256 }, { count: 2 }),
    );
    const report = explained(withFree(300), distinct);
    expect([lines(report), fixes(report)]).toEqual([["1 exhausted: distinct_hosts"], []]);
  });

  test("a constraint, a pool, a datacenter, a node that is put aside", () => {
    const cluster = new Cluster();
    cluster.addNodes(
      aNode("a", { attributes: { "cpu.arch": "amd64" } }),
      aNode("b", { attributes: { "cpu.arch": "amd64" } }),
      aNode("c", { attributes: { "cpu.arch": "arm" }, nodePool: "edge" }),
      aNode("d", { attributes: { "cpu.arch": "arm" }, datacenter: "dc2" }),
      aNode("e", { attributes: { "cpu.arch": "arm" }, eligibility: "ineligible" }),
      aNode("f", { attributes: { "cpu.arch": "arm" }, status: "down" }),
    );
    const spec = aSpec({ datacenters: ["dc1"], constraints: [{ attribute: "${attr.cpu.arch}", operator: "=", value: "arm" }] });
    expect(fixes(explained(cluster, spec)).sort()).toEqual([
      '1 node (name-c) would fit in node pool "edge": node_pool = "edge"',
      '1 node (name-d) would fit in datacenter "dc2": add it to datacenters',
      "1 node (name-e) would fit, if eligible: edgectl node eligibility --enable NODE",
      "1 node (name-f) would fit, once ready: now down",
      "2 nodes (name-a, name-b) would fit without the constraint ${attr.cpu.arch} = arm",
    ]);
  });

  test("is true: made as it says, the scheduler places", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 10, max: 300 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 50, max: 400 }),
        fc.integer({ min: 1, max: 4 }),
        (free, wanted, count) => {
          const cluster = withFree(...free);
          const [fix] = explained(cluster, memory(wanted, { count })).fixes;
          const found = /^(\d+) nodes? would fit if memory were (\d+) MiB/.exec(fix?.text ?? "");
          if (!found) return;
          const [, nodes, less] = found.map(Number);
          const again = withFree(...free);
          // At most one of them fits on a node.
          again.start(
            aSpec(
              { constraints: [{ attribute: "", operator: "distinct_hosts", value: "true" }] },
              needs({ cpuMHz: 10, memoryMiB: less }, { count: 6 }),
            ),
          );
          expect(again.live().length).toBe(free.filter((one) => one >= (less ?? 0)).length);
          expect(nodes).toBeGreaterThan(0);
        },
      ),
    );
  });
});

test("its counts are those of the plan that places nothing", () => {
  const node = fc.record({
    arch: fc.constantFrom("arm", "amd64"),
    pool: fc.constantFrom("default", "edge"),
    memory: fc.constantFrom(100, 300),
    status: fc.constantFrom("ready" as const, "down" as const),
    eligibility: fc.constantFrom("eligible" as const, "ineligible" as const),
  });
  fc.assert(
    fc.property(fc.array(node, { maxLength: 12 }), (nodes) => {
      const cluster = new Cluster();
      nodes.forEach((one, at) => {
        const base = aNode(`n${at}`, { attributes: { "cpu.arch": one.arch }, nodePool: one.pool, status: one.status, eligibility: one.eligibility });
        cluster.addNodes({ ...base, resources: { ...base.resources, memoryMiB: one.memory } });
      });
      cluster.register(aSpec({ constraints: [{ attribute: "${attr.cpu.arch}", operator: "=", value: "arm" }] }, needs({ memoryMiB: 400 })));
      const job = cluster.job();
      const metric = cluster.plan(evalForJob(job, "job-register", 0, cluster.context)).failed.g;
      const report = explainedAgain(cluster, "j");
      const counted = (kind: string) =>
        Object.fromEntries(
          [...new Set(report.verdicts.filter((one) => one.kind === kind).map((one) => one.reason))].map((reason) => [
            reason,
            report.verdicts.filter((one) => one.kind === kind && one.reason === reason).reduce((sum, one) => sum + one.count, 0),
          ]),
        );
      expect([report.nodes, report.fits, counted("filtered"), counted("exhausted")]).toEqual([
        nodes.length,
        0,
        { ...metric?.constraintFiltered },
        { ...metric?.dimensionExhausted },
      ]);
    }),
  );
});

test("where the next one would go is where the scheduler puts it, with the runners-up", () => {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"), aNode("n2"), aNode("n3"));
  cluster.start(aSpec({ id: "other" }, needs({ cpuMHz: 2000, memoryMiB: 2000 })));
  cluster.start(aSpec({}, { count: 1 }));
  const { best } = explainedAgain(cluster, "j");
  cluster.start(aSpec({}, { count: 2 }));
  const [, second] = cluster.live();
  expect(best[0]?.nodeId).toBe(second?.nodeId ?? "");
  expect(best.length).toBe(3);
  expect(best.map((one) => one.mean)).toEqual([...best.map((one) => one.mean)].sort((a, b) => b - a));
});

test("five thousand nodes with equal reasons are a few lines, within a second", () => {
  const cluster = new Cluster();
  const nodes = Array.from({ length: 5000 }, (_, at) => {
    const node = aNode(`n${String(at).padStart(5, "0")}`, {
      attributes: { "cpu.arch": at % 3 === 0 ? "arm" : "amd64", "unique.hostname": `h${at}` },
      nodeClass: `c${at % 7}`,
    });
    return { ...node, resources: { ...node.resources, memoryMiB: 100 + (at % 50) } };
  });
  cluster.addNodes(...nodes);
  cluster.register(aSpec({ constraints: [{ attribute: "${attr.cpu.arch}", operator: "=", value: "arm" }] }, needs({ memoryMiB: 256 }, { count: 3 })));
  const beganMs = performance.now();
  const report = explainedAgain(cluster, "j");
  expect(performance.now() - beganMs).toBeLessThan(1000);
  expect(lines(report)).toEqual(["3333 filtered: ${attr.cpu.arch} = arm", "1667 exhausted: memory"]);
  expect(report.verdicts[1]).toMatchObject({ actual: "at most 149 MiB free", wanted: "256 MiB", nodes: { length: 5 } });
  expect(fixes(report)).toEqual(["33 nodes would fit if memory were 149 MiB instead of 256"]);
});
