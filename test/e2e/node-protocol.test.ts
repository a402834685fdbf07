// The node connection between programs of different versions: a scripted node against the real server, a scripted server
// against the real node.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { inPlace, root, until } from "./place.ts";

const MINUTE = 60_000;
// biome-ignore lint/suspicious/noExplicitAny: a message as it came
type Message = any;
const FIRST: Message = JSON.parse(readFileSync(`${root}/test/fixtures/hello-1.json`, "utf8"));

test(
  "a server takes nodes of the first version and later ones, skips what it does not know, and refuses by name what it cannot speak",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const first = await dial(server.port);
      first.say(FIRST);
      await until("a welcome and the first order", () => first.heard.length >= 2);
      expect(first.heard[0]).toMatchObject({ kind: "welcome", protocol: 1 });
      expect(first.heard[1]).toMatchObject({ kind: "desired", isFull: true });
      const standing = async () => (await place.get(`/v1/node/${FIRST.node.id}`)).Status;
      expect(await standing()).toBe("ready");

      const laterNode = { ...FIRST.node, id: FIRST.node.id.replace("6f6e", "7777"), name: "later", machineId: "later", shape: { of: "later" } };
      const later = await dial(server.port);
      later.say({ ...FIRST, protocol: 9, protocolMin: 1, node: laterNode, calls: ["logs", "of-later"], linkWindowBytes: 65_536, more: 1 });
      await until("a welcome in the common version", () => later.heard[0]?.kind === "welcome");
      expect(later.heard[0].protocol).toBe(1);
      for (let round = 0; round < 3; round++) {
        later.say({ kind: "of-later", round });
        later.sayBytes(laterFrame());
      }
      later.say({ kind: "arrived", bytes: "many" });
      later.say({ kind: "heartbeat" });
      await until("an answer to its heartbeat", () => later.heard.some((message) => message.kind === "heartbeat-ack"));
      expect(server.log.match(/a node said what this version does not know.*/g)).toEqual([
        expect.stringContaining("kind=of-later"),
        expect.stringContaining("kind=binary-of-later"),
      ]);

      const newest = await dial(server.port);
      newest.say({ ...FIRST, protocol: 9, protocolMin: 7, node: { ...laterNode, version: "8.1.0" } });
      await until("a refusal", () => newest.heard.length > 0);
      expect(newest.heard[0]).toMatchObject({ kind: "refused", code: "unsupported", hint: "upgrade edgectl on the servers, then on the nodes" });
      expect(newest.heard[0].message).toMatch(/^the server \(edgectl \S+\) speaks node protocol 1, the node \(edgectl 8\.1\.0\) 7 to 9$/);
      await until("the connection to end", newest.isClosed);

      // What is no hello at all ends its own connection alone.
      const broken = [
        '{"kind":"hello"}',
        '{"kind":"hello","protocol":1}',
        '{"kind":"hello","protocol":1,"node":7}',
        "{",
        "[]",
        '{"kind":"heartbeat"}',
      ];
      for (const text of broken) {
        const one = await dial(server.port);
        one.sayText(text);
        await until(`the connection of ${text} to end`, one.isClosed);
      }
      expect([await standing(), first.isClosed(), later.isClosed()]).toEqual(["ready", false, false]);
    }),
  MINUTE,
);

