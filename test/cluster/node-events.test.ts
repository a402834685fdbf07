// A node's history: what is news in its description, what it tells itself, and how little of it is kept.

import { describe, expect, test } from "bun:test";
import { encodeNode } from "../../internal/api/node-codec.ts";
import { noteNodeEvents } from "../../internal/cluster/node-events.ts";
import { registerNode } from "../../internal/cluster/nodes.ts";
import type { Node, NodeDriver } from "../../internal/domain/node.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode } from "../fixtures/model.ts";

const driver = (own: Partial<NodeDriver>): NodeDriver => ({
  detected: true,
  healthy: true,
  description: "Healthy",
  attributes: {},
  updatedAtMs: 0,
  ...own,
});

function join(cluster: Cluster, own: Partial<Node>): Node {
  const remembered = cluster.state.node("n1")?.incarnation ?? 0;
  return cluster.do((view, context) =>
    registerNode(view, { spec: aNode("n1", own), secretHash: "s", classOf: () => `v1:${JSON.stringify(own)}`, remembered }, context),
  );
}

describe("a new description of a node that is there", () => {
  const base = { drivers: { raw_exec: driver({}), docker: driver({ healthy: false, detected: false, description: "is looked for" }) } };
  const cases: readonly (readonly [string, Partial<Node>, readonly string[]])[] = [
    ["an engine that came", { drivers: { ...base.drivers, docker: driver({}) } }, ["Driver: docker|Healthy"]],
    [
      "an engine that is ill",
      { drivers: { raw_exec: driver({ healthy: false, description: "no sh" }), docker: base.drivers.docker } },
      ["Driver: raw_exec|no sh"],
    ],
    [
      "one without words for it",
      { drivers: { raw_exec: driver({ healthy: false, description: "" }), docker: base.drivers.docker } },
      ["Driver: raw_exec|Unhealthy"],
    ],
    ["what is not there, in other words", { drivers: { ...base.drivers, docker: driver({ ...base.drivers.docker, description: "none" }) } }, []],
    ["a new driver that is not there", { drivers: { ...base.drivers, qemu: driver({ detected: false, healthy: false }) } }, []],
    ["another attribute of a driver", { ...base, attributes: { ...aNode("n1").attributes, "driver.docker.version": "1" } }, []],
    ["meta", { ...base, meta: { room: "kitchen", a: "1" } }, ["Cluster|Node meta updated: a, room"]],
    ["anything else", { ...base, nodeClass: "small" }, ["Cluster|Node updated its description"]],
  ];
  test.each(cases)("%s", (_, own, want) => {
    const cluster = new Cluster();
    join(cluster, base);
    const before = cluster.state.node("n1")?.events.length ?? 0;
    join(cluster, own);
    expect(
      cluster.state
        .node("n1")
        ?.events.slice(before)
        .map((event) => `${event.subsystem}|${event.message}`),
    ).toEqual([...want]);
  });
});

const told = (message: string, atMs = 5) => ({ atMs, subsystem: "Storage", message, details: {} });
const note = (cluster: Cluster, ...events: readonly ReturnType<typeof told>[]) =>
  cluster.do((view, context) => noteNodeEvents(view, { nodeId: "n1", events }, context));

test("what a node tells is kept with it, the newest ten, cut to size, and shown as Nomad shows it", () => {
  const cluster = new Cluster();
  join(cluster, {});
  for (let at = 0; at < 12; at++) note(cluster, told(`event ${at}`));
  const events = cluster.state.node("n1")?.events ?? [];
  expect(events.map((event) => event.message)).toEqual(Array.from({ length: 10 }, (_, at) => `event ${at + 2}`));
  note(cluster, ...Array.from({ length: 500 }, () => told("x".repeat(100_000))));
  expect(JSON.stringify(cluster.state.node("n1")?.events).length).toBeLessThan(10_000);
  note(cluster, { ...told("last"), details: { driver: "docker" } });
  const [shown] = (encodeNode(cluster.state.node("n1") as Node).Events as readonly object[]).slice(-1); // just joined
  expect(shown).toMatchObject({ Message: "last", Subsystem: "Storage", Details: { driver: "docker" } });
});

test("an instant that cannot be is the server's own; nothing told changes nothing; a node that is gone is no error", () => {
  const cluster = new Cluster();
  join(cluster, {});
  note(cluster, told("of the future", 9e15));
  const nowMs = cluster.state.node("n1")?.events.at(-1)?.atMs ?? 0;
  expect(nowMs).toBeLessThan(9e15);
  note(cluster, told("of 1970", 5), told("a moment ago", nowMs - 5));
  expect(
    cluster.state
      .node("n1")
      ?.events.slice(-2)
      .map((event) => event.atMs >= nowMs - 5),
  ).toEqual([true, true]);
  const index = cluster.state.index;
  note(cluster);
  cluster.do((view, context) => noteNodeEvents(view, { nodeId: "gone", events: [told("x")] }, context));
  expect(cluster.state.index).toBe(index);
});

test("what is no event in form is noted as text, not thrown", () => {
  const cluster = new Cluster();
  join(cluster, {});
  note(cluster, { atMs: Number.NaN, subsystem: 7, message: null, details: null } as never);
  expect(cluster.state.node("n1")?.events.at(-1)).toMatchObject({ subsystem: "7", message: "null", details: {} });
});
