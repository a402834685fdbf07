// Who is heard from: TTLs, silence, nodes that come back, and a thousand that are lost at once.

import { describe, expect, test } from "bun:test";
import type { NodeMessage, ServerMessage } from "../../internal/api/node-protocol.ts";
import { registerJob } from "../../internal/cluster/jobs.ts";
import { HEARTBEAT_DEFAULTS, type HeartbeatSettings } from "../../internal/domain/heartbeat.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { type Change, type ChangeSet, put } from "../../internal/domain/tables.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { Ledger } from "../../internal/server/ledger.ts";
import { NodeSessions } from "../../internal/server/node-sessions.ts";
import { State } from "../../internal/state/state.ts";
import type { Store } from "../../internal/store/store.ts";
import { thisRuntime } from "../contract/this-runtime.ts";
import { aNode, anAlloc, aSpec, type GroupDraft, NOW_MS } from "../fixtures/model.ts";

const machine = await thisRuntime();
const SECOND_MS = 1000;

/** A leader's sessions over a real ledger, with time that stands still until it is told to pass. */
class Bench {
  nowMs = NOW_MS;
  fraction = 0;
  turns = 0;
  /** Commits wait for it. */
  disk: Promise<void> = Promise.resolve();
  readonly state = new State();
  readonly sets: ChangeSet[] = [];
  readonly sessions: NodeSessions;
  readonly #ledger: Ledger;
  #timers: { readonly atMs: number; readonly call: () => void }[] = [];

  constructor(heartbeats: HeartbeatSettings = HEARTBEAT_DEFAULTS) {
    const clock = {
      ...machine.clock,
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs - NOW_MS,
      after: (delayMs: number, call: () => void) => {
        const timer = { atMs: this.nowMs + delayMs, call };
        this.#timers.push(timer);
        return {
          cancel: () => {
            this.#timers = this.#timers.filter((other) => other !== timer);
          },
        };
      },
      yieldTurn: async () => {
        this.turns += 1;
      },
    };
    const runtime: Runtime = { ...machine, clock, chance: { ...machine.chance, fraction: () => this.fraction } };
    const commit = async () => {
      await this.disk;
      return { kind: "committed" };
    };
    const store = { commit } as unknown as Store; // the ledger commits, and nothing else
    const hooks = {
      hasAuthority: () => true,
      derive: () => [],
      applied: (set: ChangeSet) => void this.sets.push(set),
      beforeCommit: () => undefined,
      durable: () => undefined,
      failed: () => undefined,
    };
    this.#ledger = new Ledger({ runtime, store, state: this.state, epoch: 1, hooks });
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    this.sessions = new NodeSessions({
      runtime,
      log,
      ledger: this.#ledger,
      epoch: 1,
      clusterId: "c",
      program: "1.0.0",
      heartbeats,
      join: "open",
      hasAuthority: () => true,
    });
  }

  write(...changes: readonly Change[]): void {
    this.#ledger.apply(() => ({ changes, result: null }));
  }

  /** A job with one running alloc on each of these nodes. */
  job(id: string, nodeIds: readonly string[], group: GroupDraft = {}): void {
    const spec = aSpec({ id }, { count: nodeIds.length, ...group });
    const input = { spec, submission: null, enforceIndex: null, preserveCounts: false, evalPriority: 0 };
    this.#ledger.apply((view, context) => registerJob(view, input, context));
    const createIndex = this.state.job("default", id)?.createIndex ?? 0;
    const own = { jobId: id, jobCreateIndex: createIndex, createIndex: 0 };
    this.write(...nodeIds.map((nodeId, at) => put("allocs", anAlloc(`${id}-${at}`, { ...own, nodeId, name: `${id}.g[${at}]` }))));
  }

