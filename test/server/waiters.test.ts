// Who is woken by what: a row that is gone, too, wakes those that read the list it stood in.

import { expect, test } from "bun:test";
import { type Change, type ChangeSet, put, remove } from "../../internal/domain/tables.ts";
import { Waiters } from "../../internal/server/waiters.ts";
import { State } from "../../internal/state/state.ts";
import { journalRows } from "../../internal/store/journal-rows.ts";
import { aDeployment, anAlloc, anEval } from "../fixtures/model.ts";

const born = <T extends object>(row: T): T => ({ ...row, createIndex: 0 });
const ALLOC = anAlloc("a1", { clientStatus: "complete" });
const EVAL = anEval("e1", { status: "complete" });
const DEPLOYMENT = aDeployment("d1");

const KEYS = [
  "allocs",
  "allocs:a1",
  "allocs/job:default/j",
  "allocs/node:n1",
  "allocs/eval:e1",
  "allocs/job:default/k",
  "allocs/node:n2",
  "evals",
  "evals:e1",
  "evals/job:default/j",
  "evals/job:other/j",
  "deployments/job:default/j",
];

function woken(set: ChangeSet): readonly string[] {
  const waiters = new Waiters();
  const keys: string[] = [];
  for (const key of KEYS) waiters.add([key], () => keys.push(key));
  waiters.wake([set]);
  return keys;
}

const CASES: readonly [string, Change, readonly string[]][] = [
  ["an alloc", remove("allocs", ALLOC), ["allocs", "allocs:a1", "allocs/job:default/j", "allocs/node:n1", "allocs/eval:e1"]],
  ["an eval", remove("evals", EVAL), ["evals", "evals:e1", "evals/job:default/j"]],
  ["a deployment", remove("deployments", DEPLOYMENT), ["deployments/job:default/j"]],
];

for (const [name, change, want] of CASES) {
  test(`the deletion of ${name} wakes the readers of the lists it stood in, on the leader and on a standby`, () => {
    const [leader, standby] = [new State(), new State()];
    standby.replay(leader.apply([put("allocs", born(ALLOC)), put("evals", born(EVAL)), put("deployments", born(DEPLOYMENT))]));
    const set = leader.apply([change]);
    expect(woken(set)).toEqual([...want]);
    // A standby reads the journal, which has no more than the key.
    const [row] = journalRows([set]);
    const [stored] = JSON.parse(row?.sets ?? "[]") as ChangeSet[];
    expect(stored).toEqual({ index: 2, changes: [change] });
    expect(woken(standby.replay(stored ?? set))).toEqual([...want]);
  });
}

test("the deletion of what is not there wakes no list of a parent, nor does the next set tell of earlier ones", () => {
  const state = new State();
  state.apply([put("allocs", born(ALLOC))]);
  state.apply([remove("allocs", ALLOC)]);
  expect(woken(state.apply([remove("allocs", ALLOC)]))).toEqual(["allocs", "allocs:a1"]);
});
