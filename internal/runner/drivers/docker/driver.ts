// docker: a task in a container of docker's or podman's, over the Engine API.

import { EdgeError, messageOf } from "../../../domain/errors.ts";
import { join } from "../../../domain/paths.ts";
import { identityOf } from "../../../runtime/process-identity.ts";
import type { Files, Runtime } from "../../../runtime/runtime.ts";
import { allocDirectory, controlDirectory, logFile, sharedDirectory, taskPaths } from "../../layout.ts";
import type { Driver, StartRequest, TaskHandle } from "../driver.ts";
import { type DockerConfig, dockerConfigOf, dockerConfigProblems } from "./config.ts";
import { containerBody, containerName, isLogCollected, LABEL } from "./container.ts";
import { DanglingContainers } from "./dangling.ts";
import { type Engine, EngineRefusal } from "./engine.ts";
import type { DockerJson } from "./engine-json.ts";
import { EngineWatch } from "./engine-watch.ts";
import type { FolderPaths } from "./files.ts";
import { containerHandle, exitOf, removeContainer } from "./handle.ts";
import { Images } from "./images.ts";
import { beginLog, LogFollower } from "./log-follower.ts";
import { type ContainerRecord, readExit, readRecord, writeRecord } from "./record.ts";
import type { DockerSettings } from "./settings.ts";

export interface DockerParts {
  readonly runtime: Runtime;
  readonly settings: DockerSettings;
  readonly allocRoot: string;
  /** The agent's own folder, for what outlives it. */
  readonly directory: string;
  readonly nodeId: string;
  readonly node: { readonly cpuMHz: number; readonly cores: number; readonly address: string };
  /** Something an operator should know. */
  warn(message: string, fields: Readonly<Record<string, string>>): void;
}

export function dockerDriver(parts: DockerParts): Driver {
  const docker = new Docker(parts);
  return {
    name: "docker",
    view: "image",
    canGiveVolumes: true,
    defaultSignal: "SIGTERM",
    start: (request) => docker.start(request),
    recover: (request) => docker.recover(request),
    watch: (changed) => docker.watch.start(changed),
    stop: () => docker.stop(),
  };
}

// --- internal ---

const ENGINE_WAIT_MS_MAX = 30_000;
/** Half a second: an agent that has just started finds the engine sooner. */
const WAITS_BEFORE_TOLD = 10;

type Place = { readonly allocId: string; readonly task: { readonly name: string }; readonly attempt: number };

class Docker {
  readonly watch: EngineWatch;
  readonly #parts: DockerParts;
  readonly #images: Images;
  readonly #dangling: DanglingContainers;
  readonly #handles = new Set<TaskHandle>();

  constructor(parts: DockerParts) {
    this.#parts = parts;
    this.watch = new EngineWatch(parts);
    this.#images = new Images({ ...parts, engine: () => this.watch.engine });
    this.#dangling = new DanglingContainers({ ...parts, watch: this.watch, images: this.#images });
  }

