// What goes wrong: drawn per seed, so that each run knows only some of it (swarm), and mended again.

import { strikeAtClaim } from "./node-fires.ts";
import type { Prng } from "./prng.ts";
import type { SimNode, SimServer, World } from "./world.ts";

export const FAULTS = [
  "server killed",
  "server paused",
  "server stopped cleanly",
  "leadership handed over",
  "server machine loses power",
  "node agent killed",
  "node loses power",
  "node struck in a fire",
  "node loses its journal",
  "node cut off",
  "link cut one way",
  "store cut off",
  "order repeated",
  "clock drifts",
  "clock jumps",
  "disk slow",
  "disk fails",
  "network slow",
] as const;

export type Fault = (typeof FAULTS)[number];

export class Faults {
  readonly #world: World;
  readonly #chance: Prng;
  readonly enabled: readonly Fault[];
  #isStopped = false;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork("faults");
    this.enabled = FAULTS.filter(() => this.#chance.chance(0.5));
  }

  start(): void {
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** While leaders and jobs change all the time a silent node is hardly ever given up: here one is, with nothing else amiss. */
  keepOneAway(forMs: number): void {
    if (!this.#chance.chance(0.8)) return;
    const running = (one: SimNode) => [...one.machine.tasks.values()].filter((process) => process.exitCode === null).length;
    const [node] = [...this.#world.nodes].sort((a, b) => running(b) - running(a));
    if (!node) return;
    this.#world.history.count("fault node kept away");
    this.#world.say("faults", `${node.name} is kept away`);
    this.#cut(node);
    this.#world.time.after(forMs, () => this.#mend(node));
  }

  /** Everything mended and running again. */
  heal(): void {
    const { network, servers, nodes, storeMachine } = this.#world;
    network.mendAll();
    network.latencyMs = [1, 5];
    Object.assign(storeMachine, { syncDelayMs: 2, syncFails: false });
    for (const { machine } of [...servers, ...nodes]) Object.assign(machine, { syncDelayMs: 2, syncFails: false });
    for (const server of servers) {
      server.program?.resume();
      this.#world.startServer(server);
    }
    for (const node of nodes) {
      node.atClaim = null;
      node.program?.resume();
      this.#world.startNode(node);
    }
  }

  // --- internal ---

  #arm(): void {
    this.#world.time.after(this.#chance.integer(300, 6000), () => {
      if (this.#isStopped || this.enabled.length === 0) return;
      const fault = this.#chance.pick(this.enabled);
      this.#world.history.count(`fault ${fault}`);
      this.#world.say("faults", fault);
      this.#strike(fault);
      this.#arm();
    });
  }

  #later(call: () => void, [min, max]: readonly [number, number] = [500, 12_000]): void {
    this.#world.time.after(this.#chance.integer(min, max), call);
  }

  #strike(fault: Fault): void {
    const world = this.#world;
    const server = this.#victim();
    const node = this.#chance.pick(world.nodes);
    switch (fault) {
      case "server killed":
        server.program?.crash();
        return this.#restartServer(server);
      case "server paused":
        return this.#pause(server);
      case "server stopped cleanly":
        world.stopServer(server);
        return this.#restartServer(server, [2000, 9000]);
      case "leadership handed over":
        return void world.leader?.transferLeadership().catch(() => undefined); // nobody to hand over to
      case "server machine loses power":
        return this.#cutServerPower(server);
      case "node agent killed":
        node.program?.crash();
        return this.#restartNode(node);
      case "node loses power":
        node.program?.crash();
        node.machine.cutPower();
        return this.#restartNode(node);
      case "node struck in a fire":
        return strikeAtClaim(node, { world, chance: this.#chance, isOver: () => this.#isStopped, struck: () => this.#restartNode(node) });
      case "node loses its journal":
        node.program?.crash();
        node.machine.disk.lose("/data/client/client.journal");
        return this.#restartNode(node);
      case "node cut off":
        return this.#cutNode(node);
      case "link cut one way":
        world.network.cut(node.machine, server.machine, { isOneWay: true });
        return this.#later(() => world.network.mend(node.machine, server.machine));
      case "store cut off":
        if (world.shape.store !== "linked") return;
        world.network.cut(server.machine, world.storeMachine, { isOneWay: this.#chance.chance(0.5) });
        return this.#later(() => world.network.mend(server.machine, world.storeMachine));
      case "order repeated":
        return void world.network.repeatOrder(node.machine);
      case "clock drifts":
        return this.#drift(this.#chance.chance(0.5) ? server : node);
      case "clock jumps":
        (this.#chance.chance(0.5) ? server : node).machine.skewMs += this.#chance.integer(-90_000, 90_000);
        return;
      case "disk slow":
        server.machine.syncDelayMs = 400;
        return this.#later(() => {
          server.machine.syncDelayMs = 2;
        });
      case "disk fails": {
        const machine = this.#chance.chance(0.5) ? world.storeMachine : node.machine;
        machine.syncFails = true;
        return this.#later(() => {
          machine.syncFails = false;
        }, [200, 3000]);
      }
      case "network slow":
        world.network.latencyMs = [50, 900];
        return this.#later(() => {
          world.network.latencyMs = [1, 5];
        });
    }
  }

  /** More often than not the leader: most of what can go wrong goes wrong there. */
  #victim(): SimServer {
    const leading = this.#world.servers.find((one) => one.server?.isLeading);
    return leading && this.#chance.chance(0.6) ? leading : this.#chance.pick(this.#world.servers);
  }

  #pause(server: SimServer): void {
    const { program } = server;
    program?.pause();
    this.#later(() => program?.resume());
  }

  /** Within what the lease assumes of clocks. */
  #drift({ machine }: SimServer | SimNode): void {
    machine.rate = 0.9 + this.#chance.fraction() * 0.2;
  }

  #cutServerPower(server: SimServer): void {
    const world = this.#world;
    const victims = world.servers.filter((one) => one.machine === server.machine);
    server.machine.cutPower();
    if (world.shape.store === "file") world.sqlite.cutPower();
    for (const victim of victims) this.#restartServer(victim);
  }

  #cutNode(node: SimNode): void {
    this.#cut(node);
    this.#later(() => this.#mend(node), [1000, 40_000]);
  }

  #cut(node: SimNode): void {
    for (const server of this.#world.servers) this.#world.network.cut(node.machine, server.machine, { isOneWay: false });
  }

  #mend(node: SimNode): void {
    for (const server of this.#world.servers) this.#world.network.mend(node.machine, server.machine);
  }

  #restartServer(server: SimServer, range: readonly [number, number] = [200, 8000]): void {
    this.#later(() => {
      if (!this.#isStopped) this.#world.startServer(server);
    }, range);
  }

  #restartNode(node: SimNode): void {
    this.#later(() => {
      if (!this.#isStopped) this.#world.startNode(node);
    }, [200, 15_000]);
  }
}
