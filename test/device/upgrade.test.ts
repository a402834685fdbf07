// What a start does about an upgrade, when a watcher calls it healthy or goes back, and what is wrong with a look.

import { expect, test } from "bun:test";
import {
  type AgentLook,
  compareVersions,
  decideStart,
  decideWatch,
  faultOf,
  isSettled,
  type StartFacts,
  type Upgrade,
  type UpgradeState,
  type WatchFacts,
} from "../../internal/device/upgrade.ts";

const look = (more: Partial<AgentLook> = {}): AgentLook => ({
  version: "1.0.0",
  revision: "old",
  startId: "first",
  nodeId: "node",
  health: { server: { ok: true, message: "ok" }, client: { ok: true, message: "ok" } },
  allocs: { "11111111-1": "running", "22222222-2": "complete" },
  ...more,
});

const upgradeIn = (state: UpgradeState, more: Partial<Upgrade> = {}): Upgrade => ({
  id: "id",
  state,
  reason: "",
  program: "/bin/edgectl",
  runner: [],
  from: { version: "1.0.0", revision: "old" },
  to: { version: "2.0.0", revision: "new", sha256: "", inode: 2 },
  signature: "",
  healthyWithinMs: 60_000,
  healthyForMs: 5000,
  starts: 0,
  preparedAtMs: 1,
  changedAtMs: 1,
  before: {
    look: look(),
    address: "",
    argv: [],
    process: "",
    unit: "",
    isStartOwed: false,
    stateFile: "",
    isDatabase: false,
    schemaCopies: {},
  },
  ...more,
});

/** Each instant at which the power may be cut, and what the next start makes of what it finds. */
const STARTS: readonly (readonly [string, UpgradeState, Partial<StartFacts> & { readonly starts?: number }, string])[] = [
  ["nothing was changed", "prepared", { isSwapped: false }, "settled abandoned"],
  ["it was about to be renamed", "swapping", { isSwapped: false }, "settled abandoned"],
  ["it was renamed, and that was not noted", "swapping", {}, "watch starting 1"],
  ["it was noted, and nobody watches", "starting", {}, "watch starting 1"],
  ["it starts for the last time", "starting", { starts: 5 }, "watch starting 6"],
  ["it starts once more than that", "starting", { starts: 6 }, "go-back going-back"],
  ["the same, without a way back", "starting", { starts: 6, isPreviousThere: false }, "settled healthy"],
  ["another hand replaced the program", "starting", { isSwapped: false }, "settled abandoned"],
  ["it was about to go back", "going-back", {}, "go-back going-back"],
  ["it went back, and that was not noted", "going-back", { isSwapped: false, isPreviousThere: false }, "go-back going-back"],
  ["somebody makes it ready", "prepared", { isSwapped: false, isWatched: true }, "go-on"],
  ["somebody watches", "starting", { isWatched: true, starts: 6 }, "go-on"],
  ["somebody goes back", "going-back", { isWatched: true }, "give-way"],
  ["it is over", "healthy", {}, "go-on"],
  ["it went back", "went-back", { isSwapped: false }, "go-on"],
  ["it was given up", "abandoned", { isSwapped: false }, "go-on"],
];

for (const [name, state, { starts = 0, ...facts }, want] of STARTS)
  test(`a start when ${name}: ${want}`, () => {
    const decision = decideStart(
      upgradeIn(state, { starts }),
      { isSwapped: true, isPreviousThere: true, isWatched: false, startsMax: 6, ...facts },
      9,
    );
    const said =
      "upgrade" in decision
        ? [decision.kind, decision.upgrade.state, ...(decision.kind === "watch" ? [decision.upgrade.starts] : [])]
        : [decision.kind];
    expect(said.join(" ")).toBe(want);
    if ("upgrade" in decision && isSettled(decision.upgrade.state)) expect(decision.upgrade.reason).not.toBe("");
  });

