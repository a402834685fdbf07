// The tables in memory: applied changes, their indexes, secondary groups, children, and replay.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Alloc } from "../../internal/domain/alloc.ts";
import type { JobVersion, Row, TableName, Tables } from "../../internal/domain/tables.ts";
import { put, remove, TABLE_NAMES } from "../../internal/domain/tables.ts";
import { State } from "../../internal/state/state.ts";
import { aJob, aNode, anAlloc, anEval, aSpec } from "../fixtures/model.ts";
import { aChangeSet, aRow, draws, keyOfRow, Oracle } from "../fixtures/rows.ts";

function born<T extends Row>(row: T): T {
  return { ...row, createIndex: 0, modifyIndex: 0 };
}

function ids(rows: Iterable<{ readonly id: string }>): readonly string[] {
  return [...rows].map((row) => row.id).sort();
}

describe("applied changes", () => {
  test("are one index: created rows get it, changed ones keep their birth", () => {
    const state = new State();
    const first = state.apply([put("nodes", born(aNode("n1"))), put("nodes", born(aNode("n2")))]);
    expect([first.index, state.index, state.tableIndex("nodes"), state.tableIndex("allocs")]).toEqual([1, 1, 1, 0]);
    expect(state.node("n1")).toMatchObject({ createIndex: 1, modifyIndex: 1 });
    const node = state.node("n1");
    if (!node) throw new Error("it was put");
    state.apply([put("nodes", { ...node, name: "renamed" })]);
    expect(state.node("n1")).toMatchObject({ name: "renamed", createIndex: 1, modifyIndex: 2 });
    expect(state.node("n2")).toMatchObject({ modifyIndex: 1 });
  });

  test("are returned as they were stamped, derived ones with them, under one index", () => {
    const state = new State();
    const set = state.apply([put("nodes", born(aNode("n1")))], (view, changes) => {
      expect(view.node("n1")).toMatchObject({ createIndex: 1 });
      expect(changes).toHaveLength(1);
      return [put("evals", born(anEval("e1")))];
    });
    expect(set.changes.map((change) => (change.op === "put" ? [change.table, change.row.modifyIndex] : []))).toEqual([
      ["nodes", 1],
      ["evals", 1],
    ]);
    expect([state.index, state.tableIndex("evals")]).toEqual([1, 1]);
  });

  test("of a deletion move the table's index, whether the row was there or not", () => {
    const state = new State();
    state.apply([put("nodes", born(aNode("n1")))]);
    state.apply([remove("nodes", aNode("n1"))]);
    expect([state.node("n1"), state.nodeCount(), state.tableIndex("nodes")]).toEqual([undefined, 0, 2]);
    state.apply([remove("nodes", aNode("n1"))]);
    expect(state.tableIndex("nodes")).toBe(3);
  });

  test("stop the process when a new row is not new", () => {
    const state = new State();
    state.apply([put("nodes", born(aNode("n1")))]);
    expect(() => state.apply([put("nodes", born(aNode("n1")))])).toThrow("assertion failed");
  });
});