  /** Lets go of everything: containers run on, for the next agent to find. */
  stop(): void {
    for (const handle of [...this.#handles]) handle.release?.();
    this.watch.stop();
    this.#images.uses.stop();
    this.#dangling.stop();
  }

  async start(request: StartRequest): Promise<TaskHandle> {
    const problems = dockerConfigProblems(request.task.config);
    if (problems[0]) throw new EdgeError("invalid", problems[0].message);
    const config = dockerConfigOf(request.task.config);
    const engine = await this.#engineFor(request);
    const name = containerName(request.allocId, request.task.name);
    const release = this.#dangling.expect(name);
    try {
      const image = await this.#images.ensure(engine, { ...request, config, paths: this.#pathsOf(request) });
      try {
        return await this.#run({ engine, request, config, name, image });
      } catch (error) {
        this.#images.uses.release(image.id);
        throw error;
      }
    } finally {
      release();
    }
  }

  async recover(place: Place): Promise<TaskHandle | null> {
    const { files } = this.#parts.runtime;
    const control = this.#controlOf(place);
    const record = readRecord(files, control);
    if (record === null) return null;
    const exit = readExit(files, control);
    // It ended, and the agent was killed before it could say so.
    if (exit !== null) return endedHandle(record.started?.atMs ?? this.#parts.runtime.clock.nowMs(), exit);
    if (record.started !== null) {
      this.#images.uses.hold(record.started.imageId);
      return this.#handleOf(place, { ...record, started: record.started });
    }
    return this.#settle(place, record);
  }

  // --- internal ---

  /** After a boot the agent may be there before the engine is. */
  async #engineFor(request: StartRequest): Promise<Engine> {
    const { clock } = this.#parts.runtime;
    const deadlineMs = clock.monotonicMs() + ENGINE_WAIT_MS_MAX;
    for (let waits = 0; this.watch.engine === null; waits++) {
      if (request.cancelled.aborted || clock.monotonicMs() > deadlineMs)
        throw new EdgeError("no-path", `no container engine answers on this node: ${this.watch.trouble}`, { isRetryable: true });
      if (waits === WAITS_BEFORE_TOLD) request.say("Waiting for the container engine");
      await clock.sleep(50);
    }
    return this.watch.engine;
  }

  async #run(context: {
    readonly engine: Engine;
    readonly request: StartRequest;
    readonly config: DockerConfig;
    readonly name: string;
    readonly image: { readonly id: string; readonly stopSignal: string };
  }): Promise<TaskHandle> {
    const { engine, request, config, name, image } = context;
    const { runtime, settings } = this.#parts;
    const paths = this.#pathsOf(request);
    const parts = { request, config, settings, paths, imageId: image.id, node: this.#parts.node, isPodman: this.watch.isPodman };
    const body = containerBody(parts, runtime.files);
    const control = this.#controlOf(request);
    runtime.files.makeDirectory(control);
    openFolders(runtime.files, paths);
    beginLog(runtime, control, this.#targetsOf(request));
    // Known before it is made: an agent that takes over looks for it by this name.
    writeRecord(runtime.files, control, { name, id: "", started: null });
    const id = await this.#create(engine, name, body, request);
    writeRecord(runtime.files, control, { name, id, started: null });
    try {
      if (request.cancelled.aborted) throw new EdgeError("internal", "the task was stopped before its container started");
      await engine.json("POST", `/containers/${id}/start`);
    } catch (error) {
      await removeContainer(engine, id);
      throw inWords(error, "the container could not be started");
    }
    const seen = await engine.json("GET", `/containers/${id}/json`);
    const isCollected = isLogCollected(config, request.task.logs.disabled);
    const record = this.#note(control, { name, id, started: null }, seen, isCollected ? "follow" : "leave");
    return this.#handleOf(request, record);
  }

  async #create(engine: Engine, name: string, body: Readonly<Record<string, unknown>>, request: StartRequest): Promise<string> {
    const make = () => engine.json("POST", `/containers/create?name=${encodeURIComponent(name)}`, body);
    let made: DockerJson;
    try {
      made = await make().catch(async (error) => {
        // Podman has no status of its own for it.
        if (!(error instanceof EngineRefusal) || !(error.status === 409 || /name .* in use/.test(error.message))) throw error;
        await this.#makeRoom(engine, name, error);
        return make();
      });
    } catch (error) {
      throw inWords(error, "the engine refused the container");
    }
    for (const warning of made.texts("Warnings")) request.say(warning);
    return made.text("Id");
  }

  /** An earlier attempt of this very task may still hold its name; a container of anybody else is not touched. */
  async #makeRoom(engine: Engine, name: string, conflict: EngineRefusal): Promise<void> {
    const other = await engine.json("GET", `/containers/${encodeURIComponent(name)}/json`).catch(() => null);
    if (other === null) return;
    if (other.at("Config").at("Labels").text(LABEL.nodeId) !== this.#parts.nodeId) throw conflict;
    await removeContainer(engine, other.text("Id"));
  }

  /** Made, perhaps started, but not noted as such: only the engine knows, so it is waited for. */
  async #settle(place: Place, record: ContainerRecord): Promise<TaskHandle | null> {
    const engine = await this.watch.untilEngine();
    if (engine === null) return null;
    const control = this.#controlOf(place);
    let seen: DockerJson;
    try {
      seen = await engine.json("GET", `/containers/${encodeURIComponent(record.id || record.name)}/json`);
    } catch (error) {
      if (error instanceof EngineRefusal) return null; // it was never made
      return this.#settle(place, record);
    }
    const labels = seen.at("Config").at("Labels");
    if (labels.text(LABEL.nodeId) !== this.#parts.nodeId || labels.text(LABEL.attempt) !== String(place.attempt)) return null;
    const hasStarted = exitOf(seen.at("State")) === null || !seen.at("State").text("StartedAt").startsWith("0001-");
    if (!hasStarted) {
      await removeContainer(engine, seen.text("Id"));
      return null;
    }
    const type = seen.at("HostConfig").at("LogConfig").text("Type");
    const isCollected = type === "json-file" || type === "k8s-file";
    const noted = this.#note(control, { ...record, id: seen.text("Id") }, seen, isCollected ? "follow" : "leave");
    this.#images.uses.hold(noted.started.imageId);
    return this.#handleOf(place, noted);
  }

  #note(control: string, record: ContainerRecord, seen: DockerJson, output: "follow" | "leave") {
    const { runtime } = this.#parts;
    const pid = seen.at("State").number("Pid");
    const started = {
      atMs: runtime.clock.nowMs(),
      imageId: seen.text("Image"),
      stopSignal: seen.at("Config").text("StopSignal"),
      logPath: output === "follow" ? seen.text("LogPath") || seen.at("HostConfig").at("LogConfig").text("Path") : "",
      process: pid > 0 ? identityOf(runtime.files, pid) : null,
    };
    const noted = { ...record, started };
    writeRecord(runtime.files, control, noted);
    return noted;
  }

