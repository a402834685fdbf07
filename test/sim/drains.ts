// What operators do with nodes: drain them, by force, with a deadline or none, end drains, and give nodes work again. At
// the end of the run every node is eligible.

import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

interface Answer {
  readonly outcome: "done" | "refused" | "unknown";
  readonly body: unknown;
}

type Send = (method: string, path: string, body: unknown, name: string) => Promise<Answer>;

interface WireNode {
  readonly ID: string;
  readonly Name: string;
  readonly SchedulingEligibility: string;
}

const PAUSE_MS: readonly [number, number] = [4000, 25_000];
const RETRY_MS = 1000;

export class Drains {
  readonly #world: World;
  readonly #chance: Prng;
  readonly #send: Send;
  #isStopped = false;

  constructor(world: World, send: Send) {
    this.#world = world;
    this.#chance = world.chance.fork("drains");
    this.#send = send;
  }

  start(): void {
    this.#next();
  }

  /** From now on nodes are only given work again, until all of them have it. */
  stop(): void {
    this.#isStopped = true;
    void this.#giveBackAll();
  }

  // --- internal ---

  #next(): void {
    this.#world.time.after(this.#chance.integer(...PAUSE_MS), () => {
      if (this.#isStopped) return;
      void this.#operate().finally(() => this.#next());
    });
  }

  async #operate(): Promise<void> {
    const nodes = await this.#nodes();
    const away = nodes.filter((node) => node.SchedulingEligibility !== "eligible");
    // Somebody has to do the work: half of the nodes at most are away at once.
    if (away.length > 0 && (away.length * 2 >= nodes.length || this.#chance.chance(0.5))) {
      await this.#giveBack(this.#chance.pick(away));
      return;
    }
    const there = nodes.filter((node) => node.SchedulingEligibility === "eligible");
    if (there.length > 0 && !this.#isStopped) await this.#drain(this.#chance.pick(there));
  }

  async #drain(node: WireNode): Promise<void> {
    const deadlineMs = this.#chance.pick([-1e-6, 0, 3000, 10_000, 20_000]);
    this.#world.history.count("operation drain");
    const spec = { Deadline: deadlineMs * 1e6, IgnoreSystemJobs: this.#chance.chance(0.3) };
    await this.#send("PUT", `/v1/node/${node.ID}/drain`, { NodeID: node.ID, DrainSpec: spec }, `drain ${node.Name} ${deadlineMs}`);
  }

  async #giveBack(node: WireNode): Promise<void> {
    this.#world.history.count("operation give back");
    const body = { NodeID: node.ID, DrainSpec: null, MarkEligible: true };
    await this.#send("PUT", `/v1/node/${node.ID}/drain`, body, `give back ${node.Name}`);
  }

  async #giveBackAll(): Promise<void> {
    const nodes = await this.#nodes();
    const away = nodes.filter((node) => node.SchedulingEligibility !== "eligible");
    if (nodes.length > 0 && away.length === 0) return;
    for (const node of away) await this.#giveBack(node);
    this.#world.time.after(RETRY_MS, () => void this.#giveBackAll());
  }

  async #nodes(): Promise<readonly WireNode[]> {
    const answer = await this.#send("GET", "/v1/nodes", undefined, "list nodes");
    return answer.outcome === "done" ? (answer.body as readonly WireNode[]) : []; // the wire's list
  }
}