  /** A node that dials and says hello. */
  async connect(id: string) {
    const heard: ServerMessage[] = [];
    let [takeMessage, takeClose]: [(message: NodeMessage) => void, (reason: string) => void] = [() => undefined, () => undefined];
    let isOpen = true;
    const close = (reason: string) => {
      if (!isOpen) return;
      isOpen = false;
      takeClose(reason);
    };
    this.sessions.accept(
      {
        send: (message) => void heard.push(message),
        close,
        bufferedBytes: () => 0,
        onMessage: (call) => {
          takeMessage = call;
        },
        onClose: (call) => {
          takeClose = call;
        },
      },
      { isOwn: false },
    );
    const { secretHash: _hash, ...node } = aNode(id, { machineId: "" });
    takeMessage({ kind: "hello", protocol: 1, node, secret: id, lastOrder: null, memory: null, processId: id });
    await this.settle();
    return { heard, say: (message: NodeMessage) => takeMessage(message), hangUp: () => close("the wire broke"), isOpen: () => isOpen };
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.call();
      await this.settle();
    }
    this.nowMs = untilMs;
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 20; round++) await Promise.resolve();
  }

  statusOf(id: string): string | undefined {
    return this.state.node(id)?.status;
  }

  evals(): readonly string[] {
    return [...this.state.evals()].filter((one) => one.triggeredBy === "node-update").map((one) => one.jobId);
  }
}

const GRACE_MS = LIMITS.heartbeatGraceMs;

test.each([
  [1, 0, 10],
  [1, 0.5, 15],
  [500, 0.5, 15],
  [1000, 0, 20],
  [1000, 0.5, 30],
  [10_000, 0, 200],
])("of %d nodes each is told a TTL that grows with the fleet, drawn: at %f it is %d s", async (count, fraction, want) => {
  const bench = new Bench();
  bench.fraction = fraction;
  bench.write(...Array.from({ length: count - 1 }, (_, at) => put("nodes", aNode(`m${at}`, { status: "down", createIndex: 0 }))));
  const { heard } = await bench.connect("n1");
  expect(heard[0]).toMatchObject({ kind: "welcome", heartbeatTtlMs: want * SECOND_MS });
});

test("a node that is heard stays; one that falls silent is down when its TTL and the grace are over, and its connection ended", async () => {
  const bench = new Bench();
  const node = await bench.connect("n1");
  for (let round = 0; round < 10; round++) {
    await bench.pass(9 * SECOND_MS);
    node.say({ kind: "heartbeat" });
  }
  expect(bench.statusOf("n1")).toBe("ready");
  await bench.pass(10 * SECOND_MS + GRACE_MS - 100);
  expect([bench.statusOf("n1"), node.isOpen()]).toEqual(["ready", true]);
  await bench.pass(6 * SECOND_MS);
  expect([bench.statusOf("n1"), node.isOpen()]).toEqual(["down", false]);
});

test("where links cost, nodes are asked to speak seldom, and are waited for as long", async () => {
  const bench = new Bench({ ttlMsMin: 300 * SECOND_MS, graceMs: 60 * SECOND_MS, perSecond: 1 });
  const node = await bench.connect("n1");
  expect(node.heard[0]).toMatchObject({ heartbeatTtlMs: 300 * SECOND_MS });
  await bench.pass(359 * SECOND_MS);
  expect(bench.statusOf("n1")).toBe("ready");
  await bench.pass(10 * SECOND_MS);
  expect(bench.statusOf("n1")).toBe("down");
});

test("a node whose connection broke has its TTL and the grace to come back", async () => {
  const bench = new Bench();
  (await bench.connect("n1")).hangUp();
  await bench.pass(10 * SECOND_MS + GRACE_MS - 100);
  expect(bench.statusOf("n1")).toBe("ready");
  const again = await bench.connect("n1");
  await bench.pass(5 * SECOND_MS);
  expect(bench.statusOf("n1")).toBe("ready");
  again.hangUp();
  await bench.pass(10 * SECOND_MS + GRACE_MS + SECOND_MS);
  expect(bench.statusOf("n1")).toBe("down");
});

test("a node that is just joining while its time runs out is not silent", async () => {
  const bench = new Bench();
  (await bench.connect("n1")).hangUp();
  await bench.pass(10 * SECOND_MS + GRACE_MS - 100);
  let written: () => void = () => undefined;
  bench.disk = new Promise((resolve) => {
    written = resolve;
  });
  const { heard } = await bench.connect("n1");
  await bench.pass(SECOND_MS);
  expect([bench.statusOf("n1"), heard.length]).toEqual(["ready", 0]);
  written();
  await bench.settle();
  await bench.pass(SECOND_MS);
  expect([bench.statusOf("n1"), heard[0]?.kind]).toEqual(["ready", "welcome"]);
});

