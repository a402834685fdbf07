// Orders against what a node holds, and when an alloc counts as healthy.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decideSteps, type HeldAlloc, type WantedAlloc } from "../../internal/device/desired.ts";
import { decideHealth } from "../../internal/device/health.ts";
import { aSpec, aTaskState, type GroupDraft, NOW_MS } from "../fixtures/model.ts";

const wanted = (id: string, own: Partial<WantedAlloc> = {}): WantedAlloc => ({
  id,
  desiredStatus: "run",
  previousAlloc: "",
  modifyIndex: 1,
  clientStatus: "running",
  ...own,
});
const held = (id: string, own: Partial<HeldAlloc> = {}): HeldAlloc => ({
  id,
  isDone: false,
  isStopping: false,
  isHeldBack: false,
  modifyIndex: 1,
  clientStatus: "running",
  ...own,
});

interface Row {
  readonly wanted?: readonly WantedAlloc[];
  readonly held?: readonly HeldAlloc[];
  readonly known?: readonly string[];
  readonly isPart?: true;
  readonly want: readonly string[];
}

const ROWS: readonly (readonly [string, Row])[] = [
  ["starts what it does not have", { wanted: [wanted("a")], want: ["start a"] }],
  [
    "tells again what a server that had no connection does not know",
    { wanted: [wanted("a", { clientStatus: "unknown" })], held: [held("a")], isPart: true, want: ["report a"] },
  ],
  ["leaves alone what it has", { wanted: [wanted("a")], held: [held("a")], want: [] }],
  ["updates what changed", { wanted: [wanted("a", { modifyIndex: 2 })], held: [held("a")], want: ["update a"] }],
  ["is not moved by an older order", { wanted: [wanted("a", { modifyIndex: 1 })], held: [held("a", { modifyIndex: 2 })], want: [] }],
  ["does not start again what is done", { wanted: [wanted("a", { modifyIndex: 9 })], held: [held("a", { isDone: true })], want: [] }],
  ["stops what is to stop", { wanted: [wanted("a", { desiredStatus: "stop" })], held: [held("a")], want: ["stop a"] }],
  ["stops what is evicted", { wanted: [wanted("a", { desiredStatus: "evict" })], held: [held("a")], want: ["stop a"] }],
  ["stops nothing twice", { wanted: [wanted("a", { desiredStatus: "stop" })], held: [held("a", { isStopping: true })], want: [] }],
  [
    "tells what waits to stop once more when it is not to wait",
    {
      wanted: ["a", "b"].map((id) => wanted(id, { desiredStatus: "stop", skipsShutdownDelay: true })),
      held: [held("a", { isStopping: true, isHeldBack: true }), held("b", { isStopping: true })],
      want: ["stop a"],
    },
  ],
  [
    "does not stop what is done, and ends what it does not hold, so that its end is told",
    {
      wanted: [wanted("a", { desiredStatus: "stop" }), wanted("b", { desiredStatus: "stop" })],
      held: [held("a", { isDone: true })],
      want: ["end b"],
    },
  ],
  ["forgets what a full set leaves out", { held: [held("a"), held("b", { isDone: true })], want: ["forget a", "forget b"] }],
  ["keeps what the server says it knows", { held: [held("a")], known: ["a"], want: [] }],
  [
    "tells again what the server has wrong",
    { wanted: [wanted("a"), wanted("b")], held: [held("a", { isDone: true, clientStatus: "complete" }), held("b")], want: ["report a"] },
  ],
  [
    "tells nothing again over a part, which may be older than its report",
    { wanted: [wanted("a")], held: [held("a", { clientStatus: "failed" })], isPart: true, want: [] },
  ],
  ["forgets nothing over a part", { held: [held("a")], isPart: true, want: [] }],
];

describe("a node", () => {
  for (const [name, row] of ROWS) {
    test(name, () => {
      const steps = decideSteps({
        wanted: row.wanted ?? [],
        isFull: row.isPart !== true,
        known: row.known ?? [],
        held: new Map((row.held ?? []).map((one) => [one.id, one])),
      });
      expect(steps.map((step) => `${step.kind} ${step.id}`)).toEqual([...row.want]);
    });
  }

  test("that carried out its steps has none left, whatever it held before", () => {
    const id = fc.constantFrom("a", "b", "c", "d");
    const order = fc.record({ id, desiredStatus: fc.constantFrom("run" as const, "stop" as const), modifyIndex: fc.nat(5) });
    const holding = fc.record({
      id,
      isDone: fc.boolean(),
      isStopping: fc.boolean(),
      modifyIndex: fc.nat(5),
      clientStatus: fc.constant("running" as const),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(order, { selector: (one) => one.id }),
        fc.uniqueArray(holding, { selector: (one) => one.id }),
        (orders, holdings) => {
          const state = new Map<string, HeldAlloc>(holdings.map((one) => [one.id, held(one.id, one)]));
          const input = { wanted: orders.map((one) => wanted(one.id, one)), isFull: true, known: [], held: state };
          for (const step of decideSteps(input)) {
            const order = orders.find((one) => one.id === step.id);
            if (step.kind === "forget") state.delete(step.id);
            else if (step.kind === "stop") state.set(step.id, held(step.id, { ...state.get(step.id), isStopping: true }));
            else if (step.kind === "end") state.set(step.id, held(step.id, { isDone: true }));
            else state.set(step.id, held(step.id, { ...state.get(step.id), modifyIndex: order?.modifyIndex ?? 0 }));
          }
          expect(decideSteps(input)).toEqual([]);
        },
      ),
      { seed: 72 },
    );
  });
});

