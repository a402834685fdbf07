// When the leader's garbage collection wakes: for what grows old, never for what does not, and never without authority.

import { expect, test } from "bun:test";
import { GC_DEFAULTS } from "../../internal/cluster/gc-rules.ts";
import { type Change, put, remove } from "../../internal/domain/tables.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { GcLoop } from "../../internal/server/gc-loop.ts";
import { Ledger } from "../../internal/server/ledger.ts";
import { State } from "../../internal/state/state.ts";
import type { Store } from "../../internal/store/store.ts";
import { thisRuntime } from "../contract/this-runtime.ts";
import { aNode, anAlloc, anEval, NOW_MS } from "../fixtures/model.ts";

const machine = await thisRuntime();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The loop over a real ledger, with time that stands still until it is told to pass. */
class Bench {
  nowMs = NOW_MS;
  hasAuthority = true;
  wakes = 0;
  readonly forgotten: string[] = [];
  readonly state = new State();
  readonly ledger: Ledger;
  readonly loop: GcLoop;
  #timers: { readonly atMs: number; readonly call: () => void }[] = [];

  constructor() {
    const clock = {
      ...machine.clock,
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs - NOW_MS,
      after: (delayMs: number, call: () => void) => {
        const timer = { atMs: this.nowMs + delayMs, call };
        this.#timers.push(timer);
        return {
          cancel: () => {
            this.#timers = this.#timers.filter((other) => other !== timer);
          },
        };
      },
    };
    const runtime: Runtime = { ...machine, clock };
    const store = { commit: async () => ({ kind: "committed" }) } as unknown as Store; // the ledger commits, and nothing else
    const hooks = {
      hasAuthority: () => this.hasAuthority,
      derive: () => [],
      applied: (set: Parameters<GcLoop["note"]>[0]) => this.loop?.note(set),
      beforeCommit: () => undefined,
      durable: () => undefined,
      failed: () => undefined,
    };
    this.ledger = new Ledger({ runtime, store, state: this.state, epoch: 1, hooks });
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    this.loop = new GcLoop({
      runtime,
      log,
      ledger: this.ledger,
      settings: GC_DEFAULTS,
      keepsNodes: false,
      hasAuthority: () => this.hasAuthority,
      forget: (allocs) => this.forgotten.push(...[...allocs.values()].flat()),
    });
  }

  async write(...changes: readonly Change[]): Promise<void> {
    await this.ledger.write(() => ({ changes, result: null }));
  }

  get timers(): readonly number[] {
    return this.#timers.map((timer) => timer.atMs - NOW_MS);
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.nowMs = next.atMs;
      this.wakes += 1;
      next.call();
      for (let turn = 0; turn < 20; turn++) await machine.clock.yieldTurn();
    }
    this.nowMs = untilMs;
  }
}

/** An alloc that ended now, and its eval. */
function anEnd(bench: Bench, n: number): readonly Change[] {
  const at = { modifiedAtMs: bench.nowMs, createdAtMs: bench.nowMs, createIndex: 0 };
  return [
    put("evals", anEval(`e${n}`, { ...at, status: "complete" })),
    put("allocs", anAlloc(`a${n}`, { ...at, evalId: `e${n}`, clientStatus: "complete" })),
  ];
}

test("a leader that has nothing that ended looks once, and sleeps for good", async () => {
  const bench = new Bench();
  bench.loop.restore();
  await bench.write(put("nodes", aNode("n1", { createIndex: 0 })), put("allocs", anAlloc("a", { createIndex: 0 })));
  expect(bench.timers).toEqual([5 * MINUTE_MS]);
  await bench.pass(1000 * HOUR_MS);
  expect([bench.wakes, bench.timers, bench.state.index]).toEqual([1, [], 1]);
});

test("what ended goes when it is old enough, and its node is told", async () => {
  const bench = new Bench();
  await bench.write(...anEnd(bench, 1));
  await bench.pass(HOUR_MS - 1);
  expect([bench.wakes, bench.forgotten]).toEqual([0, []]);
  await bench.pass(1);
  expect([bench.wakes, bench.forgotten, bench.timers]).toEqual([1, ["a1"], []]);
  expect(bench.state.evaluation("e1")).toBeUndefined();
});

test("many that end one after the other are looked at together, an interval apart at least", async () => {
  const bench = new Bench();
  for (let n = 0; n < 60; n++) {
    await bench.write(...anEnd(bench, n));
    await bench.pass(10_000);
  }
  await bench.pass(2 * HOUR_MS);
  expect(bench.forgotten).toHaveLength(60);
  expect(bench.wakes).toBeLessThanOrEqual(4);
});

test("without authority nothing goes; with it again it does", async () => {
  const bench = new Bench();
  await bench.write(...anEnd(bench, 1));
  bench.hasAuthority = false;
  await bench.pass(2 * HOUR_MS);
  expect(bench.forgotten).toEqual([]);
  bench.hasAuthority = true;
  await bench.pass(5 * MINUTE_MS);
  expect(bench.forgotten).toEqual(["a1"]);
});

test("by force even the youngest goes, and what is deleted wakes nobody", async () => {
  const bench = new Bench();
  await bench.write(...anEnd(bench, 1));
  await bench.loop.collect({ evalMs: 0, batchEvalMs: 0, jobMs: 0, nodeMs: 0, deploymentMs: 0 });
  expect([bench.forgotten, bench.timers]).toEqual([["a1"], []]);
  await bench.write(remove("nodes", aNode("n1")));
  expect(bench.timers).toEqual([]);
  bench.loop.stop();
  await bench.write(...anEnd(bench, 2));
  expect(bench.timers).toEqual([]);
});
