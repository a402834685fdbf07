// Commands that run beside a task behind the shim: as its user, in its groups, with its environment, and where it has
// namespaces in those. What a command started ends with it; what the agent's death left is ended by the next one.

import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { join } from "../../domain/paths.ts";
import type { Files, PipedChild, Runtime } from "../../runtime/runtime.ts";
import { BESIDE_SCRIPT } from "../beside-script.ts";
import { type CgroupTree, commandGroups, groupMembers, killGroup, makeCommandGroup, removeGroups } from "../cgroups.ts";
import { environmentHolders, readPidFile, sessionMembers, tokenHolders } from "../processes.ts";
import { envScript, quote } from "../sandbox/task-files.ts";
import { SAFE_PATH } from "../sandbox/tools.ts";
import type { ExecRequest, ExecSession } from "./driver.ts";

/** What a command beside a task is bounded by: noted with the attempt, for a later agent starts some too. */
export interface Entry {
  readonly workDirectory: string;
  /** Words before `-c SCRIPT`: who it is, and the shell. */
  readonly shell: string;
  /** Whose the environment and the streams are; null = the agent's own. */
  readonly owner: Owner | null;
  readonly groups: readonly string[];
  /** A command line; "" = no limits but the agent's. */
  readonly prlimit: string;
  readonly oomScoreAdj: string;
  /** "" = the task has no namespaces. */
  readonly nsenter: string;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export function noteEntry(files: Files, control: string, entry: Entry): void {
  files.writeText(join(control, "entry"), JSON.stringify(entry), 0o600);
}

/** The environment as a script that only the task's user can read. */
export function noteEnvironment(files: Files, control: string, env: Readonly<Record<string, string>>, owner: Owner | null, isImage: boolean): void {
  writeEnvironment(files, join(control, "env"), { env, owner, isImage });
}

export interface BesideParts {
  readonly runtime: Runtime;
  readonly cgroups: CgroupTree;
  /** Where its script is kept. */
  readonly directory: string;
}

export interface BesideTask {
  readonly control: string;
  /** What marks its processes in their environment. */
  readonly token: string;
}

/** As it was noted when the task began. Throws EdgeError where this task, or this machine, cannot have such a command. */
export async function startBeside(parts: BesideParts, task: BesideTask, request: ExecRequest): Promise<ExecSession> {
  const entry = readEntry(parts.runtime.files, task);
  if (entry === null)
    throw new EdgeError("unsupported", "of this task it is not known how commands run beside it: an earlier version of edgectl started it", {
      hint: "restart the task, then try again",
    });
  return startBy({ parts, task, entry, env: null }, request);
}

export interface Way {
  readonly parts: BesideParts;
  readonly task: BesideTask;
  readonly entry: Entry;
  /** The command's whole environment; null = what was noted with the task. */
  readonly env: Readonly<Record<string, string>> | null;
}

/** Throws EdgeError where this machine cannot have such a command. */
export async function startBy({ parts, task, entry, env }: Way, request: ExecRequest): Promise<ExecSession> {
  const { runtime, cgroups } = parts;
  const { files } = runtime;
  const init = readPidFile(files, join(task.control, "init")) ?? readPidFile(files, join(task.control, "sandbox"));
  if (entry.nsenter !== "" && init === null)
    throw new EdgeError("unsupported", "the task's namespaces are not known", { hint: "restart the task, then try again" });
  const relay = request.terminal ? relayOf(files) : null;
  const id = runtime.chance.secret(8);
  const group = makeCommandGroup(files, cgroups, entry.groups, id);
  const groups = entry.groups.map((one) => (group?.startsWith(`${one}/`) ? group : one)).filter((one) => files.stat(one) !== null);
  const owner = entry.owner ? `${entry.owner.uid}:${entry.owner.gid}` : "";
  const envFile = env === null ? "env" : `${id}.env`;
  if (env !== null) writeEnvironment(files, join(task.control, envFile), { env, owner: entry.owner, isImage: false });
  const line = ["sh", scriptOf(parts), task.control, entry.workDirectory, owner, id, envFile, ...request.command];
  const [command = "sh", ...args] = relay === null ? line : [relay, "-q", "-e", "-c", `exec ${line.map(quote).join(" ")}`, "/dev/null"];
  const child = runtime.processes.open({
    command,
    args,
    cwd: "/",
    env: {
      PATH: SAFE_PATH,
      SHELL: "/bin/sh",
      [MARK]: id,
      EDGECTL_CGROUPS: groups.join(" "),
      EDGECTL_SETPRIV: entry.shell,
      ...(request.terminal ? { TERM: "xterm", EDGECTL_TERMINAL: sizeWords(request.terminal.columns, request.terminal.rows) } : {}),
      ...(entry.prlimit === "" ? {} : { EDGECTL_PRLIMIT: entry.prlimit }),
      ...(entry.oomScoreAdj === "" ? {} : { EDGECTL_OOM_SCORE_ADJ: entry.oomScoreAdj }),
      ...(entry.nsenter === "" || init === null ? {} : { EDGECTL_NSENTER: entry.nsenter, EDGECTL_INIT: `${init.pid} ${init.startTicks}` }),
    },
  });
  return new Session({ runtime, child, group, id, isTerminal: request.terminal !== null });
}

/** The task's groups as they were noted when it began. */
export function notedGroups(files: Files, task: BesideTask): readonly string[] {
  return readEntry(files, task)?.groups ?? [];
}

/** Ends commands of an agent that is no more. */
export async function sweepBeside({ runtime }: Pick<BesideParts, "runtime">, task: BesideTask, groups: readonly string[]): Promise<void> {
  const left = commandGroups(runtime.files, groups);
  if (left.length > 0) {
    await killGroup(runtime, left);
    await removeGroups(runtime, left);
  }
  if (groups.some((group) => runtime.files.stat(group) !== null)) return;
  const isCommand = (pid: number) =>
    environmentOf(runtime.files, pid)
      .split("\0")
      .some((entry) => entry.startsWith(`${MARK}=`));
  for (const pid of tokenHolders(runtime.files, task.token).filter(isCommand)) runtime.processes.signal(pid, "SIGKILL");
}

// --- internal ---

interface Environment {
  readonly env: Readonly<Record<string, string>>;
  readonly owner: Owner | null;
  readonly isImage: boolean;
}

function writeEnvironment(files: Files, path: string, { env, owner, isImage }: Environment): void {
  files.writeText(path, envScript(env, isImage), 0o400);
  if (owner) files.chown(path, owner.uid, owner.gid);
}

/** Null for tasks of a version that noted none, and for what a power cut left of it. */
function readEntry(files: Files, task: BesideTask): Entry | null {
  try {
    return JSON.parse(files.readText(join(task.control, "entry")) ?? "null") as Entry | null; // written by noteEntry
  } catch {
    return null;
  }
}

interface SessionParts {
  readonly runtime: Runtime;
  readonly child: PipedChild;
  /** The cgroup that holds all of it; null where there is none. */
  readonly group: string | null;
  readonly id: string;
  readonly isTerminal: boolean;
}

class Session implements ExecSession {
  readonly output: ExecSession["output"];
  readonly #parts: SessionParts;
  readonly #ended: Promise<number>;
  /** The terminal's file, as long as there is one. */
  #terminal = "";
  #isClosed = false;
  /** Resolves once the terminal is set up: what is typed before would be echoed by another setting. */
  readonly #isReady: Promise<void>;
  #markReady: () => void = () => undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { child, isTerminal } = parts;
    this.#isReady = new Promise((resolve) => {
      this.#markReady = resolve;
    });
    if (!isTerminal) this.#markReady();
    this.#ended = child.exited.finally(() => this.#finish());
    this.#ended.catch(() => undefined);
    this.output = isTerminal ? this.#terminalOutput() : merged(piecesOf("stdout", child.stdout), piecesOf("stderr", child.stderr));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#isReady;
    await this.#parts.child.write(bytes);
  }

  endInput(): void {
    void this.#isReady.then(() => this.#parts.child.endInput());
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#isReady;
    if (this.#terminal === "") return;
    await this.#parts.runtime.processes.run("stty", ["-F", this.#terminal, ...sizeWords(columns, rows).split(" ")], { env: { PATH: SAFE_PATH } });
  }

  exitCode(): Promise<number> {
    return this.#ended;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { runtime, child } = this.#parts;
    for (const pid of this.#members()) runtime.processes.signal(pid, "SIGHUP");
    child.endInput();
    child.dropOutput();
    const timer = runtime.clock.after(
      LIMITS.commandHangUpMs,
      () => {
        child.kill("SIGKILL");
        void this.#killRest();
      },
      { keepsAlive: false },
    );
    void this.#ended.catch(() => undefined).finally(() => timer.cancel());
  }

  // --- internal ---

  async #finish(): Promise<void> {
    this.#markReady();
    this.#terminal = "";
    this.#parts.child.endInput();
    await this.#killRest();
  }

  /** What it left behind ends with it, as what a task leaves does. */
  async #killRest(): Promise<void> {
    const { runtime, group } = this.#parts;
    if (group === null) for (const pid of this.#members()) runtime.processes.signal(pid, "SIGKILL");
    else {
      if (groupMembers(runtime.files, [group]).length > 0) await killGroup(runtime, [group]);
      await removeGroups(runtime, [group]);
    }
  }

  #members(): readonly number[] {
    const { runtime, child, group, id } = this.#parts;
    const own = group === null ? environmentHolders(runtime.files, `${MARK}=${id}`) : groupMembers(runtime.files, [group]);
    // By the number of its session as long as its leader lives, which holds the number.
    return [...new Set([...own, ...(group === null ? sessionMembers(runtime.files, child.pid) : [])])];
  }

  async *#terminalOutput(): ExecSession["output"] {
    const { child } = this.#parts;
    let head: Buffer | null = Buffer.alloc(0);
    for await (const piece of merged(piecesOf("stdout", child.stdout), piecesOf("stdout", child.stderr))) {
      if (head === null) {
        yield piece;
        continue;
      }
      head = Buffer.concat([head, piece.bytes]);
      const end = head.indexOf("\n");
      if (end < 0) continue;
      const path = /^edgectl-terminal (\/dev\/\S+)\r?$/.exec(head.subarray(0, end).toString())?.[1];
      const rest = path === undefined ? head : head.subarray(end + 1);
      this.#terminal = path ?? "";
      this.#markReady();
      head = null;
      if (rest.length > 0) yield { stream: "stdout", bytes: new Uint8Array(rest) };
    }
    if (head !== null && head.length > 0) yield { stream: "stdout", bytes: new Uint8Array(head) };
  }
}

