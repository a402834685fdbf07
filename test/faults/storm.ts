// Faults at random moments: drawn beforehand from one seed, so that their order can be repeated, and carried out on
// whatever leads or runs at the moment.

import { sleep } from "../e2e/place.ts";
import type { Prng } from "../sim/prng.ts";
import type { Cluster, Program } from "./cluster.ts";
import type { Network } from "./namespaces.ts";
import type { SmallDisk } from "./small-disk.ts";

/** Longest lease is 3 s: pauses of servers go beyond it, absences of nodes beyond their 20 s in some cases. */
const DURATIONS_MS = {
  "kill-leader": [100, 3000],
  "kill-server": [100, 3000],
  "pause-leader": [3500, 9000],
  "pause-server": [3500, 9000],
  "blink-leader": [200, 3200],
  "cut-node": [500, 28_000],
  "mute-node": [500, 28_000],
  "deafen-node": [500, 28_000],
  "part-node-from-server": [500, 15_000],
  "kill-node": [50, 6000],
  "pause-node": [500, 25_000],
  "fill-disk": [500, 4000],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

export type FaultKind = keyof typeof DURATIONS_MS;
export const FAULT_KINDS = Object.keys(DURATIONS_MS) as readonly FaultKind[]; // the keys of the table above

export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly durationMs: number;
  /** Which of those that it can hit, 0 <= x < 1. */
  readonly pick: number;
}

/** The order of faults: each kind comes once before any comes again. */
export function drawFaults(chance: Prng, forMs: number): Fault[] {
  const faults: Fault[] = [];
  let deck: FaultKind[] = [];
  for (let atMs = 1500; atMs < forMs; atMs += chance.integer(400, 2800)) {
    if (deck.length === 0) deck = [...FAULT_KINDS];
    const [kind] = deck.splice(chance.integer(0, deck.length - 1), 1);
    if (kind) faults.push({ kind, atMs, durationMs: drawn(chance, DURATIONS_MS[kind]), pick: chance.fraction() });
  }
  return faults;
}

export interface Stage {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly disk: SmallDisk;
}

export class Storm {
  /** What was carried out, for people. */
  readonly told: string[] = [];
  readonly happened = new Map<FaultKind, number>();
  readonly #stage: Stage;
  readonly #beganMs = performance.now();
  #calm: () => void = () => undefined;
  readonly #untilCalm: Promise<void>;
  #isDiskBusy = false;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#untilCalm = new Promise((resolve) => {
      this.#calm = resolve;
    });
  }

  /** Carries them out; then all that still stands is undone at once. */
  async rage(faults: readonly Fault[], forMs: number): Promise<void> {
    const running: Promise<void>[] = [];
    for (const fault of faults) {
      await sleep(Math.max(this.#beganMs + fault.atMs - performance.now(), 0));
      running.push(this.#hit(fault));
    }
    await sleep(Math.max(this.#beganMs + forMs - performance.now(), 0));
    this.#calm();
    await Promise.all(running);
    await this.#stage.cluster.heal();
  }

  // --- internal ---

  async #hit(fault: Fault): Promise<void> {
    if (fault.kind === "fill-disk") return this.#fillDisk(fault);
    const target = await this.#target(fault);
    if (!target) return;
    target.isBusy = true;
    this.#tell(fault, target.name);
    try {
      await this.#play(fault, target);
    } finally {
      target.isBusy = false;
    }
  }

  async #target({ kind, pick }: Fault): Promise<Program | null> {
    const { cluster } = this.#stage;
    if (kind.endsWith("-leader")) {
      const leader = await cluster.leader();
      return leader && !leader.isBusy ? leader : null;
    }
    const free = (kind.endsWith("server") && !kind.startsWith("part") ? cluster.servers : cluster.nodes).filter((one) => !one.isBusy);
    return free[Math.floor(pick * free.length)] ?? null;
  }

  async #play({ kind, durationMs, pick }: Fault, target: Program): Promise<void> {
    const { network, cluster } = this.#stage;
    const at = cluster.nodes.indexOf(target);
    const everyServer = cluster.servers.map((_, index) => index);
    switch (kind) {
      case "kill-leader":
      case "kill-server":
      case "kill-node":
        await target.kill();
        await this.#wait(durationMs);
        return target.start();
      case "pause-leader":
      case "pause-server":
      case "blink-leader":
      case "pause-node":
        target.pause();
        await this.#wait(durationMs);
        return target.resume();
      case "cut-node":
        network.setLink(at, "down");
        await this.#wait(durationMs);
        return network.setLink(at, "up");
      case "mute-node":
        return this.#during(network.mute(at, everyServer), durationMs);
      case "part-node-from-server":
        return this.#during(network.mute(at, [Math.floor(pick * 1000) % everyServer.length]), durationMs);
      case "deafen-node":
        return this.#during(network.deafen(at), durationMs);
      case "fill-disk":
        throw new Error("the disk is nobody's program");
    }
  }

  async #during(undo: () => void, durationMs: number): Promise<void> {
    await this.#wait(durationMs);
    undo();
  }

  async #fillDisk(fault: Fault): Promise<void> {
    if (this.#isDiskBusy) return;
    this.#isDiskBusy = true;
    this.#tell(fault, "the servers");
    const { disk } = this.#stage;
    disk.fill();
    await this.#wait(fault.durationMs);
    disk.empty();
    this.#isDiskBusy = false;
  }

  /** The time of a fault, or until all is to be calm. */
  async #wait(durationMs: number): Promise<void> {
    await Promise.race([sleep(durationMs), this.#untilCalm]);
  }

  #tell({ kind, durationMs }: Fault, target: string): void {
    this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1);
    this.told.push(`${((performance.now() - this.#beganMs) / 1000).toFixed(2).padStart(7)} s ${kind} ${target} for ${durationMs} ms`);
  }
}

// --- internal ---

function drawn(chance: Prng, [min, max]: readonly [number, number]): number {
  return chance.integer(min, max);
}
