// One simulated cluster: servers and nodes built from production code, on machines, a network and disks that fail.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeAgent } from "../../internal/client/node-agent.ts";
import { socketDial } from "../../internal/client/transports.ts";
import { GC_DEFAULTS } from "../../internal/cluster/gc-rules.ts";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import type { Log, LogFields } from "../../internal/runtime/log.ts";
import { createApp } from "../../internal/server/http/app.ts";
import { Server } from "../../internal/server/server.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import type { Store, StoredContent } from "../../internal/store/store.ts";
import type { Checker } from "./checkers/checker.ts";
import { VirtualTime } from "./clock.ts";
import { History, Violation } from "./history.ts";
import { Machine, type Program } from "./machines.ts";
import { SimNetwork } from "./network.ts";
import { Prng } from "./prng.ts";
import { serverFacts } from "./server-facts.ts";
import { simDriver } from "./sim-driver.ts";
import { simRuntime } from "./sim-runtime.ts";
import { SqliteFiles } from "./sqlite-files.ts";
import { linkedStore } from "./store-link.ts";
import { watched } from "./watched-journal.ts";

/** Drawn from the seed: each run is another kind of cluster. */
export interface Shape {
  /** `file`: all servers on one machine over one SQLite file. `linked`: each on its own, the store on another. */
  readonly store: "file" | "linked";
  readonly serverCount: number;
  readonly nodeCount: number;
  readonly isFoldedOften: boolean;
}

type Restore = { readonly content: StoredContent; readonly epoch: number; readonly by: string };

export interface SimServer {
  readonly name: string;
  readonly machine: Machine;
  program: Program | null;
  server: Server | null;
  /** Set while it stops cleanly. */
  isStopping: boolean;
}

export interface SimNode {
  readonly name: string;
  readonly machine: Machine;
  program: Program | null;
  agent: NodeAgent | null;
  /** The boot of its machine in which it last heard of a server. */
  joinedInBoot: number;
  /** When it joined last: it may have been for less than the time between two looks. */
  joinedAtMs?: number;
  /** Called when the agent writes down that it is about to begin a fire of its own. */
  atClaim: (() => void) | null;
}

const TOLD = new Set(["this server leads", "this server no longer leads", "node joined", "the state is dropped and loaded again"]);

export class World {
  readonly seed: string;
  readonly shape: Shape;
  readonly time = new VirtualTime();
  readonly history = new History();
  readonly network: SimNetwork;
  readonly servers: SimServer[] = [];
  readonly nodes: SimNode[] = [];
  readonly sqlite: SqliteFiles;
  readonly storeMachine: Machine;
  readonly userMachine: Machine;
  readonly user: Program;
  readonly checkers: Checker[] = [];
  readonly chance: Prng;
  readonly #machines: Machine[] = [];
  #failure: unknown = null;
  /** Asked for, and neither done nor seen. */
  #restores: readonly Restore[] = [];
  #storeProgram: Program | null = null;
  readonly #announced = new Set<() => void>();

  constructor(seed: string, own: Partial<Shape> = {}) {
    this.seed = seed;
    this.chance = new Prng(seed);
    const draw = this.chance.fork("shape");
    const store = draw.pick(["file", "linked"] as const);
    this.shape = {
      store,
      serverCount: draw.integer(store === "file" ? 1 : 2, 3),
      nodeCount: draw.integer(2, 4),
      isFoldedOften: draw.chance(0.5),
      ...own,
    };
    this.network = new SimNetwork(this.time, this.chance.fork("network"));
    this.network.machineOf = (address) => this.#machines.find((machine) => machine.address === address.split(":")[0]);
    this.storeMachine = this.#machine("store", "10.0.0.9");
    this.userMachine = this.#machine("user", "10.0.0.8");
    this.user = this.userMachine.start("user");
    this.sqlite = new SqliteFiles(mkdtempSync(join(tmpdir(), "edgectl-sim-")), this.chance.fork("sqlite"));
    for (let at = 0; at < this.shape.serverCount; at++) {
      const machine = this.shape.store === "file" ? this.storeMachine : this.#machine(`host-${at}`, `10.0.1.${at + 1}`);
      this.servers.push({ name: `s${at}`, machine, program: null, server: null, isStopping: false });
    }
    for (let at = 0; at < this.shape.nodeCount; at++)
      this.nodes.push({
        name: `n${at}`,
        machine: this.#machine(`n${at}`, `10.0.2.${at + 1}`),
        program: null,
        agent: null,
        joinedInBoot: 0,
        atClaim: null,
      });
  }

  get leader(): Server | null {
    return this.servers.find((one) => one.server?.isLeading && one.server.hasAuthority)?.server ?? null;
  }

  urlOf(server: SimServer): string {
    return `http://${server.machine.address}:${4646 + this.servers.indexOf(server)}`;
  }

