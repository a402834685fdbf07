// The field's benchmark of its scheduler, in its shape: one evaluation that places a new job, without a commit. And how the
// time of a placement grows with the cluster.

import type { Node } from "../../internal/domain/node.ts";
import { put } from "../../internal/domain/tables.ts";
import { schedule } from "../../internal/scheduler/schedule.ts";
import { State } from "../../internal/state/state.ts";
import { aNode, anEval, aSpec, HEALTHY_DRIVER } from "../fixtures/model.ts";
import { type Figure, figure, percentile, round } from "./measure.ts";

/** Milliseconds per evaluation by nodes and racks: 50, 600 and 1,200 allocs, then the same with a spread. */
const FIELD: readonly (readonly [number, number, readonly number[]])[] = [
  [500, 25, [4.4, 139, 169, 52, 1386, 1603]],
  [500, 75, [5.0, 158, 159, 74, 2267, 2288]],
  [1000, 25, [5.4, 87, 397, 69, 4140, 6772]],
  [1000, 75, [6.2, 66, 411, 67, 5768, 9955]],
  [5000, 25, [9.6, 85, 187, 59, 5529, 23_595]],
  [5000, 75, [11.2, 95, 199, 72, 7601, 31_010]],
  [10_000, 25, [17.6, 103, 214, 80, 6386, 25_360]],
  [10_000, 75, [14.0, 116, 218, 83, 8527, 33_027]],
];
const COUNTS = [50, 600, 1200];
const TIMES_BETTER = 10;
/** Rates that are asked for at 1,200 on 5,000 nodes. */
const RATES = { plain: 100_000, spread: 50_000 };

interface Shape {
  readonly nodes: number;
  readonly racks: number;
  readonly count: number;
  readonly isSpread: boolean;
}

/** `calibrationRatio` is how much slower this machine is than the one on which the field's figures were taken. */
export function fieldShapes(calibrationRatio: number): Figure[] {
  const figures: Figure[] = [];
  for (const [nodes, racks, field] of FIELD) {
    const state = clusterOf(nodes, racks);
    for (const [at, fieldMs] of field.entries()) {
      const shape = { nodes, racks, count: COUNTS[at % COUNTS.length] ?? 0, isSpread: at >= COUNTS.length };
      const { samples, placed } = timesOf(state, shape);
      const ms = percentile(samples, 0.5);
      const atSpeed = fieldMs * calibrationRatio;
      figures.push(
        figure({
          name: `one evaluation, ${nodes} nodes, ${racks} racks, ${shape.count} allocs${shape.isSpread ? ", spread" : ""}, p50`,
          unit: "ms",
          value: round(ms, 3),
          samples: samples.slice(0, 50).map((value) => round(value, 3)),
          field: fieldMs,
          budget: round(atSpeed / TIMES_BETTER, 3),
          isRate: false,
          note: `${round(atSpeed / ms, 1)} times the field, its figure taken at this machine's speed; ${placed} placed, ${round((placed / ms) * 1000, 0)} per second; p99 ${round(percentile(samples, 0.99), 3)} ms`,
        }),
      );
      if (nodes === 5000 && shape.count === 1200) figures.push(rateFigure(shape, placed, ms));
    }
  }
  return figures;
}

/** Time per placement from a hundred nodes to ten thousand, on clusters that are half full. */
export function growth(): Figure[] {
  const perPlacement = [100, 1000, 10_000].map((nodes) => {
    const state = clusterOf(nodes, 25);
    // What an evaluation costs for looking at all nodes once is spread over its placements, as in a job of that size.
    const samples = timesOf(state, { nodes, racks: 25, count: 90, isSpread: false }).samples;
    const many = timesOf(state, { nodes, racks: 25, count: 45, isSpread: false }).samples;
    return { nodes, us: ((percentile(samples, 0.5) - percentile(many, 0.5)) / 45) * 1000, wholeUs: (percentile(samples, 0.5) / 90) * 1000 };
  });
  const [small, , large] = perPlacement;
  const note = perPlacement
    .map(({ nodes, us, wholeUs }) => `${nodes} nodes: ${round(us)} us, with its share of the first look ${round(wholeUs)} us`)
    .join("; ");
  return [
    figure({
      name: "time per placement at 10,000 nodes over that at 100",
      unit: "times",
      value: round((large?.us ?? Number.NaN) / (small?.us ?? Number.NaN)),
      field: null,
      budget: 2,
      isRate: false,
      note,
    }),
  ];
}

