// One reader's stream against a journal in memory: its place, what is durable, gaps, and readers that do not read.

import { expect, test } from "bun:test";
import { EdgeError } from "../../internal/domain/errors.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { type ChangeSet, put } from "../../internal/domain/tables.ts";
import { EventStream, eventBody } from "../../internal/server/event-stream.ts";
import type { Reader } from "../../internal/server/reader.ts";
import { RecentSets } from "../../internal/server/recent-sets.ts";
import { Waiters } from "../../internal/server/waiters.ts";
import { State } from "../../internal/state/state.ts";
import type { Store } from "../../internal/store/store.ts";
import { thisRuntime } from "../contract/this-runtime.ts";
import { anEval } from "../fixtures/model.ts";

const runtime = await thisRuntime();

class World {
  readonly sets: ChangeSet[] = [];
  oldestIndex = 1;
  reads = 0;
  durableIndex = 0;
  isLed = true;
  readonly recent = new RecentSets();
  readonly waiters = new Waiters();
  readonly reader: Reader = Object.assign(Object.create(null), {
    view: new State(),
    waiters: this.waiters,
    recent: this.recent,
    lastContactMs: 0,
    isLeaderKnown: true,
    settled: async () => undefined,
  });

  constructor() {
    Object.defineProperty(this.reader, "durableIndex", { get: () => this.durableIndex });
  }

  /** The journal's rows alone: the rest of a store is not asked for. */
  readonly store = {
    tail: async (afterIndex: number) => {
      this.reads += 1;
      if (afterIndex + 1 < this.oldestIndex) return { kind: "gap", oldestIndex: this.oldestIndex };
      return { kind: "sets", sets: this.sets.filter((set) => set.index > afterIndex) };
    },
  } as unknown as Store;

  write(count: number, { isDurable = true }: { readonly isDurable?: boolean } = {}): void {
    const added = Array.from({ length: count }, (_, at) => this.sets.length + at + 1).map((index) => ({
      index,
      changes: [put("evals", anEval(`eval-${index}`))],
    }));
    this.sets.push(...added);
    if (isDurable) this.settle();
  }

  settle(): void {
    const fresh = this.sets.filter((set) => set.index > this.durableIndex);
    this.durableIndex = this.sets.length;
    this.recent.note(fresh);
    this.waiters.wake(fresh);
  }

  stream(fromIndex: number): EventStream {
    return new EventStream({
      runtime,
      store: this.store,
      fromIndex,
      reader: () => {
        if (this.isLed) return this.reader;
        throw new EdgeError("no-leader", "No cluster leader");
      },
      line: (set) => `line ${set.index}`,
    });
  }
}

async function take(stream: EventStream, count: number): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for (let at = 0; at < count; at++) lines.push(await stream.next());
  return lines;
}

test("the first line is a heartbeat, then comes every index from the one asked for", async () => {
  const world = new World();
  world.write(5);
  expect(await take(world.stream(3), 4)).toEqual(["{}", "line 3", "line 4", "line 5"]);
});

test("what is not durable yet is not told; when it is, it comes at once", async () => {
  const world = new World();
  world.write(2);
  const stream = world.stream(1);
  expect(await take(stream, 3)).toEqual(["{}", "line 1", "line 2"]);
  world.write(1, { isDurable: false });
  const next = stream.next();
  expect(await Promise.race([next, runtime.clock.sleep(30).then(() => "nothing")])).toBe("nothing");
  world.settle();
  expect(await next).toBe("line 3");
});

test("a stream that keeps up reads no store", async () => {
  const world = new World();
  const stream = world.stream(1);
  await stream.next();
  for (let at = 1; at <= 20; at++) {
    const next = stream.next();
    await runtime.clock.yieldTurn();
    world.write(1);
    expect(await next).toBe(`line ${at}`);
  }
  expect(world.reads).toBe(0);
});

test("without an index it begins with the newest few", async () => {
  const world = new World();
  world.write(LIMITS.eventIndexesReplayed + 50);
  expect(await take(world.stream(0), 2)).toEqual(["{}", "line 51"]);
});

test("an index older than the journal begins with the oldest that is there, and says what is missing", async () => {
  const world = new World();
  world.write(20);
  world.oldestIndex = 8;
  expect(await take(world.stream(2), 4)).toEqual(["{}", '{"Missing":{"From":2,"Until":7}}', "line 8", "line 9"]);
});

test("a place that the journal no longer holds later is no gap unseen: the last line says where to go on", async () => {
  const world = new World();
  world.write(LIMITS.eventSetsReadMax);
  const stream = world.stream(1);
  await take(stream, LIMITS.eventSetsReadMax + 1);
  world.recent.note(null);
  world.write(200, { isDurable: false });
  world.oldestIndex = 100;
  world.durableIndex = 264;
  const last = JSON.parse((await stream.next()) ?? "");
  expect([last.Index, /no longer holds/.test(last.Error)]).toEqual([100, true]);
  expect(await stream.next()).toBeNull();
});

test("when nobody leads any more the stream ends", async () => {
  const world = new World();
  const stream = world.stream(1);
  await stream.next();
  const next = stream.next();
  await runtime.clock.yieldTurn();
  world.isLed = false;
  world.waiters.wakeAll();
  expect(await next).toBeNull();
});

test("only a reader that is far behind is too slow", async () => {
  const world = new World();
  world.write(1);
  const stream = world.stream(1);
  await take(stream, 2);
  world.write(LIMITS.eventLagIndexesMax + 1);
  expect(stream.lastLineIfTooSlow()).toBeNull();
  world.write(1);
  expect(JSON.parse(stream.lastLineIfTooSlow() ?? "")).toEqual({ Error: expect.stringContaining("go on with index=2"), Index: 2 });
});

test("a body that is cancelled stops its stream", async () => {
  const world = new World();
  let hasEnded = false;
  const body = eventBody(world.stream(1), runtime, () => {
    hasEnded = true;
  });
  const reader = body.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("{}\n");
  await reader.cancel();
  expect(hasEnded).toBe(true);
});
