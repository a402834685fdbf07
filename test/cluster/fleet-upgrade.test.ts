// Who takes part in a roll-out over the fleet, when the next wave begins, and what ends it.

import { expect, test } from "bun:test";
import { noteFleetNode, startFleetUpgrade, stepFleetUpgrade, stopFleetUpgrade } from "../../internal/cluster/fleet-upgrade.ts";
import { unreachable } from "../../internal/domain/errors.ts";
import type { FleetNodeState, FleetUpgrade } from "../../internal/domain/fleet-upgrade.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { Node } from "../../internal/domain/node.ts";
import type { View } from "../../internal/domain/view.ts";

const node = (name: string, more: Partial<Node> = {}, attributes: Readonly<Record<string, string>> = {}): Node =>
  ({
    id: `id-${name}`,
    name,
    status: "ready",
    version: "1.0.0",
    attributes: { "cpu.arch": "arm64", "edgectl.upgrade": "enabled", ...attributes },
    ...more,
  }) as Node; // what the rules look at

const PROGRAM = { architecture: "arm64", sha256: "a", sizeBytes: 1, signature: "" };

/** A view of one row, and the rules applied to it. */
class Fleet {
  row: FleetUpgrade | undefined;
  nowMs = 1000;
  readonly nodes: readonly Node[];

  constructor(nodes: readonly Node[]) {
    this.nodes = nodes;
  }

  do<T>(handler: (view: View, context: { nowMs: number; index: number; newId: () => string }) => { changes: readonly unknown[]; result: T }): T {
    const view = {
      setting: () => (this.row ? { value: this.row, createIndex: 1 } : undefined),
      node: (id: string) => this.nodes.find((one) => one.id === id),
    };
    const { changes, result } = handler(view as unknown as View, { nowMs: this.nowMs, index: 2, newId: () => "roll-out" }); // what the rules look at
    for (const change of changes as readonly { row: { value: FleetUpgrade } }[]) this.row = change.row.value;
    return result;
  }

  start(wave: { count: number } | { percent: number }): void {
    const times = { pauseMs: 500, healthyWithinMs: 60_000, healthyForMs: 1 };
    this.do((view, context) => startFleetUpgrade(view, { programs: [PROGRAM], nodes: this.nodes, wave, isForced: false, ...times }, context));
  }

  step(isConnected = true): readonly string[] {
    return this.do((view, context) => stepFleetUpgrade(view, { isConnected: () => isConnected }, context)).nodeIds;
  }

  note(name: string, state: FleetNodeState, reason = ""): void {
    this.do((view, context) => noteFleetNode(view, { id: "roll-out", nodeId: `id-${name}`, state, reason }, context));
  }

  get waves(): readonly string[] {
    return Object.entries(this.row?.nodes ?? {}).map(([id, { wave, state }]) => `${id.slice(3)} ${wave} ${state}`);
  }
}

test("nodes are parted into waves by their names, and those that cannot take part are left out with the reason", () => {
  const fleet = new Fleet([
    node("e"),
    node("d"),
    node("c"),
    node("b"),
    node("a"),
    node("old", {}, { "edgectl.upgrade": undefined as unknown as string }),
    node("off", {}, { "edgectl.upgrade": "disabled" }),
    node("srv", {}, { "edgectl.upgrade": "server" }),
    node("pi1", {}, { "cpu.arch": "arm" }),
    node("down", { status: "down" }),
  ]);
  fleet.start({ count: 2 });
  expect(fleet.waves.filter((line) => line.endsWith("waiting"))).toEqual(["a 1 waiting", "b 1 waiting", "c 2 waiting", "d 2 waiting", "e 3 waiting"]);
  const reasons = Object.values(fleet.row?.nodes ?? {}).flatMap(({ state, reason }) => (state === "skipped" ? [reason] : []));
  expect(reasons).toEqual([
    "is down",
    "does not let servers upgrade it (client.upgrade.enabled)",
    "is too old to upgrade itself (edgectl 1.0.0)",
    "has another processor (arm)",
    "is a server too: upgrade it there, with edgectl agent upgrade",
  ]);
});

