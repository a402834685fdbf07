// Whatever a cluster went through: after collecting, the scheduler decides as it did before, and nothing hangs loose.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { dispatchJob } from "../../internal/cluster/dispatch.ts";
import { GC_DEFAULTS, GC_FORCED } from "../../internal/cluster/gc-rules.ts";
import { deregisterJob, scaleJob } from "../../internal/cluster/jobs.ts";
import { setEligibility, stopAlloc } from "../../internal/cluster/nodes.ts";
import type { Alloc, ClientStatus } from "../../internal/domain/alloc.ts";
import type { JobType } from "../../internal/domain/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { type Plan, schedule } from "../../internal/scheduler/schedule.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { sweep } from "../fixtures/gc.ts";
import { aNode, anEval, aSpec, type GroupDraft } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

const HOUR_MS = 3_600_000;
const TYPES: readonly JobType[] = ["service", "batch", "system", "sysbatch"];
const NODES = ["n1", "n2", "n3"];

const POLICIES: readonly GroupDraft["reschedule"][] = [
  { attempts: 0, unlimited: false },
  { attempts: 1, intervalMs: HOUR_MS, delayMs: 30_000, delayFunction: "constant", unlimited: false },
  { delayMs: 30_000, delayFunction: "constant", unlimited: true },
];

const jobs = fc.constantFrom(0, 1, 2, 3);
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("register" as const),
      job: jobs,
      count: fc.integer({ min: 0, max: 3 }),
      policy: fc.constantFrom(0, 1, 2),
      group: fc.constantFrom("g", "h"),
      text: fc.constantFrom("a", "b", "c"),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("report" as const),
      pick: fc.nat(50),
      status: fc.constantFrom<ClientStatus>("running", "complete", "complete", "failed", "failed"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop" as const), job: jobs, purge: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("scale" as const), job: jobs, count: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop-alloc" as const), pick: fc.nat(50), isReschedule: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("dispatch" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("node" as const), node: fc.constantFrom(...NODES), status: fc.constantFrom("down", "ready") }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("eligible" as const), node: fc.constantFrom(...NODES), isEligible: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1000, 31_000, HOUR_MS, 5 * HOUR_MS, 25 * HOUR_MS) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("collect" as const), isForced: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    // Many drawn steps are refused: no such job, a type that may not change. Bugs are no EdgeError.
    if (!(error instanceof Error) || error.name !== "EdgeError") throw error;
  }
}

function pick(cluster: Cluster, at: number): Alloc | undefined {
  const all = [...cluster.state.allocs()];
  return all[at % Math.max(1, all.length)];
}

function play(cluster: Cluster, one: Step): void {
  const at = { namespace: "default" };
  switch (one.kind) {
    case "register": {
      const type = TYPES[one.job] ?? "service";
      const isService = type === "service" || type === "batch";
      const group: GroupDraft = {
        name: one.group,
        count: isService ? one.count : 1,
        ...(isService ? { reschedule: POLICIES[one.policy] } : {}),
        tasks: [{ name: "t", driver: "raw_exec", env: { TEXT: one.text } }],
      };
      attempt(() => cluster.register(aSpec({ id: `j${one.job}`, type, groups: [group] })));
      break;
    }
    case "report": {
      const alloc = pick(cluster, one.pick);
      if (alloc && cluster.state.node(alloc.nodeId)?.status === "ready")
        cluster.report(alloc, { clientStatus: one.status, isHealthy: one.status === "running" });
      break;
    }
    case "stop":
      attempt(() => cluster.do((view, context) => deregisterJob(view, { ...at, id: `j${one.job}`, purge: one.purge, evalPriority: 0 }, context)));
      break;
    case "scale": {
      const input = { ...at, id: `j${one.job}`, group: "g", count: one.count, message: "", isError: false, meta: {}, enforceIndex: null };
      attempt(() => cluster.do((view, context) => scaleJob(view, input, context)));
      break;
    }
    case "stop-alloc": {
      const alloc = pick(cluster, one.pick);
      if (alloc) attempt(() => cluster.do((view, context) => stopAlloc(view, { allocId: alloc.id, isReschedule: one.isReschedule }, context)));
      break;
    }
    case "dispatch": {
      const input = { ...at, id: "form", payload: "", meta: {}, idPrefix: "", idempotencyToken: "", priority: 0 };
      attempt(() => cluster.do((view, context) => dispatchJob(view, input, context)));
      break;
    }
    case "node": {
      const input = { nodeId: one.node, status: one.status as "down" | "ready", description: "" }; // the two drawn above
      // One that was collected joins anew.
      if (one.status === "ready" && !cluster.state.node(one.node)) cluster.addNodes(aNode(one.node));
      attempt(() => cluster.do((view, context) => setNodeStatus(view, input, context)));
      break;
    }
    case "eligible": {
      const input = { nodeId: one.node, eligibility: one.isEligible ? ("eligible" as const) : ("ineligible" as const) };
      attempt(() => cluster.do((view, context) => setEligibility(view, input, context)));
      break;
    }
    case "wait":
      cluster.nowMs += one.ms;
      break;
    case "collect":
      check(cluster, one.isForced);
  }
  cluster.settle();
  cluster.unblock();
}

