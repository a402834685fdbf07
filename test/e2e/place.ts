// One test's world: a temporary folder, agents as real processes on free ports, the CLI and the HTTP API
// against them, and an end to everything that was started, also when the test fails.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const root = join(import.meta.dir, "..", "..");
/** The executable under test: the Bun build, or another that EDGECTL_BIN names. */
export const executable = resolve(root, process.env.EDGECTL_BIN ?? "dist/edgectl");

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface AgentOptions {
  readonly name?: string;
  readonly port?: number;
  readonly dataDirectory?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the executable: strace, unshare, faketime. */
  readonly wrapper?: readonly string[];
  /** Another program than the executable under test: a copy that may be replaced. */
  readonly program?: string;
  /** Do not wait until it answers. */
  readonly isExpectedToFail?: true;
}

export class Agent {
  readonly process: ChildProcess;
  readonly port: number;
  readonly address: string;
  readonly dataDirectory: string;
  readonly logPath: string;

  constructor(parts: { readonly process: ChildProcess; readonly port: number; readonly dataDirectory: string; readonly logPath: string }) {
    this.process = parts.process;
    this.port = parts.port;
    this.address = `http://127.0.0.1:${parts.port}`;
    this.dataDirectory = parts.dataDirectory;
    this.logPath = parts.logPath;
  }

  get log(): string {
    return existsSync(this.logPath) ? readFileSync(this.logPath, "utf8") : "";
  }

  /** The exit status once it ended. */
  ended(timeoutMs = 15_000): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return Promise.resolve(this.process.exitCode);
    return new Promise((resolvePromise, reject) => {
      const timer = setTimeout(() => reject(new Error(`the agent did not end within ${timeoutMs} ms\n${this.log}`)), timeoutMs);
      this.process.once("exit", (code) => {
        clearTimeout(timer);
        resolvePromise(code);
      });
    });
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.process.kill(signal);
    return this.ended();
  }

  /** Kills the agent itself, not its tasks. */
  async kill(): Promise<void> {
    await this.stop("SIGKILL");
  }
}