type Piece = { readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array };

async function* piecesOf(stream: Piece["stream"], source: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  for await (const bytes of source) yield { stream, bytes };
}

/** One piece of each is asked for at a time, so that a slow reader makes the command wait. */
async function* merged(...sources: readonly AsyncGenerator<Piece>[]): AsyncGenerator<Piece> {
  const ask = (source: AsyncGenerator<Piece>) => source.next().then((result) => ({ source, result }));
  const pending = new Map(sources.map((source) => [source, ask(source)]));
  while (pending.size > 0) {
    const { source, result } = await Promise.race(pending.values());
    if (result.done) pending.delete(source);
    else {
      yield result.value;
      pending.set(source, ask(source));
    }
  }
}

/** In the environment of every command beside a task, with its id. */
const MARK = "EDGECTL_COMMAND";

function sizeWords(columns: number, rows: number): string {
  const bounded = (value: number) => Math.min(Math.max(Math.trunc(value) || 0, 1), 65_535);
  return `rows ${bounded(rows)} cols ${bounded(columns)}`;
}

/** What makes a terminal and hands on what is typed and shown: neither runtime can, and pause one at will. */
function relayOf(files: Files): string {
  const path = ["/usr/bin/script", "/bin/script", "/usr/local/bin/script"].find((one) => files.isExecutable(one));
  if (path !== undefined && !/busybox|toybox/.test(files.realPath(path) ?? path)) return path;
  throw new EdgeError("unsupported", "this node cannot make a terminal: it has no script of util-linux", {
    hint: "install bsdutils (Debian), util-linux-misc (Alpine) or script-utils (OpenWrt), or go without a terminal (-t=false)",
  });
}

function scriptOf({ runtime, directory }: BesideParts): string {
  const path = join(directory, "beside.sh");
  if (runtime.files.readText(path) !== BESIDE_SCRIPT) runtime.files.writeAtomic(path, BESIDE_SCRIPT);
  return path;
}

function environmentOf(files: Files, pid: number): string {
  try {
    return files.readText(`/proc/${pid}/environ`) ?? "";
  } catch {
    return ""; // ended meanwhile
  }
}
