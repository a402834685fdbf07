// The candidate order against scoring every node by brute force: the same node and the same score, placement by placement.

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Alloc } from "../../internal/domain/alloc.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { put } from "../../internal/domain/tables.ts";
import { Capacity } from "../../internal/scheduler/capacity.ts";
import { placeInSlices, UNPACED } from "../../internal/scheduler/place.ts";
import { State } from "../../internal/state/state.ts";
import { aJob, aNode, anAlloc, anEval, aSpec, type GroupDraft, NO_RESOURCES } from "../fixtures/model.ts";
import { type OracleAsk, placeAll } from "../oracle/place.ts";

const RUNS = Number(process.env.ORACLE_RUNS ?? "10000");
const NODES_MAX = 8;

const rule = fc.constantFrom<NonNullable<GroupDraft["constraints"]>[number]>(
  { attribute: "${meta.rack}", operator: "=", value: "a" },
  { attribute: "${meta.rack}", operator: "set_contains_any", value: "a,b" },
  { attribute: "${meta.zone}", operator: "is_set" },
  { attribute: "${node.unique.id}", operator: "!=", value: "n1" },
  { operator: "distinct_hosts" },
  { attribute: "${meta.rack}", operator: "distinct_property", value: "2" },
  { attribute: "${meta.zone}", operator: "distinct_property" },
);
const affinity = fc.record({
  attribute: fc.constantFrom("${meta.rack}", "${node.unique.id}"),
  value: fc.constantFrom("a", "b", "n2"),
  weight: fc.constantFrom(-50, 30, 100),
});
const spread = fc.record({
  attribute: fc.constantFrom("${meta.rack}", "${meta.zone}", "${node.datacenter}", "${node.unique.id}"),
  weight: fc.constantFrom(20, 50, 100),
  targets: fc.constantFrom<{ value: string; percent: number }[]>(
    [],
    [],
    [{ value: "a", percent: 60 }],
    [
      { value: "a", percent: 70 },
      { value: "b", percent: 30 },
    ],
  ),
});
const rare = <T>(arbitrary: fc.Arbitrary<T>, maxLength: number) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant<T[]>([]) }, { weight: 2, arbitrary: fc.array(arbitrary, { minLength: 1, maxLength }) });

const node = fc.record({
  cpuMHz: fc.constantFrom(500, 1000, 1000, 2000),
  memoryMiB: fc.constantFrom(500, 1000, 1000, 3000),
  reserved: fc.constantFrom(0, 0, 100),
  rack: fc.constantFrom("a", "b", "c", undefined),
  zone: fc.constantFrom("x", "y", undefined),
  datacenter: fc.constantFrom("dc1", "dc1", "dc2"),
  isOpen: fc.constantFrom(true, true, true, true, false),
  hasDriver: fc.constantFrom(true, true, true, true, false),
});
const alloc = fc.record({
  at: fc.nat(NODES_MAX),
  isOwn: fc.boolean(),
  group: fc.constantFrom("g", "g", "h"),
  cpuMHz: fc.constantFrom(50, 100, 300),
  port: fc.constantFrom(0, 80, 20_000),
});
const ask = fc.record({
  kind: fc.constantFrom("plain" as const, "plain" as const, "plain" as const, "replace" as const, "retry" as const, "own node" as const),
  at: fc.nat(20),
});
const drawing = fc.record({
  nodes: fc.array(node, { minLength: 1, maxLength: NODES_MAX }),
  allocs: fc.array(alloc, { maxLength: 10 }),
  algorithm: fc.constantFrom("binpack" as const, "spread" as const),
  count: fc.integer({ min: 1, max: 12 }),
  cpuMHz: fc.constantFrom(50, 100, 250),
  memoryMiB: fc.constantFrom(50, 100, 250),
  constraints: rare(rule, 2),
  groupConstraints: rare(rule, 2),
  affinities: rare(affinity, 2),
  spreads: rare(spread, 2),
  jobSpreads: rare(spread, 1),
  ports: fc.constantFrom(0, 0, 1, 2),
  asks: fc.array(ask, { minLength: 1, maxLength: 14 }),
});
type Drawing = typeof drawing extends fc.Arbitrary<infer D> ? D : never;

function nodesOf(drawn: Drawing): readonly Node[] {
  return drawn.nodes.map(({ cpuMHz, memoryMiB, reserved, rack, zone, datacenter, isOpen, hasDriver }, at) =>
    aNode(`n${at}`, {
      datacenter,
      meta: { ...(rack ? { rack } : {}), ...(zone ? { zone } : {}) },
      eligibility: isOpen ? "eligible" : "ineligible",
      resources: { cpuMHz, cores: 1, memoryMiB, diskMiB: 2000, portMin: 20_000, portMax: 20_002 },
      reserved: { cpuMHz: reserved, memoryMiB: reserved, diskMiB: 0, ports: [] },
      drivers: hasDriver ? aNode("x").drivers : {},
      createIndex: 0,
    }),
  );
}

