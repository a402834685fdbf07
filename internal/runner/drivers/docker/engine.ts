// The Engine API of docker and podman over its socket: requests, errors in words, streams of JSON lines.

import { EdgeError, messageOf } from "../../../domain/errors.ts";
import { bodyText, type StreamReply, type StreamRequest, streamHttp } from "../../../runtime/stream-http.ts";
import type { StreamAddress } from "../../../runtime/stream-socket.ts";
import { type DockerJson, parseObject } from "./engine-json.ts";

export interface EngineVersion {
  readonly version: string;
  readonly apiVersion: string;
  readonly isPodman: boolean;
}

/** The engine answered and refused. */
export class EngineRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "EngineRefusal";
    this.status = status;
  }
}

export class Engine {
  readonly address: StreamAddress;
  #prefix = "";

  constructor(address: StreamAddress) {
    this.address = address;
  }

  /** Asks who answers there, and speaks that version from then on. Throws when nobody does. */
  async connect(): Promise<EngineVersion> {
    const told = await this.json("GET", "/version", undefined, { timeoutMs: CONNECT_MS_MAX, prefix: "" });
    const apiVersion = speakable(told.text("ApiVersion"), told.text("MinAPIVersion"));
    this.#prefix = apiVersion === "" ? "" : `/v${apiVersion}`;
    const components = told.list("Components").map((component) => component.text("Name"));
    return { version: told.text("Version"), apiVersion, isPodman: components.some((name) => /podman/i.test(name)) };
  }

  async json(
    method: string,
    path: string,
    body?: unknown,
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal; readonly prefix?: string } = {},
  ): Promise<DockerJson> {
    const signal = anyOf(AbortSignal.timeout(options.timeoutMs ?? ANSWER_MS_MAX), options.signal);
    const reply = await this.ask(
      { method, path, ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }) },
      signal,
      options.prefix,
    );
    return parseObject(await this.#text(reply));
  }

  /** The reply once its status is known to be a good one; its body is the caller's to read or close. */
  async ask(request: StreamRequest, signal: AbortSignal, prefix = this.#prefix): Promise<StreamReply> {
    let reply: StreamReply;
    try {
      reply = await streamHttp(this.address, { ...request, path: `${prefix}${request.path}` }, signal);
    } catch (error) {
      if (signal.aborted && signal.reason instanceof EdgeError) throw signal.reason;
      throw unreachable(this.address, error);
    }
    if (reply.status < 400) return reply;
    const text = await this.#text(reply).catch((error) => messageOf(error));
    throw new EngineRefusal(reply.status, parseObject(text).text("message") || text.trim() || `status ${reply.status}`);
  }

  /** JSON values one after another, as pulls and events send them. */
  async *lines(request: StreamRequest, signal: AbortSignal): AsyncGenerator<DockerJson> {
    const reply = await this.ask(request, signal);
    let rest = "";
    const decoder = new TextDecoder();
    try {
      for await (const piece of reply.body) {
        rest += decoder.decode(piece, { stream: true });
        const lines = rest.split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > ANSWER_BYTES_MAX) throw new EdgeError("internal", "the engine sent a line without end");
        for (const line of lines) if (line.trim() !== "") yield parseObject(line);
      }
      if (rest.trim() !== "") yield parseObject(rest);
    } finally {
      reply.close();
    }
  }

  // --- internal ---

  async #text(reply: StreamReply): Promise<string> {
    try {
      return await bodyText(reply, ANSWER_BYTES_MAX);
    } catch (error) {
      throw unreachable(this.address, error);
    }
  }
}

/** `unix:///path`, a bare path, or `tcp://host:port`; null when it is none of them. */
export function parseEndpoint(text: string): StreamAddress | null {
  const path = /^(?:unix:\/\/)?(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const [, host = "", port = ""] = /^(?:tcp|http):\/\/([^:/]+|\[[0-9a-fA-F:]+\]):(\d{1,5})\/?$/.exec(text) ?? [];
  return host === "" || Number(port) > 65_535 ? null : { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

export function addressText(address: StreamAddress): string {
  return "path" in address ? address.path : `${address.host}:${address.port}`;
}

/** True when nobody answered, as against an engine that refused. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof EdgeError && error.code === "no-path";
}

/** One signal that is aborted as soon as one of these is; Node 18 has no `AbortSignal.any`. */
export function anyOf(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const control = new AbortController();
  for (const signal of signals) {
    if (signal === undefined) continue;
    if (signal.aborted) control.abort(signal.reason);
    else signal.addEventListener("abort", () => control.abort(signal.reason), { once: true });
  }
  return control.signal;
}

// --- internal ---

const CONNECT_MS_MAX = 5000;
const ANSWER_MS_MAX = 120_000;
const ANSWER_BYTES_MAX = 16_000_000;
/** The newest version this program was written against: newer engines are asked to speak it. */
const API_VERSION = "1.43";

function unreachable(address: StreamAddress, error: unknown): EdgeError {
  return new EdgeError("no-path", `the container engine at ${addressText(address)} does not answer: ${messageOf(error)}`, {
    hint: "see whether docker or podman runs on the node",
    isRetryable: true,
    cause: error,
  });
}

function speakable(max: string, min: string): string {
  if (max === "") return "";
  if (isBelow(max, API_VERSION)) return max;
  return min !== "" && isBelow(API_VERSION, min) ? min : API_VERSION;
}

function isBelow(a: string, b: string): boolean {
  const [aMajor = 0, aMinor = 0] = a.split(".").map(Number);
  const [bMajor = 0, bMinor = 0] = b.split(".").map(Number);
  return aMajor < bMajor || (aMajor === bMajor && aMinor < bMinor);
}
