// One connection to one host, from the socket to a checked greeting. It is never reconnected: whoever holds it sees it
// die, so no statement is ever sent twice behind anyone's back.

import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { askStream, openStream, type Socket, secureStream } from "../../runtime/stream-socket.ts";
import { describeFailure } from "./postgres-failure.ts";
import type { PostgresHost, PostgresTarget } from "./postgres-url.ts";
import { hostTitle } from "./postgres-url.ts";

export interface OpenClient {
  readonly database: PostgresJsDatabase;
  /** `host:port`, for messages. */
  readonly host: string;
  readonly isClosed: boolean;
  /** How long a statement may take from now on. */
  answerMs: number;
  /** Commits of which the server said that they did not reach the standbys they should have reached. */
  readonly unreplicated: number;
  /** A statement as text, prepared on the server so that the next time is one round trip. Resolves with the number of rows. */
  runPrepared(text: string, params: readonly unknown[]): Promise<number>;
  /** At once; what is under way fails. */
  destroy(): void;
  end(): Promise<void>;
}

export interface ClientParts {
  readonly runtime: Runtime;
  readonly target: PostgresTarget;
  /** What the connection is for, as the server's list of connections shows it. */
  readonly purpose: string;
  onNotify?(payload: string): void;
  onClose(): void;
}

/** Throws EdgeError: `config` where trying again is of no use, `unreachable` where it may help. */
export async function openClient(parts: ClientParts, host: PostgresHost): Promise<OpenClient> {
  const { runtime, target } = parts;
  const abort = new AbortController();
  const timer = runtime.clock.after(LIMITS.storeConnectMsMax, () => abort.abort());
  let client: OpenClient | null = null;
  abort.signal.addEventListener("abort", () => client?.destroy());
  try {
    const socket = await openSocket(parts, host, abort.signal);
    client = clientOver(socket, parts, host);
    await greet(client, target);
    return client;
  } catch (error) {
    client?.destroy();
    if (abort.signal.aborted)
      throw new EdgeError("unreachable", `PostgreSQL at ${hostTitle(host)} did not answer within ${LIMITS.storeConnectMsMax} ms`, {
        hint: "check that the host is up and reachable from here, and how loaded it is",
        isRetryable: true,
        cause: error,
      });
    throw describeFailure(error, { target, host: hostTitle(host) });
  } finally {
    timer.cancel();
  }
}

// --- internal ---

/** What a client sends to ask for TLS; the server answers with one letter. */
const TLS_REQUEST = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);
const YES = 83;

async function openSocket(parts: ClientParts, host: PostgresHost, signal: AbortSignal): Promise<Socket> {
  const { tls } = parts.target;
  if (host.host.startsWith("/")) return openStream({ path: `${host.host}/.s.PGSQL.${host.port}` }, signal);
  const certificates = readCertificates(parts);
  const socket = await openStream(host, signal);
  if (tls === "disable") return socket;
  const [answer] = await askStream(socket, TLS_REQUEST, signal);
  if (answer === YES) {
    const isVerified = tls === "verify-full";
    return secureStream(socket, { host: host.host, isVerified, certificates }, signal).catch((error) => {
      throw isVerified && !signal.aborted ? untrusted(host, error) : error;
    });
  }
  if (tls === "prefer") return socket;
  socket.destroy();
  throw new EdgeError("config", `PostgreSQL at ${hostTitle(host)} speaks no TLS, and sslmode=${tls} asks for it`, {
    hint: "set ssl = on in its postgresql.conf, or use sslmode=disable in a network that is trusted",
  });
}

function readCertificates({ runtime, target }: ClientParts): string | null {
  if (target.rootCertificates === "" || target.rootCertificates === "system") return null;
  const text = runtime.files.readText(target.rootCertificates);
  if (text !== null) return text;
  throw new EdgeError("config", `the file of root certificates ${target.rootCertificates} does not exist`, {
    hint: "check sslrootcert in the store's URL",
  });
}

function untrusted(host: PostgresHost, error: unknown): EdgeError {
  const said = error instanceof Error ? error.message : String(error);
  return new EdgeError("config", `the certificate of PostgreSQL at ${hostTitle(host)} is not to be trusted: ${said}`, {
    hint: "give the certificate of the authority that signed it as sslrootcert, and connect by the name that stands in it",
    cause: error,
  });
}

