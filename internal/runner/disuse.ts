// What was fetched or made for tasks, and goes again a while after its last use: who uses it now, since when nobody does,
// and a timer that sleeps until the next one is due.

import type { Runtime, Timer } from "../runtime/runtime.ts";

export interface DisuseParts {
  readonly runtime: Runtime;
  /** Where the list is kept: of what there is, and since when nobody uses it. */
  readonly path: string;
  /** How long a thing stays unused; null = for ever. */
  readonly delayMs: number | null;
  /** "later": it could not be removed now, and is tried again. */
  remove(id: string, reference: string): Promise<"gone" | "later">;
}

interface Thing {
  /** Its name for people. */
  readonly reference: string;
  /** Null while a task uses it. */
  readonly unusedSinceMs: number | null;
}

/** Long enough for a job that runs every night: a thin link must not carry its image each time. */
export const UNUSED_MS_MAX = 90_000_000;

export class Disuse {
  readonly #parts: DisuseParts;
  readonly #holders = new Map<string, number>();
  #things: Readonly<Record<string, Thing>>;
  #timer: Timer | null = null;

  constructor(parts: DisuseParts) {
    this.#parts = parts;
    this.#things = readThings(parts);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  isHeld(id: string): boolean {
    return this.#holders.has(id);
  }

  isKnown(id: string): boolean {
    return Object.hasOwn(this.#things, id);
  }

  /** It was fetched: from now on it may go again. */
  note(id: string, reference: string): void {
    if (this.#things[id]?.reference === reference) return;
    this.#write({ ...this.#things, [id]: { reference, unusedSinceMs: null } });
  }

  hold(id: string): void {
    this.#holders.set(id, (this.#holders.get(id) ?? 0) + 1);
    const known = this.#things[id];
    if (known && known.unusedSinceMs !== null) this.#write({ ...this.#things, [id]: { ...known, unusedSinceMs: null } });
  }

  release(id: string): void {
    const left = (this.#holders.get(id) ?? 1) - 1;
    if (left > 0) return void this.#holders.set(id, left);
    this.#holders.delete(id);
    const known = this.#things[id];
    if (!known) return;
    this.#write({ ...this.#things, [id]: { ...known, unusedSinceMs: this.#parts.runtime.clock.nowMs() } });
    this.arm();
  }

  /** After a restart, once running tasks were taken up: what nobody uses is unused from now on. */
  settle(): void {
    const nowMs = this.#parts.runtime.clock.nowMs();
    const orphans = Object.entries(this.#things).filter(([id, thing]) => thing.unusedSinceMs === null && !this.#holders.has(id));
    if (orphans.length > 0)
      this.#write({ ...this.#things, ...Object.fromEntries(orphans.map(([id, thing]) => [id, { ...thing, unusedSinceMs: nowMs }])) });
    this.arm();
  }

  /** Sleeps until the next one is due; without any there is no timer. */
  arm(pauseMs = PAUSE_MS_MIN): void {
    this.#timer?.cancel();
    this.#timer = null;
    const { delayMs, runtime } = this.#parts;
    if (delayMs === null) return;
    const due = Object.values(this.#things).flatMap((thing) => (thing.unusedSinceMs === null ? [] : [thing.unusedSinceMs + delayMs]));
    if (due.length === 0) return;
    const waitMs = Math.max(Math.min(...due) - runtime.clock.nowMs(), pauseMs);
    const collect = () => void this.#collect(delayMs).then((outcome) => this.arm(outcome === "later" ? LATER_MS : PAUSE_MS_MIN));
    this.#timer = runtime.clock.after(waitMs, collect, { keepsAlive: false });
  }

  // --- internal ---

  async #collect(delayMs: number): Promise<"gone" | "later"> {
    let outcome: "gone" | "later" = "gone";
    for (const [id, thing] of Object.entries(this.#things)) {
      if (thing.unusedSinceMs === null || this.#holders.has(id)) continue;
      if (this.#parts.runtime.clock.nowMs() - thing.unusedSinceMs < delayMs) continue;
      if ((await this.#parts.remove(id, thing.reference)) === "later") outcome = "later";
      // Used meanwhile, it was fetched anew.
      else if (this.#things[id] === thing) this.#forget(id);
    }
    return outcome;
  }

  #forget(id: string): void {
    const { [id]: _gone, ...rest } = this.#things;
    this.#write(rest);
  }

  #write(things: Readonly<Record<string, Thing>>): void {
    this.#things = things;
    const { runtime, path } = this.#parts;
    runtime.files.writeText(`${path}.new`, JSON.stringify(things));
    runtime.files.rename(`${path}.new`, path);
  }
}

// --- internal ---

const PAUSE_MS_MIN = 1000;
/** Whoever removes may be away for long, as an engine is that was stopped. */
const LATER_MS = 60_000;

/** Of a torn file nothing is known: those things are left to the operator. */
function readThings({ runtime, path }: DisuseParts): Readonly<Record<string, Thing>> {
  try {
    const told: unknown = JSON.parse(runtime.files.readText(path) ?? "{}");
    if (typeof told !== "object" || told === null) return {};
    return Object.fromEntries(
      Object.entries(told).map(([id, { reference, unusedSinceMs }]) => [
        id,
        { reference: String(reference), unusedSinceMs: typeof unusedSinceMs === "number" ? unusedSinceMs : null },
      ]),
    );
  } catch {
    return {};
  }
}
