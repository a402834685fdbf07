// Gets an image into the engine: from its registry, with progress in words, or from a tarball of the task's.

import { formatDuration } from "../../../domain/duration.ts";
import { EdgeError, messageOf } from "../../../domain/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { anyOf, type Engine, EngineRefusal, isUnreachable } from "./engine.ts";
import { type ImageReference, referenceText } from "./reference.ts";

export interface PullRequest {
  readonly reference: ImageReference;
  /** The X-Registry-Auth header, "" = none. */
  readonly auth: string;
  readonly timeoutMs: number;
  say(message: string): void;
  readonly cancelled: AbortSignal;
}

/** Resolves when the engine has the image. Throws with what the registry or the engine said. */
export async function pullImage(runtime: Runtime, engine: Engine, request: PullRequest): Promise<void> {
  const { reference, timeoutMs } = request;
  const name = referenceText(reference);
  const control = new AbortController();
  const timer = runtime.clock.after(
    timeoutMs,
    () =>
      control.abort(
        new EdgeError("internal", `the pull of ${name} took longer than ${formatDuration(timeoutMs)}`, {
          hint: 'raise config "image_pull_timeout" or client.docker.pull_timeout',
          isRetryable: true,
        }),
      ),
    { keepsAlive: false },
  );
  const signal = anyOf(control.signal, request.cancelled);
  const progress = new Progress(runtime, name, request.say);
  try {
    const query = `fromImage=${encodeURIComponent(reference.name)}&tag=${encodeURIComponent(reference.tag)}`;
    const lines = engine.lines(
      { method: "POST", path: `/images/create?${query}`, headers: request.auth === "" ? {} : { "x-registry-auth": request.auth } },
      signal,
    );
    for await (const line of lines) {
      const error = line.at("errorDetail").text("message") || line.text("error");
      if (error !== "") throw new EngineRefusal(500, error);
      progress.line(line.text("id"), line.text("status"), line.at("progressDetail").number("current"), line.at("progressDetail").number("total"));
    }
  } catch (error) {
    if (control.signal.aborted) throw control.signal.reason;
    if (isUnreachable(error) || !(error instanceof EngineRefusal)) throw error;
    throw pullFailure(name, error);
  } finally {
    timer.cancel();
  }
}

/** Loads a tarball as `docker save` makes them; resolves with the names it brought. */
export async function loadImage(runtime: Runtime, engine: Engine, path: string, cancelled: AbortSignal): Promise<readonly string[]> {
  const names: string[] = [];
  const request = { method: "POST", path: "/images/load?quiet=1", headers: { "content-type": "application/x-tar" }, body: pieces(runtime, path) };
  try {
    for await (const line of engine.lines(request, cancelled)) {
      const error = line.at("errorDetail").text("message") || line.text("error");
      if (error !== "") throw new EngineRefusal(500, error);
      const name = /^Loaded image(?: ID)?: (\S+)/m.exec(line.text("stream"))?.[1];
      if (name !== undefined) names.push(name);
    }
  } catch (error) {
    if (error instanceof EngineRefusal) throw new EdgeError("invalid", `load: the engine does not take ${path}: ${error.message}`);
    throw error;
  }
  if (names.length === 0) throw new EdgeError("invalid", `load: the engine found no image in ${path}`, { hint: "make it with `docker save`" });
  return names;
}

// --- internal ---

const PIECE_BYTES = 262_144;

async function* pieces(runtime: Runtime, path: string): AsyncGenerator<Uint8Array> {
  for (let offset = 0; ; ) {
    const piece = await runtime.files.readAt(path, offset, PIECE_BYTES);
    if (piece === null || piece.length === 0) return;
    yield piece;
    offset += piece.length;
  }
}

function pullFailure(name: string, error: EngineRefusal): EdgeError {
  const said = messageOf(error);
  if (/unauthorized|authentication required|denied|no basic auth|incorrect username/i.test(said))
    return new EdgeError("permission-denied", `the registry does not give this node ${name}: ${said}`, {
      hint: 'check the task\'s "auth" block, or client.docker.auth_config; the image may also not exist',
    });
  if (error.status === 404 || /not found|manifest unknown|does not exist|no such image/i.test(said))
    return new EdgeError("not-found", `there is no image ${name}: ${said}`, { hint: "check its name and tag" });
  return new EdgeError("internal", `the image ${name} could not be pulled: ${said}`, { isRetryable: true });
}

/** Sums over layers, told seldom: a task keeps few events. */
class Progress {
  readonly #runtime: Runtime;
  readonly #name: string;
  readonly #say: (message: string) => void;
  readonly #layers = new Map<string, { readonly current: number; readonly total: number }>();
  #nextAtMs: number;
  #stepMs = PROGRESS_MS_MIN;

  constructor(runtime: Runtime, name: string, say: (message: string) => void) {
    this.#runtime = runtime;
    this.#name = name;
    this.#say = say;
    this.#nextAtMs = runtime.clock.monotonicMs() + this.#stepMs;
  }

  line(id: string, status: string, current: number, total: number): void {
    if (status === "Downloading") this.#layers.set(id, { current, total });
    const nowMs = this.#runtime.clock.monotonicMs();
    if (nowMs < this.#nextAtMs) return;
    this.#stepMs = Math.min(this.#stepMs * 2, PROGRESS_MS_MAX);
    this.#nextAtMs = nowMs + this.#stepMs;
    const sum = (field: "current" | "total") => [...this.#layers.values()].reduce((bytes, layer) => bytes + layer[field], 0);
    this.#say(`Pulling ${this.#name}: ${megabytes(sum("current"))} of ${megabytes(sum("total"))} MB`);
  }
}

const PROGRESS_MS_MIN = 10_000;
const PROGRESS_MS_MAX = 120_000;

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
