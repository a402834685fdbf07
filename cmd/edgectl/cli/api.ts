// The HTTP API as commands use it: JSON reads and writes, raw streams, and errors a person can act on.

import { EdgeError, type ErrorCode, messageOf } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { ClientSocket, Runtime, SocketHandlers } from "../../../internal/runtime/runtime.ts";
import { type Connection, DEFAULT_ADDRESS } from "./global-options.ts";

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface Reply<T> {
  readonly body: T;
  /** To block on: 0 where the answer has none. */
  readonly index: number;
  /** "" = there is no next page. */
  readonly nextToken: string;
}

export interface RawReply {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface Api {
  readonly connection: Connection;
  get<T>(path: string, query?: Query): Promise<T>;
  /** The read with its index, for a blocking query. */
  read<T>(path: string, query?: Query): Promise<Reply<T>>;
  put<T>(path: string, body?: unknown, query?: Query): Promise<T>;
  delete<T>(path: string, query?: Query, body?: unknown): Promise<T>;
  /** An answer as it is, for bodies that are no JSON. */
  raw(method: "GET" | "PUT", path: string, more?: { readonly query?: Query; readonly body?: Uint8Array }): Promise<RawReply>;
  /** The bytes of an answer as they come. */
  stream(path: string, query: Query, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Both ends speak. A socket that closes before it is open was refused: `get` of the same says why. */
  socket(path: string, query: Query, handlers: SocketHandlers): ClientSocket;
}

export function createApi(runtime: Runtime, connection: Connection): Api {
  const notice = noticeOnce(runtime);
  let isAlone = false;
  const send = async (method: string, path: string, query: Query, more: RequestInit = {}) => {
    const sent = { method, path, query: isAlone && method === "GET" ? { ...query, device: true } : query, more };
    const response = await request(runtime, connection, sent);
    const isOwn = notice(response);
    // Each further question would wait for a leader first.
    isAlone = isAlone || isOwn;
    return response;
  };
  const read: typeof send = (method, path, query) => {
    const wasAlone = isAlone;
    return send(method, path, query).catch(async (error: unknown) => {
      if (wasAlone || !(await isAnsweredByNode(runtime, connection, { method, path, query, more: {} }, error))) throw error;
      isAlone = true;
      return send(method, path, query);
    });
  };
  const write: typeof send = (method, path, query, more) => untilLed(runtime, () => send(method, path, query, more));
  const json = async <T>(reply: Promise<Response>): Promise<Reply<T>> => {
    const response = await reply;
    const text = await readText(connection, response);
    return {
      body: parseBody(text, connection) as T, // the wire's shape is the server's promise
      index: Number(response.headers.get("X-Nomad-Index") ?? 0) || 0,
      nextToken: response.headers.get("X-Nomad-NextToken") ?? "",
    };
  };
  return {
    connection,
    get: async <T>(path: string, query: Query = {}) => (await json<T>(read("GET", path, query))).body,
    read: (path, query = {}) => json(read("GET", path, query)),
    put: async <T>(path: string, body: unknown = {}, query: Query = {}) =>
      (await json<T>(write("PUT", path, query, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }))).body,
    delete: async <T>(path: string, query: Query = {}, body?: unknown) =>
      (await json<T>(write("DELETE", path, query, body === undefined ? {} : { body: JSON.stringify(body) }))).body,
    async raw(method, path, { query = {}, body } = {}) {
      const sent = body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }; // read from a file, never shared memory
      const response = await (method === "PUT" ? write : send)(method, path, query, sent);
      return { headers: response.headers, body: await readBytes(connection, response) };
    },
    async stream(path, query, signal) {
      const response = await send("GET", path, query, signal ? { signal } : {});
      return chunksOf(response, connection);
    },
    socket(path, query, handlers) {
      const headers: Record<string, string> = connection.token === "" ? {} : { "X-Nomad-Token": connection.token };
      return runtime.network.connectSocket(urlOf(connection, path, query).replace(/^http/, "ws"), headers, handlers);
    },
  };
}

/** One part of a path: ids hold slashes and spaces. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}

// --- internal ---

/** While servers change over, a write that nobody took is sent again: "no leader" says that nothing was written. */
async function untilLed(runtime: Runtime, send: () => Promise<Response>): Promise<Response> {
  const { clock, terminal } = runtime;
  const deadlineMs = clock.monotonicMs() + LIMITS.writeRetryMsMax;
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof EdgeError) || error.code !== "no-leader" || clock.monotonicMs() >= deadlineMs) throw error;
      if (isFirst) terminal.error("no server leads right now: trying again for up to 5 s\n");
      await clock.sleep(WRITE_RETRY_PAUSE_MS);
    }
  }
}

const WRITE_RETRY_PAUSE_MS = 250;

/** Whether no server leads, and the node of the agent that was asked answers instead, if it has one. */
async function isAnsweredByNode(runtime: Runtime, connection: Connection, sent: Sent, error: unknown): Promise<boolean> {
  if (!(error instanceof EdgeError) || error.code !== "no-leader") return false;
  const own = await request(runtime, connection, { ...sent, query: { ...sent.query, device: true } }).catch(() => null);
  await own?.body?.cancel();
  return own?.headers.has(DEVICE_VIEW_HEADER) === true;
}

