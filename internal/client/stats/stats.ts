// What the host and its tasks use right now, read when somebody asks and never otherwise.

import type { NodeSpec } from "../../domain/node.ts";
import type { AllocRunner } from "../../runner/alloc-runner.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { measureAlloc } from "../disk-watch.ts";
import { allocStats, type TaskUsages } from "./alloc-stats.ts";
import { type CoreTimes, hostStats, readCoreTimes } from "./host-stats.ts";
import { Samples } from "./samples.ts";

export interface StatsParts {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  node(): NodeSpec;
}

export class Stats {
  readonly #parts: StatsParts;
  readonly #tasks: Samples<TaskUsages>;
  readonly #cores: Samples<CoreTimes>;

  constructor(parts: StatsParts) {
    this.#parts = parts;
    this.#tasks = new Samples(parts.runtime.clock);
    this.#cores = new Samples(parts.runtime.clock);
  }

  async ofAlloc(runner: AllocRunner, { withDisk }: { readonly withDisk: boolean }) {
    const { runtime, allocRoot } = this.#parts;
    const disk = withDisk ? measureAlloc(runtime, allocRoot, runner.alloc.id) : null;
    const usages = await this.#tasks.pair(runner.alloc.id, () => usagesOf(runner));
    const stats = allocStats({ usages, coreMHz: this.#coreMHz(), nowMs: runtime.clock.nowMs() });
    return withDisk ? { ...stats, Disk: { UsedBytes: await disk, LimitMB: runner.group.ephemeralDisk.sizeMiB } } : stats;
  }

  async ofHost() {
    const { runtime, allocRoot } = this.#parts;
    const times = await this.#cores.pair("host", () => readCoreTimes(runtime.files));
    return hostStats(runtime.files, { allocRoot, times, coreMHz: this.#coreMHz(), nowMs: runtime.clock.nowMs() });
  }

  // --- internal ---

  #coreMHz(): number {
    const { cpuMHz, cores } = this.#parts.node().resources;
    return cpuMHz / Math.max(1, cores);
  }
}

// --- internal ---

function usagesOf(runner: AllocRunner): TaskUsages {
  const usages = [...runner.taskRunners()].map((task) => [task.task.name, task.handle?.usage() ?? null] as const);
  return new Map(usages.filter((entry): entry is readonly [string, NonNullable<(typeof entry)[1]>] => entry[1] !== null));
}
