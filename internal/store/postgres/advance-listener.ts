// Waits for other servers' notifications over a connection of its own, which it makes again whenever it breaks. Between two
// connections anything may have been missed, so each new one counts as a notification.

import { LIMITS } from "../../domain/limits.ts";
import { Connection } from "./connection.ts";
import type { ClientParts, OpenClient } from "./open-client.ts";
import { CHANNEL } from "./schema.ts";

export class AdvanceListener {
  readonly #runtime;
  readonly #connection: Connection;
  readonly #calls = new Set<() => void>();
  #listening: OpenClient | null = null;
  #isRunning = false;
  #isClosed = false;
  #wake: () => void = () => undefined;

  /** Notifications of the sender itself are not passed on. */
  constructor(parts: Pick<ClientParts, "runtime" | "target">, sender: string) {
    this.#runtime = parts.runtime;
    this.#connection = new Connection({
      ...parts,
      purpose: "listener",
      onNotify: (payload) => {
        if (payload !== sender) this.#tell();
      },
      onClose: () => this.#wake(),
    });
  }

  /** Calls from now on; returns how to stop. */
  add(call: () => void): () => void {
    // One function may be added twice, and is then removed once for each.
    const own = () => call();
    this.#calls.add(own);
    if (!this.#isRunning) void this.#run();
    return () => {
      this.#calls.delete(own);
      this.#wake();
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#connection.close();
  }

  // --- internal ---

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (!this.#isClosed && this.#calls.size > 0) {
      try {
        await this.#connection.use((client) => this.#listen(client));
      } catch {
        // The reads of the same store fail too and say so; the connection itself pauses longer each time.
        continue;
      }
      await this.#pause(LIMITS.storeListenCheckMs);
    }
    this.#isRunning = false;
  }

  async #listen(client: OpenClient): Promise<void> {
    if (client === this.#listening) {
      // A connection whose other end is gone says nothing; this finds out.
      await client.database.execute("SELECT 1");
      return;
    }
    await client.database.execute(`LISTEN ${CHANNEL}`);
    this.#listening = client;
    this.#tell();
  }

  #tell(): void {
    for (const call of [...this.#calls]) call();
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#runtime.clock.after(delayMs, resolve, { keepsAlive: false });
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
