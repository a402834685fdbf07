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
