// The Node implementation of the runtime: node:http with ws, and node:sqlite where there is one (22 and newer).

import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { WebSocket, WebSocketServer } from "ws";
import { EdgeError } from "../domain/errors.ts";
import { posixChance, posixClock, posixFiles, posixHashing, posixHost, posixProcesses, posixTerminal } from "./posix.ts";
import type { ClientSocket, HttpServer, HttpServerOptions, Runtime, ServerSocket, SocketHandlers, SqliteConnection } from "./runtime.ts";
import { refuseUndefined } from "./sqlite-values.ts";

/** `isSingleExecutable`: the program is the process itself, else a script that node runs. */
export function nodeRuntime(options: { readonly isSingleExecutable: boolean; readonly scriptPath: string }): Runtime {
  const selfCommand = options.isSingleExecutable ? [process.execPath] : [process.execPath, options.scriptPath];
  return {
    name: "node",
    version: process.versions.node,
    architecture: process.arch,
    clock: posixClock,
    chance: posixChance,
    hashing: posixHashing,
    files: posixFiles,
    processes: posixProcesses,
    network: { serve, fetch: (url, init) => fetch(url, init), connectSocket },
    host: posixHost(selfCommand, process.argv.slice(2)),
    terminal: posixTerminal,
    openSqlite: openNodeSqlite,
  };
}

// --- internal ---

const UPGRADED = Symbol("upgraded");

function serve(options: HttpServerOptions): Promise<HttpServer> {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64_000_000 });
  const listener = getRequestListener(
    (request, environment) =>
      options.fetch(limited(request, options.maxBodyBytes), {
        remoteAddress: addressOf(environment),
        upgrade: () => new Response("a WebSocket handshake was expected", { status: 400 }),
        disableIdleTimeout: () => undefined,
      }),
    { overrideGlobalObjects: false },
  );
  const server = createServer((request, response) => void listener(request, response));
  // Blocking queries and streams are silent for minutes.
  server.requestTimeout = 0;
  server.timeout = 0;
  server.on("upgrade", (incoming, socket, head) => {
    let handlers: SocketHandlers | null = null;
    const request = new Request(`http://${incoming.headers.host ?? "localhost"}${incoming.url ?? "/"}`);
    const context = {
      remoteAddress: incoming.socket.remoteAddress ?? "",
      upgrade(given: SocketHandlers) {
        handlers = given;
        return Object.assign(new Response(null), { [UPGRADED]: true });
      },
      disableIdleTimeout: () => undefined,
    };
    void Promise.resolve(options.fetch(request, context)).then((response) => {
      if (handlers === null) {
        socket.end(`HTTP/1.1 ${response.status} Refused\r\nConnection: close\r\n\r\n`);
        return;
      }
      const accepted = handlers;
      sockets.handleUpgrade(incoming, socket, head, (opened) => attach(opened, accepted));
    });
  });
  return listen(server, sockets, options);
}

function listen(server: Server, sockets: WebSocketServer, options: HttpServerOptions): Promise<HttpServer> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      if ("code" in error && error.code === "EADDRINUSE")
        reject(
          new EdgeError("busy", `port ${options.port} on ${options.host} is already in use`, {
            hint: "stop the program that listens there, or choose another port with --port",
            cause: error,
          }),
        );
      else reject(error);
    });
    server.listen(options.port, options.host, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : options.port,
        stop: async () => {
          for (const client of sockets.clients) client.terminate();
          server.closeAllConnections();
          await new Promise<void>((done) => server.close(() => done()));
        },
      });
    });
  });
}

function addressOf(environment: unknown): string {
  return (environment as { readonly incoming?: IncomingMessage }).incoming?.socket.remoteAddress ?? ""; // what @hono/node-server passes along
}

/** Refuses a body that says it is too large; one that lies is cut off by the handler's own limits. */
function limited(request: Request, maxBytes: number): Request {
  const length = Number(request.headers.get("content-length") ?? "0");
  if (length <= maxBytes) return request;
  return new Request(request.url, { method: request.method, headers: { "x-edgectl-too-large": String(length) } });
}

function attach(socket: WebSocket, handlers: SocketHandlers): void {
  const server: ServerSocket = {
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    bufferedBytes: () => socket.bufferedAmount,
  };
  socket.on("message", (data, isBinary) => handlers.message(isBinary ? new Uint8Array(data as Buffer) : String(data)));
  socket.on("close", (code, reason) => handlers.close(code, String(reason)));
  socket.on("error", () => socket.terminate());
  handlers.open(server);
}

function connectSocket(url: string, headers: Readonly<Record<string, string>>, handlers: SocketHandlers): ClientSocket {
  const socket = new WebSocket(url, { headers: { ...headers }, perMessageDeflate: false });
  const client: ClientSocket = {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    bufferedBytes: () => socket.bufferedAmount,
  };
  socket.on("open", () => handlers.open(client));
  socket.on("message", (data, isBinary) => handlers.message(isBinary ? new Uint8Array(data as Buffer) : String(data)));
  // A failed handshake emits error, then close: close is the one that counts.
  socket.on("error", () => undefined);
  socket.on("close", (code, reason) => handlers.close(code, String(reason)));
  return client;
}

async function openNodeSqlite(path: string, options: { readonly isReadOnly: boolean }): Promise<SqliteConnection> {
  const { DatabaseSync } = await import("node:sqlite").catch((error) => {
    throw new EdgeError("unsupported", `this build runs on Node ${process.versions.node}, which has no SQLite: it can be a client, not a server`, {
      hint: "start it with --client --servers URL, and run the server on another machine",
      cause: error,
    });
  });
  const database = new DatabaseSync(path, { readOnly: options.isReadOnly, enableForeignKeyConstraints: true });
  return {
    exec: (sql) => database.exec(sql),
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        run: (...params) => statement.run(...(refuseUndefined(params) as never[])),
        all: (...params) => statement.all(...(refuseUndefined(params) as never[])),
        get: (...params) => statement.get(...(refuseUndefined(params) as never[])) ?? undefined,
        values(...params) {
          const arrays = database.prepare(sql);
          arrays.setReturnArrays(true);
          return arrays.all(...(refuseUndefined(params) as never[])) as unknown as unknown[][];
        },
      };
    },
    close: () => database.close(),
  };
}
