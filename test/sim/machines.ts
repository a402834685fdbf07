// Machines and the programs on them: power, clocks that drift and jump, programs that crash, stop and go on, and the
// tasks' own processes, which outlive the agent that started them.

import type { VirtualTime } from "./clock.ts";
import { Disk } from "./disk.ts";
import type { Prng } from "./prng.ts";

/** Wall time at which every run begins: after any build of the program. */
export const EPOCH_MS = Date.UTC(2031, 0, 6, 3, 0, 0);

/** A process of a task, as the kernel would know it. */
export interface TaskProcess {
  readonly key: string;
  readonly allocId: string;
  readonly task: string;
  readonly attempt: number;
  readonly ignoresTerm: boolean;
  readonly startedAtMs: number;
  readonly ended: Promise<number>;
  /** The exit status as the shim wrote it; null while it runs. Signals are 128 more. */
  exitCode: number | null;
  end(code: number): void;
}

export class Machine {
  readonly name: string;
  readonly address: string;
  readonly disk: Disk;
  readonly time: VirtualTime;
  readonly programs = new Set<Program>();
  /** By alloc, task and attempt. Ended ones stay, as their control files do. */
  readonly tasks = new Map<string, TaskProcess>();
  #rate = 1;
  #rateSince = { trueMs: 0, ownMs: 0 };
  skewMs = 0;
  bootId: string;
  boots = 0;
  syncDelayMs = 2;
  /** The disk answers syncs with an error, as a full or dying one. */
  syncFails = false;
  #nextPid = 100;
  readonly #chance: Prng;

  constructor(parts: { readonly name: string; readonly address: string; readonly time: VirtualTime; readonly chance: Prng }) {
    this.name = parts.name;
    this.address = parts.address;
    this.time = parts.time;
    this.#chance = parts.chance;
    this.bootId = `boot-${parts.name}-0`;
    this.disk = new Disk({
      nowMs: () => this.wallMs,
      writeOut: () =>
        new Promise((resolve, reject) => {
          const done = () => (this.syncFails ? reject(new Error("disk I/O error")) : resolve());
          parts.time.after(this.syncDelayMs * (0.5 + this.#chance.fraction()), done);
        }),
      kernelFile: (path) => this.#kernelFile(path),
    });
  }

  /** How fast its clocks go. */
  get rate(): number {
    return this.#rate;
  }

  /** From now on; a monotonic clock never goes back, so the change begins where the clock stands. */
  set rate(rate: number) {
    this.#rateSince = { trueMs: this.time.nowMs, ownMs: this.monotonicMs };
    this.#rate = rate;
  }

  get monotonicMs(): number {
    return this.#rateSince.ownMs + (this.time.nowMs - this.#rateSince.trueMs) * this.#rate;
  }

  get wallMs(): number {
    return Math.floor(EPOCH_MS + this.monotonicMs + this.skewMs);
  }

  start(name: string): Program {
    const program = new Program(this, name, this.#nextPid++);
    this.programs.add(program);
    return program;
  }

  /** Everything on it ends at once; what the disk had not written is lost. */
  cutPower(): number {
    for (const program of [...this.programs]) program.crash();
    // What the control files say of an attempt may be lost with it, or not.
    for (const [key, task] of [...this.tasks]) {
      task.end(-1);
      if (this.#chance.chance(0.5)) this.tasks.delete(key);
    }
    this.boots += 1;
    this.bootId = `boot-${this.name}-${this.boots}`;
    return this.disk.cutPower(this.#chance);
  }

  // --- internal ---

  #kernelFile(path: string): string | null {
    if (path === "/proc/sys/kernel/random/boot_id") return `${this.bootId}\n`;
    if (path === "link:/proc/self/ns/pid") return "pid:[1]";
    if (path === "/sys/class/dmi/id/product_uuid") return `machine-${this.name}\n`;
    const pid = /^\/proc\/(\d+)\/stat$/.exec(path)?.[1];
    if (pid === undefined) return null;
    const program = [...this.programs].find((one) => String(one.pid) === pid && one.isAlive);
    if (!program) return null;
    const fields = [program.isPaused ? "T" : "S", ...Array.from({ length: 18 }, () => "0"), String(program.startTicks)];
    return `${pid} (${program.name}) ${fields.join(" ")}\n`;
  }
}

export class Program {
  readonly machine: Machine;
  readonly name: string;
  readonly pid: number;
  readonly startTicks: number;
  isAlive = true;
  isPaused = false;
  readonly #onCrash: (() => void)[] = [];
  #deferred: (() => void)[] = [];

  constructor(machine: Machine, name: string, pid: number) {
    this.machine = machine;
    this.name = name;
    this.pid = pid;
    this.startTicks = Math.floor(machine.time.nowMs / 10) + pid;
  }

  /** Runs the call as this program would: not when it is dead, later when it is stopped. */
  run(call: () => void): void {
    if (!this.isAlive) return;
    if (this.isPaused) this.#deferred.push(call);
    else call();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const call of deferred) this.machine.time.after(0, () => this.run(call));
  }

  onCrash(call: () => void): void {
    this.#onCrash.push(call);
  }

  /** As kill -9: nothing of it runs again. */
  crash(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#deferred = [];
    this.machine.programs.delete(this);
    for (const call of this.#onCrash) call();
  }
}