/** What the plan does, without the ids that it draws. */
function decided(plan: Plan): unknown {
  return {
    placed: plan.placed.map((alloc) => `${alloc.name} ${alloc.nodeId} ${alloc.previousAlloc}`).sort(),
    stops: plan.stops.map((stop) => `${stop.alloc.id} ${stop.description}`).sort(),
    inPlace: plan.inPlace.map((alloc) => alloc.id).sort(),
    later: plan.later.map(({ alloc, atMs }) => `${alloc.id} ${atMs}`).sort(),
    queued: Object.entries(plan.queued).filter(([, count]) => count > 0),
  };
}

const NOTHING = { placed: [], stops: [], inPlace: [], later: [], queued: [] };

function plansOf(cluster: Cluster, ids: readonly string[]): ReadonlyMap<string, unknown> {
  return new Map(
    ids.map((jobId) => {
      const evaluation = anEval("probe", { jobId, type: cluster.state.job("default", jobId)?.type ?? "service" });
      return [jobId, decided(schedule(cluster.state, evaluation, cluster.state.job("default", jobId), cluster.context))];
    }),
  );
}

interface Seen {
  readonly jobs: Set<string>;
  readonly versions: Map<string, readonly [id: string, createIndex: number, version: number]>;
}
const seen = new WeakMap<Cluster, Seen>();

function remember(cluster: Cluster): Seen {
  const known = seen.get(cluster) ?? { jobs: new Set<string>(), versions: new Map() };
  seen.set(cluster, known);
  for (const head of cluster.state.jobHeads()) {
    known.jobs.add(head.id);
    for (const row of cluster.state.jobVersions("default", head.id))
      known.versions.set(`${row.id} ${row.createIndex} ${row.version}`, [row.id, row.createIndex, row.version]);
  }
  return known;
}

function check(cluster: Cluster, isForced: boolean): void {
  const { state } = cluster;
  const { jobs: ids, versions } = remember(cluster);
  const before = plansOf(cluster, [...ids]);
  const running = [...state.allocs()].filter((alloc) => alloc.clientStatus === "pending" || alloc.clientStatus === "running");
  // What was told to stop on a node that is down may be given up with the node.
  const isGivenUp = (alloc: Alloc) => alloc.desiredStatus !== "run" && state.node(alloc.nodeId)?.status !== "ready";
  const living = running.filter((alloc) => !isGivenUp(alloc)).map((alloc) => alloc.id);
  const givenUp = new Set(running.filter(isGivenUp).map((alloc) => alloc.jobId));
  const statuses = new Map([...state.jobHeads()].map((head) => [head.id, head.status]));
  const tracked = [...state.jobHeads()].map((head) => state.jobVersions("default", head.id).slice(0, LIMITS.jobVersionsTracked));

  sweep(cluster, isForced ? GC_FORCED : GC_DEFAULTS);

  for (const row of tracked.flat())
    if (state.job("default", row.id)) expect(state.jobVersion("default", row.id, row.createIndex, row.version)?.version).toBe(row.version);
  const after = plansOf(cluster, [...ids]);
  for (const id of ids) expect([id, after.get(id)]).toEqual([id, state.job("default", id) ? before.get(id) : NOTHING]);
  for (const id of living) expect(state.alloc(id)?.id).toBe(id);
  for (const head of state.jobHeads())
    if (!givenUp.has(head.id)) expect([head.id, head.status]).toEqual([head.id, statuses.get(head.id) ?? "pending"]);
  const named = new Set<string>();
  for (const alloc of state.allocs()) {
    named.add(`${alloc.jobId} ${alloc.jobCreateIndex} ${alloc.jobVersion}`);
    expect(state.evaluation(alloc.evalId)?.id).toBe(alloc.evalId);
    expect(state.jobVersion("default", alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion)?.version).toBe(alloc.jobVersion);
  }
  for (const [key, [id, createIndex, version]] of versions) {
    const isThere = state.jobVersion("default", id, createIndex, version) !== undefined;
    if (isThere) expect([key, named.has(key) || state.job("default", id)?.createIndex === createIndex]).toEqual([key, true]);
  }
  // What a sweep removed may set free what it had passed already; then there is an end to it.
  for (let again = 0; again < 2; again++) sweep(cluster, isForced ? GC_FORCED : GC_DEFAULTS);
  const index = state.index;
  sweep(cluster, isForced ? GC_FORCED : GC_DEFAULTS);
  expect(state.index).toBe(index);
}

test("after collecting, the scheduler decides for every job as it did before, and nothing hangs loose", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const cluster = new Cluster();
      cluster.addNodes(...NODES.map((id) => aNode(id)));
      const keep = { success: 1, failure: 1 };
      cluster.register(aSpec({ id: "form", type: "batch", parameterized: { keep } }, { reschedule: POLICIES[1] }));
      for (const one of steps) {
        play(cluster, one);
        remember(cluster);
      }
      cluster.nowMs += HOUR_MS;
      cluster.settle();
      cluster.unblock();
      check(cluster, false);
      check(cluster, true);
      cluster.nowMs += 100 * HOUR_MS;
      cluster.settle();
      cluster.unblock();
      check(cluster, false);
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
}, 120_000);
