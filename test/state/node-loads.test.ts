// What is in use on every node, kept change by change, against the same added up anew.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Alloc, isTerminal } from "../../internal/domain/alloc.ts";
import { type Change, put, remove } from "../../internal/domain/tables.ts";
import { State } from "../../internal/state/state.ts";
import { aNode, anAlloc, NO_RESOURCES } from "../fixtures/model.ts";

const NODES = ["n0", "n1", "n2", "n3"];
const change = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("alloc" as const),
      id: fc.integer({ min: 0, max: 11 }),
      node: fc.constantFrom(...NODES),
      cpuMHz: fc.nat(500),
      desiredStatus: fc.constantFrom("run" as const, "run" as const, "stop" as const),
      clientStatus: fc.constantFrom("pending" as const, "running" as const, "complete" as const, "lost" as const),
    }),
  },
  fc.record({ kind: fc.constant("drop alloc" as const), id: fc.integer({ min: 0, max: 11 }) }),
  fc.record({
    kind: fc.constant("node" as const),
    id: fc.constantFrom(...NODES),
    rack: fc.constantFrom("a", "b"),
    reserved: fc.nat(100),
    eligibility: fc.constantFrom("eligible" as const, "ineligible" as const),
  }),
  fc.record({ kind: fc.constant("drop node" as const), id: fc.constantFrom(...NODES) }),
  fc.record({ kind: fc.constant("look" as const) }),
);

function apply(state: State, drawn: typeof change extends fc.Arbitrary<infer C> ? C : never): void {
  const changes: Change[] = [];
  if (drawn.kind === "alloc") {
    const known = state.alloc(`a${drawn.id}`);
    const resources = { ...NO_RESOURCES, cpuMHz: drawn.cpuMHz, memoryMiB: drawn.cpuMHz * 2, diskMiB: 3 };
    const own = { nodeId: drawn.node, desiredStatus: drawn.desiredStatus, clientStatus: drawn.clientStatus, resources };
    changes.push(put("allocs", anAlloc(`a${drawn.id}`, { ...own, createIndex: known?.createIndex ?? 0 })));
  } else if (drawn.kind === "node") {
    const { id, rack, reserved, eligibility } = drawn;
    const own = { meta: { rack }, eligibility, reserved: { cpuMHz: reserved, memoryMiB: 0, diskMiB: 7, ports: [] } };
    changes.push(put("nodes", aNode(id, { ...own, createIndex: state.node(id)?.createIndex ?? 0 })));
  } else if (drawn.kind === "drop alloc") {
    const alloc = state.alloc(`a${drawn.id}`);
    if (alloc) changes.push(remove("allocs", alloc));
  } else if (drawn.kind === "drop node") {
    const node = state.node(drawn.id);
    if (node) changes.push(remove("nodes", node));
  }
  if (drawn.kind === "look") state.nodeLoads();
  if (changes.length > 0) state.apply(changes);
}

function expectLoads(state: State): void {
  const loads = state.nodeLoads();
  const nodes = [...state.nodes()].sort((a, b) => (a.id < b.id ? -1 : 1));
  expect(loads.nodes).toEqual(nodes);
  for (const [at, node] of nodes.entries()) {
    const living = [...state.allocs()].filter((alloc) => alloc.nodeId === node.id && !isTerminal(alloc));
    const sum = (of: (alloc: Alloc) => number) => living.reduce((total, alloc) => total + of(alloc), 0);
    expect(loads.positionOf(node.id)).toBe(at);
    expect(loads.isOpen[at]).toBe(node.eligibility === "eligible" ? 1 : 0);
    expect(loads.classes[loads.classOf[at] ?? -1]?.computedClass).toBe(node.computedClass);
    expect(loads.totalCpuMHz[at]).toBe(node.resources.cpuMHz);
    expect(loads.usedCpuMHz[at]).toBe(node.reserved.cpuMHz + sum((alloc) => alloc.resources.cpuMHz));
    expect(loads.usedMemoryMiB[at]).toBe(sum((alloc) => alloc.resources.memoryMiB));
    expect(loads.usedDiskMiB[at]).toBe(7 + sum((alloc) => alloc.resources.diskMiB));
  }
  expect(loads.positionOf("n9")).toBe(-1);
}

test("what is in use on every node is what its living allocs hold, whatever changed", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const state = new State();
      for (const one of changes) {
        apply(state, one);
        if (one.kind === "look") expectLoads(state);
      }
      expectLoads(state);
    }),
    { numRuns: 300, seed: 31 },
  );
});

test("a change says at which index, of the node it concerns alone; what a client reports of a living alloc is none", () => {
  const state = new State();
  state.apply([put("nodes", aNode("n1", { createIndex: 0 })), put("nodes", aNode("n2", { createIndex: 0 }))]);
  state.apply([put("allocs", anAlloc("a", { createIndex: 0, clientStatus: "pending" }))]);
  expect([...state.nodeLoads().changedAt]).toEqual([2, 0]);
  expect(state.nodeLoads().rowsChangedAt).toBe(1);
  const alloc = state.alloc("a");
  if (!alloc) throw new Error("it was put");
  state.apply([put("allocs", { ...alloc, clientStatus: "running" })]);
  expect([...state.nodeLoads().changedAt]).toEqual([2, 0]);
  state.apply([put("allocs", { ...alloc, clientStatus: "complete" })]);
  expect([...state.nodeLoads().changedAt]).toEqual([4, 0]);
});