test("a new leader gives everybody the longest TTL and the grace", async () => {
  const bench = new Bench();
  bench.write(put("nodes", aNode("n1", { createIndex: 0 })), put("nodes", aNode("n2", { createIndex: 0, status: "disconnected" })));
  bench.sessions.watchKnownNodes();
  await bench.pass(20 * SECOND_MS + GRACE_MS - 100);
  expect([bench.statusOf("n1"), bench.statusOf("n2")]).toEqual(["ready", "disconnected"]);
  await bench.pass(SECOND_MS);
  expect([bench.statusOf("n1"), bench.statusOf("n2")]).toEqual(["down", "down"]);
});

test("a leader that stood still itself blames no node for that", async () => {
  const bench = new Bench();
  const node = await bench.connect("n1");
  bench.write(put("nodes", aNode("n2", { createIndex: 0 })));
  bench.sessions.watchKnownNodes();
  bench.nowMs += 60 * SECOND_MS;
  await bench.pass(5 * SECOND_MS);
  expect([bench.statusOf("n1"), bench.statusOf("n2"), node.isOpen()]).toEqual(["ready", "ready", true]);
  await bench.pass(60 * SECOND_MS);
  expect([bench.statusOf("n1"), bench.statusOf("n2")]).toEqual(["down", "down"]);
});

test("a node whose allocs may be unknown for a while is disconnected, and down when none of them is waited for any more", async () => {
  const bench = new Bench();
  const node = await bench.connect("n1");
  bench.job("j", ["n1"], { disconnect: { lostAfterMs: 60 * SECOND_MS } });
  node.hangUp();
  await bench.pass(10 * SECOND_MS + GRACE_MS + SECOND_MS);
  expect([bench.statusOf("n1"), bench.evals()]).toEqual(["disconnected", ["j"]]);
  bench.write(...[...bench.state.evals()].map((evaluation) => put("evals", { ...evaluation, status: "complete" })));
  await bench.pass(58 * SECOND_MS);
  expect(bench.statusOf("n1")).toBe("disconnected");
  await bench.pass(2 * SECOND_MS);
  expect([bench.statusOf("n1"), bench.evals()]).toEqual(["down", ["j", "j"]]);
  await bench.connect("n1");
  expect(bench.statusOf("n1")).toBe("ready");
});

describe("a thousand nodes that are lost at once", () => {
  const COUNT = 1000;
  const JOBS = 60;
  async function lost(): Promise<Bench> {
    const bench = new Bench();
    const ids = Array.from({ length: COUNT }, (_, at) => `n${at}`);
    bench.write(...ids.map((id) => put("nodes", aNode(id, { createIndex: 0 }))));
    // Each job is everywhere: every slice of nodes touches all of them.
    for (let at = 0; at < JOBS; at++)
      bench.job(
        `j${at}`,
        ids.filter((_, index) => index % 10 === at % 10),
      );
    bench.sessions.watchKnownNodes();
    bench.sets.length = 0;
    await bench.pass(60 * SECOND_MS);
    return bench;
  }

  test("make one evaluation for each job, not for each alloc or node", async () => {
    const bench = await lost();
    expect([...bench.state.nodes()].every((node) => node.status === "down")).toBe(true);
    expect([...bench.state.liveAllocsOfNode("n0")]).toHaveLength(JOBS / 10);
    expect(bench.evals().length).toBe(JOBS);
    expect(new Set(bench.evals()).size).toBe(JOBS);
  });

  test("are marked in slices, with a turn for others between them", async () => {
    const bench = await lost();
    const nodes = bench.sets.map((set) => set.changes.filter((change) => change.table === "nodes").length);
    expect(nodes).toEqual(Array.from({ length: COUNT / LIMITS.silentNodesPerSliceMax }, () => LIMITS.silentNodesPerSliceMax));
    expect(bench.turns).toBeGreaterThanOrEqual(COUNT / LIMITS.silentNodesPerSliceMax - 1);
  });

  test("and of which some are back before their turn comes leave those alone", async () => {
    const bench = new Bench();
    const ids = Array.from({ length: COUNT }, (_, at) => `n${at}`);
    bench.write(...ids.map((id) => put("nodes", aNode(id, { createIndex: 0, secretHash: machine.hashing.sha256Hex(id), machineId: "" }))));
    bench.sessions.watchKnownNodes();
    await bench.pass(49 * SECOND_MS);
    for (const id of ["n1", "n999"]) await bench.connect(id);
    await bench.pass(2 * SECOND_MS);
    const ready = [...bench.state.nodes()].filter((node) => node.status === "ready").map((node) => node.id);
    expect(ready).toEqual(["n1", "n999"]);
  });
});
