// What allocations take of the disk: measured when somebody asks, and, where the node's settings want it enforced, while they
// run and the disk as a whole grows. Nothing else is read, and nothing where nothing runs.

import { LIMITS } from "../domain/limits.ts";
import type { AllocRunner } from "../runner/alloc-runner.ts";
import { allocDirectory } from "../runner/layout.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";

export interface DiskWatchParts {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  readonly isEnforced: boolean;
  runners(): Iterable<AllocRunner>;
}

/** Bytes that the allocation's files take of their file system; null where nobody can tell. */
export async function measureAlloc(runtime: Runtime, allocRoot: string, allocId: string): Promise<number | null> {
  try {
    // A program of its own: walking a large tree here would hold up all else. What vanishes meanwhile makes it end with 1.
    const { stdout } = await runtime.processes.run("du", ["-skx", allocDirectory(allocRoot, allocId)], { timeoutMs: LIMITS.diskMeasureMsMax });
    const kib = /^(\d+)\s/.exec(stdout)?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  } catch {
    return null; // there is no du, or it took too long
  }
}

export class DiskWatch {
  readonly #parts: DiskWatchParts;
  #isEnforced: boolean;
  #timer: Timer | null = null;
  #isStopped = false;
  /** In use of the whole disk when everything was measured last; null = it was not yet. */
  #measuredAtBytes: number | null = null;

  constructor(parts: DiskWatchParts) {
    this.#parts = parts;
    this.#isEnforced = parts.isEnforced;
  }

  set isEnforced(isEnforced: boolean) {
    this.#isEnforced = isEnforced;
    this.arm();
  }

  /** Something runs: it is looked at from now on, where that is wanted. */
  arm(): void {
    if (this.#timer || this.#isStopped || !this.#isEnforced || this.#running().length === 0) return;
    this.#timer = this.#parts.runtime.clock.after(
      LIMITS.diskLookMs,
      () => {
        void this.#look().finally(() => {
          this.#timer = null;
          this.arm();
        });
      },
      { keepsAlive: false },
    );
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  #running(): readonly AllocRunner[] {
    return [...this.#parts.runners()].filter((runner) => !runner.isDone);
  }

  async #look(): Promise<void> {
    const { runtime, allocRoot } = this.#parts;
    const usedBytes = this.#usedBytes();
    const before = this.#measuredAtBytes;
    if (before !== null && usedBytes !== null && usedBytes < before + LIMITS.diskGrowthBytesMin) {
      // What was freed since must be taken again before there is something new to see.
      this.#measuredAtBytes = Math.min(before, usedBytes);
      return;
    }
    this.#measuredAtBytes = usedBytes;
    for (const runner of this.#running()) {
      const bytes = await measureAlloc(runtime, allocRoot, runner.alloc.id);
      const limitMiB = runner.group.ephemeralDisk.sizeMiB;
      if (this.#isStopped || !this.#isEnforced) return;
      if (bytes !== null && bytes > limitMiB * MIB)
        runner.failOverDisk(`its files take ${Math.ceil(bytes / MIB)} MiB of the disk, more than ephemeral_disk.size of ${limitMiB} MiB`);
    }
  }

  #usedBytes(): number | null {
    try {
      return this.#parts.runtime.files.diskSpace(this.#parts.allocRoot)?.usedBytes ?? null;
    } catch {
      return null; // it cannot be asked: they are measured each time
    }
  }
}

// --- internal ---

const MIB = 1_048_576;
