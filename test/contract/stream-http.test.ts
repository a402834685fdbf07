// HTTP over a socket file or a port: bodies of every kind arrive whole, and what is cut short is never taken for whole.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { bodyText, type StreamRequest, streamHttp } from "../../internal/runtime/stream-http.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();

/** Answers one connection with these pieces, a turn apart, and keeps what it was sent. */
async function answered<T>(
  pieces: readonly string[],
  use: (ask: (request?: Partial<StreamRequest>, signal?: AbortSignal) => ReturnType<typeof streamHttp>, heard: () => string) => Promise<T>,
  options: { readonly isHeldOpen?: boolean } = {},
): Promise<T> {
  return withFolder(runtime, async (folder) => {
    let heard = "";
    const sockets: Socket[] = [];
    const server = createServer(async (socket) => {
      sockets.push(socket);
      socket.on("data", (data) => {
        heard += data.toString("latin1");
      });
      socket.on("error", () => undefined);
      for (const piece of pieces) {
        socket.write(piece, "latin1");
        await runtime.clock.sleep(2);
      }
      if (!options.isHeldOpen) socket.end();
    });
    const path = join(folder, "s.sock");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      return await use(
        (request, signal) => streamHttp({ path }, { method: "GET", path: "/x", ...request }, signal ?? AbortSignal.timeout(5000)),
        () => heard,
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });
}

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

const whole: readonly (readonly [string, readonly string[], string])[] = [
  ["of a stated length", [`${OK}Content-Length: 5\r\n\r\nhello`], "hello"],
  ["of a stated length, in pieces", [OK, "Content-Length: 5\r", "\n\r\nhe", "l", "lo"], "hello"],
  ["longer than stated, which is no part of it", [`${OK}Content-Length: 5\r\n\r\nhello and more`], "hello"],
  ["in chunks", [CHUNKED, "5\r\nhello\r\n", "6\r\n world\r\n0\r\n\r\n"], "hello world"],
  ["in chunks cut anywhere", [CHUNKED, "5", "\r", "\nhel", "lo", "\r\n1\r\n", "!", "\r", "\n0\r\n", "\r\n"], "hello!"],
  ["until the connection ends", [`${OK}\r\nuntil`, " the end"], "until the end"],
  ["of a status that has none", ["HTTP/1.1 204 No Content\r\n\r\n"], ""],
];
for (const [name, pieces, want] of whole)
  test(`a body ${name}`, () =>
    answered(pieces, async (ask) => {
      assert.equal(await bodyText(await ask(), 1000), want);
    }));

const broken: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["shorter than stated", [`${OK}Content-Length: 50\r\n\r\nhello`], /before its answer was complete/],
  ["whose chunks end early", [CHUNKED, "5\r\nhello\r\n"], /before its answer was complete/],
  ["whose chunk is cut", [CHUNKED, "50\r\nhello"], /before its answer was complete/],
  ["whose chunk has no length", [CHUNKED, "zz\r\nhello\r\n"], /how long it is/],
  ["of something else", ["SSH-2.0-OpenSSH_9.2\r\n\r\n"], /does not speak HTTP/],
  ["that never came", [], /before its answer was complete/],
  ["whose head has no end", [`${OK}X: ${"x".repeat(70_000)}`], /too long a line/],
  ["longer than the caller takes", [`${OK}\r\n${"x".repeat(2000)}`], /longer than 1000 bytes/],
];
for (const [name, pieces, want] of broken)
  test(`an answer ${name} is refused`, () =>
    answered(pieces, async (ask) => {
      await assert.rejects(async () => bodyText(await ask(), 1000), want);
    }));

test("pieces arrive as they come, and closing ends the reader", () =>
  answered(
    [CHUNKED, "6\r\nfirst\n\r\n"],
    async (ask) => {
      const reply = await ask();
      const seen: string[] = [];
      for await (const piece of reply.body) {
        seen.push(Buffer.from(piece).toString());
        reply.close();
      }
      assert.deepEqual(seen, ["first\n"]);
    },
    { isHeldOpen: true },
  ));

test("the signal ends an exchange whose body says nothing", () =>
  answered(
    [CHUNKED],
    async (ask) => {
      const control = new AbortController();
      const reply = await ask({}, control.signal);
      setTimeout(() => control.abort(), 20);
      await assert.rejects(() => bodyText(reply, 1000), /took too long/);
    },
    { isHeldOpen: true },
  ));

test("a body of pieces is sent whole, and a text with its length", () =>
  answered([`${OK}Content-Length: 0\r\n\r\n`], async (ask, heard) => {
    async function* pieces() {
      yield Buffer.from("one ");
      yield Buffer.from("");
      yield Buffer.alloc(100_000, "x");
    }
    await bodyText(await ask({ method: "POST", body: pieces() }), 10);
    const deadline = Date.now() + 3000;
    while (!heard().endsWith("0\r\n\r\n") && Date.now() < deadline) await runtime.clock.sleep(5);
    assert.match(heard(), /transfer-encoding: chunked\r\n/);
    assert.ok(heard().includes(`\r\n4\r\none \r\n${(100_000).toString(16)}\r\nxxx`));
    assert.ok(heard().endsWith("xxx\r\n0\r\n\r\n"));
  }));

test("after 101 both sides write as they like", () =>
  answered(
    ["HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n", "hi"],
    async (ask, heard) => {
      const reply = await ask({ method: "POST", headers: { connection: "Upgrade", upgrade: "tcp" } });
      assert.equal(reply.status, 101);
      reply.write(Buffer.from("typed"));
      for await (const piece of reply.body) {
        assert.equal(Buffer.from(piece).toString(), "hi");
        break;
      }
      assert.ok(heard().includes("POST /x"));
    },
    { isHeldOpen: true },
  ));

test("a path with a line break is refused, and so is a socket that is not there", async () => {
  await answered([`${OK}Content-Length: 0\r\n\r\n`], async (ask) => {
    await assert.rejects(async () => bodyText(await ask({ path: "/x HTTP/1.1\r\nEvil: 1" }), 10));
  });
  await assert.rejects(() => streamHttp({ path: "/nowhere/s.sock" }, { method: "GET", path: "/" }, AbortSignal.timeout(5000)), { code: "ENOENT" });
});
