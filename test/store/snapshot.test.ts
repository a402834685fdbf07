// Snapshots: what goes in comes out, nothing that is damaged anywhere comes in, and what a store holds after a restore.

import { describe, expect, test } from "bun:test";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { EdgeError } from "../../internal/domain/errors.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { Row, TableName, Watermark } from "../../internal/domain/tables.ts";
import { RESTORED, TABLE_NAMES } from "../../internal/domain/tables.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { State } from "../../internal/state/state.ts";
import { SCHEMA_NUMBER } from "../../internal/store/schema-number.ts";
import type { Snapshot } from "../../internal/store/snapshot/decode-snapshot.ts";
import { decodeSnapshot } from "../../internal/store/snapshot/decode-snapshot.ts";
import { encodeSnapshot } from "../../internal/store/snapshot/encode-snapshot.ts";
import { restoredContent, type StoreStanding } from "../../internal/store/snapshot/restored-content.ts";
import { SEAL_BYTES, sealOf } from "../../internal/store/snapshot/seal.ts";
import { aChangeSet, aRow, draws, keyOfRow } from "../fixtures/rows.ts";

const runtime = bunRuntime();
const HEADER = {
  schema: SCHEMA_NUMBER,
  clusterId: "c1",
  region: "global",
  index: 9,
  epoch: 4,
  madeAtMs: 1_800_000_000_000,
  madeBy: "0.1.0",
} as const;

async function fileOf(state: State, own: Partial<typeof HEADER> | { readonly [name: string]: unknown } = {}): Promise<Uint8Array> {
  const { index, tableIndexes, tables } = state.picture();
  const { bytes } = await encodeSnapshot(runtime, { header: { ...HEADER, index, tableIndexes, ...own }, tables });
  return bytes;
}

function aState(): State {
  const state = new State();
  state.replay(
    aChangeSet(
      3,
      TABLE_NAMES.map((table, n) => ({ table, n, isDelete: false, text: "ä\u0000\n" })),
    ),
  );
  return state;
}

function dumpOf(rows: Iterable<{ readonly table: TableName; readonly row: Row }>): readonly string[] {
  return [...rows].map(({ table, row }) => `${table} ${keyOfRow(table, row)} ${JSON.stringify(row)}`).sort();
}

async function refusal(file: Uint8Array): Promise<string> {
  const error = await decodeSnapshot(runtime, file).then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(EdgeError);
  return `${error.code}: ${error.message}`;
}

/** A file with other content under a seal that fits. */
function resealed(change: (tar: Buffer) => Uint8Array, file: Uint8Array): Uint8Array {
  const packed = gzipSync(change(gunzipSync(file)));
  return Buffer.concat([packed, sealOf(runtime.hashing, [packed])]);
}

