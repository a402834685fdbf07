import { expect, test } from "bun:test";
import { type Change, indexProblems, type JobState, type Operation, type Outcome, possibleStates, type SeenIndex, sameState } from "./history.ts";

const run = (step: number, count = 1): Change => ({ kind: "run", step, count });
const scale = (count: number): Change => ({ kind: "scale", count });
const stop: Change = { kind: "stop" };
const state = (step: number, count = 1, isStopped = false): JobState => ({ step, count, isStopped });
const operation = (change: Change, outcome: Outcome): Operation => ({
  jobId: "job",
  change,
  outcome,
  startedAtMs: 0,
  endedAtMs: 0,
  index: 0,
  answer: "",
});

const STATES: readonly (readonly [string, readonly (readonly [Change, Outcome])[], readonly (JobState | null)[], readonly (JobState | null)[]])[] = [
  ["nothing was asked", [], [null], [state(1)]],
  ["an acknowledged step is there", [[run(1), "done"]], [state(1)], [null]],
  ["a refused step is not", [[run(1), "refused"]], [null], [state(1)]],
  ["an unknown step may be there", [[run(1), "unknown"]], [null, state(1)], []],
  [
    "an unknown step may take effect after a later one",
    [
      [run(1), "unknown"],
      [run(2), "done"],
    ],
    [state(2), state(1)],
    [null],
  ],
  [
    "an acknowledged stop stays",
    [
      [run(1), "done"],
      [stop, "done"],
    ],
    [state(1, 1, true)],
    [state(1)],
  ],
  [
    "an acknowledged count stays",
    [
      [run(1), "done"],
      [scale(3), "done"],
    ],
    [state(1, 3)],
    [state(1)],
  ],
  [
    "an unknown stop explains a stopped job, and no lost step",
    [
      [run(1), "done"],
      [stop, "unknown"],
      [run(2), "done"],
    ],
    [state(2), state(2, 1, true)],
    [state(1), state(1, 1, true)],
  ],
  [
    "a job that is not there can be stopped",
    [
      [stop, "done"],
      [run(2), "done"],
    ],
    [state(2)],
    [null, state(2, 1, true)],
  ],
  [
    "an acknowledged count says that an unknown step had happened",
    [
      [run(1), "unknown"],
      [scale(2), "done"],
    ],
    [state(1, 2), state(1)],
    [null],
  ],
];

for (const [name, steps, possible, impossible] of STATES)
  test(`states: ${name}`, () => {
    const found = possibleStates(steps.map(([change, outcome]) => operation(change, outcome)));
    const isFound = (one: JobState | null) => found.some((other) => sameState(one, other));
    expect([possible.filter((one) => !isFound(one)), impossible.filter(isFound)]).toEqual([[], []]);
  });

const seen = (kind: "write" | "read", index: number, startedAtMs: number, endedAtMs: number): SeenIndex => ({
  name: `${kind}-${startedAtMs}`,
  kind,
  index,
  startedAtMs,
  endedAtMs,
});

const INDEXES: readonly (readonly [string, readonly SeenIndex[], number])[] = [
  ["writes one after another", [seen("write", 1, 0, 1), seen("write", 2, 2, 3)], 0],
  ["overlapping writes in any order", [seen("write", 2, 0, 5), seen("write", 1, 1, 4)], 0],
  ["a later write with a smaller index", [seen("write", 2, 0, 1), seen("write", 1, 2, 3)], 1],
  ["one index for two", [seen("write", 2, 0, 5), seen("write", 2, 1, 4)], 1],
  ["a read of what is there", [seen("write", 2, 0, 1), seen("read", 2, 2, 3)], 0],
  ["a stale read", [seen("write", 2, 0, 1), seen("read", 1, 2, 3)], 1],
  ["a read that went back behind another", [seen("read", 4, 0, 1), seen("read", 3, 2, 3)], 1],
  ["a write below what was read before", [seen("read", 4, 0, 1), seen("write", 4, 2, 3)], 1],
];

for (const [name, list, problems] of INDEXES) test(`indexes: ${name}`, () => expect(indexProblems(list).length).toBe(problems));