function clientOver(socket: Socket, parts: ClientParts, host: PostgresHost): OpenClient {
  const { runtime, target, purpose } = parts;
  const state = {
    isClosed: false,
    isUsed: false,
    answerMs: LIMITS.storeConnectMsMax,
    unreplicated: 0,
    /** What to do when the connection closes, for each statement that waits: the library forgets some of them. */
    waiting: new Set<(error: Error) => void>(),
  };
  const close = () => {
    state.isClosed = true;
    for (const fail of [...state.waiting]) fail(closedError());
  };
  const options = {
    host: host.host,
    port: host.port,
    user: target.user,
    password: target.password,
    database: target.database,
    ssl: false,
    max: 1,
    fetch_types: false,
    idle_timeout: 0,
    connect_timeout: 0,
    max_lifetime: null,
    keep_alive: 10,
    socket: () => {
      // The library would connect anew: see the head of this file.
      if (state.isUsed) throw closedError();
      state.isUsed = true;
      return socket;
    },
    onnotice: (notice: { readonly routine?: string }) => {
      // An administrator cancelled the wait for a standby: the server then answers as if all were well.
      if (notice.routine === "SyncRepWaitForLSN") state.unreplicated += 1;
    },
    onnotify: (_channel: string, payload: string) => parts.onNotify?.(payload),
    onclose: () => {
      const wasClosed = state.isClosed;
      close();
      if (!wasClosed) parts.onClose();
    },
    connection: settingsOf(purpose),
  };
  const client = postgres(options as postgres.Options<Record<string, never>>); // `socket` and `onnotify` are missing in its types
  const guard = guardOf(runtime, { state, title: hostTitle(host), destroy: () => socket.destroy() });
  const guarded = guardedClient(client, guard);
  return {
    database: drizzle(guarded as postgres.Sql), // the members that drizzle's session calls
    host: hostTitle(host),
    get isClosed() {
      return state.isClosed;
    },
    get answerMs() {
      return state.answerMs;
    },
    set answerMs(ms) {
      state.answerMs = ms;
    },
    get unreplicated() {
      return state.unreplicated;
    },
    runPrepared: async (text, params) => (await guard(() => client.unsafe(text, params as never[], { prepare: true }))).length, // numbers and texts
    destroy: () => {
      close();
      socket.destroy();
    },
    end: async () => {
      close();
      await client.end({ timeout: 1 });
      socket.destroy();
    },
  };
}

/** What the session is asked to be, whatever the server's defaults are. */
function settingsOf(purpose: string) {
  return {
    application_name: `edgectl ${purpose}`,
    // An acknowledged commit is on disk, and on the synchronous standbys where there are any.
    synchronous_commit: "on",
    // The fence relies on seeing a row that another transaction has just changed.
    default_transaction_isolation: "read committed",
    // Below our own patience, so that the server says what became of the statement.
    lock_timeout: LIMITS.storeBusyMsMax,
    statement_timeout: LIMITS.storeAnswerMsMax - 1000,
    idle_in_transaction_session_timeout: LIMITS.storeIdleTransactionMsMax,
  };
}

type Guard = <T>(send: () => PromiseLike<T>) => Promise<T>;

interface Guarded {
  readonly state: { readonly isClosed: boolean; readonly answerMs: number; readonly waiting: Set<(error: Error) => void> };
  readonly title: string;
  destroy(): void;
}

/** Sends on a living connection only, and gives the connection up when no answer comes. */
function guardOf(runtime: Runtime, { state, title, destroy }: Guarded): Guard {
  return async (send) => {
    if (state.isClosed) throw closedError();
    const { answerMs, waiting } = state;
    let giveUp: (error: Error) => void = () => undefined;
    const unanswered = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    waiting.add(giveUp);
    const timer = runtime.clock.after(answerMs, () => {
      giveUp(
        new EdgeError("unreachable", `PostgreSQL at ${title} did not answer within ${answerMs} ms`, {
          hint: "look at its load, its disk and its synchronous standbys",
          isRetryable: true,
        }),
      );
      destroy();
    });
    try {
      return await Promise.race([send(), unanswered]);
    } finally {
      timer.cancel();
      waiting.delete(giveUp);
    }
  };
}

function closedError(): Error {
  return Object.assign(new Error("the connection is closed"), { code: "CONNECTION_CLOSED" });
}

/** As much of the client as drizzle's session calls; a statement is sent when it is awaited. */
function guardedClient(client: postgres.Sql, guard: Guard) {
  const unsafe = (text: string, params?: never[], options?: postgres.UnsafeQueryOptions) => {
    const query = () => client.unsafe(text, params, options);
    return {
      // biome-ignore lint/suspicious/noThenProperty: the library's own queries are such lazy promises
      then: (resolve: (value: unknown) => unknown, reject: (error: unknown) => unknown) => guard(query).then(resolve, reject),
      values: () => guard(() => query().values()),
    };
  };
  return { options: client.options, unsafe };
}

async function greet(client: OpenClient, target: PostgresTarget): Promise<void> {
  const [facts] = await client.database.execute<{ standby: string; encoding: string }>(
    "SELECT current_setting('transaction_read_only') AS standby, current_setting('server_encoding') AS encoding",
  );
  if (facts?.standby !== "off") throw Object.assign(new Error("read-only"), { code: "25006" });
  if (facts.encoding !== "UTF8")
    throw new EdgeError("config", `database "${target.database}" at ${client.host} holds text as ${facts.encoding}, not UTF8`, {
      hint: `create one that does: createdb -E UTF8 -T template0 -O ${target.user} NAME`,
    });
}
