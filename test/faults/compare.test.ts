import { expect, test } from "bun:test";
import { differences, dispatchProblems, doubleStarts, lostOperations, type ShownAlloc, type ShownJob } from "./compare.ts";
import type { TaskProcess } from "./processes.ts";

const JOB: ShownJob = { id: "job", state: { step: 1, count: 1, isStopped: false }, count: 1 };
const ALLOC: ShownAlloc = { ID: "a", JobID: "job", NodeID: "n", NodeName: "node-0", DesiredStatus: "run", ClientStatus: "running" };
const PROCESS: TaskProcess = { pid: 7, allocId: "a", dataDirectory: "/x/node-0" };
const OTHER_NODE: TaskProcess = { pid: 8, allocId: "a", dataDirectory: "/x/node-1" };

const CASES: readonly (readonly [string, readonly ShownJob[], readonly ShownAlloc[], readonly TaskProcess[], readonly RegExp[]])[] = [
  ["all is as wanted", [JOB], [ALLOC], [PROCESS], []],
  ["an ended allocation needs nothing", [JOB], [ALLOC, { ...ALLOC, ID: "b", DesiredStatus: "stop", ClientStatus: "complete" }], [PROCESS], []],
  ["what is wanted does not run", [JOB], [ALLOC], [], [/has 0 processes/]],
  ["one allocation runs twice on its node", [JOB], [ALLOC], [PROCESS, { ...PROCESS, pid: 9 }], [/has 2 processes/]],
  ["one allocation runs on two nodes", [JOB], [ALLOC], [PROCESS, OTHER_NODE], [/has 2 processes/, /belongs on node-0 and runs on node-1/]],
  ["a task runs on the wrong node", [JOB], [ALLOC], [OTHER_NODE], [/belongs on node-0 and runs on node-1/]],
  ["nobody wants what runs", [JOB], [ALLOC], [PROCESS, { ...PROCESS, allocId: "z" }], [/nobody wants it: unknown to the leader/]],
  [
    "a lost allocation goes on",
    [JOB],
    [ALLOC, { ...ALLOC, ID: "z", ClientStatus: "lost", DesiredStatus: "stop" }],
    [PROCESS, { ...PROCESS, allocId: "z" }],
    [/nobody wants it: job stop\/lost/],
  ],
  ["too few allocations", [{ ...JOB, count: 2 }], [ALLOC], [PROCESS], [/to run 2 times and 1 allocations/]],
  ["a stopped job goes on", [{ ...JOB, state: { ...JOB.state, isStopped: true } }], [ALLOC], [PROCESS], [/to run 0 times/]],
  ["an allocation is not yet there", [JOB], [{ ...ALLOC, ClientStatus: "pending" }], [PROCESS], [/is pending/]],
  ["an allocation of a job that is gone", [], [ALLOC], [PROCESS], [/unknown job/]],
];

for (const [name, jobs, allocs, processes, want] of CASES)
  test(`differences: ${name}`, () => {
    const found = differences(jobs, allocs, processes, (directory) => directory.slice("/x/".length));
    expect(found.length).toBe(want.length);
    for (const [at, pattern] of want.entries()) expect(found[at]).toMatch(pattern);
  });

test("a lost step, a second child of a token, a lost child and a second start are told", () => {
  const operation = {
    jobId: "job",
    change: { kind: "run", step: 2, count: 1 },
    outcome: "done",
    startedAtMs: 0,
    endedAtMs: 1,
    index: 5,
    answer: "",
  } as const;
  expect(lostOperations([operation], new Map([["job", { step: 2, count: 1, isStopped: false }]]))).toEqual([]);
  expect(lostOperations([operation], new Map([["job", { step: 1, count: 1, isStopped: false }]])).length).toBe(1);
  expect(lostOperations([operation], new Map()).length).toBe(1);
  const [first, second] = ["c1", "c2"].map((child) => ({ token: "t", child }));
  expect(
    dispatchProblems(
      [first, first].flatMap((one) => one ?? []),
      new Set(["c1"]),
    ),
  ).toEqual([]);
  expect(
    dispatchProblems(
      [first, second].flatMap((one) => one ?? []),
      new Set(["c1"]),
    ).length,
  ).toBe(2);
  expect([doubleStarts("a 1\nb 2\n"), doubleStarts("a 1\nb 2\na 3\n").length]).toEqual([[], 1]);
});