test.each([
  [{ percent: 10 }, 5, 5],
  [{ percent: 40 }, 5, 3],
  [{ percent: 100 }, 5, 1],
  [{ count: 9 }, 5, 1],
])("%j of %d nodes make %d waves", (wave, count, waves) => {
  const fleet = new Fleet(Array.from({ length: count }, (_, at) => node(`n${at}`)));
  fleet.start(wave);
  expect(fleet.row?.waves).toBe(waves);
});

test("a wave begins when the one before was healthy for the pause, and the last one ends it", () => {
  const fleet = new Fleet([node("a"), node("b"), node("c")]);
  fleet.start({ count: 2 });
  expect(fleet.step()).toEqual(["id-a", "id-b"]);
  fleet.note("a", "told");
  fleet.note("b", "told");
  fleet.note("a", "healthy");
  expect(fleet.step()).toEqual(["id-b"]);
  fleet.note("b", "healthy");
  expect([fleet.step(), fleet.row?.wave]).toEqual([[], 1]);
  fleet.nowMs += 499;
  expect([fleet.step(), fleet.row?.wave]).toEqual([[], 1]);
  fleet.nowMs += 1;
  fleet.step();
  expect([fleet.step(), fleet.row?.wave]).toEqual([["id-c"], 2]);
  fleet.note("c", "healthy");
  fleet.step();
  expect(fleet.row?.state).toBe("done");
});

const ENDS: readonly (readonly [string, (fleet: Fleet) => void, string])[] = [
  ["a node went back", (fleet) => fleet.note("a", "failed", "it hung"), "failed: node a: it hung"],
  [
    "a node is away for too long",
    (fleet) => {
      fleet.nowMs += LIMITS.fleetNodeAwayMsMax + 1;
      fleet.step(false);
    },
    "failed: node a: it has not been connected since its wave began",
  ],
  [
    "a node that was told is not heard of",
    (fleet) => {
      fleet.note("a", "told");
      fleet.nowMs += 60_000 + LIMITS.fleetNodeAwayMsMax + 1;
    },
    "failed: node a: it was not heard of after it was told to upgrade",
  ],
  ["an operator stops it", (fleet) => void fleet.do(stopFleetUpgrade), "stopped: an operator stopped it"],
];

for (const [name, happen, want] of ENDS)
  test(`it ends when ${name}, and no further node is seen to`, () => {
    const fleet = new Fleet([node("a"), node("b")]);
    fleet.start({ count: 1 });
    happen(fleet);
    fleet.step();
    expect(`${fleet.row?.state}: ${fleet.row?.reason}`).toBe(want);
    expect(fleet.step()).toEqual([]);
    expect(fleet.row?.nodes["id-b"]?.state).toBe("waiting");
  });

test("a node that is away for a while, or a clock that goes back, ends nothing", () => {
  const fleet = new Fleet([node("a"), node("b")]);
  fleet.start({ count: 1 });
  fleet.nowMs += LIMITS.fleetNodeAwayMsMax;
  expect(fleet.step(false)).toEqual(["id-a"]);
  fleet.note("a", "healthy");
  fleet.step();
  fleet.nowMs = 0;
  fleet.step();
  expect([fleet.row?.state, fleet.row?.wave]).toEqual(["running", 2]);
});

test("one at a time, of nodes that there are; words of another roll-out change nothing", () => {
  const fleet = new Fleet([node("a")]);
  const refusal = (work: () => void) => {
    try {
      work();
      return "";
    } catch (error) {
      return error instanceof Error ? error.message : unreachable(error as never);
    }
  };
  expect(refusal(() => new Fleet([]).start({ count: 1 }))).toBe("no node was chosen");
  expect(refusal(() => new Fleet([node("x", { status: "down" })]).start({ count: 1 }))).toBe("no node can be upgraded: x is down");
  fleet.start({ count: 1 });
  expect(refusal(() => fleet.start({ count: 1 }))).toContain("is under way");
  fleet.do((view, context) => noteFleetNode(view, { id: "another", nodeId: "id-a", state: "failed", reason: "" }, context));
  expect(fleet.row?.nodes["id-a"]?.state).toBe("waiting");
});
