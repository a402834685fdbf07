// Watches an allocation until its health is decided, which happens once. The rule is device/health.ts's.

import { decideHealth, type HealthInput } from "../device/health.ts";
import type { Clock, Timer } from "../runtime/runtime.ts";

export interface HealthWatchParts {
  readonly clock: Clock;
  /** Called when it is time to look again. */
  due(): void;
}

export class HealthWatch {
  readonly #parts: HealthWatchParts;
  #timer: Timer | null = null;

  constructor(parts: HealthWatchParts) {
    this.#parts = parts;
  }

  /** The health when it is decided now, null while it is not; looks again by itself when that may change with time alone. */
  look(input: Omit<HealthInput, "nowMs">): { readonly isHealthy: boolean; readonly healthAtMs: number } | null {
    this.stop();
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    const decision = decideHealth({ ...input, nowMs });
    if (decision.kind === "wait") this.#timer = clock.after(decision.untilMs - nowMs + 5, () => this.#parts.due(), { keepsAlive: false });
    return decision.kind === "healthy" || decision.kind === "unhealthy" ? { isHealthy: decision.kind === "healthy", healthAtMs: nowMs } : null;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
