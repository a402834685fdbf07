// Following a log over connections that break anywhere: no byte twice, none lost.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { followLog } from "../../cmd/edgectl/cli/log-follow.ts";
import { FrameReader } from "../../cmd/edgectl/cli/log-frames.ts";
import { EdgeError } from "../../internal/domain/errors.ts";
import type { Clock } from "../../internal/runtime/runtime.ts";

const clock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after: () => ({ cancel: () => undefined }),
  sleep: () => Promise.resolve(),
  yieldTurn: () => Promise.resolve(),
};

function frameOf(start: number, bytes: Uint8Array): string {
  return JSON.stringify({ Offset: start + bytes.length, Data: Buffer.from(bytes).toString("base64"), File: "t.stdout.0" });
}

test("frames are found however the network cuts them", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 }), fc.array(fc.nat(40), { maxLength: 10 }), (pieces, cuts) => {
      let at = 0;
      let text = "";
      for (const piece of pieces) {
        text += `${frameOf(at, piece)}{}`;
        at += piece.length;
      }
      const reader = new FrameReader();
      const seen: number[] = [];
      let rest = new TextEncoder().encode(text);
      for (const cut of [...cuts, text.length]) {
        for (const frame of reader.push(rest.subarray(0, cut))) seen.push(...frame.bytes);
        rest = rest.subarray(cut);
      }
      expect(seen).toEqual(pieces.flatMap((piece) => [...piece]));
    }),
  );
});

test("a log of random bytes arrives whole over connections that break at random", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.array(fc.record({ frames: fc.nat(4), size: fc.integer({ min: 1, max: 60 }), isTorn: fc.boolean() }), { maxLength: 12 }),
      async (log, connections) => {
        let opened = 0;
        const source = {
          isEnded: async () => true,
          open: async (offset: number) => {
            const plan = connections[opened++];
            return (async function* () {
              let at = offset;
              for (let frame = 0; plan === undefined || frame < plan.frames; frame++) {
                const bytes = log.subarray(at, at + (plan?.size ?? 50));
                if (bytes.length === 0) return;
                const text = frameOf(at, bytes);
                // The last frame of a breaking connection may be cut in the middle.
                const isCut = plan?.isTorn === true && frame === plan.frames - 1;
                yield new TextEncoder().encode(isCut ? text.slice(0, text.length / 2) : text);
                at += bytes.length;
              }
              throw new EdgeError("unreachable", "the connection broke");
            })();
          },
        };
        const written: number[] = [];
        await followLog({ clock, source, write: async (bytes) => void written.push(...bytes), notice: () => undefined }, 0);
        expect(written).toEqual([...log]);
      },
    ),
  );
});

test("what does not pass by itself is thrown", async () => {
  const source = { isEnded: async () => false, open: () => Promise.reject(new EdgeError("permission-denied", "no")) };
  await expect(followLog({ clock, source, write: async () => undefined, notice: () => undefined }, 0)).rejects.toThrow("no");
});

/** A source of prepared connections: each a list of [start offset, text], then its end. */
function scripted(connections: readonly (readonly (readonly [number, string])[] | EdgeError)[], ended: readonly boolean[]) {
  const asked: number[] = [];
  let looks = 0;
  const source = {
    isEnded: async () => ended[Math.min(looks++, ended.length - 1)] ?? true,
    open: async (offset: number) => {
      const connection = connections[asked.push(offset) - 1] ?? [];
      if (connection instanceof EdgeError) throw connection;
      return (async function* () {
        for (const [start, text] of connection) yield new TextEncoder().encode(frameOf(start, new TextEncoder().encode(text)));
      })();
    },
  };
  return { source, asked };
}

async function followed(script: ReturnType<typeof scripted>, offset = 0) {
  let written = "";
  const notices: string[] = [];
  await followLog(
    {
      clock,
      source: script.source,
      write: async (bytes) => {
        written += new TextDecoder().decode(bytes);
      },
      notice: (text) => void notices.push(text),
    },
    offset,
  );
  return { written, notices, asked: script.asked };
}

test("a stream that ends while its task runs is opened again at the byte it had", async () => {
  const result = await followed(scripted([[[0, "one "]], [[4, "two"]]], [false, false, true]));
  expect(result).toEqual({ written: "one two", notices: [], asked: [0, 4, 7] });
});

test("a node that is not back yet is waited for, and said once", async () => {
  const gone = new EdgeError("not-found", "Unknown allocation");
  const result = await followed(
    scripted([[[0, "one "]], gone, new EdgeError("no-path", "No path to node"), [[4, "two"]]], [false, false, false, false, true]),
  );
  expect(result.written).toBe("one two");
  expect(result.notices).toEqual(["Unknown allocation; trying on from byte 4", "connected again"]);
});

test("an allocation that is unknown from the start is an error", async () => {
  await expect(followed(scripted([new EdgeError("not-found", "Unknown allocation")], [false]))).rejects.toThrow("Unknown allocation");
});

test("bytes that come again are shown once", async () => {
  expect((await followed(scripted([[[0, "abcdef"]], [[3, "defghi"]]], [false, true]))).written).toBe("abcdefghi");
});

test("bytes that are no longer kept are counted", async () => {
  const result = await followed(scripted([[[10, "late"]]], [true]));
  expect([result.written, result.notices]).toEqual(["late", ["10 bytes are no longer kept (the log is over its limit)"]]);
});

test("a log that was cut short goes on at its new beginning", async () => {
  const result = await followed(scripted([[[0, "new"]]], [true]), 1000);
  expect([result.written, result.notices]).toEqual(["new", ["the log was cut short; what follows is its new beginning"]]);
});

test("a stream that ends with nothing is no end while the task runs", async () => {
  const result = await followed(scripted([[[0, "one "]], [], [[4, "two"]]], [false, false, false, true]));
  expect(result.written).toBe("one two");
});

test("a stream cut short after the task's end is read on", async () => {
  expect((await followed(scripted([[[0, "one "]], [[4, "two"]]], [true]))).written).toBe("one two");
});