// --- internal ---

function rateFigure({ isSpread }: Shape, placed: number, ms: number): Figure {
  return figure({
    name: `placements per second, 1,200 on 5,000 nodes${isSpread ? ", spread" : ""}`,
    unit: "per second",
    value: round((placed / ms) * 1000, 0),
    field: isSpread ? 40 : 5500,
    budget: isSpread ? RATES.spread : RATES.plain,
    isRate: true,
  });
}

function fieldNode(at: number, racks: number): Node {
  return aNode(`${String(at).padStart(8, "0")}-0000-4000-8000-000000000000`, {
    name: `node-${at}`,
    datacenter: at % 2 === 0 ? "dc-1" : "dc-2",
    attributes: { "kernel.name": "linux", "consul.version": "1.11.4" },
    meta: { rack: `r${at % racks}` },
    resources: { cpuMHz: 14_000, cores: 4, memoryMiB: 32_000, diskMiB: 102_400, portMin: 20_000, portMax: 32_000 },
    reserved: { cpuMHz: 100, memoryMiB: 256, diskMiB: 4096, ports: [22] },
    drivers: { exec: HEALTHY_DRIVER },
    createIndex: 0,
  });
}

function clusterOf(nodes: number, racks: number): State {
  const state = new State();
  state.apply(Array.from({ length: nodes }, (_, at) => put("nodes", fieldNode(at, racks))));
  return state;
}

function timesOf(state: State, { racks, count, isSpread }: Shape): { readonly samples: number[]; readonly placed: number } {
  const half = Array.from({ length: Math.floor(racks / 2) }, (_, rack) => `r${rack}`).join(",");
  const constraints = [
    { attribute: "${meta.rack}", operator: "set_contains_any" as const, value: half },
    { attribute: "${attr.consul.version}", operator: "semver" as const, value: ">= 1.8.0" },
  ];
  const spec = aSpec(
    { id: `job-${count}-${isSpread}`, datacenters: ["dc-1", "dc-2"] },
    {
      count,
      constraints,
      spreads: isSpread ? [{ attribute: "${meta.rack}", weight: 50 }] : [],
      ephemeralDisk: { sizeMiB: 150 },
      tasks: [{ name: "task", driver: "exec", resources: { cpuMHz: 6000, memoryMiB: 6000 } }],
    },
  );
  const job = { ...spec, parentId: "", dispatched: false, dispatchIdempotencyToken: "", payload: "", stop: false, stable: false, ...STANDING };
  const samples: number[] = [];
  let placed = 0;
  // Enough runs for the machine's own optimiser, as in a server that has run for a while.
  const deadline = performance.now() + 1500;
  for (let run = 0; run < 300 && (run < 30 || performance.now() < deadline); run++) {
    const context = { nowMs: 0, index: state.index + 1, newId: () => crypto.randomUUID() };
    const began = performance.now();
    const plan = schedule(state, anEval("e", { jobId: spec.id }), job, context);
    const took = performance.now() - began;
    if (run >= 10) samples.push(took);
    placed = plan.placed.length;
  }
  return { samples, placed };
}

const STANDING = {
  status: "pending" as const,
  statusDescription: "",
  version: 0,
  versionTag: null,
  submittedAtMs: 0,
  createIndex: 1,
  modifyIndex: 1,
  jobModifyIndex: 1,
};