test(
  "a node goes on with a server that says what it does not know, and says whom to upgrade where it is refused",
  () =>
    inPlace(async (place) => {
      const script = scriptedServer();
      place.onClose(script.stop);
      const flags = ["--client", "--servers", `http://127.0.0.1:${script.port}`, "--name", "alone"];
      const node = await place.start({ name: "node", flags, isExpectedToFail: true });
      await until("its hello", () => script.heard.some((message) => message.kind === "hello"));
      expect(script.heard[0]).toMatchObject({ protocol: 1, protocolMin: 1 });

      script.say({ kind: "refused", code: "unsupported", message: "the server speaks 4", hint: "upgrade edgectl on the node", isFinal: false });
      script.hangUp();
      await until("the reason in its log", () => node.log.includes("refused this node: the server speaks 4 (upgrade edgectl on the node)"));
      await until("it to come again", () => script.heard.filter((message) => message.kind === "hello").length === 2);
      script.say({ ...WELCOME, protocol: 4 });
      await until("the reason in its log", () => node.log.includes("the server speaks node protocol 4, this node 1 to 1"));

      await until("it to come a third time", () => script.heard.filter((message) => message.kind === "hello").length === 3, 30_000);
      script.sayText("{");
      await until("it to hang up on what is no message", () => script.openCount() === 0);
      await until("it to come a fourth time", () => script.heard.filter((message) => message.kind === "hello").length === 4, 30_000);
      script.say({ kind: "before-welcome" });
      script.say(WELCOME);
      script.say({ kind: "of-later" });
      script.say({ kind: "of-later" });
      script.sayBytes(laterFrame());
      script.say({ kind: "call", call: 1, request: { method: "of-later" } });
      script.say({ kind: "call", call: 2, request: { method: "host-stats" } });
      await until("an answer to each call", () => script.heard.filter((message) => "call" in message).length === 2);
      expect(script.heard.filter((message) => "call" in message)).toEqual([
        expect.objectContaining({ kind: "call-failed", call: 1, code: "unsupported", message: expect.stringContaining('does not know "of-later"') }),
        expect.objectContaining({ kind: "reply", call: 2 }),
      ]);
      expect(node.log.match(/the server said what this version does not know.*/g)).toEqual([
        expect.stringContaining("kind=before-welcome"),
        expect.stringContaining("kind=of-later"),
        expect.stringContaining("kind=binary-of-later"),
      ]);
      expect(node.process.exitCode).toBeNull();
    }),
  2 * MINUTE,
);

// --- internal ---

const WELCOME = { kind: "welcome", protocol: 1, clusterId: "c", epoch: 1, incarnation: 1, heartbeatTtlMs: 10_000, serverTimeMs: 0 };

/** A binary frame with a kind of its own. */
function laterFrame(): Uint8Array {
  const header = new TextEncoder().encode('{"kind":"binary-of-later","call":1}');
  const frame = new Uint8Array(4 + header.length + 3);
  new DataView(frame.buffer).setUint32(0, header.length);
  frame.set(header, 4);
  return frame;
}

interface Spoken {
  readonly heard: Message[];
  say(message: Message): void;
  sayText(text: string): void;
  sayBytes(bytes: Uint8Array): void;
  isClosed(): boolean;
}

function dial(port: number): Promise<Spoken> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/node/connect`);
  const heard: Message[] = [];
  socket.onmessage = (event) => void heard.push(JSON.parse(String(event.data)));
  const spoken = {
    heard,
    say: (message: Message) => socket.send(JSON.stringify(message)),
    sayText: (text: string) => socket.send(text),
    sayBytes: (bytes: Uint8Array) => socket.send(new Uint8Array(bytes)),
    isClosed: () => socket.readyState === WebSocket.CLOSED,
  };
  return new Promise((done, failed) => {
    socket.onopen = () => done(spoken);
    socket.onerror = () => failed(new Error("the server does not answer"));
  });
}

function scriptedServer() {
  const heard: Message[] = [];
  const open = new Set<Bun.ServerWebSocket<unknown>>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("", { status: 404 })),
    websocket: {
      open: (socket) => void open.add(socket),
      message: (_socket, data) => void heard.push(JSON.parse(String(data))),
      close: (socket) => void open.delete(socket),
    },
  });
  const each = (work: (socket: Bun.ServerWebSocket<unknown>) => void) => {
    for (const socket of open) work(socket);
  };
  return {
    port: server.port,
    heard,
    openCount: () => open.size,
    say: (message: Message) => each((socket) => void socket.send(JSON.stringify(message))),
    sayText: (text: string) => each((socket) => void socket.send(text)),
    sayBytes: (bytes: Uint8Array) => each((socket) => void socket.send(bytes)),
    hangUp: () => each((socket) => socket.close()),
    stop: () => void server.stop(true),
  };
}
