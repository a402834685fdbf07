// A program that comes to a node in pieces: over connections that end, packed and not, and when it is not wanted.

import { afterAll, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { UpgradeHeld } from "../../internal/api/node-protocol.ts";
import { type UpgradeCall, type UpgradePort, UpgradeReceiver } from "../../internal/client/upgrade-receiver.ts";
import { messageOf } from "../../internal/domain/errors.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";

const runtime = bunRuntime();
const folder = runtime.files.temporaryDirectory("edgectl-receiver-");
afterAll(() => runtime.files.removeTree(folder));
beforeEach(() => runtime.files.removeTree(`${folder}/upgrade`));

const content = Buffer.from(Array.from({ length: 150_000 }, (_, at) => at % 251));
const sha256 = createHash("sha256").update(content).digest("hex");
const offer: UpgradeCall = { method: "upgrade-offer", sha256, sizeBytes: content.length };
const apply: UpgradeCall = { method: "upgrade-apply", id: "roll-out", sha256, signature: "", isForced: false, healthyWithinMs: 1, healthyForMs: 1 };

const applied: Buffer[] = [];
const port: UpgradePort = {
  status: (id) => (id === "known" ? { state: "healthy", reason: "" } : null),
  apply: async (file) => {
    applied.push(Buffer.from(runtime.files.readBytes(file) ?? []));
    return { state: "prepared", reason: "" };
  },
};
const receiver = () => new UpgradeReceiver(runtime, `${folder}/upgrade`, port);

const pieceAt = (offset: number, packing: "none" | "gzip"): UpgradeCall => {
  const bytes = content.subarray(offset, offset + LIMITS.upgradePieceBytes);
  return { method: "upgrade-piece", sha256, offset, packing, data: Buffer.from(packing === "gzip" ? gzipSync(bytes) : bytes).toString("base64") };
};

const refusal = (call: UpgradeCall, of = receiver()) => of.answer(call).then(() => "", messageOf);

test("what came before a connection, or the agent, ended is not sent again, and the whole is what was sent", async () => {
  const first = receiver();
  expect(((await first.answer(offer)) as UpgradeHeld).offset).toBe(0);
  await first.answer(pieceAt(0, "none"));
  const again = receiver();
  let { offset } = (await again.answer(offer)) as UpgradeHeld;
  expect(offset).toBe(LIMITS.upgradePieceBytes);
  while (offset < content.length) ({ offset } = (await again.answer(pieceAt(offset, "gzip"))) as UpgradeHeld);
  expect(await again.answer(apply)).toEqual({ state: "prepared", reason: "" });
  expect(applied.at(-1)?.equals(content)).toBe(true);
  expect(runtime.files.list(`${folder}/upgrade`)).toEqual([]);
});

test("a piece that does not follow the last, or unpacks to more than one, is not taken", async () => {
  const held = receiver();
  await held.answer(offer);
  await held.answer(pieceAt(0, "none"));
  expect(await refusal(pieceAt(0, "none"), held)).toContain(`holds ${LIMITS.upgradePieceBytes} bytes`);
  const bomb = gzipSync(Buffer.alloc(LIMITS.upgradePieceBytes * 100)).toString("base64");
  expect(await refusal({ method: "upgrade-piece", sha256, offset: LIMITS.upgradePieceBytes, packing: "gzip", data: bomb }, held)).not.toBe("");
  expect(((await held.answer(offer)) as UpgradeHeld).offset).toBe(LIMITS.upgradePieceBytes);
});

test("another program makes the one before go", async () => {
  const held = receiver();
  await held.answer(offer);
  await held.answer(pieceAt(0, "none"));
  await held.answer({ method: "upgrade-offer", sha256: "0".repeat(64), sizeBytes: 1 });
  expect(runtime.files.list(`${folder}/upgrade`)).toEqual([]);
});

test("what names no sum, is too large, or has no room is refused; a node that does not allow it refuses all", async () => {
  expect(await refusal({ method: "upgrade-offer", sha256: "../../../etc/passwd", sizeBytes: 1 })).toContain("is no SHA-256");
  expect(await refusal({ method: "upgrade-offer", sha256, sizeBytes: LIMITS.upgradeProgramBytesMax + 1 })).toContain("upgradeProgramBytesMax");
  const full = {
    ...runtime,
    files: { ...runtime.files, diskSpace: () => ({ totalBytes: 10, usedBytes: 0, freeBytes: 10, inodes: 0, freeInodes: 0 }) },
  };
  expect(await refusal(offer, new UpgradeReceiver(full, `${folder}/upgrade`, port))).toContain("are free");
  for (const call of [offer, apply, pieceAt(0, "none"), { method: "upgrade-status", id: "known" } as const])
    expect(await refusal(call, new UpgradeReceiver(runtime, `${folder}/upgrade`, null))).toContain("does not let servers upgrade it");
  expect(await receiver().answer({ method: "upgrade-status", id: "known" })).toEqual({ state: "healthy", reason: "" });
  expect(await receiver().answer({ method: "upgrade-status", id: "other" })).toBeNull();
});
