// The network port: what both runtimes serve, fetch and connect alike.

import assert from "node:assert/strict";
import { request as rawRequest } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { EdgeError } from "../../internal/domain/errors.ts";
import type { ClientSocket, HttpServer, RequestContext, ServerSocket } from "../../internal/runtime/runtime.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const BODY_MAX = 10_000;
const SILENCE_MS = 11_000;

interface Echo {
  readonly closed: Promise<readonly [number, string]>;
  socket: ServerSocket | null;
}

let server: HttpServer;
let lastEcho: Echo;
/** Begun first and read last, so that its silence costs no time of its own. */
let silent: Promise<string>;

before(async () => {
  server = await runtime.network.serve({ host: "127.0.0.1", port: 0, maxBodyBytes: BODY_MAX, fetch: answer });
  silent = url("/silent").then((response) => response.text());
});

after(() => server.stop());

function url(path: string, init?: RequestInit): Promise<Response> {
  return runtime.network.fetch(`http://127.0.0.1:${server.port}${path}`, init);
}

async function answer(request: Request, context: RequestContext): Promise<Response> {
  // Without a Host header the address may be a bare path.
  const { pathname, search } = new URL(request.url, "http://nowhere/");
  switch (pathname) {
    case "/echo":
      return Response.json({
        method: request.method,
        search,
        header: request.headers.get("x-test"),
        body: await request.text(),
        from: context.remoteAddress,
      });
    case "/body":
      // The error middleware's part: a body that broke off is an answer, not a crash.
      return request.text().then(
        (text) => new Response(String(text.length)),
        (error: unknown) => new Response("broke off", { status: error instanceof EdgeError && error.code === "too-large" ? 413 : 500 }),
      );
    case "/bytes":
      return new Response(new Uint8Array([0, 255, 128]), { status: 404, headers: { "x-nomad-index": "7" } });
    case "/silent":
      context.disableIdleTimeout();
      return new Response(slowly());
    case "/socket":
      return request.headers.get("x-test") === "other" ? new Response("refused", { status: 401 }) : context.upgrade(echoHandlers());
    default:
      return new Response("refused", { status: 403 });
  }
}

function slowly(): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(encoder.encode("first "));
      await runtime.clock.sleep(SILENCE_MS);
      controller.enqueue(encoder.encode("last"));
      controller.close();
    },
  });
}

function echoHandlers() {
  let close: (end: readonly [number, string]) => void = () => undefined;
  const echo: Echo = {
    socket: null,
    closed: new Promise((resolve) => {
      close = resolve;
    }),
  };
  lastEcho = echo;
  return {
    open(socket: ServerSocket) {
      echo.socket = socket;
      socket.send("hello");
    },
    message(data: string | Uint8Array) {
      echo.socket?.send(data);
    },
    close(code: number, reason: string) {
      close([code, reason]);
    },
  };
}

interface Connected {
  readonly socket: ClientSocket;
  readonly closed: Promise<readonly [number, string]>;
  next(): Promise<string | Uint8Array>;
}

function connectTo(path: string, mark = "1"): Promise<Connected> {
  const received: (string | Uint8Array)[] = [];
  const waiting: ((data: string | Uint8Array) => void)[] = [];
  return new Promise((resolve, reject) => {
    let end: (closed: readonly [number, string]) => void = () => undefined;
    const closed = new Promise<readonly [number, string]>((done) => {
      end = done;
    });
    const socket = runtime.network.connectSocket(
      `ws://127.0.0.1:${server.port}${path}`,
      { "x-test": mark },
      {
        open: () =>
          resolve({ socket, closed, next: () => new Promise((take) => (received.length > 0 ? take(received.shift() ?? "") : waiting.push(take))) }),
        message(data) {
          const take = waiting.shift();
          if (take) take(data);
          else received.push(data);
        },
        close(code, reason) {
          end([code, reason]);
          reject(new Error(`closed with ${code}`));
        },
      },
    );
  });
}

test("a request reaches the handler whole, and its answer the client", async () => {
  const response = await url("/echo?a=%2F&b", { method: "PUT", body: "käse", headers: { "x-test": "1" } });
  assert.deepEqual(await response.json(), { method: "PUT", search: "?a=%2F&b", header: "1", body: "käse", from: "127.0.0.1" });
});

