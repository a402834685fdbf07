// Evaluations one after the other, each applied to the state but written to no store: many small jobs, a full cluster that
// loses nodes, and how well few nodes are used against the least that would do.

import { applyPlan } from "../../internal/cluster/evals.ts";
import type { Job } from "../../internal/domain/job.ts";
import { put } from "../../internal/domain/tables.ts";
import { schedule } from "../../internal/scheduler/schedule.ts";
import { State } from "../../internal/state/state.ts";
import { aJob, aNode, anEval, aSpec } from "../fixtures/model.ts";
import { type Figure, figure, percentile, round } from "./measure.ts";

const SMALL_JOBS = Number(process.env.BENCH_SMALL_JOBS ?? "10000");

export function smallJobs(): Figure[] {
  const state = clusterOf(5000);
  const samples: number[] = [];
  let placed = 0;
  const began = performance.now();
  for (let at = 0; at < SMALL_JOBS; at++) {
    const job = jobOf(`small-${at}`, 1 + (at % 5), { cpuMHz: 50 + (at % 7) * 10, memoryMiB: 64 + (at % 11) * 16 });
    const started = performance.now();
    placed += evaluate(state, job).placed;
    samples.push(performance.now() - started);
  }
  const seconds = (performance.now() - began) / 1000;
  const name = `${SMALL_JOBS} different small jobs on 5,000 nodes`;
  return [
    figure({
      name: `${name}, placements per second`,
      unit: "per second",
      value: round(placed / seconds, 0),
      field: null,
      budget: 1000,
      isRate: true,
    }),
    figure({ name: `${name}, one evaluation, p50`, unit: "ms", value: round(percentile(samples, 0.5), 3), field: null, budget: 5, isRate: false }),
    figure({ name: `${name}, one evaluation, p99`, unit: "ms", value: round(percentile(samples, 0.99), 3), field: null, budget: 20, isRate: false }),
  ];
}

/** Every hundredth node of a full cluster dies: what they ran has no room until it is made. */
export function dyingNodes(): Figure[] {
  const nodes = 2000;
  const state = clusterOf(nodes);
  const jobs = Array.from({ length: 100 }, (_, at) => jobOf(`full-${at}`, 320, { cpuMHz: 1000, memoryMiB: 1000 }));
  for (const job of jobs) evaluate(state, job);
  const dead = [...state.nodes()].filter((_, at) => at % 100 === 50);
  state.apply(dead.map((node) => put("nodes", { ...node, status: "down" as const })));
  const fresh = Array.from({ length: dead.length }, (_, at) => put("nodes", { ...nodeOf(nodes + at), createIndex: 0 }));
  const lost = jobs.map((job) => [...state.liveAllocsOfJob("default", job.id)].filter((alloc) => state.node(alloc.nodeId)?.status === "down").length);
  const without = timed(() => jobs.reduce((sum, job) => sum + evaluate(state, job).placed, 0));
  state.apply(fresh);
  const withRoom = timed(() => jobs.reduce((sum, job) => sum + evaluate(state, job).placed, 0));
  const all = lost.reduce((sum, count) => sum + count, 0);
  return [
    figure({
      name: "a full cluster of 2,000 nodes loses 1 %: 100 evaluations that find no room",
      unit: "ms",
      value: round(without.ms, 1),
      field: null,
      budget: 5000,
      isRate: false,
      note: `${all} allocs lost, ${without.result} placed`,
    }),
    figure({
      name: "the same once as many nodes have joined",
      unit: "ms",
      value: round(withRoom.ms, 1),
      field: null,
      budget: 5000,
      isRate: false,
      note: `${withRoom.result} of ${all} placed`,
    }),
  ];
}

/** Nodes used over the least that could do, on clusters small enough to try everything. */
export function quality(): Figure[] {
  const ratios: number[] = [];
  for (let seed = 1; seed <= 60; seed++) {
    const sizes = Array.from({ length: 4 }, (_, at) => 100 * (1 + ((seed * 31 + at * 17) % 6)));
    const counts = Array.from({ length: 4 }, (_, at) => 1 + ((seed * 13 + at * 7) % 3));
    const state = new State();
    const resources = { cpuMHz: 1000, cores: 1, memoryMiB: 1000, diskMiB: 100_000, portMin: 20_000, portMax: 30_000 };
    state.apply(Array.from({ length: 12 }, (_, at) => put("nodes", aNode(`n${String(at).padStart(2, "0")}`, { resources, createIndex: 0 }))));
    for (const [at, size] of sizes.entries()) evaluate(state, jobOf(`q-${at}`, counts[at] ?? 1, { cpuMHz: size, memoryMiB: size }));
    const used = new Set([...state.allocs()].map((alloc) => alloc.nodeId)).size;
    const items = sizes.flatMap((size, at) => new Array<number>(counts[at] ?? 1).fill(size));
    ratios.push(used / leastBins(items, 1000));
  }
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return [
    figure({
      name: "nodes used over the least possible, jobs as they come, mean",
      unit: "times",
      value: round(mean, 3),
      field: null,
      budget: 1.7,
      isRate: false,
      note: `worst ${round(Math.max(...ratios), 2)}; allocs of one job keep apart, as in the field, which alone costs nodes`,
    }),
  ];
}

// --- internal ---

/** The least number of bins, by trying every bin for every item, largest first, and giving up where no better can come. */
function leastBins(items: readonly number[], size: number): number {
  const sorted = [...items].sort((a, b) => b - a);
  let best = sorted.length;
  const bins: number[] = [];
  const place = (at: number): void => {
    if (bins.length >= best) return;
    const item = sorted[at];
    if (item === undefined) {
      best = bins.length;
      return;
    }
    const tried = new Set<number>();
    for (let bin = 0; bin < bins.length; bin++) {
      const used = bins[bin] ?? 0;
      if (used + item > size || tried.has(used)) continue;
      tried.add(used);
      bins[bin] = used + item;
      place(at + 1);
      bins[bin] = used;
    }
    bins.push(item);
    place(at + 1);
    bins.pop();
  };
  place(0);
  return best;
}

function timed<T>(work: () => T): { readonly ms: number; readonly result: T } {
  const began = performance.now();
  const result = work();
  return { ms: performance.now() - began, result };
}

function nodeOf(at: number) {
  return aNode(`${String(at).padStart(8, "0")}-0000-4000-8000-000000000000`, {
    meta: { rack: `r${at % 50}` },
    resources: { cpuMHz: 16_000, cores: 8, memoryMiB: 16_000, diskMiB: 1_000_000, portMin: 20_000, portMax: 32_000 },
    createIndex: 0,
  });
}

function clusterOf(nodes: number): State {
  const state = new State();
  state.apply(Array.from({ length: nodes }, (_, at) => put("nodes", nodeOf(at))));
  return state;
}

function jobOf(id: string, count: number, resources: { readonly cpuMHz: number; readonly memoryMiB: number }): Job {
  return aJob(aSpec({ id }, { count, tasks: [{ name: "t", driver: "raw_exec", resources }] }));
}

function evaluate(state: State, job: Job): { readonly placed: number } {
  const context = { nowMs: 0, index: state.index + 1, newId: () => crypto.randomUUID() };
  const evaluation = anEval(crypto.randomUUID(), { jobId: job.id, createIndex: 0 });
  const plan = schedule(state, evaluation, job, context);
  state.apply(applyPlan(state, evaluation, job, plan, context).changes);
  return { placed: plan.placed.length };
}