describe("groups", () => {
  test("follow a row that moves between them", () => {
    const state = new State();
    state.apply([put("allocs", born(anAlloc("a1"))), put("allocs", born(anAlloc("a2", { nodeId: "n2", jobId: "k", evalId: "e2" })))]);
    const moved = state.alloc("a1");
    if (!moved) throw new Error("it was put");
    state.apply([put("allocs", { ...moved, nodeId: "n2", evalId: "e2" })]);
    expect([ids(state.allocsOfNode("n1")), ids(state.allocsOfNode("n2"))]).toEqual([[], ["a1", "a2"]]);
    expect([ids(state.allocsOfEval("e1")), ids(state.allocsOfEval("e2"))]).toEqual([[], ["a1", "a2"]]);
    expect([ids(state.allocsOfJob("default", "j")), ids(state.allocsOfJob("default", "k"))]).toEqual([["a1"], ["a2"]]);
    expect([...state.allocsOfNode("n2")].find((alloc) => alloc.id === "a1")?.nodeId).toBe("n2");
    state.apply([remove("allocs", moved)]);
    expect(ids(state.allocsOfNode("n2"))).toEqual(["a2"]);
  });

  test("of living allocs lose those that end, whoever ended them, and take them back", () => {
    const state = new State();
    state.apply(["a1", "a2", "a3"].map((id) => put("allocs", born(anAlloc(id)))));
    const change = (own: Partial<Alloc>, id = "a1") => {
      const row = state.alloc(id);
      if (row) state.apply([put("allocs", { ...row, ...own })]);
      return [ids(state.liveAllocsOfJob("default", "j")), ids(state.liveAllocsOfNode("n1")), ids(state.allocsOfJob("default", "j")).length];
    };
    expect(change({ clientStatus: "failed" })).toEqual([["a2", "a3"], ["a2", "a3"], 3]);
    expect(change({ desiredStatus: "stop" }, "a2")).toEqual([["a3"], ["a3"], 3]);
    expect(change({ nodeId: "n2" }, "a3")).toEqual([["a3"], [], 3]);
    expect(change({ clientStatus: "running" })).toEqual([["a1", "a3"], ["a1"], 3]);
  });

  test("of one job do not hold those of a job whose name begins alike, nor of another namespace", () => {
    const state = new State();
    const rows = [anAlloc("a1"), anAlloc("a2", { jobId: "j2" }), anAlloc("a3", { namespace: "other" }), anAlloc("a4", { jobId: "j/periodic-1" })];
    state.apply(rows.map((row) => put("allocs", born(row))));
    expect(ids(state.allocsOfJob("default", "j"))).toEqual(["a1"]);
    expect(ids(state.allocsOfJob("other", "j"))).toEqual(["a3"]);
  });

  test("may be changed while they are read", () => {
    const state = new State();
    state.apply([1, 2, 3].map((at) => put("allocs", born(anAlloc(`a${at}`)))));
    const seen: string[] = [];
    for (const alloc of state.allocsOfNode("n1")) {
      seen.push(alloc.id);
      state.apply([remove("allocs", alloc)]);
    }
    expect(seen).toEqual(["a1", "a2", "a3"]);
    expect(ids(state.allocsOfNode("n1"))).toEqual([]);
  });
});

describe("jobs", () => {
  const head = (id: string, version: number, createIndex = 0) => ({
    namespace: "default",
    id,
    version,
    status: "pending" as const,
    statusDescription: "",
    createIndex,
    modifyIndex: 0,
  });
  const version = (id: string, number: number, own: Partial<JobVersion> = {}): JobVersion => {
    const { status: _status, statusDescription: _text, ...row } = aJob(aSpec({ id }), { version: number, createIndex: 0, ...own });
    return row;
  };

  test("are their head joined with the version it names, and follow both", () => {
    const state = new State();
    expect(state.job("default", "j")).toBeUndefined();
    state.apply([put("job_versions", version("j", 0)), put("jobs", head("j", 0))]);
    expect(state.job("default", "j")).toMatchObject({ version: 0, status: "pending", stable: false });
    state.apply([put("jobs", { ...head("j", 0, 1), status: "running" })]);
    expect(state.job("default", "j")).toMatchObject({ status: "running", modifyIndex: 2 });
    state.apply([put("job_versions", version("j", 0, { stable: true, createIndex: 1 }))]);
    expect(state.job("default", "j")?.stable).toBe(true);
    state.apply([put("job_versions", version("j", 1, { createIndex: 1, priority: 70 })), put("jobs", head("j", 1, 1))]);
    expect(state.job("default", "j")).toMatchObject({ version: 1, priority: 70 });
    expect(state.jobVersions("default", "j").map((row) => row.version)).toEqual([1, 0]);
    state.apply([remove("jobs", head("j", 1, 1))]);
    expect(state.job("default", "j")).toBeUndefined();
    expect(state.jobVersions("default", "j")).toEqual([]);
    expect(state.jobVersion("default", "j", 1, 0)?.stable).toBe(true);
  });

  test("know their children, as long as a version of the child is kept", () => {
    const state = new State();
    const child = (number: number, createIndex = 0) => version("j/dispatch-1", number, { parentId: "j", createIndex });
    state.apply([put("job_versions", child(0)), put("jobs", head("j/dispatch-1", 0))]);
    state.apply([put("job_versions", child(1, 1)), put("jobs", head("j/dispatch-1", 1, 1))]);
    expect(ids(state.childrenOf("default", "j"))).toEqual(["j/dispatch-1"]);
    state.apply([remove("job_versions", child(0, 1))]);
    expect(ids(state.childrenOf("default", "j"))).toEqual(["j/dispatch-1"]);
    state.apply([remove("job_versions", child(1, 1)), remove("jobs", head("j/dispatch-1", 1, 1))]);
    expect(ids(state.childrenOf("default", "j"))).toEqual([]);
    expect(ids(state.childrenOf("other", "j"))).toEqual([]);
  });
});

// --- against the plainest keeper there is ---

