// The leader lease: its rules one by one, then over random orders of events among several servers.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type HolderStanding,
  hasAuthority,
  type LeaseEffect,
  type LeaseEvent,
  type LeaseState,
  newLease,
  nextTickAtMs,
  SQLITE_LEASE,
  stepLease,
} from "../../internal/lease/lease.ts";

const TTL = SQLITE_LEASE.ttlMs;

/** Feeds the events one after another, each at its instant. */
function play(
  state: LeaseState,
  ...events: readonly (readonly [number, LeaseEvent])[]
): { readonly state: LeaseState; readonly effects: readonly LeaseEffect[] } {
  let effects: readonly LeaseEffect[] = [];
  for (const [atMs, event] of events) ({ state, effects } = stepLease(state, event, atMs, SQLITE_LEASE));
  return { state, effects };
}

const row = (epoch: number, holder: HolderStanding, startedAtMs: number): LeaseEvent => ({ kind: "row-read", startedAtMs, row: { epoch, holder } });
const TICK: LeaseEvent = { kind: "tick" };

/** A leader of epoch 5 that took the lease between 1000 and 1100. */
function leader(): LeaseState {
  return play(newLease(), [1000, row(4, "none", 1000)], [1100, { kind: "taken", epoch: 5 }]).state;
}

describe("a server that starts", () => {
  test("reads the row at once, and then every quarter of the ttl", () => {
    expect(nextTickAtMs(newLease())).toBe(0);
    const first = play(newLease(), [500, TICK]);
    expect(first.effects).toEqual([{ kind: "read-row" }]);
    expect(nextTickAtMs(first.state)).toBe(500 + TTL / 4);
    expect(play(first.state, [600, TICK]).effects).toEqual([]);
    expect(play(first.state, [500 + TTL / 4, TICK]).effects).toEqual([{ kind: "read-row" }]);
  });

  for (const [holder, isTaken] of [
    ["none", true],
    ["gone", true],
    ["self", true],
    ["alive", false],
    ["unknown", false],
  ] as const) {
    test(`${isTaken ? "takes" : "leaves"} a lease whose holder is ${holder}`, () => {
      const { state, effects } = play(newLease(), [100, row(4, holder, 90)]);
      expect(effects).toEqual(isTaken ? [{ kind: "take", fromEpoch: 4 }] : []);
      expect(state.kind).toBe(isTaken ? "taking" : "follower");
    });
  }

  test("goes back to reading when somebody else was faster, or the store did not answer", () => {
    for (const kind of ["take-refused", "read-failed"] as const) {
      const { state, effects } = play(newLease(), [100, row(4, "none", 90)], [200, { kind }]);
      expect([state.kind, effects, nextTickAtMs(state)]).toEqual(["follower", [], 200 + TTL / 4]);
    }
    expect(play(newLease(), [100, { kind: "read-failed" }]).state).toEqual({ kind: "follower", nextReadAtMs: 100 + TTL / 4 });
  });

  test("takes nothing twice while it waits for the answer", () => {
    const taking = play(newLease(), [100, row(4, "none", 90)]).state;
    for (const event of [TICK, row(4, "none", 110), { kind: "fenced" } as const])
      expect(play(taking, [120, event])).toEqual({ state: taking, effects: [] });
    expect(nextTickAtMs(taking)).toBeNull();
  });
});

describe("a leader's authority", () => {
  test("ends two thirds of the ttl after it began to take the lease, not after it had it", () => {
    expect(leader()).toMatchObject({ kind: "leader", epoch: 5 });
    expect(hasAuthority(leader(), 1000 + (TTL * 2) / 3 - 1)).toBe(true);
    expect(hasAuthority(leader(), 1000 + (TTL * 2) / 3)).toBe(false);
  });

  test("is nobody's else", () => {
    expect(hasAuthority(newLease(), 0)).toBe(false);
    expect(hasAuthority(play(newLease(), [100, row(4, "none", 90)]).state, 100)).toBe(false);
    expect(hasAuthority({ kind: "released" }, 0)).toBe(false);
  });

  test("is renewed by a read, from the start of the read", () => {
    const { state, effects } = play(leader(), [1750, TICK]);
    expect(effects).toEqual([{ kind: "read-row" }]);
    const renewed = play(state, [2400, row(5, "self", 1760)]).state;
    expect(hasAuthority(renewed, 1760 + (TTL * 2) / 3 - 1)).toBe(true);
    expect(hasAuthority(renewed, 1760 + (TTL * 2) / 3)).toBe(false);
  });

  test("is not shortened by an answer that comes late", () => {
    const renewed = play(leader(), [2000, row(5, "self", 1900)], [2100, row(5, "self", 1200)]).state;
    expect(hasAuthority(renewed, 1900 + (TTL * 2) / 3 - 1)).toBe(true);
  });

  test("is not renewed by a failed read", () => {
    const failed = play(leader(), [1750, TICK], [2800, { kind: "read-failed" }]).state;
    expect(hasAuthority(failed, 1000 + (TTL * 2) / 3)).toBe(false);
    expect(failed.kind).toBe("leader");
  });

  test("comes back under the same epoch when a late read finds nobody took the lease", () => {
    const back = play(leader(), [9000, TICK], [9100, row(5, "self", 9000)]).state;
    expect(hasAuthority(back, 9100)).toBe(true);
  });

  test("is confirmed every quarter of the ttl", () => {
    expect(nextTickAtMs(leader())).toBe(1000 + TTL / 4);
    const next = play(leader(), [1800, TICK]).state;
    expect(nextTickAtMs(next)).toBe(1800 + TTL / 4);
    expect(play(next, [1900, TICK]).effects).toEqual([]);
  });
});

