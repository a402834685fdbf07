// A container that runs, or ran: how the agent learns of its end, and ends it. It outlives the agent and the engine's
// own restarts as far as the engine lets it; what nobody can tell is reported as unknown, never as success.

import type { Exit } from "../../../device/restart.ts";
import { EdgeError, messageOf } from "../../../domain/errors.ts";
import { livenessOf } from "../../../runtime/process-identity.ts";
import type { Runtime, Timer } from "../../../runtime/runtime.ts";
import type { ExecRequest, TaskHandle } from "../driver.ts";
import { type Engine, EngineRefusal } from "./engine.ts";
import type { DockerJson } from "./engine-json.ts";
import type { EngineWatch } from "./engine-watch.ts";
import { execInContainer } from "./exec.ts";
import type { LogFollower } from "./log-follower.ts";
import { type ContainerRecord, writeExit } from "./record.ts";
import { containerUsage } from "./usage.ts";

export interface HandleParts {
  readonly runtime: Runtime;
  readonly watch: EngineWatch;
  readonly control: string;
  readonly record: ContainerRecord & { readonly started: NonNullable<ContainerRecord["started"]> };
  readonly follower: LogFollower | null;
  readonly isRemoved: boolean;
  warn(message: string): void;
  /** Called once it has ended and its files are in order. */
  ended(): void;
}

export function containerHandle(parts: HandleParts): TaskHandle {
  const { record, watch, runtime } = parts;
  const waiting = new ContainerWait(parts);
  parts.follower?.start();
  const exited = waiting.exit.then((exit) => finish(parts, exit));
  return {
    startedAtMs: record.started.atMs,
    exited,
    stopSignal: record.started.stopSignal,
    signal(name) {
      if (waiting.isOver) return false;
      void post(watch.engine, `/containers/${record.id}/kill?signal=${encodeURIComponent(name)}`).catch(() => signalProcess(parts, name));
      return true;
    },
    async kill() {
      if (waiting.isOver) return;
      await post(watch.engine, `/containers/${record.id}/kill?signal=SIGKILL`).catch(() => signalProcess(parts, "SIGKILL"));
      waiting.look();
    },
    usage: () => (record.started.process === null || waiting.isOver ? null : containerUsage(runtime.files, record.started.process.pid)),
    exec: (request: ExecRequest) => execIn(watch.engine, record.id, request),
    release() {
      waiting.release();
      parts.follower?.release();
    },
  };
}

// --- internal ---

const GONE_POLL_MS = 1000;
/** How long the engine may take to come back and say how a container ended that is seen to be gone. */
const GONE_MS_MAX = 30_000;

/** Asks the engine whenever there is reason to, and looks at the process itself while there is no engine. */
class ContainerWait {
  readonly exit: Promise<Exit>;
  isOver = false;
  readonly #parts: HandleParts;
  readonly #forget: () => void;
  #resolve: (exit: Exit) => void = () => undefined;
  #timer: Timer | null = null;
  #goneSinceMs = 0;
  #isLooking = false;
  #isLookDue = false;

  constructor(parts: HandleParts) {
    this.#parts = parts;
    this.exit = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#forget = parts.watch.onContainer(parts.record.id, (why) => (why === "gone" ? this.#pollProcess() : this.look()));
    if (parts.watch.engine === null) this.#pollProcess();
    this.look();
  }

  look(): void {
    if (this.#isLooking) {
      this.#isLookDue = true;
      return;
    }
    this.#isLooking = true;
    void this.#ask().finally(() => {
      this.#isLooking = false;
      if (this.#isLookDue && !this.isOver) {
        this.#isLookDue = false;
        this.look();
      }
    });
  }

  release(): void {
    this.#timer?.cancel();
    this.#forget();
  }

  async #ask(): Promise<void> {
    const engine = this.#parts.watch.engine;
    if (engine === null || this.isOver) return;
    try {
      const exit = exitOf((await engine.json("GET", `/containers/${this.#parts.record.id}/json`)).at("State"));
      if (exit !== null) this.#over(exit);
    } catch (error) {
      // Somebody else removed it: how it ended nobody knows.
      if (error instanceof EngineRefusal && error.status === 404) this.#over({ code: null, signal: 0, isOom: false });
      else this.#pollProcess();
    }
  }

  /** While the engine does not answer. */
  #pollProcess(): void {
    this.#timer?.cancel();
    const { runtime, record, watch } = this.#parts;
    this.#timer = runtime.clock.after(
      GONE_POLL_MS,
      () => {
        if (this.isOver) return;
        if (watch.engine !== null) return this.look();
        const nowMs = runtime.clock.monotonicMs();
        const { process } = record.started;
        if (process === null || livenessOf(runtime.files, process) !== "gone") this.#goneSinceMs = 0;
        else if (this.#goneSinceMs === 0) this.#goneSinceMs = nowMs;
        else if (nowMs - this.#goneSinceMs > GONE_MS_MAX) return this.#over({ code: null, signal: 0, isOom: false });
        this.#pollProcess();
      },
      { keepsAlive: false },
    );
  }

  #over(exit: Exit): void {
    if (this.isOver) return;
    this.isOver = true;
    this.release();
    this.#resolve(exit);
  }
}

/** Null while it runs. */
export function exitOf(state: DockerJson): Exit | null {
  if (state.bool("Running") || state.bool("Paused") || state.bool("Restarting")) return null;
  const code = state.number("ExitCode");
  const signal = code > 128 && code <= 192 ? code - 128 : 0;
  // The engine also marks a container whose child was killed for memory and that lived on.
  return { code, signal, isOom: state.bool("OOMKilled") && signal === 9 };
}

async function finish(parts: HandleParts, exit: Exit): Promise<Exit> {
  const { runtime, control, record, watch } = parts;
  try {
    await parts.follower?.finish();
    writeExit(runtime.files, control, exit);
  } catch (error) {
    // A full disk, or a folder that was removed with its stray allocation: the end is told all the same.
    parts.warn(`the output of a container that ended could not be kept: ${messageOf(error)}`);
  }
  if (parts.isRemoved) await removeContainer(watch.engine, record.id);
  parts.ended();
  return exit;
}

/** Whatever keeps it from going now, the look for dangling containers comes back to it. */
export async function removeContainer(engine: Engine | null, id: string): Promise<void> {
  await engine?.json("DELETE", `/containers/${id}?force=1&v=1`).catch(() => undefined);
}

async function post(engine: Engine | null, path: string): Promise<void> {
  if (engine === null) throw new EdgeError("no-path", "the container engine does not answer");
  await engine.json("POST", path);
}

/** The way that is left without an engine; only ever the very process that was started. */
function signalProcess(parts: HandleParts, name: string): void {
  const { process } = parts.record.started;
  if (process !== null && livenessOf(parts.runtime.files, process) === "alive") parts.runtime.processes.signal(process.pid, name);
}

async function execIn(engine: Engine | null, id: string, request: ExecRequest) {
  if (engine === null) throw new EdgeError("no-path", "the container engine does not answer");
  return execInContainer(engine, id, request);
}
