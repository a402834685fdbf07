// The Node implementation of the runtime: node:http with ws, and node:sqlite where there is one (22 and newer).

import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { WebSocket as Socket, WebSocketServer } from "ws";
import { EdgeError } from "../domain/errors.ts";
import { posixChance, posixClock, posixCompression, posixFiles, posixHashing, posixHost, posixProcesses, posixTerminal } from "./posix.ts";
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
    compression: posixCompression,
    files: posixFiles,
    processes: posixProcesses,
    network: { serve, fetch: (url, init) => fetch(url, init), connectSocket },
    host: posixHost(selfCommand, process.argv.slice(2)),
    terminal: posixTerminal,
    openSqlite: openNodeSqlite,
  };
}

// --- internal ---

function serve(options: HttpServerOptions): Promise<HttpServer> {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64_000_000 });
  const listener = getRequestListener(
    (request, environment) => {
      const bounded = boundBody(request, options.maxBodyBytes);
      if (bounded === null) return new Response(null, { status: 413, headers: { connection: "close" } });
      return options.fetch(bounded, {
        remoteAddress: addressOf(environment),
        upgrade: () => new Response("a WebSocket handshake was expected", { status: 400 }),
        disableIdleTimeout: () => undefined,
      });
    },
    { overrideGlobalObjects: false },
  );
  const server = createServer((request, response) => void listener(request, response));
  // Blocking queries and streams are silent for minutes.
  server.requestTimeout = 0;
  server.timeout = 0;
  server.on("upgrade", (incoming, socket, head) => {
    let handlers: SocketHandlers | null = null;
    const context = {
      remoteAddress: incoming.socket.remoteAddress ?? "",
      upgrade(given: SocketHandlers) {
        handlers = given;
        return new Response(null);
      },
      disableIdleTimeout: () => undefined,
    };
    // Until it is a WebSocket nobody else listens: an unheard error would end the process.
    const drop = () => void socket.destroy();
    socket.on("error", drop);
    const request = handshakeOf(incoming);
    if (request === null) return void socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    void Promise.resolve(options.fetch(request, context)).then(async (response) => {
      if (handlers === null) {
        const text = await response.text();
        const lines = [...response.headers].filter(([name]) => name !== "content-length").map(([name, value]) => `${name}: ${value}\r\n`);
        const length = `Content-Length: ${Buffer.byteLength(text)}\r\n`;
        socket.end(`HTTP/1.1 ${response.status} Refused\r\n${lines.join("")}${length}Connection: close\r\n\r\n${text}`);
        return;
      }
      const accepted = handlers;
      sockets.handleUpgrade(incoming, socket, head, (opened) => {
        socket.off("error", drop);
        attach(opened, accepted);
      });
    }, drop);
  });
  return listen(server, sockets, options);
}

/** The handshake as a request; null where its address is none. */
function handshakeOf(incoming: IncomingMessage): Request | null {
  try {
    const request = new Request(`http://${incoming.headers.host ?? "localhost"}${incoming.url ?? "/"}`);
    for (const [name, value] of Object.entries(incoming.headers)) if (typeof value === "string") request.headers.set(name, value);
    return request;
  } catch {
    // A mangled Host, path or header: whoever sent it is told so, and nobody else.
    return null;
  }
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

/** Null when the body says that it is too large; one that does not say breaks off with `too-large` for whoever reads it. */
function boundBody(request: Request, maxBytes: number): Request | null {
  const declared = request.headers.get("content-length");
  if (declared !== null) return Number(declared) <= maxBytes ? request : null;
  if (request.headers.get("transfer-encoding") === null || request.body === null) return request;
  let bytes = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes <= maxBytes) controller.enqueue(chunk);
      else controller.error(new EdgeError("too-large", `the request body is larger than ${maxBytes} bytes`));
    },
  });
  const body = { body: request.body.pipeThrough(counted), duplex: "half" };
  return new Request(request.url, { method: request.method, headers: request.headers, signal: request.signal, ...body } as RequestInit);
}

function attach(socket: Socket, handlers: SocketHandlers): void {
  const server: ServerSocket = {
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    bufferedBytes: () => socket.bufferedAmount,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
  socket.on("message", (data, isBinary) => handlers.message(isBinary ? new Uint8Array(data as Buffer) : String(data)));
  socket.on("close", (code, reason) => handlers.close(code, String(reason)));
  socket.on("error", () => socket.terminate());
  handlers.open(server);
}

function connectSocket(url: string, headers: Readonly<Record<string, string>>, handlers: SocketHandlers): ClientSocket {
  const socket = new Socket(url, { headers: { ...headers }, perMessageDeflate: false });
  const client: ClientSocket = {
    get isOpen() {
      return socket.readyState === Socket.OPEN;
    },
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    bufferedBytes: () => socket.bufferedAmount,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
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
