// A node is asked only what it says it knows, and a command's input goes no further than its window.

import { expect, test } from "bun:test";
import { FIRST_CALLS, KNOWN_CALLS, type ServerMessage } from "../../internal/api/node-protocol.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { NodeCommand } from "../../internal/server/node-command.ts";
import { NodeSession } from "../../internal/server/node-session.ts";

const EXEC = { method: "exec", allocId: "a", task: "t", command: ["sh"], terminal: null } as const;

test("a node of an earlier version is not asked what it does not know, and the caller hears which it is", async () => {
  const { session, sent } = aSession(FIRST_CALLS);
  await expect(session.call(EXEC)).rejects.toThrow(/node n runs a version of edgectl that does not know "exec"/);
  expect(sent).toEqual([]);
});

test("a command's input waits for its window, and goes on as it is taken", async () => {
  const { session, sent } = aSession(KNOWN_CALLS);
  const command = new NodeCommand(session, EXEC);
  const output = command.output.next();
  const written = command.write(new Uint8Array(LIMITS.streamCreditBytes + 100));
  const bytes = () => sent.reduce((sum, message) => sum + (message.kind === "data" ? message.bytes.length : 0), 0);
  await new Promise((done) => setTimeout(done));
  expect(bytes()).toBe(LIMITS.streamCreditBytes);
  expect(sent.every((message) => message.kind !== "data" || message.bytes.length <= LIMITS.frameBytesMax)).toBe(true);
  session.handle({ kind: "input-credit", call: 1, bytes: 200 });
  await written;
  expect(bytes()).toBe(LIMITS.streamCreditBytes + 100);
  session.handle({ kind: "reply", call: 1, result: { exitCode: 5 } });
  expect((await output).done).toBe(true);
  expect(command.result?.exitCode).toBe(5);
});

test("when its reader leaves, the node is told, and nobody waits for the window", async () => {
  const { session, sent } = aSession(KNOWN_CALLS);
  const command = new NodeCommand(session, EXEC);
  const output = command.output.next();
  const written = command.write(new Uint8Array(LIMITS.streamCreditBytes * 2));
  command.stop();
  await Promise.all([written, output]);
  expect(sent.at(-1)).toEqual({ kind: "cancel", call: 1 });
});

test("a node that sends more than its reader has room for is cut off, and no more of it is kept than that", async () => {
  const { session, sent } = aSession(KNOWN_CALLS);
  const stream = session.stream({ method: "file-read", allocId: "a", path: "/x", offset: 0, limit: -1 }, new AbortController().signal);
  const first = stream.next();
  const bytes = new Uint8Array(LIMITS.frameBytesMax);
  for (let piece = 0; piece < 100; piece++) session.handle({ kind: "data", call: 1, file: "x", offset: piece * bytes.length, bytes });
  let pieces = (await first).done ? 0 : 1;
  const rest = async () => {
    for await (const _chunk of stream) pieces += 1;
  };
  await expect(rest()).rejects.toThrow("node n sent more than its reader has room for");
  expect(pieces).toBe((2 * LIMITS.streamCreditBytes) / LIMITS.frameBytesMax);
  expect(sent.at(-1)).toEqual({ kind: "cancel", call: 1 });
});

test("an answer in pieces is joined; one that is no JSON, or beyond all measure, is an error of that call alone", async () => {
  const { session, sent } = aSession(KNOWN_CALLS);
  const bytes = new TextEncoder().encode(JSON.stringify({ files: ["a", "b"] }));
  const whole = session.call({ method: "host-stats" });
  expect(sent).toEqual([{ kind: "call", call: 1, request: { method: "host-stats" }, takesPieces: true }]);
  for (const at of [0, 5])
    session.handle({ kind: "data", call: 1, file: "", offset: at, bytes: at === 0 ? bytes.subarray(0, 5) : bytes.subarray(5) });
  session.handle({ kind: "reply-end", call: 1 });
  expect(await whole).toEqual({ files: ["a", "b"] });
  const broken = session.call({ method: "host-stats" });
  session.handle({ kind: "data", call: 2, file: "", offset: 0, bytes: bytes.subarray(0, 5) });
  session.handle({ kind: "reply-end", call: 2 });
  await expect(broken).rejects.toThrow("node n cannot be understood: its answer is no JSON");
  const endless = session.call({ method: "host-stats" });
  const piece = new Uint8Array(LIMITS.nodeMessageBytesMax / 4);
  for (let at = 0; at < 5; at++) session.handle({ kind: "data", call: 3, file: "", offset: 0, bytes: piece });
  await expect(endless).rejects.toThrow("nodeMessageBytesMax");
  expect(sent.at(-1)).toEqual({ kind: "cancel", call: 3 });
});

// --- internal ---

function aSession(knownCalls: readonly string[]): { readonly session: NodeSession; readonly sent: ServerMessage[] } {
  const sent: ServerMessage[] = [];
  const transport = {
    send: (message: ServerMessage) => void sent.push(message),
    close: () => undefined,
    bufferedBytes: () => 0,
    onMessage: () => undefined,
    onClose: () => undefined,
  };
  const session = new NodeSession({
    nodeId: "n",
    processId: "p",
    incarnation: 1,
    machineId: "m",
    transport,
    nowMs: 0,
    heartbeatTtlMs: 1000,
    knownCalls,
    linkWindowBytes: null,
  });
  return { session, sent };
}
