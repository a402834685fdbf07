// Calls of a server: what belongs to a connection that ended says nothing over the next one.

import { expect, test } from "bun:test";
import type { NodeMessage } from "../../internal/api/node-protocol.ts";
import { Calls } from "../../internal/client/calls.ts";
import type { AllocRunner } from "../../internal/runner/alloc-runner.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { createLog } from "../../internal/runtime/log.ts";

const EXEC = { method: "exec", allocId: "a", task: "t", command: ["sh"], terminal: null } as const;

test("a command that ends after its connection does not answer a call of the next one", async () => {
  const { calls, sent, ends } = someCalls();
  calls.open(1, EXEC);
  await turn();
  calls.endAll();
  calls.joined(65_536);
  calls.open(1, EXEC);
  await turn();
  ends[0]?.(7);
  await turn();
  expect(sent).toEqual([]);
  ends[1]?.(3);
  await turn();
  expect(sent).toEqual([{ kind: "reply", call: 1, result: { exitCode: 3 } }]);
});

test("what arrived of a command's input is told, also when the command is gone", async () => {
  const { calls, sent } = someCalls();
  for (let piece = 0; piece < 4; piece++) calls.hear({ kind: "data", call: 9, file: "stdin", offset: 0, bytes: new Uint8Array(8192) });
  expect(sent).toEqual([
    { kind: "arrived", bytes: 16_384 },
    { kind: "arrived", bytes: 16_384 },
  ]);
});

// --- internal ---

/** Calls on a node with one task, in which commands end when they are told to. */
function someCalls() {
  const sent: NodeMessage[] = [];
  const ends: ((code: number) => void)[] = [];
  const exec = async () => {
    const exit = new Promise<number>((resolve) => {
      ends.push(resolve);
    });
    return {
      output: (async function* () {
        await exit;
        yield { stream: "stdout", bytes: new Uint8Array() };
      })(),
      exitCode: () => exit,
      close: () => undefined,
    };
  };
  const runner = { task: () => ({ handle: { exec } }) } as unknown as AllocRunner; // what a call looks at
  const log = createLog({ clock: bunRuntime().clock, terminal: { error: () => undefined }, level: "error", format: "text" });
  const calls = new Calls({
    runtime: bunRuntime(),
    log,
    logs: log,
    allocRoot: "/nonexistent",
    send: (message) => void sent.push(message),
    runner: () => runner,
    fire: () => ({ childId: "", allocId: "" }),
    upgrades: null as never, // not asked here, as are the next three
    stats: null as never,
    garbage: () => null as never,
    own: null as never,
  });
  return { calls, sent, ends };
}

function turn(): Promise<void> {
  return new Promise((done) => setTimeout(done, 5));
}