test("starts that nobody watches come to an end, whatever is cut off between", () => {
  let upgrade = upgradeIn("swapping");
  for (let count = 0; count < 20; count++) {
    const decision = decideStart(upgrade, { isSwapped: true, isPreviousThere: true, isWatched: false, startsMax: 6 }, count);
    if (decision.kind === "go-back") return expect(count).toBe(6);
    if ("upgrade" in decision) ({ upgrade } = decision);
  }
  throw new Error("it was started for ever");
});

const SETTLED_WATCH: WatchFacts = {
  watchedMs: 1000,
  faultlessMs: null,
  fault: "it does not answer",
  process: "runs",
  goneMs: 0,
  supervisorMsMax: 4000,
  isStartOwed: false,
};

test.each([
  ["it has not answered yet", {}, "wait"],
  ["it just became healthy", { faultlessMs: 0, fault: null }, "wait"],
  ["it has been healthy long enough", { faultlessMs: 5000, fault: null }, "healthy"],
  ["its time is over", { watchedMs: 60_000 }, "go-back: it does not answer"],
  ["its time is over, and it has just become healthy", { watchedMs: 61_000, faultlessMs: 100, fault: null }, "wait"],
  ["it ended, and may be started again", { process: "gone", goneMs: 3999 }, "wait"],
  ["it ended, and nobody started it", { process: "gone", goneMs: 4000 }, "go-back: it ended by itself"],
  ["it was not started yet", { process: "gone", goneMs: 4000, isStartOwed: true }, "start"],
  ["somebody stopped it", { process: "stopped", watchedMs: 60_000 }, "leave"],
] as const)("a watcher when %s", (_name, facts, want) => {
  const decision = decideWatch(upgradeIn("starting"), { ...SETTLED_WATCH, ...facts });
  expect(decision.kind === "go-back" ? `go-back: ${decision.reason}` : decision.kind).toBe(want);
});

const NEW = { version: "2.0.0", revision: "new", startId: "second" };

test.each([
  ["is well", look(NEW), null],
  ["does not answer", null, "it does not answer"],
  ["is still the old start", look(), "the agent did not start again"],
  ["is another program", look({ startId: "second" }), "edgectl 1.0.0 (old) answers in its place"],
  ["is another node", look({ ...NEW, nodeId: "" }), "it is node of no id, and was node"],
  ["has no server any more", look({ ...NEW, health: { client: { ok: true, message: "ok" } } }), "its server is not healthy: there is none"],
  [
    "is cut off",
    look({ ...NEW, health: { server: { ok: true, message: "ok" }, client: { ok: false, message: "alone" } } }),
    "its client is not healthy: alone",
  ],
  ["forgot what ran", look({ ...NEW, allocs: {} }), "allocation 11111111, which ran, is not known to it"],
  ["has not taken up what ran", look({ ...NEW, allocs: { "11111111-1": "pending" } }), "allocation 11111111, which ran, is pending"],
  ["saw a task end", look({ ...NEW, allocs: { "11111111-1": "complete" } }), null],
])("an agent that %s", (_name, now, want) => {
  expect(faultOf(upgradeIn("starting"), now)).toBe(want);
});

test("what ailed before the upgrade is no reason to go back", () => {
  const health = { client: { ok: false, message: "no server" } };
  const upgrade = upgradeIn("starting");
  const before = upgrade.before === null ? null : { ...upgrade.before, look: look({ health }) };
  expect(faultOf({ ...upgrade, before }, look({ ...NEW, health }))).toBeNull();
});

test.each([
  ["1.2.3", "1.2.3", 0],
  ["1.2.3", "1.2.4", -1],
  ["1.10.0", "1.9.9", 1],
  ["2.0.0-rc.1", "2.0.0", -1],
  ["2.0.0", "2.0.0-rc.1", 1],
  ["2.0.0-rc.1", "2.0.0-rc.2", -1],
  ["source", "1.0.0", 0],
])("%s against %s", (a, b, want) => {
  expect(Math.sign(compareVersions(a, b))).toBe(want);
});
