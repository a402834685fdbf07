// Evaluations in slices: other work has its turn between them, what others change meanwhile is seen, and nothing is over capacity.

import { expect, test } from "bun:test";
import { registerJob } from "../../internal/cluster/jobs.ts";
import { type Alloc, isTerminal } from "../../internal/domain/alloc.ts";
import type { JobSpec } from "../../internal/domain/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { type ChangeSet, put } from "../../internal/domain/tables.ts";
import type { Log } from "../../internal/runtime/log.ts";
import { EvalBroker } from "../../internal/server/eval-broker.ts";
import { EvalRunner } from "../../internal/server/eval-runner.ts";
import type { Ledger } from "../../internal/server/ledger.ts";
import { State } from "../../internal/state/state.ts";
import { aNode, anAlloc, aSpec, type GroupDraft, NO_RESOURCES } from "../fixtures/model.ts";

/** A ledger whose every change is durable at once. */
class Bench {
  readonly state = new State();
  readonly broker = new EvalBroker();
  readonly runner: EvalRunner;
  #ids = 0;

  constructor(nodes: number, cpuMHz = 1_000_000) {
    const resources = { cpuMHz, cores: 1, memoryMiB: 100_000_000, diskMiB: 1_000_000_000, portMin: 20_000, portMax: 32_000 };
    this.apply(Array.from({ length: nodes }, (_, at) => put("nodes", aNode(`n${String(at).padStart(3, "0")}`, { resources, createIndex: 0 }))));
    const clock = { monotonicMs: () => 0, nowMs: () => 0 } as never; // time stands still: slices are cut by count
    const log = { error: (text: string, fields: unknown) => console.error(text, fields) } as unknown as Log;
    this.runner = new EvalRunner({ clock, log, ledger: this.#ledger(), broker: this.broker });
  }

  apply(changes: ChangeSet["changes"]): void {
    if (changes.length > 0) this.broker.note(this.state.apply(changes));
  }

  register(id: string, group: GroupDraft, draft: Partial<JobSpec> = {}): void {
    const spec = { ...aSpec({ id }, { tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 10, memoryMiB: 10 } }], ...group }), ...draft };
    const input = { spec, submission: null, enforceIndex: null, preserveCounts: false, evalPriority: 0 };
    this.apply(registerJob(this.state, input, this.#context()).changes);
  }

  living(id: string): readonly Alloc[] {
    return [...this.state.allocsOfJob("default", id)].filter((alloc) => !isTerminal(alloc));
  }

  finish(): number {
    let slices = 1;
    while (this.runner.runSlice()) slices += 1;
    return slices;
  }

  #context() {
    return { nowMs: 0, index: this.state.index + 1, newId: () => `${String(this.#ids++).padStart(8, "0")}-0000-4000-8000-000000000000` };
  }

  #ledger(): Ledger {
    const { state } = this;
    const apply: Ledger["apply"] = (handler) => {
      const { changes, result } = handler(state, this.#context());
      this.apply(changes);
      return { result, index: state.index };
    };
    return { view: state, isWritable: true, pendingChanges: 0, apply } as unknown as Ledger;
  }
}

const MANY = 4 * LIMITS.placementsPerSliceMax;

test("a large job is placed in slices, and a small one that comes meanwhile does not wait for its end", () => {
  const bench = new Bench(20);
  bench.register("large", { count: MANY });
  expect(bench.runner.runSlice()).toBe(true);
  const before = bench.living("large").length;
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThanOrEqual(LIMITS.placementsPerSliceMax);
  bench.register("small", { count: 3 });
  // They take turns.
  bench.runner.runSlice();
  bench.runner.runSlice();
  expect(bench.living("small")).toHaveLength(3);
  expect(bench.living("large").length).toBeLessThan(MANY);
  expect(bench.finish()).toBeGreaterThan(1);
  expect(new Set(bench.living("large").map((alloc) => alloc.name)).size).toBe(MANY);
  expect([...bench.state.evals()].every((one) => one.status === "complete")).toBe(true);
});