const UPDATE = { minHealthyTimeMs: 10_000, healthyDeadlineMs: 300_000 };
const seconds = (count: number) => NOW_MS + count * 1000;

/** [when, group, task states, seconds since the alloc was made, decision] */
const HEALTH: readonly (readonly [string, GroupDraft, Parameters<typeof decideHealth>[0]["states"], number, string])[] = [
  ["nothing runs", {}, {}, 0, "wait 300"],
  ["it began just now", {}, { t: aTaskState({ startedAtMs: seconds(5) }) }, 5, "wait 15"],
  ["it ran a moment too short", {}, { t: aTaskState({ startedAtMs: seconds(5) }) }, 14.999, "wait 15"],
  ["it ran long enough", {}, { t: aTaskState({ startedAtMs: seconds(5) }) }, 15, "healthy"],
  ["it restarted since", {}, { t: aTaskState({ startedAtMs: seconds(0), lastRestartAtMs: seconds(12) }) }, 15, "wait 22"],
  ["it failed", {}, { t: aTaskState({ state: "dead", failed: true }) }, 5, "unhealthy"],
  ["the deadline is over", {}, { t: aTaskState({ state: "pending", startedAtMs: null }) }, 300, "unhealthy"],
  ["it would be healthy after the deadline only", {}, { t: aTaskState({ startedAtMs: seconds(295) }) }, 296, "wait 300"],
  ["somebody else says so", { update: { ...UPDATE, healthCheck: "manual" } }, { t: aTaskState() }, 99, "none"],
  [
    "a prestart that is done does not count",
    {
      tasks: [
        { name: "t", driver: "x" },
        { name: "p", driver: "x", lifecycle: { hook: "prestart" } },
      ],
    },
    { t: aTaskState({ startedAtMs: seconds(0) }), p: aTaskState({ state: "dead" }) },
    10,
    "healthy",
  ],
  [
    "a sidecar that does not run counts",
    {
      tasks: [
        { name: "t", driver: "x" },
        { name: "p", driver: "x", lifecycle: { hook: "prestart", sidecar: true } },
      ],
    },
    { t: aTaskState({ startedAtMs: seconds(0) }) },
    10,
    "wait 300",
  ],
];

for (const [name, draft, states, at, want] of HEALTH) {
  test(`when ${name}, the alloc is ${want}`, () => {
    const [group] = aSpec({}, { update: UPDATE, ...draft }).groups;
    if (!group) throw new Error("a job has a group");
    const decision = decideHealth({ checks: [], group, states, createdAtMs: NOW_MS, nowMs: seconds(at), isOfDeployment: true });
    expect(decision.kind === "wait" ? `wait ${(decision.untilMs - NOW_MS) / 1000}` : decision.kind).toBe(want);
  });
}

test("a batch group has no health", () => {
  const [group] = aSpec({ type: "batch" }).groups;
  expect(group && decideHealth({ checks: [], group, states: {}, createdAtMs: 0, nowMs: NOW_MS, isOfDeployment: true })).toEqual({ kind: "none" });
});

test("what replaces others apart from a roll-out is healthy as the migrate block says", () => {
  const states = { t: aTaskState({ startedAtMs: NOW_MS }) };
  const decide = (draft: GroupDraft, at: number, isOfDeployment: boolean) => {
    const [group] = aSpec({}, { update: UPDATE, ...draft }).groups;
    return group && decideHealth({ checks: [], group, states, createdAtMs: NOW_MS, nowMs: seconds(at), isOfDeployment }).kind;
  };
  const migrate = { minHealthyTimeMs: 2000 };
  expect([decide({ migrate }, 1, false), decide({ migrate }, 2, false), decide({ migrate }, 2, true)]).toEqual(["wait", "healthy", "wait"]);
  const isManual = { update: { ...UPDATE, healthCheck: "manual" as const } };
  expect([decide(isManual, 99, false), decide(isManual, 99, true)]).toEqual(["healthy", "none"]);
});
