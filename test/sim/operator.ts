// An operator who saves a snapshot at some moment and restores it later, through any server, while all else goes on.

import { Violation } from "./history.ts";
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

const PATH = "/v1/operator/snapshot";

export class Operator {
  readonly #world: World;
  readonly #chance: Prng;
  #isStopped = false;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork("operator");
  }

  /** In half of the runs: after a restore much of what went before cannot be checked any more. */
  start(): void {
    if (!this.#chance.chance(0.5)) return;
    this.#later([8000, 40_000], () => this.#save());
  }

  stop(): void {
    this.#isStopped = true;
  }

  // --- internal ---

  #later(range: readonly [number, number], call: () => Promise<void>): void {
    this.#world.time.after(this.#chance.integer(...range), () => {
      if (!this.#isStopped) void call().catch((error) => this.#world.fail(error));
    });
  }

  async #save(): Promise<void> {
    const answer = await this.#ask("save", { method: "GET" });
    if (answer === null) return this.#later([500, 5000], () => this.#save());
    this.#world.history.count("operation save");
    this.#later([1000, 40_000], () => this.#restore(answer.bytes));
  }

  async #restore(bytes: Uint8Array): Promise<void> {
    const { history } = this.#world;
    const answer = await this.#ask("restore", { method: "PUT", body: bytes as Uint8Array<ArrayBuffer> }); // its own memory
    if (answer === null) return this.#later([500, 5000], () => this.#restore(bytes));
    history.count("operation restore");
    if (answer.index !== history.restoredIndex && !history.restoredIndexes.has(answer.index))
      throw new Violation("restore", `a restore was told to be of index ${answer.index}, which the store never had`);
    this.#later([5000, 40_000], () => this.#save());
  }

  /** Null where it was refused, or nobody knows: what the store did is seen there. */
  async #ask(name: string, init: RequestInit): Promise<{ readonly bytes: Uint8Array; readonly index: number } | null> {
    const world = this.#world;
    const server = this.#chance.pick(world.servers);
    try {
      const response = await world.network.of(world.user).fetch(`${world.urlOf(server)}${PATH}`, init);
      const bytes = new Uint8Array(await response.arrayBuffer());
      const said = response.status === 200 ? "done" : new TextDecoder().decode(bytes).slice(0, 80);
      world.say("operator", `${name} through ${server.name}: ${said}`);
      return response.status === 200 ? { bytes, index: Number(response.headers.get("X-Nomad-Index") ?? 0) } : null;
    } catch (error) {
      world.say("operator", `${name} through ${server.name}: ${String((error as { readonly code?: unknown }).code ?? error)}`);
      return null;
    }
  }
}
