// The Bun implementation of the runtime: Bun.serve, bun:sqlite and the global WebSocket.

import type { Statement } from "bun:sqlite";
import { EdgeError } from "../domain/errors.ts";
import { posixChance, posixClock, posixCompression, posixFiles, posixHashing, posixHost, posixProcesses, posixTerminal } from "./posix.ts";
import type { ClientSocket, HttpServer, HttpServerOptions, Runtime, ServerSocket, SocketHandlers, SqliteConnection } from "./runtime.ts";
import { refuseUndefined } from "./sqlite-values.ts";

export function bunRuntime(): Runtime {
  // A compiled executable sees its embedded script as argv[1]; run from source it is a path on disk.
  const isCompiled = (Bun.argv[1] ?? "").startsWith("/$bunfs/");
  const selfCommand = isCompiled ? [process.execPath] : [process.execPath, Bun.argv[1] ?? ""];
  return {
    name: "bun",
    version: Bun.version,
    architecture: process.arch,
    clock: posixClock,
    chance: posixChance,
    hashing: posixHashing,
    compression: posixCompression,
    files: posixFiles,
    processes: posixProcesses,
    network: { serve, fetch: fetchOnce, connectSocket },
    host: posixHost(selfCommand, Bun.argv.slice(2)),
    terminal: posixTerminal,
    openSqlite: openBunSqlite,
  };
}

// --- internal ---

/**
 * Bun repeats a request, a PUT too, whose kept connection breaks before the answer: a write that took effect would be
 * made again, and its second answer be told as the only one. So writes get a connection of their own.
 */
function fetchOnce(url: string, init?: RequestInit): Promise<Response> {
  const isRead = ["GET", "HEAD"].includes(init?.method ?? "GET");
  // `timeout` is Bun's own, and not in the type.
  return fetch(url, { ...init, ...(isRead ? {} : { keepalive: false }), timeout: false } as RequestInit);
}

interface SocketData {
  readonly handlers: SocketHandlers;
}

async function serve(options: HttpServerOptions): Promise<HttpServer> {
  try {
    const server = Bun.serve<SocketData>({
      hostname: options.host,
      port: options.port,
      maxRequestBodySize: options.maxBodyBytes,
      idleTimeout: 60,
      fetch(request, bunServer) {
        return options.fetch(request, {
          remoteAddress: bunServer.requestIP(request)?.address ?? "",
          upgrade(handlers) {
            const isUpgraded = bunServer.upgrade(request, { data: { handlers } });
            // Bun answers an upgraded request itself and ignores what the handler returns.
            return isUpgraded ? new Response(null) : new Response("a WebSocket handshake was expected", { status: 400 });
          },
          disableIdleTimeout: () => bunServer.timeout(request, 0),
        });
      },
      websocket: {
        idleTimeout: 0,
        sendPings: false,
        maxPayloadLength: 64_000_000,
        open: (socket) => socket.data.handlers.open(serverSocket(socket)),
        message: (socket, data) => socket.data.handlers.message(typeof data === "string" ? data : new Uint8Array(data)),
        close: (socket, code, reason) => socket.data.handlers.close(code, reason),
      },
    });
    return { port: server.port ?? options.port, stop: () => server.stop(true) };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
      throw new EdgeError("busy", `port ${options.port} on ${options.host} is already in use`, {
        hint: "stop the program that listens there, or choose another port with --port",
        cause: error,
      });
    throw error;
  }
}

function serverSocket(socket: Bun.ServerWebSocket<SocketData>): ServerSocket {
  return {
    send: (data) => void socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    bufferedBytes: () => socket.getBufferedAmount(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}

function connectSocket(url: string, headers: Readonly<Record<string, string>>, handlers: SocketHandlers): ClientSocket {
  const socket = new WebSocket(url, { headers } as never); // Bun takes headers where the DOM type has protocols
  const flow = socket as unknown as { pause(): void; resume(): void }; // Bun's own, and not in the DOM's type
  socket.binaryType = "arraybuffer";
  const client: ClientSocket = {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    send: (data) => socket.send(data as string),
    close: (code, reason) => socket.close(code, reason),
    bufferedBytes: () => socket.bufferedAmount,
    pause: () => flow.pause(),
    resume: () => flow.resume(),
  };
  socket.onopen = () => handlers.open(client);
  socket.onmessage = (event) => handlers.message(typeof event.data === "string" ? event.data : new Uint8Array(event.data));
  socket.onclose = (event) => handlers.close(event.code, event.reason);
  return client;
}

async function openBunSqlite(path: string, options: { readonly isReadOnly: boolean }): Promise<SqliteConnection> {
  const { Database } = await import("bun:sqlite");
  const database = new Database(path, options.isReadOnly ? { readonly: true } : { create: true, readwrite: true });
  // A statement that is not finalized keeps the file open past close, its WAL and locks with it. One per text is kept
  // until then: the texts are few, and collecting them finalizes them at no certain time.
  const statements = new Map<string, Statement>();
  return {
    exec: (sql) => void database.run(sql),
    prepare(sql) {
      const statement: Statement = statements.get(sql) ?? database.prepare(sql);
      statements.set(sql, statement);
      return {
        run: (...params) => statement.run(...(refuseUndefined(params) as never[])),
        all: (...params) => statement.all(...(refuseUndefined(params) as never[])),
        get: (...params) => statement.get(...(refuseUndefined(params) as never[])) ?? undefined,
        values: (...params) => statement.values(...(refuseUndefined(params) as never[])),
      };
    },
    close() {
      for (const statement of statements.values()) statement.finalize();
      statements.clear();
      database.close();
    },
  };
}