function allocsOf(drawn: Drawing): readonly Alloc[] {
  return drawn.allocs.map(({ at, isOwn, group, cpuMHz, port }, number) =>
    anAlloc(`old-${number}`, {
      nodeId: `n${at}`,
      jobId: isOwn ? "j" : "other",
      group,
      createIndex: 0,
      resources: { ...NO_RESOURCES, cpuMHz, memoryMiB: 50, ports: port === 0 ? [] : [{ label: "p", value: port, to: 0, hostNetwork: "default" }] },
    }),
  );
}

function jobOf(drawn: Drawing) {
  const { count, cpuMHz, memoryMiB, constraints, groupConstraints, affinities, spreads, jobSpreads, ports } = drawn;
  const draft: JobDraft = { constraints, affinities, spreads: jobSpreads, datacenters: ["dc1", "dc2"] };
  const networks = ports === 0 ? [] : [{ ports: [{ label: "s", static: ports === 1 ? 0 : 80 }, { label: "d" }] }];
  const tasks = [{ name: "t", driver: "raw_exec", resources: { cpuMHz, memoryMiB } }];
  return aJob(aSpec(draft, { count, constraints: groupConstraints, spreads, networks, tasks }));
}

/** What was drawn as the scheduler is asked, and as the oracle is. */
function asksOf(drawn: Drawing, allocs: readonly Alloc[]) {
  const replaceable = allocs.filter((one) => one.jobId === "j" && one.group === "g");
  return drawn.asks.map(({ kind, at }, number) => {
    const name = `j.g[${number}]`;
    const decided = { kind: "place" as const, reason: "" };
    const plain = { name, previous: null, rescheduleDelayMs: null, nodeId: null, kind: "place" as const, decided };
    const asked: OracleAsk = { nodeId: null, penaltyNodes: [], replaces: null };
    if (kind === "own node") return { place: { ...plain, nodeId: `n${at % NODES_MAX}` }, asked: { ...asked, nodeId: `n${at % NODES_MAX}` } };
    if (kind === "retry") {
      const penaltyNodes = [`n${at % NODES_MAX}`, `n${(at + 3) % NODES_MAX}`];
      const [last = "", before = ""] = penaltyNodes;
      const event = { atMs: 0, previousAllocId: "older", previousNodeId: before, delayMs: 0 };
      const previous = anAlloc("failed", { nodeId: last, clientStatus: "failed", rescheduleEvents: [event] });
      return { place: { ...plain, previous, rescheduleDelayMs: 0 }, asked: { ...asked, penaltyNodes } };
    }
    const replaced = kind === "replace" ? replaceable.shift() : undefined;
    if (!replaced) return { place: plain, asked };
    return { place: { ...plain, previous: replaced, kind: "destructive" as const }, asked: { ...asked, replaces: replaced.id } };
  });
}

function stateOf(drawn: Drawing): State {
  const state = new State();
  const { createIndex, modifyIndex, ...config } = SCHEDULER_DEFAULTS;
  const value = { ...config, algorithm: drawn.algorithm };
  state.apply([put("settings", { name: "scheduler", value, createIndex, modifyIndex }), ...nodesOf(drawn).map((one) => put("nodes", one))]);
  state.apply(allocsOf(drawn).map((one) => put("allocs", one)));
  return state;
}

test("every placement has the node and the score that brute force finds", () => {
  fc.assert(
    fc.property(drawing, (drawn) => {
      const state = stateOf(drawn);
      const job = jobOf(drawn);
      const [group] = job.groups;
      if (!group) throw new Error("a job has a group");
      const allocs = [...state.allocs()];
      const asks = asksOf(drawn, allocs);
      const capacity = new Capacity(state, { namespace: job.namespace, id: job.id }, []);
      const placed: Alloc[] = [];
      const context = { nowMs: 0, index: state.index + 1, newId: () => `new-${placed.length}` };
      const input = { view: state, evaluation: anEval("e"), job, group, capacity, context, placed, rollout: null };
      placeInSlices(
        input,
        asks.map(({ place }) => place),
        UNPACED,
      ).next();
      const wanted = placeAll(
        { nodes: [...state.nodes()], allocs, job, group, algorithm: drawn.algorithm },
        asks.map(({ asked }) => asked),
      );
      const found = asks.map(({ place }) => {
        const own = placed.find((one) => one.name === place.name);
        return own ? { nodeId: own.nodeId, score: own.metrics.scores[0]?.normScore ?? Number.NaN } : null;
      });
      expect(found).toEqual([...wanted]);
    }),
    { numRuns: RUNS, seed: 41 },
  );
}, 60_000);
