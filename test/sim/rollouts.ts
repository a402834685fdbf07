// What operators do to roll-outs: canaries that wait are promoted through any server, and the word is remembered.

import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

const PAUSE_MS: readonly [number, number] = [500, 3000];

export class Rollouts {
  /** Deployments whose promotion was acknowledged, with the groups that had canaries then. */
  readonly promoted = new Map<string, readonly string[]>();
  readonly #world: World;
  readonly #chance: Prng;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork("rollouts");
  }

  /** Goes on to the end: canaries that nobody promotes keep a job from its count. */
  start(): void {
    this.#world.time.after(this.#chance.integer(...PAUSE_MS), () => {
      void this.#promoteOne().finally(() => this.start());
    });
  }

  // --- internal ---

  async #promoteOne(): Promise<void> {
    const leader = this.#world.leader;
    if (!leader?.isLeading) return;
    const waiting = [...leader.leader.view.deployments()].filter(
      (one) => one.status === "running" && Object.values(one.groups).some((group) => group.desiredCanaries > 0 && !group.isPromoted),
    );
    if (waiting.length === 0) return;
    const deployment = this.#chance.pick(waiting);
    const groups = Object.entries(deployment.groups).flatMap(([name, group]) => (group.desiredCanaries > 0 ? [name] : []));
    const server = this.#chance.pick(this.#world.servers);
    const network = this.#world.network.of(this.#world.user);
    try {
      const response = await network.fetch(`${this.#world.urlOf(server)}/v1/deployment/promote/${deployment.id}`, {
        method: "PUT",
        body: JSON.stringify({ DeploymentID: deployment.id, All: true }),
      });
      await response.text();
      this.#world.say("user", `promote ${deployment.jobId} through ${server.name}: ${response.status}`);
      if (response.status !== 200) return;
      this.#world.history.count("operation promote");
      // What was promoted before a restore is gone with it.
      if (Number(response.headers.get("X-Nomad-Index")) > this.#world.history.restoredIndex) this.promoted.set(deployment.id, groups);
    } catch (error) {
      // Nobody knows what became of it, and nothing is promised.
      this.#world.say("user", `promote ${deployment.jobId} through ${server.name}: ${error instanceof Error ? error.message : "failed"}`);
    }
  }
}