test("a write whose connection breaks before the answer is not sent again, also where that connection was used before", async () => {
  const seen: string[] = [];
  const sockets: Socket[] = [];
  const flaky = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined); // the other end may be gone first
    socket.on("data", (data) => {
      const line = /^(?:GET|PUT) \S+/.exec(String(data))?.[0];
      if (line === undefined) return;
      seen.push(line);
      if (line.startsWith("PUT")) socket.destroy();
      else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  await new Promise<void>((done) => flaky.listen(0, "127.0.0.1", done));
  const address = flaky.address();
  const to = (path: string) => `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}${path}`;
  for (const path of ["/a", "/b"]) assert.equal(await (await runtime.network.fetch(to(path))).text(), "ok");
  await assert.rejects(runtime.network.fetch(to("/c"), { method: "PUT", body: "once" }));
  assert.deepEqual(seen, ["GET /a", "GET /b", "PUT /c"]);
  for (const socket of sockets) socket.destroy();
  flaky.close();
});

test("status, headers and bytes of an answer arrive as they were given", async () => {
  const response = await url("/bytes");
  assert.deepEqual([response.status, response.headers.get("x-nomad-index")], [404, "7"]);
  assert.deepEqual([...new Uint8Array(await response.arrayBuffer())], [0, 255, 128]);
});

test("a port in use is EdgeError busy with a way out", async () => {
  await assert.rejects(
    runtime.network.serve({ host: "127.0.0.1", port: server.port, maxBodyBytes: 1, fetch: answer }),
    (error: unknown) => error instanceof EdgeError && error.code === "busy" && (error.hint ?? "").includes("--port"),
  );
});

test("a server that nobody answers for is a rejected fetch", async () => {
  await assert.rejects(runtime.network.fetch("http://127.0.0.1:1/"));
});

for (const [name, bytes, status] of [
  ["at the limit is read", BODY_MAX, 200],
  ["of one byte more is refused with 413", BODY_MAX + 1, 413],
  ["far beyond it is refused with 413", 5_000_000, 413],
] as const) {
  test(`a body that declares its length ${name}`, async () => {
    assert.equal(await statusOf({ chunks: ["x".repeat(bytes)], isDeclared: true }), status);
  });

  test(`a body without a declared length ${name}`, async () => {
    const size = 1000;
    const chunks = Array.from({ length: Math.ceil(bytes / size) }, (_, at) => "x".repeat(Math.min(size, bytes - at * size)));
    assert.equal(await statusOf({ chunks, isDeclared: false }), status);
  });
}

test("after a refused body the server goes on", async () => {
  await statusOf({ chunks: ["x".repeat(BODY_MAX * 2)], isDeclared: true });
  assert.equal((await url("/bytes")).status, 404);
});

test("text and bytes go both ways over a WebSocket, in order", async () => {
  const { socket, next, closed } = await connectTo("/socket");
  assert.equal(await next(), "hello");
  assert.equal(socket.isOpen, true);
  socket.send("käse");
  socket.send(new Uint8Array([1, 0, 255]));
  socket.send("x".repeat(100_000));
  assert.equal(await next(), "käse");
  const bytes = await next();
  assert.ok(bytes instanceof Uint8Array);
  assert.deepEqual([...bytes], [1, 0, 255]);
  assert.equal(String(await next()).length, 100_000);
  socket.close(1000, "done");
  assert.deepEqual(await lastEcho.closed, [1000, "done"]);
  assert.equal((await closed)[0], 1000);
  assert.equal(socket.isOpen, false);
});

test("a close by the server tells the client its code and reason", async () => {
  const { next, closed } = await connectTo("/socket");
  await next();
  lastEcho.socket?.close(4001, "go away");
  assert.deepEqual(await closed, [4001, "go away"]);
});

test("a handshake that the handler refuses, or a plain request for a socket, opens nothing", async () => {
  await assert.rejects(connectTo("/elsewhere"));
  assert.equal((await url("/socket")).status, 400);
});

test("a handshake's headers reach the handler", async () => {
  await assert.rejects(connectTo("/socket", "other"));
});

test("a mangled handshake ends alone", async () => {
  for (const line of ["GET /socket HTTP/1.1\r\nHost: a b c\r\n", "GET //[ HTTP/1.1\r\nHost: x\r\n", "GET /socket HTTP/1.1\r\n"]) {
    const mangled = connect(server.port, "127.0.0.1");
    mangled.on("error", () => undefined);
    mangled.resume();
    mangled.write(`${line}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    await runtime.clock.sleep(30);
    mangled.resetAndDestroy();
  }
  assert.equal((await url("/bytes")).status, 404);
});

test("half a request and then nothing does not disturb others", async () => {
  const half = connect(server.port, "127.0.0.1");
  half.on("error", () => undefined);
  half.write("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  assert.equal((await url("/bytes")).status, 404);
  half.destroy();
});

test("an exchange may be silent for longer than a server's usual patience", { timeout: SILENCE_MS * 2 }, async () => {
  assert.equal(await silent, "first last");
});

test("stop ends what is open and frees the port", async () => {
  const other = await runtime.network.serve({ host: "127.0.0.1", port: 0, maxBodyBytes: BODY_MAX, fetch: answer });
  const hanging = runtime.network.fetch(`http://127.0.0.1:${other.port}/silent`).then((response) => response.text());
  const ended = assert.rejects(hanging);
  await runtime.clock.sleep(50);
  await other.stop();
  await ended;
  const again = await runtime.network.serve({ host: "127.0.0.1", port: other.port, maxBodyBytes: 1, fetch: answer });
  await again.stop();
});

// --- internal ---

/** Over node:http, which lets the test decide whether a length is declared. */
function statusOf(body: { readonly chunks: readonly string[]; readonly isDeclared: boolean }): Promise<number> {
  return new Promise((resolve, reject) => {
    const length = body.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const headers = body.isDeclared ? { "content-length": length } : { "transfer-encoding": "chunked" };
    const sent = rawRequest({ host: "127.0.0.1", port: server.port, path: "/body", method: "PUT", headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    // The answer may come, and the connection end, before all was sent.
    sent.on("error", reject);
    for (const chunk of body.chunks) sent.write(chunk);
    sent.end();
  });
}