const DEVICE_VIEW_HEADER = "X-Edgectl-Device-View";

/** Says once, beside what the command shows, that it is a device's own view. Whether it is one. */
function noticeOnce(runtime: Runtime): (response: Response) => boolean {
  let isTold = false;
  return (response) => {
    const text = response.headers.get(DEVICE_VIEW_HEADER);
    if (text === null) return false;
    if (!isTold) runtime.terminal.error(`${decodeHint(text)}\n`);
    isTold = true;
    return true;
  };
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query: Query;
  readonly more: RequestInit;
}

async function request(runtime: Runtime, connection: Connection, sent: Sent): Promise<Response> {
  const url = urlOf(connection, sent.path, sent.query);
  const headers = new Headers(sent.more.headers);
  if (connection.token !== "") headers.set("X-Nomad-Token", connection.token);
  const init = { ...sent.more, method: sent.method, headers, ...tlsOf(runtime, connection) };
  let response: Response;
  try {
    response = await runtime.network.fetch(url, init);
  } catch (error) {
    if (sent.more.signal?.aborted) throw error;
    throw unreachableAgent(connection, error);
  }
  if (response.status === 200) return response;
  throw await errorOf(response, sent);
}

function urlOf(connection: Connection, path: string, query: Query): string {
  return `${connection.address}${path}${queryText({ region: connection.region, namespace: connection.namespace, ...query })}`;
}

/** Bun takes certificates with the request; Node's fetch has no place for them. */
function tlsOf(runtime: Runtime, connection: Connection): object {
  if (Object.keys(connection.tls).length === 0) return {};
  if (runtime.name !== "node") return { tls: connection.tls };
  throw new EdgeError("unsupported", "certificates cannot be given to this build, which runs on Node", {
    hint: "trust the CA by NODE_EXTRA_CA_CERTS=FILE",
  });
}

function queryText(query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    const values = typeof value === "object" ? value : [value];
    for (const one of values) if (one !== undefined && one !== "" && one !== false) params.append(name, String(one));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

function unreachableAgent(connection: Connection, cause: unknown): EdgeError {
  const { address, addressFrom } = connection;
  const hint =
    address === DEFAULT_ADDRESS
      ? "start one with `edgectl agent --dev`, or name another by EDGECTL_ADDR or --address"
      : `the address is from ${addressFrom}; is the agent running there? (here: \`edgectl agent --dev\`, elsewhere: EDGECTL_ADDR or --address)`;
  return new EdgeError("unreachable", `no agent answers at ${address}`, { hint, cause, isRetryable: true });
}

/** Errors are plain text; our own servers add a code and a hint. */
async function errorOf(response: Response, sent: Sent): Promise<EdgeError> {
  const body = (await response.text().catch(messageOf)).trim();
  const hint = decodeHint(response.headers.get("X-Edgectl-Hint"));
  const code = response.headers.get("X-Edgectl-Code");
  const message = body === "" ? `${sent.method} ${sent.path} was answered with status ${response.status}` : body;
  return new EdgeError(isCode(code) ? code : codeOfStatus(response.status), message, hint === "" ? {} : { hint });
}

function decodeHint(header: string | null): string {
  try {
    return decodeURIComponent(header ?? "");
  } catch {
    return header ?? ""; // not encoded: shown as it came
  }
}

const CODES: readonly ErrorCode[] = [
  "invalid",
  "invalid-job",
  "not-found",
  "conflict",
  "permission-denied",
  "method-not-allowed",
  "too-large",
  "no-leader",
  "no-path",
  "outcome-unknown",
  "store-full",
  "store-corrupt",
  "busy",
  "unsupported",
  "internal",
];

function isCode(text: string | null): text is ErrorCode {
  return CODES.some((code) => code === text);
}

function codeOfStatus(status: number): ErrorCode {
  const known: Readonly<Record<number, ErrorCode>> = {
    400: "invalid",
    403: "permission-denied",
    404: "not-found",
    405: "method-not-allowed",
    409: "conflict",
    413: "too-large",
    429: "busy",
    501: "unsupported",
  };
  return known[status] ?? "internal";
}

async function readText(connection: Connection, response: Response): Promise<string> {
  return new TextDecoder().decode(await readBytes(connection, response));
}

async function readBytes(connection: Connection, response: Response): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new EdgeError("unreachable", `the connection to ${connection.address} broke`, { cause: error, isRetryable: true });
  }
}

function parseBody(text: string, connection: Connection): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EdgeError("internal", `what answers at ${connection.address} is no edgectl agent: its answer is not JSON`, { cause: error });
  }
}

async function* chunksOf(response: Response, connection: Connection): AsyncIterable<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw new EdgeError("unreachable", `the connection to ${connection.address} broke`, { cause: error, isRetryable: true });
  } finally {
    reader.cancel().catch(() => undefined); // it may be broken already: there is nothing left to read either way
  }
}