export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), "edgectl-e2e-"));
  readonly #agents: Agent[] = [];
  readonly #cleanups: (() => void)[] = [];
  agent!: Agent;

  get agents(): readonly Agent[] {
    return this.#agents;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  /** Something to undo at the end, the last one first. */
  onClose(cleanup: () => void): void {
    this.#cleanups.push(cleanup);
  }

  async start(options: AgentOptions = {}): Promise<Agent> {
    const port = options.port ?? (await freePort());
    const dataDirectory = options.dataDirectory ?? this.path(`data-${options.name ?? "agent"}`);
    const logPath = this.path(`${options.name ?? "agent"}.log`);
    const log = openSync(logPath, "a");
    const [program = "", ...rest] = [
      ...(options.wrapper ?? []),
      options.program ?? executable,
      "agent",
      "--data-dir",
      dataDirectory,
      "--port",
      String(port),
      ...(options.flags ?? []),
    ];
    const child = spawn(program, rest, { stdio: ["ignore", log, log], env: { ...environment(), ...options.env }, cwd: this.folder });
    closeSync(log);
    const agent = new Agent({ process: child, port, dataDirectory, logPath });
    this.#agents.push(agent);
    this.agent = agent;
    if (!options.isExpectedToFail) await this.untilUp(agent);
    return agent;
  }

  async untilUp(agent: Agent): Promise<void> {
    await until(`the agent on port ${agent.port} to answer\n${agent.log}`, async () => {
      if (agent.process.exitCode !== null) throw new Error(`the agent ended with ${agent.process.exitCode}\n${agent.log}`);
      const reply = await fetch(`${agent.address}/v1/agent/health`).catch(() => null);
      return reply !== null && reply.status === 200;
    });
  }

  /** Runs the CLI against the newest agent. */
  cli(...words: readonly string[]): Finished {
    return this.cliWith({}, ...words);
  }

  cliWith(
    options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string; readonly timeoutMs?: number },
    ...words: readonly string[]
  ): Finished {
    const done = spawnSync(executable, words, {
      encoding: "utf8",
      timeout: options.timeoutMs ?? 60_000,
      maxBuffer: 200_000_000,
      cwd: this.folder,
      env: { ...environment(), EDGECTL_ADDR: this.agent?.address ?? "", ...options.env },
      ...(options.input === undefined ? {} : { input: options.input }),
    });
    return { status: done.status, stdout: done.stdout, stderr: done.stderr };
  }

  /** The same beside whatever else this process does meanwhile. */
  async cliBeside(...words: readonly string[]): Promise<Finished> {
    const child = spawn(executable, words, {
      cwd: this.folder,
      env: { ...environment(), EDGECTL_ADDR: this.agent.address },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.onClose(() => child.kill("SIGKILL"));
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) child[name].on("data", (data) => (said[name] += data));
    const status = await new Promise<number | null>((done) => void child.once("close", done));
    return { status, ...said };
  }

  /** The CLI's standard output; throws with everything it said unless it ended with 0. */
  ok(...words: readonly string[]): string {
    const done = this.cli(...words);
    if (done.status !== 0)
      throw new Error(
        `edgectl ${words.join(" ")} ended with ${done.status}\n${done.stdout}\n${done.stderr}\nagent:\n${this.agent?.log.slice(-3000)}`,
      );
    return done.stdout;
  }

  // biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
  async get(path: string, agent = this.agent): Promise<any> {
    const reply = await fetch(`${agent.address}${path}`);
    const text = await reply.text();
    if (reply.status !== 200) throw new Error(`GET ${path}: ${reply.status} ${text}`);
    return JSON.parse(text);
  }

  async request(
    method: string,
    path: string,
    body?: unknown,
    agent = this.agent,
  ): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }> {
    const reply = await fetch(`${agent.address}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return { status: reply.status, text: await reply.text(), headers: reply.headers };
  }

  /** Registers a job given as TOML text and returns what the CLI said. */
  run(toml: string, ...flags: readonly string[]): Finished {
    return this.cli("run", ...flags, this.write(`job-${++this.#jobs}.toml`, toml));
  }
  #jobs = 0;

  // biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
  async alloc(job: string): Promise<any> {
    const allocs = await this.get(`/v1/job/${encodeURIComponent(job)}/allocations`);
    return allocs[0] === undefined ? undefined : this.get(`/v1/allocation/${allocs[0].ID}`);
  }

  /** Waits until the newest alloc of the job has this client status. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
  async untilAlloc(job: string, status: string, timeoutMs = 20_000): Promise<any> {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    let last: any;
    await until(
      () => `job ${job} to be ${status}: ${JSON.stringify(last?.TaskStates ?? last, null, 1)}\n${this.agent.log.slice(-2000)}`,
      async () => {
        last = await this.alloc(job);
        return last?.ClientStatus === status;
      },
      timeoutMs,
    );
    return last;
  }

  async logs(allocId: string, task: string, stream = "stdout"): Promise<string> {
    const reply = await this.request("GET", `/v1/client/fs/logs/${allocId}?task=${task}&type=${stream}&plain=true`);
    return reply.text;
  }

  /** Pids of the task, found by the token in their environment. */
  taskPids(allocId: string): number[] {
    return pidsWith(`EDGECTL_TASK_TOKEN=${allocId}`);
  }

  async close(): Promise<void> {
    for (const agent of this.#agents.reverse()) {
      agent.process.kill("SIGKILL");
      await agent.ended().catch(() => null);
    }
    // Tasks outlive their agent by design: whatever lives in this test's folders ends here.
    for (let round = 0; round < 20; round++) {
      const left = [...pidsWith(`NOMAD_ALLOC_DIR=${this.folder}`), ...pidsNaming(this.folder)];
      if (left.length === 0) break;
      for (const pid of left) quietly(() => process.kill(pid, "SIGKILL"));
      await new Promise((done) => setTimeout(done, 50));
    }
    for (const cleanup of this.#cleanups.reverse()) quietly(cleanup);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a body in a place that is cleared away whatever happens. */
export async function inPlace(body: (place: Place) => Promise<void>): Promise<void> {
  const place = new Place();
  try {
    await body(place);
  } finally {
    await place.close();
  }
}

export async function until(what: string | (() => string), isTrue: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${typeof what === "string" ? what : what()}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

export function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Live processes whose environment has an entry that begins so. */
export function pidsWith(entry: string): number[] {
  return processes().filter(
    (pid) =>
      quietly(() =>
        readFileSync(`/proc/${pid}/environ`, "utf8")
          .split("\0")
          .some((line) => line.startsWith(entry)),
      ) === true,
  );
}

export function isAlive(pid: number): boolean {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  return stat !== undefined && !/\) Z /.test(stat);
}

// --- internal ---

/** Shims, and agents whose wrapper (strace, unshare) was killed instead of them. */
export function pidsNaming(folder: string): number[] {
  return processes().filter(
    (pid) =>
      quietly(() =>
        readFileSync(`/proc/${pid}/cmdline`, "utf8")
          .split("\0")
          .some((word) => word.startsWith(`${folder}/`) && (word.endsWith("shim.sh") || word.includes("/data-"))),
      ) === true,
  );
}

function processes(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // the process ended between listing and looking
  }
}

/** Without settings that the person running the tests may have. */
function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !/^(?:EDGECTL|NOMAD)_/.test(entry[0])),
  );
}