test("slices or none, the same nodes are chosen", () => {
  const places = (count: number) => {
    const bench = new Bench(30);
    bench.register("j", { count, spreads: [{ attribute: "${node.unique.id}" }] });
    bench.finish();
    return bench.living("j").map((alloc) => [alloc.name, alloc.nodeId]);
  };
  expect(places(MANY).slice(0, 40)).toEqual(places(MANY).slice(0, 40));
  const perNode = new Map<string, number>();
  for (const [, nodeId = ""] of places(MANY)) perNode.set(nodeId, (perNode.get(nodeId) ?? 0) + 1);
  const counts = [...perNode.values()];
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
});

test("room that others take between two slices is not given away again", () => {
  const bench = new Bench(4, 10_000);
  bench.register("large", { count: MANY });
  bench.runner.runSlice();
  for (const { id } of bench.state.nodes()) {
    const used = bench.living("large").filter((alloc) => alloc.nodeId === id).length * 10;
    const resources = { ...NO_RESOURCES, cpuMHz: Math.min(4000, 10_000 - used) };
    bench.apply([put("allocs", anAlloc(`other-${id}`, { jobId: "other", nodeId: id, resources, createIndex: 0 }))]);
  }
  bench.finish();
  for (const { id } of bench.state.nodes()) {
    const sum = [...bench.state.liveAllocsOfNode(id)].reduce((total, alloc) => total + alloc.resources.cpuMHz, 0);
    expect(sum).toBeLessThanOrEqual(10_000);
  }
});

test("a node that goes between two slices gets nothing more", () => {
  const bench = new Bench(4);
  bench.register("large", { count: MANY });
  bench.runner.runSlice();
  const node = bench.state.node("n000");
  if (!node) throw new Error("there are four");
  const before = bench.living("large").filter((alloc) => alloc.nodeId === node.id).length;
  bench.apply([put("nodes", { ...node, eligibility: "ineligible" })]);
  bench.finish();
  expect(bench.living("large")).toHaveLength(MANY);
  expect(bench.living("large").filter((alloc) => alloc.nodeId === node.id)).toHaveLength(before);
});

test("a job that changes while it is placed is placed as it is now, each alloc once", () => {
  const bench = new Bench(20);
  bench.register("j", { count: MANY });
  bench.runner.runSlice();
  bench.register("j", { count: 700 });
  bench.finish();
  expect(bench.living("j")).toHaveLength(700);
  expect(bench.living("j").every((alloc) => alloc.jobVersion === 1)).toBe(true);
  const evals = [...bench.state.evals()];
  expect(evals.every((one) => one.status === "complete")).toBe(true);
  expect(evals.find((one) => one.statusDescription !== "")?.nextEval).toBe(evals.find((one) => one.statusDescription === "")?.id ?? "none");
});

test("a job that is placed as one is not seen before all of it is, and room that others took meanwhile is theirs", () => {
  const bench = new Bench(4, 10_000);
  bench.register("one", { count: 3 * LIMITS.placementsPerSliceMax }, { allAtOnce: true });
  for (let slice = 0; slice < 2; slice++) {
    expect(bench.runner.runSlice()).toBe(true);
    expect(bench.living("one")).toHaveLength(0);
  }
  bench.apply([put("allocs", anAlloc("other", { jobId: "other", nodeId: "n000", resources: { ...NO_RESOURCES, cpuMHz: 9000 }, createIndex: 0 }))]);
  bench.finish();
  expect(bench.living("one")).toHaveLength(3 * LIMITS.placementsPerSliceMax);
  for (const { id } of bench.state.nodes()) {
    const sum = [...bench.state.liveAllocsOfNode(id)].reduce((total, alloc) => total + alloc.resources.cpuMHz, 0);
    expect(sum).toBeLessThanOrEqual(10_000);
  }
});
