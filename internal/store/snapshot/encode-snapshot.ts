// A snapshot's file: a gzipped tar of meta.json, state.bin (a line for each row) and SHA256SUMS, as Nomad's tools expect an
// archive to be, and a seal over all of it. Rows are packed block by block: unpacked, they are never together in memory.

import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Row, TableName } from "../../domain/tables.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { rowTextOnce } from "../../state/row-text.ts";
import type { HeldRows } from "../../state/table.ts";
import { hexOf, sealOf } from "./seal.ts";
import { encodeHeader, type SnapshotHeader } from "./snapshot-header.ts";
import { tarEnd, tarHeader, tarPadding } from "./tar.ts";

export interface SnapshotSource {
  readonly header: Omit<SnapshotHeader, "counts">;
  /** Rows, or the JSON text of those that are kept as text. */
  readonly tables: ReadonlyMap<TableName, HeldRows<Row>>;
}

export interface SnapshotFile {
  readonly header: SnapshotHeader;
  readonly bytes: Uint8Array;
  /** The digest of the whole file. */
  readonly sha256: Uint8Array;
}

/** Works in slices: a server goes on meanwhile. Throws `too-large`. */
export async function encodeSnapshot(runtime: SnapshotMachine, source: SnapshotSource): Promise<SnapshotFile> {
  const { hashing, compression } = runtime;
  const counts = new Map([...source.tables].map(([table, rows]) => [table, rows.length] as const));
  const header: SnapshotHeader = { ...source.header, counts };
  const state = await packRows(runtime, source);
  const meta = new TextEncoder().encode(encodeHeader(header, state.size));
  const metaSum = hashing.newSha256();
  metaSum.update(meta);
  const sums = new TextEncoder().encode(`${hexOf(metaSum.digest())}  meta.json\n${hexOf(state.sum)}  state.bin\n`);
  const headerOf = (name: string, size: number) => tarHeader({ name, size, modifiedAtMs: header.madeAtMs });
  const head = joined([headerOf("meta.json", meta.length), meta, tarPadding(meta.length), headerOf("state.bin", state.size)]);
  const tail = joined([tarPadding(state.size), headerOf("SHA256SUMS", sums.length), sums, tarPadding(sums.length), tarEnd()]);
  const pieces = [await compression.gzip(head), ...state.blocks, await compression.gzip(tail)];
  const bytes = joined([...pieces, sealOf(hashing, pieces)]);
  const whole = hashing.newSha256();
  whole.update(bytes);
  return { header, bytes, sha256: whole.digest() };
}

/** What the machine must be able to do for it. */
export type SnapshotMachine = Pick<Runtime, "hashing" | "compression" | "clock">;

// --- internal ---

interface PackedRows {
  readonly blocks: readonly Uint8Array[];
  /** Unpacked. */
  readonly size: number;
  readonly sum: Uint8Array;
}

async function packRows({ hashing, compression, clock }: SnapshotMachine, source: SnapshotSource): Promise<PackedRows> {
  const sum = hashing.newSha256();
  const blocks: Uint8Array[] = [];
  let [size, packedBytes, chars] = [0, 0, 0];
  let lines: string[] = [];
  const flush = async () => {
    if (lines.length === 0) return;
    const block = new TextEncoder().encode(lines.join(""));
    lines = [];
    chars = 0;
    sum.update(block);
    size += block.length;
    const packed = await compression.gzip(block);
    packedBytes += packed.length;
    if (packedBytes > LIMITS.snapshotBytesMax || size > LIMITS.snapshotContentBytesMax) throw tooLarge();
    blocks.push(packed);
    await clock.yieldTurn();
  };
  for (const [table, rows] of source.tables) {
    for (const row of rows) {
      const line = `${table} ${typeof row === "string" ? row : rowTextOnce(row)}\n`;
      lines.push(line);
      chars += line.length;
      if (chars >= LIMITS.snapshotBlockBytes) await flush();
    }
  }
  await flush();
  return { blocks, size, sum: sum.digest() };
}

function tooLarge(): EdgeError {
  return new EdgeError(
    "too-large",
    `the state is too large for a snapshot: more than ${LIMITS.snapshotBytesMax} bytes packed or ${LIMITS.snapshotContentBytesMax} unpacked (snapshotBytesMax)`,
    { hint: "`edgectl system gc` forgets what has ended" },
  );
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
