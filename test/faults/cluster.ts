// Servers over one SQLite file and nodes, as real processes that are started again whenever they end, as an init system
// would do, and that can be killed and paused.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Agent, type Place, sleep } from "../e2e/place.ts";

const RESTART_MS = 300;
const PORT = 4646;

export interface ProgramOptions {
  readonly name: string;
  /** Where it listens; "" for one that nobody outside its namespace calls. */
  readonly host: string;
  readonly port?: number;
  readonly flags: readonly string[];
  readonly wrapper?: readonly string[];
}

/** One agent over all its processes. */
export class Program {
  readonly name: string;
  readonly address: string;
  /** Ends that nobody here asked for. */
  readonly surprises: string[] = [];
  /** A fault plays with it: no other one does meanwhile. */
  isBusy = false;
  readonly #place: Place;
  readonly #options: ProgramOptions;
  #agent: Agent | null = null;
  #isWanted = true;
  #isPaused = false;
  #isAbandoned = false;
  /** Where the log of the present process begins. */
  #logFrom = 0;

  constructor(place: Place, options: ProgramOptions) {
    this.#place = place;
    this.#options = options;
    this.name = options.name;
    this.address = `http://${options.host}:${options.port ?? PORT}`;
  }

  get log(): string {
    return this.#agent?.log ?? "";
  }

  get pid(): number {
    return this.#agent?.process.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#agent !== null && !this.#isPaused;
  }

  get dataDirectory(): string {
    return this.#place.path(`data-${this.name}`);
  }

  async start(): Promise<void> {
    if (this.#isAbandoned) return;
    this.#isWanted = true;
    if (this.#agent) return;
    const { name, host, port, flags, wrapper } = this.#options;
    const logPath = this.#place.path(`${name}.log`);
    const logFrom = existsSync(logPath) ? statSync(logPath).size : 0;
    const agent = await this.#place.start({
      name,
      port: port ?? PORT,
      flags: ["--name", name, ...(host === "" ? [] : ["--bind", host, "--insecure"]), ...flags],
      ...(wrapper ? { wrapper } : {}),
      isExpectedToFail: true,
    });
    this.#agent = agent;
    this.#logFrom = logFrom;
    const ended = () => this.#ended(agent);
    if (agent.process.exitCode !== null || agent.process.signalCode !== null) ended();
    else agent.process.once("exit", ended);
  }

  /** SIGKILL, and no next one until `start`. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    const agent = this.#agent;
    if (!agent) return;
    agent.process.kill("SIGKILL");
    await agent.ended();
  }

  /** No next process any more. */
  abandon(): void {
    this.#isWanted = false;
    this.#isAbandoned = true;
  }

  pause(): void {
    this.#isPaused = true;
    this.#agent?.process.kill("SIGSTOP");
  }

  resume(): void {
    this.#isPaused = false;
    this.#agent?.process.kill("SIGCONT");
  }

  // --- internal ---

  #ended(agent: Agent): void {
    const { exitCode, signalCode } = agent.process;
    this.#agent = null;
    if (!this.#isWanted) return;
    // A challenger may kill a leader that stands still inside a transaction: that is its right.
    const isKilledByRival = signalCode === "SIGKILL" && this.#isPaused;
    const log = Buffer.from(agent.log).subarray(this.#logFrom).toString();
    // Without room on its disk a server may refuse to start, in words.
    const isRefusal = exitCode === 1 && /disk is full/.test(log);
    if (!isKilledByRival && !isRefusal) this.surprises.push(`${this.name} ended with ${exitCode ?? signalCode}\n${log.slice(-3000)}`);
    this.#isPaused = false;
    setTimeout(() => {
      if (this.#isWanted) void this.start();
    }, RESTART_MS);
  }
}

export class Cluster {
  readonly servers: readonly Program[];
  readonly nodes: readonly Program[];

  constructor(parts: { readonly servers: readonly Program[]; readonly nodes: readonly Program[] }) {
    this.servers = parts.servers;
    this.nodes = parts.nodes;
  }

  get programs(): readonly Program[] {
    return [...this.servers, ...this.nodes];
  }

  get surprises(): readonly string[] {
    return this.programs.flatMap((program) => program.surprises);
  }

  /** The server that says of itself that it leads; null when none answers so. */
  async leader(): Promise<Program | null> {
    const asked = await Promise.all(this.servers.map(async (server) => ((await leads(server)) ? server : null)));
    return asked.find((server) => server !== null) ?? null;
  }

  async untilLeader(timeoutMs: number): Promise<Program> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const leader = await this.leader();
      if (leader) return leader;
      if (performance.now() > deadlineMs) throw new Error(`nobody leads after ${timeoutMs} ms\n${this.#logs()}`);
      await sleep(100);
    }
  }

  /** Everything runs again. */
  async heal(): Promise<void> {
    for (const program of this.programs) {
      program.resume();
      await program.start();
    }
  }

  // --- internal ---

  #logs(): string {
    return this.servers.map((server) => `${server.name}: ${server.log.slice(-1500)}`).join("\n");
  }
}

/** Runs a body with programs that nobody starts again afterwards, when the place is cleared away. */
export async function withCluster(cluster: Cluster, body: () => Promise<void>): Promise<void> {
  try {
    for (const program of cluster.programs) await program.start();
    await body();
  } finally {
    for (const program of cluster.programs) program.abandon();
  }
}

export function storeFlags(folder: string): string[] {
  return ["--server", "--store", `sqlite:${join(folder, "store.db")}`];
}

// --- internal ---

async function leads(server: Program): Promise<boolean> {
  if (!server.isRunning) return false;
  try {
    const reply = await fetch(`${server.address}/v1/agent/self`, { signal: AbortSignal.timeout(1000) });
    const self = (await reply.json()) as { readonly stats?: { readonly nomad?: { readonly leader?: string } } };
    return self.stats?.nomad?.leader === "true";
  } catch {
    return false; // it is down, or does not answer
  }
}