describe("a snapshot", () => {
  test("holds every row of any state, packed ones too, and its indexes", () =>
    fc.assert(
      fc.asyncProperty(fc.array(draws, { maxLength: 8 }), async (sets) => {
        const state = new State();
        const rows = new Map<string, { table: TableName; row: Row }>();
        for (const [at, drawn] of sets.entries()) {
          const set = aChangeSet(at + 1, drawn);
          state.replay(set);
          for (const change of set.changes)
            if (change.op === "delete") rows.delete(`${change.table} ${change.key}`);
            else rows.set(`${change.table} ${keyOfRow(change.table, change.row)}`, change);
        }
        const { header, rows: read } = await decodeSnapshot(runtime, await fileOf(state));
        expect(dumpOf(read)).toEqual(dumpOf(rows.values()));
        expect(dumpOf(read)).toEqual(dumpOf(rows.values()));
        expect(header.index).toBe(sets.length);
        for (const table of TABLE_NAMES) expect(header.tableIndexes.get(table)).toBe(state.tableIndex(table));
        expect([...header.counts.values()].reduce((sum, count) => sum + count, 0)).toBe(rows.size);
      }),
      { numRuns: 60 },
    ));

  test("of one instant: what is changed while it is written does not show", async () => {
    const state = aState();
    const { index, tableIndexes, tables } = state.picture();
    const before = dumpOf(
      [...tables].flatMap(([table, rows]) => [...rows].map((row) => ({ table, row: typeof row === "string" ? JSON.parse(row) : row }))),
    );
    const writing = encodeSnapshot(runtime, { header: { ...HEADER, index, tableIndexes }, tables });
    state.replay(
      aChangeSet(
        4,
        TABLE_NAMES.map((table, n) => ({ table, n, isDelete: n % 2 === 0, text: "later" })),
      ),
    );
    const { rows, header } = await decodeSnapshot(runtime, (await writing).bytes);
    expect(dumpOf(rows)).toEqual(before);
    expect(header.index).toBe(3);
  });

  test("of many blocks is whole", async () => {
    const state = new State();
    const text = "x".repeat(100_000);
    for (let n = 0; n < 40; n++) state.replay(aChangeSet(n + 1, [{ table: "evals", n, isDelete: false, text: `${text}${n}` }]));
    const { rows, sizes } = await decodeSnapshot(runtime, await fileOf(state));
    expect([...rows].length).toBe(40);
    expect(sizes.get("evals")).toBeGreaterThan(3 * LIMITS.snapshotBlockBytes);
  });

  test("says who made it, of what, and when", async () => {
    const { header } = await decodeSnapshot(runtime, await fileOf(aState(), { region: "greenhouse" }));
    const { clusterId, region, index, epoch, madeAtMs, madeBy, schema } = header;
    expect({ clusterId, region, index, epoch, madeAtMs, madeBy, schema }).toEqual({ ...HEADER, index: 3, region: "greenhouse" });
  });
});