  fail(error: unknown): void {
    this.#failure ??= error;
  }

  say(who: string, what: string): void {
    this.history.trace(`${this.time.nowMs.toFixed(2)} ${who} ${what}`);
  }

  startServer(own: SimServer): void {
    if (own.program) return;
    const program = own.machine.start(own.name);
    own.program = program;
    own.isStopping = false;
    program.onCrash(() => {
      if (own.program === program) Object.assign(own, { program: null, server: null });
    });
    this.say(own.name, "starts");
    this.#inBackground(own.name, program, async () => {
      const runtime = this.#runtimeOf(program, own.name);
      const store = await this.#openStore(program, own.name);
      if (!program.isAlive) return;
      const port = 4646 + this.servers.indexOf(own);
      const address = `${own.machine.address}:${port}`;
      const server = new Server({
        runtime,
        log: this.#logOf(own.name),
        store,
        programFolder: "/nowhere",
        address,
        region: "global",
        datacenter: "dc1",
        name: own.name,
        version: "0",
        gc: GC_DEFAULTS,
      });
      own.server = server;
      const handler = createApp(server, serverFacts("0"));
      await runtime.network.serve({ host: own.machine.address, port, maxBodyBytes: 4_000_000, fetch: handler });
      server.start();
    });
  }

  /** A clean stop, then gone; started again by whoever asks for it. */
  stopServer(own: SimServer): void {
    const { program, server } = own;
    if (!program || !server || own.isStopping) return;
    own.isStopping = true;
    this.say(own.name, "stops cleanly");
    this.#inBackground(own.name, program, async () => {
      await server.stop();
      program.crash();
    });
  }

  startNode(own: SimNode): void {
    if (own.program) return;
    const program = own.machine.start(own.name);
    own.program = program;
    program.onCrash(() => {
      if (own.program === program) Object.assign(own, { program: null, agent: null });
    });
    this.say(own.name, "starts");
    const runtime = watched(this.#runtimeOf(program, own.name), () => own.atClaim?.());
    const agent = new NodeAgent({
      runtime,
      log: this.#logOf(own.name, (message) => {
        if (message === "joined the server") Object.assign(own, { joinedInBoot: own.machine.boots, joinedAtMs: this.time.nowMs });
      }),
      dataDirectory: "/data",
      settings: {
        name: own.name,
        region: "global",
        datacenter: "dc1",
        nodeClass: "",
        nodePool: "default",
        meta: {},
        cpuTotalMHz: 1000,
        memoryTotalMiB: 1000,
        isRawExecEnabled: true,
        version: "0",
      },
      onAgentStop: "keep",
      dial: socketDial(runtime, () => this.servers.map((server) => this.urlOf(server))),
      makeDrivers: (allocRoot) =>
        new Map([
          [
            "raw_exec",
            simDriver({
              runtime,
              program,
              allocRoot,
              starting: (machine, process) => {
                this.say(machine.name, `process starts: ${process.allocId} ${process.task} ${process.attempt}`);
                this.#check((checker) => checker.starting?.(this, machine, process));
              },
            }),
          ],
        ]),
    });
    own.agent = agent;
    agent.start();
  }

  /** Runs until then. Throws what a checker found, or what broke. */
  async runUntil(untilMs: number): Promise<void> {
    let checkedAtMs = this.time.nowMs;
    while (this.time.step(untilMs)) {
      // Promises settle before the next event.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.time.nowMs - checkedAtMs >= 100) {
        checkedAtMs = this.time.nowMs;
        this.#noteShownRestores();
        this.#check((checker) => checker.tick?.(this));
      }
      if (this.#failure !== null) throw this.#failure;
    }
  }

  /** Checks what must hold once all is calm. Periodic work never rests: what just began has a few moments to be told. */
  async untilSettled(patienceMs: number): Promise<void> {
    const deadlineMs = this.time.nowMs + patienceMs;
    for (;;) {
      try {
        for (const checker of this.checkers) checker.settled?.(this);
        return;
      } catch (error) {
        if (this.time.nowMs >= deadlineMs) throw error;
      }
      await this.runUntil(this.time.nowMs + 100);
    }
  }

  close(): void {
    for (const machine of this.#machines) for (const program of [...machine.programs]) program.crash();
    this.sqlite.remove();
  }

  // --- internal ---

  #machine(name: string, address: string): Machine {
    const machine = new Machine({ name, address, time: this.time, chance: this.chance.fork(`disk-${name}`) });
    this.#machines.push(machine);
    return machine;
  }

  #runtimeOf(program: Program, name: string) {
    return simRuntime({
      program,
      network: this.network,
      chance: this.chance.fork(`${name}-${program.pid}`),
      ...(program.machine === this.storeMachine ? { sqlite: this.sqlite } : {}),
      kill: (pid) => {
        const victim = [...program.machine.programs].find((one) => one.pid === pid);
        if (victim) this.say(program.name, `kills ${victim.name}`);
        victim?.crash();
        return victim !== undefined;
      },
    });
  }

  async #openStore(program: Program, name: string): Promise<Store> {
    // Observed where it happens: what comes late over a link is seen too.
    if (this.shape.store === "file") return this.#observed(await openSqliteStore(this.#runtimeOf(program, `${name}-store`), "/data/state.db"), name);
    this.#storeProgram ??= this.storeMachine.start("database");
    const store = await openSqliteStore(this.#runtimeOf(this.#storeProgram, `${name}-store-${program.pid}`), "/data/state.db");
    return linkedStore({
      store: this.#observed(store, name),
      program,
      machine: this.storeMachine,
      network: this.network,
      announced: this.#announced,
    });
  }

  /** Everything durable passes the checkers. */
  #observed(store: Store, by: string): Store {
    const observed: Store = Object.create(store);
    observed.commit = async (sets, epoch) => {
      const outcome = await store.commit(sets, epoch);
      if (outcome.kind === "committed") {
        this.#noteShownRestores();
        this.history.commits.push({ epoch, sets, by });
        this.#watch(sets, by);
        this.#check((checker) => checker.committed?.(this, { epoch, sets, by }));
      }
      return outcome;
    };
    observed.replace = async (content, epoch) => {
      const restore = { content, epoch, by };
      this.#restores = [...this.#restores, restore];
      await store.replace(content, epoch);
      this.#noteRestore(restore);
    };
    observed.takeLease = async (take) => {
      const isTaken = await store.takeLease(take);
      if (isTaken) this.say(by, `takes epoch ${take.fromEpoch + 1}`);
      return isTaken;
    };
    // A journal is folded now and then in any run, not only once it is long.
    if (this.shape.isFoldedOften) observed.upkeepDue = () => "when-quiet";
    else observed.upkeepDue = () => store.upkeepDue();
    for (const name of [
      "readLease",
      "challengeLease",
      "clearChallenge",
      "releaseLease",
      "migrate",
      "load",
      "tail",
      "fold",
      "probe",
      "close",
      "onAdvance",
    ] as const)
      (observed as unknown as Record<string, unknown>)[name] = (store[name] as (...args: unknown[]) => unknown).bind(store);
    return observed;
  }

  /** Whoever asked for a restore may lead no more, or be gone, when it is there for the others to see. */
  #noteShownRestores(): void {
    const shown = this.servers.flatMap(({ server }) => (server?.isLeading ? [server.leader.view.restoredIndex] : []));
    for (const restore of this.#restores.filter(({ content }) => shown.includes(content.index))) this.#noteRestore(restore);
  }

  #noteRestore(restore: Restore): void {
    if (!this.#restores.includes(restore)) return;
    const { content, epoch, by } = restore;
    // What was tried before it and never shown did not happen.
    this.#restores = this.#restores.slice(this.#restores.indexOf(restore) + 1);
    this.say(by, `restored at index ${content.index}`);
    this.history.restoredIndex = content.index;
    this.history.restoredIndexes.add(content.index);
    this.#check((checker) => checker.restored?.(this, { index: content.index, epoch, rows: content.rows }));
  }

  /** WATCH=id tells each durable change of one row. */
  #watch(sets: readonly ChangeSet[], by: string): void {
    const { WATCH } = process.env;
    if (!WATCH) return;
    for (const set of sets)
      for (const change of set.changes)
        if (JSON.stringify(change).includes(WATCH)) this.say(by, `${set.index} ${JSON.stringify(change).slice(0, 600)}`);
  }

  #check(look: (checker: Checker) => void): void {
    try {
      for (const checker of this.checkers) look(checker);
    } catch (error) {
      this.fail(error);
    }
  }

  #logOf(who: string, heard?: (message: string) => void): Log {
    const tell = (level: string) => (message: string, fields?: LogFields) => {
      heard?.(message);
      if (level === "error" || TOLD.has(message)) this.say(who, `${message} ${fields ? JSON.stringify(fields) : ""}`);
      else this.say(who, message);
      if (level === "error" && /assertion failed/.test(JSON.stringify(fields ?? {}))) this.fail(new Violation("assertion", JSON.stringify(fields)));
    };
    return { debug: () => undefined, info: tell("info"), warn: tell("warn"), error: tell("error") };
  }

  #inBackground(who: string, program: Program, work: () => Promise<void>): void {
    program.run(() => {
      work().catch((error: unknown) => {
        // A program that died in the middle of something has nothing to say any more.
        if (!program.isAlive) return;
        this.say(who, `failed: ${error instanceof Error ? error.message : String(error)}`);
        program.crash();
      });
    });
  }
}