describe("a leader ends", () => {
  test("when the row is of another epoch", () => {
    const { state, effects } = play(leader(), [1900, row(6, "alive", 1800)]);
    expect(effects).toEqual([{ kind: "step-down", reason: "the lease is at epoch 6, this server led 5" }]);
    expect([state.kind, hasAuthority(state, 1900)]).toEqual(["follower", false]);
  });

  test("when its commit is fenced", () => {
    const { state, effects } = play(leader(), [1900, { kind: "fenced" }]);
    expect([state.kind, effects.map((effect) => effect.kind)]).toEqual(["follower", ["step-down"]]);
  });

  test("when it stops: it releases its epoch, once, and never leads again", () => {
    const { state, effects } = play(leader(), [1900, { kind: "stop" }]);
    expect(effects).toEqual([{ kind: "release", epoch: 5 }]);
    for (const event of [TICK, row(5, "none", 2000), { kind: "taken", epoch: 6 } as const, { kind: "stop" } as const])
      expect(play(state, [2100, event])).toEqual({ state: { kind: "released" }, effects: [] });
    expect(nextTickAtMs(state)).toBeNull();
  });

  test("and a follower that stops releases nothing", () => {
    expect(play(newLease(), [100, { kind: "stop" }]).effects).toEqual([]);
    expect(play(newLease(), [100, row(4, "none", 90)], [110, { kind: "stop" }]).effects).toEqual([]);
  });
});

// --- several servers, one row, any order of events ---

interface Server {
  state: LeaseState;
  /** What it asked of the store, oldest first, with the instant at which it asked. */
  asked: { readonly effect: LeaseEffect; readonly atMs: number }[];
  isGone: boolean;
}

const moves = fc.array(
  fc.record({
    server: fc.nat(2),
    kind: fc.constantFrom("tick", "tick", "answer", "answer", "answer", "lose-answer", "stop", "crash"),
    passMs: fc.integer({ min: 0, max: TTL }),
  }),
  { maxLength: 60 },
);

test("no two servers ever lead one epoch, and none has authority after it ended", () => {
  fc.assert(
    fc.property(moves, (drawn) => {
      const store = { epoch: 0, holder: null as number | null };
      const servers: Server[] = [0, 1, 2].map(() => ({ state: newLease(), asked: [], isGone: false }));
      const led = new Map<number, number>();
      let nowMs = 1000;
      const feed = (at: number, event: LeaseEvent) => {
        const server = servers[at];
        if (!server) return;
        const step = stepLease(server.state, event, nowMs, SQLITE_LEASE);
        server.state = step.state;
        for (const effect of step.effects) {
          if (effect.kind === "lead") {
            expect(led.get(effect.epoch) ?? at).toBe(at);
            led.set(effect.epoch, at);
          } else if (effect.kind === "release") {
            if (store.epoch === effect.epoch) store.holder = null;
          } else if (effect.kind !== "step-down") server.asked.push({ effect, atMs: nowMs });
        }
      };
      const standing = (at: number): HolderStanding => {
        if (store.holder === null) return "none";
        if (store.holder === at) return "self";
        return servers[store.holder]?.isGone ? "gone" : "alive";
      };
      for (const move of drawn) {
        nowMs += move.passMs;
        const server = servers[move.server];
        if (!server || server.isGone) continue;
        if (move.kind === "tick") feed(move.server, TICK);
        else if (move.kind === "stop") feed(move.server, { kind: "stop" });
        else if (move.kind === "crash") server.isGone = true;
        else {
          const asked = server.asked.shift();
          if (!asked) continue;
          if (asked.effect.kind === "take") {
            const isFree = store.epoch === asked.effect.fromEpoch;
            if (isFree) Object.assign(store, { epoch: store.epoch + 1, holder: move.server });
            if (move.kind === "lose-answer") feed(move.server, { kind: "read-failed" });
            else feed(move.server, isFree ? { kind: "taken", epoch: store.epoch } : { kind: "take-refused" });
          } else if (move.kind === "lose-answer") feed(move.server, { kind: "read-failed" });
          else feed(move.server, row(store.epoch, standing(move.server), asked.atMs));
        }
        for (const one of servers) {
          if (one.state.kind !== "leader") continue;
          expect(hasAuthority(one.state, nowMs)).toBe(nowMs < one.state.authorityEndsAtMs);
          // No read that began later than now can have renewed it.
          expect(one.state.authorityEndsAtMs).toBeLessThanOrEqual(nowMs + (TTL * 2) / 3);
        }
      }
    }),
    { numRuns: 500, seed: 61 },
  );
});

test("a lone server always ends up leading, whatever was lost on the way", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 20 }), (losses) => {
      let state = newLease();
      let nowMs = 0;
      let epoch = 3;
      const drawn = [...losses];
      for (let round = 0; round < 60 && state.kind !== "leader"; round++) {
        nowMs = Math.max(nowMs, nextTickAtMs(state) ?? nowMs) + 1;
        let { effects, state: next } = stepLease(state, TICK, nowMs, SQLITE_LEASE);
        while (effects.length > 0) {
          const [effect] = effects;
          const isLost = drawn.shift() === true;
          const answer: LeaseEvent = isLost
            ? { kind: "read-failed" }
            : effect?.kind === "take"
              ? { kind: "taken", epoch: ++epoch }
              : row(epoch, "none", nowMs);
          if (effect?.kind === "lead") break;
          ({ effects, state: next } = stepLease(next, answer, nowMs, SQLITE_LEASE));
        }
        state = next;
      }
      expect(state.kind).toBe("leader");
    }),
    { numRuns: 100, seed: 62 },
  );
});
