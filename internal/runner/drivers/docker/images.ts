// The images of a node: one pull at a time of each, who uses them, and which of those that were fetched for a task go again.

import { EdgeError, messageOf } from "../../../domain/errors.ts";
import { join } from "../../../domain/paths.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { Disuse } from "../../disuse.ts";
import { registryAuth } from "./auth.ts";
import type { DockerConfig } from "./config.ts";
import { type Engine, EngineRefusal } from "./engine.ts";
import type { DockerJson } from "./engine-json.ts";
import { type FolderPaths, insideTask } from "./files.ts";
import { loadImage, pullImage } from "./pull.ts";
import { parseReference, referenceText } from "./reference.ts";
import type { DockerSettings } from "./settings.ts";

export interface ImagesParts {
  readonly runtime: Runtime;
  readonly settings: DockerSettings;
  /** Where the list of fetched images is kept. */
  readonly directory: string;
  engine(): Engine | null;
}

export interface ImageRequest {
  readonly config: DockerConfig;
  readonly paths: FolderPaths;
  say(message: string): void;
  readonly cancelled: AbortSignal;
}

export class Images {
  readonly #parts: ImagesParts;
  readonly #pulls = new Map<string, Promise<void>>();
  /** Those that were fetched for tasks. */
  readonly uses: Disuse;

  constructor(parts: ImagesParts) {
    this.#parts = parts;
    const { settings, runtime, directory } = parts;
    this.uses = new Disuse({
      runtime,
      path: join(directory, "docker-images.json"),
      delayMs: settings.isImageGcEnabled ? settings.imageGcDelayMs : null,
      remove: (_id, reference) => this.#remove(reference),
    });
  }

  /** The id of the task's image, fetched where it must be. It is held until `release`. */
  async ensure(engine: Engine, request: ImageRequest): Promise<{ readonly id: string; readonly stopSignal: string }> {
    const { config } = request;
    const reference = parseReference(config.image);
    if (reference === null) throw new EdgeError("invalid", `"${config.image}" is no name of an image`);
    const name = referenceText(reference);
    // An image that is named by its id alone is one that the engine has.
    const lookup = /^sha256:[0-9a-f]+$/.test(config.image) ? config.image : name;
    if (config.load !== "") await this.#load(engine, request);
    let found = await inspect(engine, lookup);
    const isMoving = !reference.isDigest && reference.tag === "latest" && config.load === "";
    if (found === null || config.isPullForced || isMoving) {
      try {
        await this.#pull(engine, request, name);
        found = await inspect(engine, lookup);
        if (found) this.uses.note(found.text("Id"), name);
      } catch (error) {
        // "latest" is asked for anew each time, yet a device without its link runs what it has.
        if (found === null || config.isPullForced || request.cancelled.aborted) throw error;
        request.say(`Using the image ${name} that is here: ${messageOf(error)}`);
      }
    }
    if (found === null) throw new EdgeError("not-found", `the engine has no image ${name}${config.load === "" ? "" : " after loading the tarball"}`);
    const id = found.text("Id");
    this.uses.hold(id);
    return { id, stopSignal: found.at("Config").text("StopSignal") };
  }

  // --- internal ---

  async #load(engine: Engine, request: ImageRequest): Promise<void> {
    const { files } = this.#parts.runtime;
    const { config, paths } = request;
    const inLocal = insideTask(files, `local/${config.load}`, paths);
    const path = files.stat(inLocal)?.isFile ? inLocal : insideTask(files, config.load, paths);
    if (!files.stat(path)?.isFile) throw new EdgeError("invalid", `load: there is no file "${config.load}" in the task's folder`);
    request.say(`Loading the image from ${config.load}`);
    for (const name of await loadImage(this.#parts.runtime, engine, path, request.cancelled)) {
      const id = (await inspect(engine, name))?.text("Id") ?? "";
      if (id !== "") this.uses.note(id, name);
    }
  }

  /** Tasks that want the same image at once share one pull; it ends with the last of them. */
  async #pull(engine: Engine, request: ImageRequest, name: string): Promise<void> {
    const { runtime, settings } = this.#parts;
    const reference = parseReference(request.config.image);
    if (reference === null) return;
    let auth = "";
    try {
      const sources = { runtime, configPath: settings.authConfigPath, helper: settings.authHelper };
      auth = await withCancel(registryAuth(request.config, reference, sources), request.cancelled);
    } catch (error) {
      if (!request.config.isAuthSoft || request.cancelled.aborted) throw error;
      request.say(`Pulling without authentication: ${messageOf(error)}`);
    }
    request.say(`Downloading image ${name}`);
    const key = `${name} ${auth}`;
    const shared = this.#pulls.get(key);
    if (shared) return withCancel(shared, request.cancelled);
    const timeoutMs = request.config.pullTimeoutMs || settings.pullTimeoutMs;
    const own = { reference, timeoutMs, say: request.say, cancelled: request.cancelled };
    const pull = pullImage(runtime, engine, { ...own, auth }).catch((error) => {
      const isRefused = error instanceof EdgeError && error.code === "permission-denied";
      if (!request.config.isAuthSoft || !isRefused || auth === "") throw error;
      request.say("Pulling without authentication: the registry refused it");
      return pullImage(runtime, engine, { ...own, auth: "" });
    });
    this.#pulls.set(key, pull);
    try {
      await pull;
    } finally {
      this.#pulls.delete(key);
    }
  }

  async #remove(reference: string): Promise<"gone" | "later"> {
    const engine = this.#parts.engine();
    if (engine === null) return "later";
    try {
      // By its name first: an image that somebody tagged otherwise too is left to them.
      await engine.json("DELETE", `/images/${encodeURIComponent(reference)}`);
    } catch (error) {
      // Gone already, or in use by a container that is not ours: either way no longer our affair.
      if (!(error instanceof EngineRefusal)) return "later";
    }
    return "gone";
  }
}

// --- internal ---

async function inspect(engine: Engine, name: string): Promise<DockerJson | null> {
  try {
    return await engine.json("GET", `/images/${encodeURIComponent(name).replaceAll("%2F", "/").replaceAll("%3A", ":").replaceAll("%40", "@")}/json`);
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === 404) return null;
    throw error;
  }
}

function withCancel<T>(work: Promise<T>, cancelled: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = () => reject(new EdgeError("internal", "the task was stopped while its image was pulled"));
    cancelled.addEventListener("abort", give, { once: true });
    if (cancelled.aborted) give();
    work.then(resolve, reject);
  });
}
