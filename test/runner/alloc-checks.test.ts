// When the checks of an alloc are made, on a clock that moves by hand: only while their tasks run, one at a time, and told
// only when a status changes.

import { expect, test } from "bun:test";
import type { CheckReading } from "../../internal/domain/check.ts";
import { AllocChecks } from "../../internal/runner/checks/alloc-checks.ts";
import type { PlannedCheck } from "../../internal/runner/checks/plan.ts";
import type { TaskHandle } from "../../internal/runner/drivers/driver.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";

/** A script check's world: what each run answers, and a clock for the waits between them. */
class Bench {
  nowMs = 1000;
  exitCode: number | null = 0;
  begun = 0;
  changes = 0;
  readonly restarts: string[] = [];
  readonly #timers = new Set<{ readonly atMs: number; readonly call: () => void }>();
  #free: (() => void)[] = [];
  readonly checks: AllocChecks;
  startedAtMs: number | null = null;

  constructor(rule: Partial<PlannedCheck["rule"]> = {}, known: readonly CheckReading[] = []) {
    const clock = {
      ...bunRuntime().clock,
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs,
      after: (delayMs: number, call: () => void) => {
        const timer = { atMs: this.nowMs + delayMs, call };
        this.#timers.add(timer);
        return { cancel: () => void this.#timers.delete(timer) };
      },
    };
    const runtime: Runtime = { ...bunRuntime(), clock };
    const plan: PlannedCheck = {
      key: "0.0/web/up",
      name: "up",
      service: "web",
      task: "t",
      onUpdate: "require_healthy",
      intervalMs: 10_000,
      timeoutMs: 2000,
      rule: { initial: "pending", successBeforePassing: 0, failuresBeforeWarning: 0, failuresBeforeCritical: 0, restart: null, ...rule },
      probe: { kind: "script", task: "t", command: ["x"] },
      tasks: ["t"],
    };
    this.checks = new AllocChecks({
      runtime,
      allocId: "a",
      checks: [plan],
      known,
      handle: () => this.#handle(),
      changed: () => {
        this.changes += 1;
      },
      restart: (tasks, reason) => void this.restarts.push(`${tasks.join()}: ${reason}`),
    });
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** The task began at that instant, or does not run. */
  async follow(startedAtMs: number | null): Promise<void> {
    this.checks.follow(() => startedAtMs);
    await this.settle();
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.call();
      await this.settle();
    }
    this.nowMs = untilMs;
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }

  /** What hung ends. */
  async release(): Promise<void> {
    for (const free of this.#free.splice(0)) free();
    await this.settle();
  }

  #handle(): TaskHandle {
    const exec = async () => {
      this.begun += 1;
      const code = this.exitCode;
      const ended = code === null ? new Promise<number>((resolve) => this.#free.push(() => resolve(0))) : Promise.resolve(code);
      const output = (async function* () {
        await ended;
        yield { stream: "stdout" as const, bytes: new TextEncoder().encode(`said ${code}`) };
      })();
      return {
        output,
        write: async () => undefined,
        endInput: () => undefined,
        resize: async () => undefined,
        exitCode: () => ended,
        close: () => undefined,
      };
    };
    return { startedAtMs: 0, exited: new Promise(() => undefined), signal: () => true, kill: async () => undefined, usage: () => null, exec };
  }
}

const standing = (bench: Bench) => bench.checks.standing.map(({ status, output }) => [status, output]);

test("a check is made at once, then each interval, and told only when its status changes", async () => {
  const bench = new Bench();
  expect([bench.timers, standing(bench)]).toEqual([0, [["pending", ""]]]);
  await bench.follow(1000);
  expect([bench.begun, bench.changes, standing(bench)]).toEqual([1, 1, [["success", "said 0"]]]);
  await bench.pass(30_000);
  expect([bench.begun, bench.changes]).toEqual([4, 1]);
  bench.exitCode = 2;
  await bench.pass(20_000);
  expect([bench.begun, bench.changes, standing(bench)]).toEqual([6, 2, [["failure", "said 2"]]]);
});

test("it rests while its task does not run, and begins anew with the next start", async () => {
  const bench = new Bench();
  await bench.follow(1000);
  await bench.follow(null);
  expect(bench.timers).toBe(0);
  await bench.pass(60_000);
  expect(bench.begun).toBe(1);
  bench.exitCode = null;
  await bench.follow(61_000);
  expect([bench.begun, standing(bench)]).toEqual([2, [["pending", ""]]]);
});

test("a result that comes after its task ended says nothing", async () => {
  const bench = new Bench();
  bench.exitCode = null;
  await bench.follow(1000);
  await bench.follow(null);
  await bench.release();
  expect([bench.changes, bench.timers, standing(bench)]).toEqual([0, 0, [["pending", ""]]]);
});

test("one that hangs fails in its time, and is not joined by another", async () => {
  const bench = new Bench();
  bench.exitCode = null;
  await bench.follow(1000);
  await bench.pass(60_000);
  expect([bench.begun, standing(bench)]).toEqual([1, [["failure", "the script did not end in time"]]]);
  bench.exitCode = 0;
  await bench.release();
  await bench.pass(10_000);
  expect([bench.begun, standing(bench)]).toEqual([2, [["success", "said 0"]]]);
});

test("its task is told to start again after as many failures in a row, by name and reason", async () => {
  const bench = new Bench({ restart: { limit: 3, graceMs: 0, ignoreWarnings: false } });
  bench.exitCode = 2;
  await bench.follow(1000);
  await bench.pass(10_000);
  expect(bench.restarts).toEqual([]);
  await bench.pass(10_000);
  expect(bench.restarts).toEqual(['t: check "up" of service "web" failed 3 times in a row']);
});

test("what an earlier agent told stands until there is something else to tell", async () => {
  const first = new Bench();
  await first.follow(1000);
  const known = first.checks.readings();
  const second = new Bench({}, known);
  second.nowMs = 50_000;
  await second.follow(1000);
  expect([second.changes, second.checks.standing[0]?.changedAtMs]).toEqual([0, 1000]);
  expect(second.checks.health()).toEqual([{ isHealthy: true, sinceMs: 1000 }]);
  expect(second.checks.health("other")).toEqual([]);
});

test("after it was let go nothing of it is left", async () => {
  const bench = new Bench();
  await bench.follow(1000);
  bench.checks.stop();
  expect(bench.timers).toBe(0);
});