/** How each table's row is found by the state's own readers. */
const READERS: { readonly [T in TableName]: (state: State, row: Tables[T]) => unknown } = {
  jobs: (state, row) => [...state.jobHeads()].find((one) => keyOfRow("jobs", one) === keyOfRow("jobs", row)),
  job_versions: (state, row) => state.jobVersion(row.namespace, row.id, row.createIndex, row.version),
  submissions: (state, row) => state.submission(row.namespace, row.jobId, row.version),
  nodes: (state, row) => state.node(row.id),
  allocs: (state, row) => state.alloc(row.id),
  evals: (state, row) => state.evaluation(row.id),
  fires: (state, row) => state.fire(row.namespace, row.jobId, row.jobCreateIndex, row.scheduledAtS),
  watermarks: (state, row) => state.watermark(row.namespace, row.jobId, row.jobCreateIndex),
  scaling_events: (state, row) => state.scalingEvents(row.namespace, row.jobId),
  deployments: (state, row) => state.deployment(row.id),
  node_pools: (state, row) => state.nodePool(row.name),
  settings: (state, row) => state.setting(row.name),
};

/** Everything a state holds of the rows that the draws can make. */
function dump(state: State): unknown {
  const rows: [string, unknown][] = [];
  for (const table of TABLE_NAMES)
    for (let n = 0; n <= 4; n++) {
      const key = aRow(table, n, { create: 1, modify: 1, text: "" });
      const row = (READERS[table] as (state: State, row: Row) => unknown)(state, key);
      if (row !== undefined) rows.push([`${table} ${keyOfRow(table, key)}`, { table, row }]);
    }
  rows.sort(([a], [b]) => (a < b ? -1 : 1));
  const tables = TABLE_NAMES.filter((table) => state.tableIndex(table) > 0).map((table) => [table, state.tableIndex(table)]);
  return JSON.parse(JSON.stringify({ index: state.index, tables, rows }));
}

test("replaying a journal gives what the plainest keeper has, from the start or from any restored point", () => {
  fc.assert(
    fc.property(fc.array(draws, { minLength: 1, maxLength: 10 }), fc.nat(9), (drawn, cut) => {
      const sets = drawn.map((one, at) => aChangeSet(at + 1, one));
      const oracle = new Oracle();
      const whole = new State();
      for (const set of sets) {
        oracle.apply(set);
        whole.replay(set);
        expect(dump(whole)).toEqual(oracle.dump());
      }
      const early = new Oracle();
      for (const set of sets.slice(0, cut)) early.apply(set);
      const restored = new State();
      restored.restoreIndexes(early.index, early.tableIndexes);
      for (const [, { table, row }] of (early.dump() as { rows: [string, { table: TableName; row: Row }][] }).rows)
        restored.restoreRow(table, row as never);
      for (const set of sets.slice(cut)) restored.replay(set);
      expect(dump(restored)).toEqual(oracle.dump());
    }),
    { numRuns: 150, seed: 51 },
  );
});

test("groups hold exactly the rows that say they belong, after any journal", () => {
  fc.assert(
    fc.property(fc.array(draws, { minLength: 1, maxLength: 10 }), (drawn) => {
      const state = new State();
      for (const [at, one] of drawn.entries()) state.replay(aChangeSet(at + 1, one));
      const allocs = [...state.allocs()];
      for (const node of ["node-0", "node-1", "node-2"])
        expect(ids(state.allocsOfNode(node))).toEqual(ids(allocs.filter((alloc) => alloc.nodeId === node)));
      for (const alloc of allocs) expect(ids(state.allocsOfJob(alloc.namespace, alloc.jobId))).toContain(alloc.id);
      const evals = [...state.evals()];
      for (const one of evals) {
        const own = evals.filter((other) => other.namespace === one.namespace && other.jobId === one.jobId);
        expect(ids(state.evalsOfJob(one.namespace, one.jobId))).toEqual(ids(own));
      }
    }),
    { numRuns: 100, seed: 52 },
  );
});

test("a journal goes forward only", () => {
  const state = new State();
  state.replay(aChangeSet(2, [{ table: "nodes", n: 1, isDelete: false, text: "" }]));
  expect(() => state.replay(aChangeSet(2, []))).toThrow("journal goes forward");
  state.replay(aChangeSet(7, []));
  expect(state.index).toBe(7);
});

test("what is applied and what is replayed of it are the same state", () => {
  fc.assert(
    fc.property(fc.array(draws, { minLength: 1, maxLength: 8 }), (drawn) => {
      const live = new State();
      const follower = new State();
      for (const [at, one] of drawn.entries()) {
        const { changes } = aChangeSet(at + 1, one);
        follower.replay(JSON.parse(JSON.stringify(live.apply(changes))));
      }
      expect(dump(follower)).toEqual(dump(live));
    }),
    { numRuns: 100, seed: 53 },
  );
});
