// How long one slice of a large job takes: what all else has to wait for while 50,000 allocs are placed.

import { registerJob } from "../../internal/cluster/jobs.ts";
import { put } from "../../internal/domain/tables.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { EvalBroker } from "../../internal/server/eval-broker.ts";
import { EvalRunner } from "../../internal/server/eval-runner.ts";
import type { Ledger } from "../../internal/server/ledger.ts";
import { State } from "../../internal/state/state.ts";
import { aNode, aSpec } from "../fixtures/model.ts";
import { type Figure, figure, percentile, round } from "./measure.ts";

const NODES = 5000;
const COUNT = 50_000;

/** Placing and applying; the commit's text is made in a turn of its own. */
export function slices(): Figure[] {
  const state = new State();
  const broker = new EvalBroker();
  const resources = { cpuMHz: 16_000, cores: 8, memoryMiB: 64_000, diskMiB: 10_000_000, portMin: 20_000, portMax: 32_000 };
  state.apply(Array.from({ length: NODES }, (_, at) => put("nodes", aNode(`n${String(at).padStart(5, "0")}`, { resources, createIndex: 0 }))));
  const context = () => ({ nowMs: 0, index: state.index + 1, newId: () => crypto.randomUUID() });
  const apply: Ledger["apply"] = (handler) => {
    const { changes, result } = handler(state, context());
    if (changes.length > 0) broker.note(state.apply(changes));
    return { result, index: state.index };
  };
  const ledger = { view: state, isWritable: true, pendingChanges: 0, apply } as unknown as Ledger;
  const { clock } = bunRuntime();
  const runner = new EvalRunner({ clock, ledger, broker, log: { error: (text: string) => process.stderr.write(`${text}\n`) } as never });
  const samples: number[] = [];
  /** On a machine that does other things too, the time that passes is not this program's alone. */
  const cpuSamples: number[] = [];
  for (let run = 0; run < 3; run++) {
    const spec = aSpec(
      { id: `large-${run}` },
      { count: COUNT, tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 100, memoryMiB: 100 } }] },
    );
    apply((view, own) => registerJob(view, { spec, submission: null, enforceIndex: null, preserveCounts: false, evalPriority: 0 }, own));
    for (let isMore = true; isMore; ) {
      const began = performance.now();
      const cpu = process.cpuUsage();
      isMore = runner.runSlice();
      const used = process.cpuUsage(cpu);
      if (run > 0) cpuSamples.push((used.user + used.system) / 1000);
      // The first job warms up code that a server runs ever after.
      if (run > 0) samples.push(performance.now() - began);
    }
  }
  const name = `slices of a job of ${COUNT} allocs on ${NODES} nodes`;
  const note = `${samples.length} slices, p50 ${round(percentile(samples, 0.5))} ms; CPU of one p50 ${round(percentile(cpuSamples, 0.5))} ms, p99 ${round(percentile(cpuSamples, 0.99))} ms, most ${round(Math.max(...cpuSamples))} ms`;
  return [
    figure({ name: `${name}, p99`, unit: "ms", value: round(percentile(samples, 0.99)), field: null, budget: 20, isRate: false, note }),
    figure({ name: `${name}, longest`, unit: "ms", value: round(Math.max(...samples)), field: null, budget: 20, isRate: false }),
  ];
}
