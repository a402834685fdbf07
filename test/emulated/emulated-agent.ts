// Runs edgectl as a black box for the emulated tests: agents on free ports, the CLI against them, and an end to each
// process that was started, by its own id, also when the test fails.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const root = join(import.meta.dir, "..", "..");
export const executable = join(root, "dist", "edgectl");
export const nodeBundle = join(root, "dist", "edgectl-node.cjs");

export interface Finished {
  readonly status: number | null;
  readonly signal: string | null;
  readonly output: string;
}

/** One test's folder, agents and jobs. */
export class Workplace {
  readonly folder: string;
  readonly #children: ChildProcess[] = [];

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "edgectl-emulated-"));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Starts a process that lives until `close`; what it prints goes to a file named after it. */
  start(name: string, command: readonly string[]): void {
    const [program = "", ...rest] = command;
    const log = openSync(this.path(`${name}.log`), "a");
    this.#children.push(spawn(program, rest, { stdio: ["ignore", log, log], env: cleanEnvironment() }));
    closeSync(log);
  }

  /** The end of what a started process printed, for the message of a failed test. */
  logOf(name: string): string {
    return existsSync(this.path(`${name}.log`)) ? readFileSync(this.path(`${name}.log`), "utf8").slice(-4_000) : "";
  }

  async close(): Promise<void> {
    // Agents started last (clients) go first. SIGKILL follows where SIGTERM is not enough or, as in `unshare`, ignored.
    for (const child of this.#children.reverse()) {
      child.kill("SIGTERM");
      if (!(await hasEnded(child, 5_000))) child.kill("SIGKILL");
      await hasEnded(child, 5_000);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a body with a workplace that is cleared away whatever happens. */
export async function inWorkplace(body: (place: Workplace) => Promise<void>): Promise<void> {
  const place = new Workplace();
  try {
    await body(place);
  } finally {
    await place.close();
  }
}

/** Runs a command to its end. */
export function finish(command: readonly string[], environment: Record<string, string> = {}): Finished {
  const [program = "", ...rest] = command;
  const child = spawnSync(program, rest, { encoding: "utf8", timeout: 60_000, env: { ...cleanEnvironment(), ...environment } });
  return { status: child.status, signal: child.signal, output: `${child.stdout}${child.stderr}` };
}

/** Runs `edgectl` of this machine against a server; throws with its output when it fails. */
export function edgectl(address: string, ...words: readonly string[]): string {
  const done = finish([executable, ...words], { EDGECTL_ADDR: address });
  if (done.status !== 0) throw new Error(`edgectl ${words.join(" ")} ended with ${done.status ?? done.signal}\n${done.output}`);
  return done.output;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise<void>((done) => server.close(() => done()));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Asks again until the answer is there; the error names what was waited for, with what `details` says then. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  options: { readonly timeoutMs: number; readonly details?: () => string },
): Promise<T> {
  const end = Date.now() + options.timeoutMs;
  let last = "";
  while (Date.now() < end) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = String(error); // not there yet: the next try decides, and the last words are shown
    }
    await Bun.sleep(200);
  }
  throw new Error(`${what}: not within ${options.timeoutMs / 1000} s\n${last}\n${options.details?.() ?? ""}`);
}

interface NodeAnswer {
  readonly ID: string;
  readonly Name: string;
  readonly Status: string;
  readonly Attributes: Readonly<Record<string, string>>;
}

/** The node of that name once it is ready, with its attributes, as the server tells it. */
export async function readyNode(address: string, name: string): Promise<NodeAnswer | undefined> {
  const stubs = (await (await fetch(`${address}/v1/nodes`)).json()) as readonly NodeAnswer[];
  const stub = stubs.find((node) => node.Name === name && node.Status === "ready");
  if (stub === undefined) return undefined;
  return (await (await fetch(`${address}/v1/node/${stub.ID}`)).json()) as NodeAnswer;
}

// --- internal ---

/** Nothing of the caller's settings reaches an agent; certificates of this machine are not inside the chroot. */
function cleanEnvironment(): Record<string, string> {
  return { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/", LC_ALL: "C" };
}

async function hasEnded(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (child.exitCode === null && child.signalCode === null) {
    if (Date.now() > end) return false;
    await Bun.sleep(20);
  }
  return true;
}
