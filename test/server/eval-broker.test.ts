// Which evaluation runs next: order, instants, room, one of a job at a time; and that ten thousand of them cost little.

import { expect, test } from "bun:test";
import type { Evaluation } from "../../internal/domain/evaluation.ts";
import { SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { put } from "../../internal/domain/tables.ts";
import { EvalBroker } from "../../internal/server/eval-broker.ts";
import { State } from "../../internal/state/state.ts";
import { aNode, anAlloc, anEval } from "../fixtures/model.ts";

class Bench {
  readonly state = new State();
  readonly broker = new EvalBroker();

  put(id: string, own: Partial<Evaluation> = {}): void {
    this.broker.note(this.state.apply([put("evals", anEval(id, { jobId: id, createIndex: this.state.evaluation(id)?.createIndex ?? 0, ...own }))]));
  }

  taken(nowMs = 0): string[] {
    const ids: string[] = [];
    for (let next = this.broker.take(this.state, nowMs); next; next = this.broker.take(this.state, nowMs)) ids.push(next.id);
    return ids;
  }

  unblocked(): string[] {
    const ids: string[] = [];
    for (let next = this.broker.takeUnblocked(this.state); next; next = this.broker.takeUnblocked(this.state)) ids.push(next.id);
    return ids;
  }
}

test("the more important comes first, then the older; what an operator put first comes before both", () => {
  const bench = new Bench();
  bench.put("old");
  bench.put("young");
  bench.put("important", { priority: 80 });
  bench.put("first", { priority: 1, queueRank: 1 });
  expect(bench.taken()).toEqual(["first", "important", "old", "young"]);
  expect(bench.broker.hasWork).toBe(false);
});

test("an evaluation counts as it was put last", () => {
  const bench = new Bench();
  bench.put("a");
  bench.put("b");
  bench.put("c");
  bench.put("c", { priority: 90 });
  bench.put("a", { status: "canceled" });
  expect(bench.taken()).toEqual(["c", "b"]);
});

test("one that waits for an instant comes then, and the next instant is known", () => {
  const bench = new Bench();
  bench.put("later", { waitUntilMs: 200 });
  bench.put("sooner", { waitUntilMs: 100 });
  expect(bench.taken(99)).toEqual([]);
  expect(bench.broker.nextDelayedAtMs()).toBe(100);
  expect(bench.taken(100)).toEqual(["sooner"]);
  expect(bench.broker.nextDelayedAtMs()).toBe(200);
  bench.put("later", { status: "canceled", waitUntilMs: 200 });
  expect(bench.broker.nextDelayedAtMs()).toBeNull();
});

test("while a job's evaluation is under way its others wait, and other jobs' do not", () => {
  const bench = new Bench();
  bench.put("one", { jobId: "j" });
  bench.put("two", { jobId: "j" });
  bench.put("other", { jobId: "k" });
  const first = bench.broker.take(bench.state, 0);
  if (!first) throw new Error("there are three");
  bench.broker.began(first);
  expect(bench.taken()).toEqual(["other"]);
  bench.broker.ended(first);
  expect(bench.taken()).toEqual(["two"]);
});

test("blocked ones try again once after room appeared, by a node or by an alloc that ended", () => {
  const bench = new Bench();
  bench.put("a", { status: "blocked" });
  bench.put("b", { status: "blocked", priority: 70 });
  expect(bench.unblocked()).toEqual([]);
  bench.broker.note(bench.state.apply([put("nodes", aNode("n1", { createIndex: 0 }))]));
  expect(bench.broker.hasWork).toBe(true);
  expect(bench.unblocked()).toEqual(["b", "a"]);
  expect(bench.unblocked()).toEqual([]);
  bench.broker.note(bench.state.apply([put("allocs", anAlloc("x", { createIndex: 0 }))]));
  expect(bench.unblocked()).toEqual([]);
  bench.broker.note(bench.state.apply([put("allocs", anAlloc("x", { clientStatus: "complete" }))]));
  expect(bench.unblocked()).toEqual(["b", "a"]);
});

test("blocked ones try again once after operators set how jobs are placed", () => {
  const bench = new Bench();
  bench.put("a", { status: "blocked" });
  const { createIndex, modifyIndex, ...value } = SCHEDULER_DEFAULTS;
  bench.broker.note(bench.state.apply([put("settings", { name: "scheduler", value, createIndex, modifyIndex })]));
  expect([bench.unblocked(), bench.unblocked()]).toEqual([["a"], []]);
  const pool = { name: "p", description: "", meta: {}, algorithm: null, memoryOversubscription: true, createIndex: 0, modifyIndex: 0 };
  bench.broker.note(bench.state.apply([put("node_pools", pool)]));
  expect([bench.unblocked(), bench.unblocked()]).toEqual([["a"], []]);
});

test("a blocked one that is replaced meanwhile is passed over", () => {
  const bench = new Bench();
  bench.put("a", { status: "blocked" });
  bench.put("b", { status: "blocked" });
  bench.broker.note(bench.state.apply([put("nodes", aNode("n1", { createIndex: 0 }))]));
  expect(bench.broker.takeUnblocked(bench.state)?.id).toBe("a");
  bench.put("b", { status: "canceled" });
  expect(bench.unblocked()).toEqual([]);
});

test("twenty thousand pending evaluations are taken in order without looking at each for each", () => {
  const bench = new Bench();
  const count = 20_000;
  const began = performance.now();
  for (let at = 0; at < count; at++) bench.put(`e${at}`, { priority: 1 + ((at * 7919) % 100) });
  const ids = bench.taken();
  const tookMs = performance.now() - began;
  const priorities = ids.map((id) => bench.state.evaluation(id)?.priority ?? 0);
  expect(priorities).toEqual([...priorities].sort((a, b) => b - a));
  expect(ids).toHaveLength(count);
  // Looking at all for each takes minutes.
  expect(tookMs).toBeLessThan(10_000);
});
