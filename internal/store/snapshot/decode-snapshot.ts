// A snapshot's file back to what it holds. Everything is checked before anything of it is handed out: the seal, the
// archive's own sums, the header, each row and their number.

import { EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Row, TableName } from "../../domain/tables.ts";
import { TABLE_NAMES } from "../../domain/tables.ts";
import { keyOf } from "../journal-rows.ts";
import type { SnapshotMachine } from "./encode-snapshot.ts";
import { hexOf, isSealed } from "./seal.ts";
import { decodeHeader, type SnapshotHeader } from "./snapshot-header.ts";
import { readTar } from "./tar.ts";

export interface Snapshot {
  readonly header: SnapshotHeader;
  /** Unpacked bytes of each table's rows. */
  readonly sizes: ReadonlyMap<TableName, number>;
  /** Made anew each time they are gone through. */
  readonly rows: Iterable<{ readonly table: TableName; readonly row: Row }>;
}

/** Works in slices. Throws `invalid` with what is wrong, `too-large` for a file beyond the limit. */
export async function decodeSnapshot(machine: SnapshotMachine, file: Uint8Array): Promise<Snapshot> {
  const { meta, state } = await unpack(machine, file);
  const header = decodeHeader(new TextDecoder().decode(meta));
  const sizes = new Map<TableName, number>(TABLE_NAMES.map((table) => [table, 0]));
  const left = new Map(header.counts);
  let seen = 0;
  for (const line of linesOf(state)) {
    const { table } = entryOf(line);
    sizes.set(table, (sizes.get(table) ?? 0) + line.length + 1);
    left.set(table, (left.get(table) ?? 0) - 1);
    seen += 1;
    if (seen % ROWS_PER_SLICE === 0) await machine.clock.yieldTurn();
  }
  for (const [table, count] of left)
    if (count !== 0) throw new EdgeError("invalid", `the snapshot has ${Math.abs(count)} rows of ${table} too ${count > 0 ? "few" : "many"}`);
  return { header, sizes, rows: { [Symbol.iterator]: () => entriesOf(state) } };
}

// --- internal ---

const ROWS_PER_SLICE = 1000;
const NEWLINE = 10;

async function unpack(machine: SnapshotMachine, file: Uint8Array): Promise<{ readonly meta: Uint8Array; readonly state: Uint8Array }> {
  if (file.length > LIMITS.snapshotBytesMax)
    throw new EdgeError("too-large", `the snapshot has ${file.length} bytes, more than ${LIMITS.snapshotBytesMax} (snapshotBytesMax)`);
  if (!isSealed(machine.hashing, file)) throw unsealed(file);
  let unpacked: Uint8Array;
  try {
    unpacked = await machine.compression.gunzip(file, LIMITS.snapshotContentBytesMax);
  } catch (error) {
    throw new EdgeError("invalid", `the snapshot cannot be unpacked: ${messageOf(error)}`, { cause: error });
  }
  const entries = new Map(readTar(unpacked).map(({ name, content }) => [name, content]));
  const [meta, state, sums] = ["meta.json", "state.bin", "SHA256SUMS"].map((name) => entries.get(name));
  if (!meta || !state || !sums) throw new EdgeError("invalid", "the snapshot lacks one of meta.json, state.bin and SHA256SUMS");
  const listed = new TextDecoder().decode(sums).split("\n");
  for (const [name, content] of [["meta.json", meta] as const, ["state.bin", state] as const]) {
    const sum = machine.hashing.newSha256();
    sum.update(content);
    if (!listed.includes(`${hexOf(sum.digest())}  ${name}`)) throw new EdgeError("invalid", `the snapshot's ${name} does not match its sum`);
  }
  return { meta, state };
}

function unsealed(file: Uint8Array): EdgeError {
  if (file.length === 0) return new EdgeError("invalid", "the snapshot is empty");
  if (file[0] !== 0x1f || file[1] !== 0x8b) return new EdgeError("invalid", "this is no snapshot: it is not even a gzip file");
  return new EdgeError("invalid", "the snapshot is damaged, cut off, or not one of edgectl's: its checksum does not match", {
    hint: "copy it again, or take another one",
  });
}

function* linesOf(state: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < state.length; ) {
    const end = state.indexOf(NEWLINE, at);
    if (end < 0) throw new EdgeError("invalid", "the snapshot's last row is cut off");
    yield state.subarray(at, end);
    at = end + 1;
  }
}

function* entriesOf(state: Uint8Array): Generator<{ readonly table: TableName; readonly row: Row }> {
  for (const line of linesOf(state)) yield entryOf(line);
}

/** One line, `table {row}`. */
function entryOf(line: Uint8Array): { readonly table: TableName; readonly row: Row } {
  const text = new TextDecoder().decode(line);
  const table = TABLE_NAMES.find((name) => text.startsWith(`${name} `));
  if (table === undefined) throw new EdgeError("invalid", "a row of the snapshot belongs to no table");
  try {
    const row = JSON.parse(text.slice(table.length + 1)) as Row; // its sum says that an edgectl wrote it; its key is made here
    if (keyOf(table, row) !== "" && Number.isSafeInteger(row.modifyIndex)) return { table, row };
  } catch {
    // Told below, for what is no JSON and for what is no row alike.
  }
  throw new EdgeError("invalid", `a row of ${table} in the snapshot cannot be read`);
}
