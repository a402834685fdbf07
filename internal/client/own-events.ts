// What this node wants its servers to remember of it: told at once, or when there is one again. A trouble that comes and goes
// is told once in a while, so that it fills neither the node's history nor the store.

import { LIMITS } from "../domain/limits.ts";
import type { NodeEvent } from "../domain/node.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Connection } from "./connection.ts";

export class OwnEvents {
  readonly #clock: Clock;
  readonly #connection: () => Connection;
  /** When each kind was told last, by the steady clock. */
  readonly #toldAtMs = new Map<string, number>();
  #waiting: readonly NodeEvent[] = [];

  constructor(clock: Clock, connection: () => Connection) {
    this.#clock = clock;
    this.#connection = connection;
  }

  /** `kind` names what is told no more often than once in nodeEventPauseMs. */
  note(event: Pick<NodeEvent, "subsystem" | "message"> & { readonly kind: string; readonly details?: NodeEvent["details"] }): void {
    const nowMs = this.#clock.monotonicMs();
    const toldAtMs = this.#toldAtMs.get(event.kind);
    if (toldAtMs !== undefined && nowMs < toldAtMs + LIMITS.nodeEventPauseMs) return;
    this.#toldAtMs.set(event.kind, nowMs);
    const { subsystem, message, details = {} } = event;
    this.#waiting = [...this.#waiting, { atMs: this.#clock.nowMs(), subsystem, message, details }].slice(-LIMITS.nodeEventsKept);
    this.send();
  }

  /** Whatever waits, once there is a server. */
  send(): void {
    if (this.#waiting.length === 0 || !this.#connection().isJoined) return;
    this.#connection().send({ kind: "node-events", events: this.#waiting });
    this.#waiting = [];
  }
}