  #handleOf(place: Place, record: ContainerRecord & { readonly started: NonNullable<ContainerRecord["started"]> }): TaskHandle {
    const { runtime, settings } = this.#parts;
    const control = this.#controlOf(place);
    const { logPath, imageId } = record.started;
    const warn = (message: string) => this.#parts.warn(message, { alloc: place.allocId, task: place.task.name });
    const follower =
      logPath === ""
        ? null
        : new LogFollower({
            runtime,
            control,
            source: logPath,
            targets: this.#targetsOf(place),
            trouble: warn,
          });
    const release = this.#dangling.expect(record.name);
    const handle: TaskHandle = containerHandle({
      runtime,
      watch: this.watch,
      control,
      record,
      follower,
      isRemoved: settings.isContainerGcEnabled,
      warn,
      ended: () => {
        release();
        this.#images.uses.release(imageId);
        this.#handles.delete(handle);
      },
    });
    this.#handles.add(handle);
    return handle;
  }

  #controlOf(place: Place): string {
    return controlDirectory(this.#parts.allocRoot, place.allocId, place.task.name, place.attempt);
  }

  #targetsOf(place: Place) {
    const path = (stream: "stdout" | "stderr") => logFile(this.#parts.allocRoot, place.allocId, place.task.name, stream);
    return { stdout: path("stdout"), stderr: path("stderr") };
  }

  #pathsOf(place: Place): FolderPaths {
    const { allocRoot } = this.#parts;
    const { task, local, secrets } = taskPaths(allocRoot, place.allocId, place.task.name);
    return { alloc: allocDirectory(allocRoot, place.allocId), shared: sharedDirectory(allocRoot, place.allocId), task, local, secrets };
  }
}

/** Which user an image runs as is known to nobody outside: whoever it is writes into its own folder and the shared ones. */
function openFolders(files: Files, paths: FolderPaths): void {
  for (const path of [paths.local, join(paths.shared, "data"), join(paths.shared, "tmp")])
    if (files.lstat(path)?.isDirectory) files.chmod(path, 0o1777);
}

function endedHandle(startedAtMs: number, exit: Awaited<TaskHandle["exited"]>): TaskHandle {
  return { startedAtMs, exited: Promise.resolve(exit), signal: () => false, kill: async () => undefined, usage: () => null };
}

function inWords(error: unknown, what: string): unknown {
  if (!(error instanceof EngineRefusal)) return error;
  return new EdgeError("internal", `${what}: ${messageOf(error)}`, { cause: error });
}
