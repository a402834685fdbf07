// Which unpacked images the attempts of tasks use: noted with each attempt, so that a later agent knows it too.

import { EdgeError } from "../../domain/errors.ts";
import { join } from "../../domain/paths.ts";
import { readBootId } from "../../runtime/process-identity.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { StartRequest } from "../drivers/driver.ts";
import { attemptsDirectory, controlRoot } from "../layout.ts";
import { isAlive, readPidFile } from "../processes.ts";
import { Images } from "./image.ts";
import type { Tools } from "./tools.ts";

export interface TaskImagesParts {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  /** Of the node's data directory. */
  readonly directory: string;
  readonly tools: Tools;
  readonly settings: { readonly imageGcDelayMs: number };
}

export class TaskImages {
  readonly #parts: TaskImagesParts;
  readonly #images: Images;
  /** What attempts hold, by their control folders. */
  readonly #held = new Map<string, string>();

  constructor(parts: TaskImagesParts) {
    const { runtime, directory, tools, settings } = parts;
    this.#parts = parts;
    this.#images = new Images({
      runtime,
      directory: join(directory, "images"),
      tools,
      delayMs: settings.imageGcDelayMs,
      isInUse: (digest) => this.#livesIn(digest),
    });
  }

  /** The image's folder and that of the tools that start a task in it, held for the attempt until `release`. */
  async give(request: StartRequest, path: string, control: string): Promise<{ readonly folder: string; readonly tools: string }> {
    const finding = this.#images.find(path, request.say);
    try {
      const { folder, digest } = await unlessCancelled(request, finding);
      if (digest !== null) {
        this.#held.set(control, digest);
        this.#parts.runtime.files.makeDirectory(control);
        this.#parts.runtime.files.writeText(join(control, NOTE), digest);
      }
      return { folder, tools: await this.#images.toolsFolder() };
    } catch (error) {
      // What is unpacked stays for the next; nobody holds it.
      if (!this.#held.has(control))
        void finding.then(
          ({ digest }) => digest !== null && this.#images.uses.release(digest),
          () => undefined, // told already
        );
      throw error;
    }
  }

  /** The attempt is one of an earlier agent. Repeatable. */
  recover(control: string): void {
    const digest = this.#parts.runtime.files.readText(join(control, NOTE));
    if (digest === null || digest === "" || this.#held.has(control)) return;
    this.#held.set(control, digest);
    this.#images.uses.hold(digest);
  }

  /** Repeatable. */
  release(control: string): void {
    const digest = this.#held.get(control);
    if (digest === undefined) return;
    this.#held.delete(control);
    this.#images.uses.release(digest);
  }

  settle(): Promise<void> {
    return this.#images.settle();
  }

  stop(): void {
    this.#images.uses.stop();
  }

  // --- internal ---

  /** Looked up on the disk, right before an image goes: a task may not have been taken up yet, or by nobody. */
  #livesIn(digest: string): boolean {
    const { runtime, allocRoot } = this.#parts;
    const { files } = runtime;
    const bootId = readBootId(files);
    for (const alloc of files.list(allocRoot) ?? [])
      for (const task of files.list(controlRoot(allocRoot, alloc)) ?? [])
        for (const attempt of files.list(attemptsDirectory(allocRoot, alloc, task)) ?? []) {
          const control = join(attemptsDirectory(allocRoot, alloc, task), attempt);
          if (files.readText(join(control, NOTE)) !== digest) continue;
          const process = readPidFile(files, join(control, "pid"));
          if (process !== null && isAlive(files, bootId, process)) return true;
        }
    return false;
  }
}

// --- internal ---

const NOTE = "image";

/** A large image takes minutes: whoever stops the task meanwhile does not wait for it. */
function unlessCancelled<T>(request: StartRequest, work: Promise<T>): Promise<T> {
  const { cancelled } = request;
  return new Promise((resolve, reject) => {
    const stop = () => reject(new EdgeError("internal", "the start was called off"));
    if (cancelled.aborted) stop();
    cancelled.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => cancelled.removeEventListener("abort", stop));
  });
}