describe("refused is", () => {
  test("any file with one flipped bit, at each byte", async () => {
    const file = await fileOf(aState());
    for (let at = 0; at < file.length; at++) {
      const damaged = file.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      expect(await refusal(damaged)).toMatch(/^invalid: /);
    }
  });

  test("any file that ends early, or goes on", async () => {
    const file = await fileOf(aState());
    for (let length = 0; length < file.length; length++) expect(await refusal(file.subarray(0, length))).toMatch(/^invalid: /);
    expect(await refusal(Buffer.concat([file, Buffer.from([0])]))).toMatch(/^invalid: .*checksum/);
    expect(await refusal(Buffer.concat([file, file.subarray(file.length - SEAL_BYTES)]))).toMatch(/^invalid: .*checksum/);
  });

  test("any file with one byte missing", async () => {
    const file = await fileOf(aState());
    for (let at = 0; at < file.length; at += 7)
      expect(await refusal(Buffer.concat([file.subarray(0, at), file.subarray(at + 1)]))).toMatch(/^invalid: /);
  });

  const file = fileOf(aState());
  const replaced = async (from: string, to: string) => {
    expect(from.length).toBe(to.length);
    return resealed((tar) => Buffer.from(tar.toString("latin1").replace(from, to), "latin1"), await file);
  };
  const CASES: readonly (readonly [name: string, make: () => Promise<Uint8Array>, want: RegExp])[] = [
    ["nothing", async () => new Uint8Array(), /empty/],
    ["a text", async () => Buffer.from("hello"), /no snapshot/],
    ["another program's gzip", async () => gzipSync("hello"), /not one of edgectl's/],
    ["a sealed file that is no archive", async () => resealed(() => Buffer.from("x".repeat(700)), await file), /archive is broken/],
    [
      "an archive with a file too few",
      async () => resealed((tar) => Buffer.concat([tar.subarray(0, 1024), Buffer.alloc(1024)]), await file),
      /archive|lacks/,
    ],
    ["a header that does not match its sum", () => replaced('"Region":"global"', '"Region":"globus"'), /meta\.json does not match/],
    ["rows that do not match their sum", () => replaced("jobs {", "jobs ["), /state\.bin does not match/],
    ["a newer schema", () => fileOf(aState(), { schema: SCHEMA_NUMBER + 1, madeBy: "9.9.9" }), /made by edgectl 9\.9\.9: its schema \d+ is newer/],
  ];
  for (const [name, make, want] of CASES) test(name, async () => expect(await refusal(await make())).toMatch(want));

  test("rows of another number than the header says", async () => {
    const { index, tableIndexes, tables } = aState().picture();
    const jobs = tables.get("jobs") ?? [];
    const rows = { length: 5, [Symbol.iterator]: () => jobs[Symbol.iterator]() } as unknown as readonly Row[]; // as a writer with a bug would count
    const { bytes } = await encodeSnapshot(runtime, { header: { ...HEADER, index, tableIndexes }, tables: new Map(tables).set("jobs", rows) });
    expect(await refusal(bytes)).toBe("invalid: the snapshot has 4 rows of jobs too few");
  });
});

describe("after a restore", () => {
  const watermark = aRow("watermarks", 1, { create: 1, modify: 5, text: "" }) as Watermark;
  const snapshot: Snapshot = {
    header: { ...HEADER, tableIndexes: new Map(), counts: new Map() },
    sizes: new Map(),
    rows: [{ table: "watermarks", row: { ...watermark, settledUntilS: 100 } }],
  };
  const standing = (own: Partial<StoreStanding> = {}): StoreStanding => ({
    clusterId: "c1",
    index: 20,
    epoch: 7,
    isFresh: false,
    isSound: true,
    settledUntilS: () => 0,
    ...own,
  });
  const skip = LIMITS.restoreSkip;
  const CASES: readonly (readonly [
    name: string,
    standing: StoreStanding | null,
    want: readonly [cluster: string, index: number, epochMin: number],
  ])[] = [
    ["its own past: the next index, an epoch above", standing(), ["c1", 21, 7]],
    ["a store that is behind its snapshot: what was used since is left out", standing({ index: 5, epoch: 2 }), ["c1", 10 + skip, 4 + skip]],
    ["another cluster's state: the store stays its own", standing({ clusterId: "c2" }), ["c2", 21, 7]],
    ["another cluster's state, that was longer: indexes go on above both", standing({ clusterId: "c2", index: 3, epoch: 1 }), ["c2", 10, 4]],
    ["a fresh store: it takes the snapshot's cluster", standing({ clusterId: "c2", index: 1, epoch: 1, isFresh: true }), ["c1", 10 + skip, 4 + skip]],
    ["a damaged store: what it says may be old", standing({ isSound: false }), ["c1", 21 + skip, 7 + skip]],
    ["a lost store: it takes the snapshot's cluster", null, ["c1", 10 + skip, 4 + skip]],
  ];
  for (const [name, before, want] of CASES)
    test(`of ${name}`, () => {
      const { clusterId, index, epochMin, tableIndexes } = restoredContent(snapshot, before);
      expect([clusterId, index, epochMin]).toEqual([...want]);
      expect(index).toBeGreaterThan(Math.max(before?.index ?? 0, snapshot.header.index));
      for (const name of [...TABLE_NAMES, RESTORED]) expect(tableIndexes.get(name)).toBe(index);
    });

  const settledOf = (before: StoreStanding | null) => [...restoredContent(snapshot, before).rows].map(({ row }) => (row as Watermark).settledUntilS);
  test("what fired since the snapshot stays fired", () => expect(settledOf(standing({ settledUntilS: () => 160 }))).toEqual([160]));
  test("what the store knows less of stays as the snapshot has it", () => expect(settledOf(standing({ settledUntilS: () => 60 }))).toEqual([100]));
  test("a lost store knows of no fires", () => expect(settledOf(null)).toEqual([100]));
});
