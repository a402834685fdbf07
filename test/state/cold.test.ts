// Rows that have ended lie in packed blocks: no reader can tell, nothing is unpacked needlessly, and what goes gives its room back.

import { describe, expect, test } from "bun:test";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { LIMITS } from "../../internal/domain/limits.ts";
import { put, remove, TABLE_NAMES } from "../../internal/domain/tables.ts";
import { type ColdOptions, ColdRows, coldOptions, type RowCodec } from "../../internal/state/cold-rows.ts";
import { State } from "../../internal/state/state.ts";
import { Table } from "../../internal/state/table.ts";
import { aJob, anAlloc, anEval, aSpec } from "../fixtures/model.ts";

class CountingCodec implements RowCodec {
  packed = 0;
  unpacked = 0;
  charsMax = 0;
  packText(text: string): Uint8Array {
    this.packed += 1;
    this.charsMax = Math.max(this.charsMax, text.length);
    return deflateRawSync(text, { level: 1 });
  }
  unpackText(packed: Uint8Array): string {
    this.unpacked += 1;
    return inflateRawSync(packed).toString();
  }
}

const tiny = (own: Partial<ColdOptions> = {}): ColdOptions => ({
  codec: new CountingCodec(),
  rowsPerBlock: 4,
  blockChars: 300,
  blocksUnpacked: 1,
  ...own,
});

interface Item {
  readonly id: string;
  readonly group: string;
  readonly isOver: boolean;
  readonly text: string;
}

const BY_GROUP = { name: "group", groupOf: (row: Item) => (row.group === "" ? undefined : row.group) };

function aTable(cold = tiny()): Table<Item> {
  return new Table<Item>({
    keyOf: (row) => row.id,
    cold,
    indexes: [BY_GROUP],
    counts: [BY_GROUP],
    isText: (row) => row.text.length % 2 === 0,
    hasEnded: (row) => row.isOver,
  });
}

const byId = (rows: Iterable<Item>) => [...rows].sort((a, b) => (a.id < b.id ? -1 : 1));
const parsed = (rows: Iterable<Item | string>) => byId([...rows].map((row) => (typeof row === "string" ? (JSON.parse(row) as Item) : row)));

const item = fc.record({
  id: fc.integer({ min: 0, max: 15 }).map((n) => `i${n}`),
  group: fc.constantFrom("", "a", "b"),
  isOver: fc.boolean(),
  text: fc.oneof(fc.constantFrom("", "\n\r", "käse\u2028\ud800", "long ".repeat(60)), fc.string()),
});
const step = fc.oneof(
  { weight: 6, arbitrary: item.map((row) => ({ kind: "put" as const, row })) },
  { weight: 3, arbitrary: item.map((row) => ({ kind: "delete" as const, row })) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("move" as const), row: item, to: fc.constantFrom("hot" as const, "cold" as const) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "picture" as const }) },
);

/** Every reader says what a plain map says. */
function compare(table: Table<Item>, oracle: ReadonlyMap<string, Item>): void {
  expect([table.size, byId(table.values())]).toEqual([oracle.size, byId(oracle.values())]);
  for (let n = 0; n <= 15; n++) expect([table.get(`i${n}`), table.has(`i${n}`)]).toEqual([oracle.get(`i${n}`), oracle.has(`i${n}`)]);
  expect(parsed(table.held())).toEqual(byId(oracle.values()));
  for (const group of ["a", "b"]) {
    const own = byId([...oracle.values()].filter((row) => row.group === group));
    expect(byId(table.group(0, group))).toEqual(own);
    expect(
      [...table.groupLatestFirst(0, group)]
        .reverse()
        .map((row) => row.id)
        .sort(),
    ).toEqual(own.map((row) => row.id));
    expect([[...table.groupKeys(0, group)].sort(), table.hasGroup(0, group)]).toEqual([own.map((row) => row.id), own.length > 0]);
    expect(table.count(0, group)).toBe(own.length);
  }
}

test("a table with tiny blocks says what a plain map says, whatever ends, goes or lives again, and pictures stay as they were", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), (steps) => {
      const table = aTable();
      const oracle = new Map<string, Item>();
      const isCold = new Map<string, boolean>();
      const pictures: { readonly held: Iterable<Item | string>; readonly length: number; readonly rows: readonly Item[] }[] = [];
      for (const one of steps) {
        if (one.kind === "put") {
          table.put(one.row.id, one.row);
          oracle.set(one.row.id, one.row);
          isCold.set(one.row.id, one.row.isOver);
        } else if (one.kind === "delete") {
          expect(table.delete(one.row.id)).toEqual(oracle.get(one.row.id));
          oracle.delete(one.row.id);
        } else if (one.kind === "move") {
          table.move(one.row.id, one.to);
          isCold.set(one.row.id, one.to === "cold");
        } else {
          const held = table.held();
          pictures.push({ held, length: held.length, rows: byId(oracle.values()) });
        }
      }
      compare(table, oracle);
      const hot = [...oracle.keys()].filter((id) => isCold.get(id) === false).sort();
      expect(byId(table.hotValues()).map((row) => row.id)).toEqual(hot);
      expect([...table.coldKeys()].sort()).toEqual([...oracle.keys()].filter((id) => !hot.includes(id)).sort());
      for (const group of ["a", "b"])
        expect(byId(table.hotGroup(0, group)).map((row) => row.id)).toEqual(hot.filter((id) => oracle.get(id)?.group === group));
      for (const { held, length, rows } of pictures) expect([parsed(held), length]).toEqual([[...rows], rows.length]);
    }),
    { numRuns: 400, seed: 71 },
  );
});

test("a list that is being read takes no row twice and none that went", () => {
  const table = aTable();
  const row = (n: number, isOver: boolean) => ({ id: `i${n}`, group: "a", isOver, text: "" });
  for (let n = 0; n < 12; n++) table.put(`i${n}`, row(n, n % 2 === 0));
  const seen: string[] = [];
  for (const one of table.values()) {
    seen.push(one.id);
    // What lives ends, what has ended lives again, and one goes before its turn.
    for (let n = 0; n < 12; n++) if (table.has(`i${n}`)) table.put(`i${n}`, row(n, (n + seen.length) % 3 === 0));
    table.delete("i10");
  }
  expect(seen.sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11].map((n) => `i${n}`).sort());
});

describe("blocks", () => {
  test("give back what is left of them once most of their rows went, and their places are used again", () => {
    const rows = new ColdRows(tiny({ rowsPerBlock: 8, blockChars: 1e6 }));
    const slots = Array.from({ length: 8 }, (_, n) => rows.add(`row ${n}`));
    expect(slots.slice(0, 5).map((slot) => rows.remove(slot))).toEqual([[], [], [], [], []]);
    expect(rows.text(slots[7] ?? -1)).toBe("row 7");
    expect(rows.remove(slots[5] ?? -1)).toEqual(["row 6", "row 7"]);
    expect(rows.add("next")).toBeLessThan(8);
  });

  test("stay few where few rows live, however many came and went", () => {
    const rows = new ColdRows(tiny({ rowsPerBlock: 16, blockChars: 1e6 }));
    const living: number[] = [];
    let highest = 0;
    const keep = (text: string) => {
      const slot = rows.add(text);
      living.push(slot);
      highest = Math.max(highest, slot);
    };
    for (let n = 0; n < 5000; n++) {
      keep(`row ${n}`);
      // One in ten stays for long, so that most blocks are never empty.
      const at = n % 10 === 0 ? -1 : living.length - 2;
      const slot = living.length > 200 ? living.splice(0, 1)[0] : at >= 0 ? living.splice(at, 1)[0] : undefined;
      if (slot === undefined) continue;
      for (const text of rows.remove(slot)) {
        const moved = living.findIndex((one) => Math.floor(one / 16) === Math.floor(slot / 16));
        living.splice(moved, 1);
        keep(text);
      }
    }
    // At most four times the room of what lives, and the block that is being filled.
    expect(living.length).toBeGreaterThan(100);
    expect(highest).toBeLessThan((living.length + 16) * 4 + 16);
  });

  test("of a table are given up with their rows, by deletion, by change and by life", () => {
    const table = aTable(tiny({ rowsPerBlock: 16, blockChars: 1e6 }));
    const put = (n: number, isOver: boolean, text = "") => table.put(`i${n}`, { id: `i${n}`, group: "a", isOver, text });
    for (let n = 0; n < 320; n++) put(n, true);
    expect(table.blockCount).toBe(20);
    for (let n = 0; n < 320; n++) put(n % 64, true, `change ${n}`);
    expect(table.blockCount).toBeLessThan(27);
    for (let n = 0; n < 160; n++) put(n, false);
    expect(table.blockCount).toBeLessThan(14);
    for (let n = 160; n < 320; n++) if (n % 80 !== 0) table.delete(`i${n}`);
    expect(table.blockCount).toBeLessThan(3);
    expect(byId(table.values())).toHaveLength(162);
  });

  test("are packed once they are full, never a row at a time, and a huge row is not packed at all", () => {
    const codec = new CountingCodec();
    const state = new State(codec);
    for (let n = 0; n < LIMITS.coldRowsPerBlock * 3; n++) state.apply([put("evals", anEval(`e${n}`, { status: "complete", createIndex: 0 }))]);
    expect([codec.packed, codec.unpacked]).toEqual([3, 0]);
    const source = "x".repeat(LIMITS.coldPackedCharsMax);
    const submission = {
      namespace: "default",
      jobId: "j",
      version: 0,
      source,
      format: "toml",
      variables: "",
      variableFlags: {},
      createIndex: 0,
      modifyIndex: 0,
    };
    state.apply([put("submissions", submission)]);
    expect(state.submission("default", "j", 0)?.source).toBe(source);
    expect(codec.charsMax).toBeLessThanOrEqual(LIMITS.coldPackedCharsMax);
  });

  test("are unpacked once by a list, a group, a picture; not at all by who reads what lives", () => {
    const codec = new CountingCodec();
    const state = new State(codec);
    const count = LIMITS.coldRowsPerBlock * 40;
    for (let n = 0; n < count; n++)
      state.apply([
        put("allocs", anAlloc(`a${n}`, { clientStatus: n % 100 === 0 ? "running" : "complete", createIndex: 0 })),
        put("evals", anEval(`e${n}`, { status: "complete", createIndex: 0 })),
      ]);
    const blocks = codec.packed;
    const unpackedBy = (read: () => number): readonly number[] => {
      codec.unpacked = 0;
      const rows = read();
      return [rows, codec.unpacked];
    };
    const inAllocs = unpackedBy(() => [...state.allocs()].length);
    expect(inAllocs[0]).toBe(count);
    const once = [count, inAllocs[1] ?? 0];
    expect(once[1]).toBeGreaterThan(10);
    expect(once[1]).toBeLessThanOrEqual(blocks);
    expect(unpackedBy(() => [...state.allocsOfJob("default", "j")].length)).toEqual(once);
    expect(unpackedBy(() => [...(state.picture().tables.get("allocs") ?? [])].length)[1]).toBeLessThanOrEqual(
      (once[1] ?? 0) + LIMITS.coldBlocksUnpacked,
    );
    const live = Math.ceil(count / 100);
    expect(unpackedBy(() => [...state.liveAllocsOfJob("default", "j"), ...state.liveAllocsOfNode("n1"), ...state.openEvals()].length)).toEqual([
      2 * live,
      0,
    ]);
    expect(unpackedBy(() => state.allocIdsOfNode("n1").length + state.allocCountOfVersion("default", "j", 1, 0))).toEqual([2 * count, 0]);
  });
});

test("packed blocks take a fraction of the memory of the rows' text", () => {
  let bytes = 0;
  const codec = new CountingCodec();
  const counting = {
    packText: (text: string) => {
      const packed = codec.packText(text);
      bytes += packed.length;
      return packed;
    },
    unpackText: (packed: Uint8Array) => codec.unpackText(packed),
  };
  const state = new State(counting);
  let chars = 0;
  for (let n = 0; n < 2000; n++) {
    const row = anAlloc(`${String(n).padStart(8, "0")}-0000-4000-8000-000000000000`, { name: `j.g[${n}]`, clientStatus: "complete", createIndex: 0 });
    chars += JSON.stringify(row).length;
    state.apply([put("allocs", row)]);
  }
  expect(bytes).toBeLessThan(chars / 8);
});

test("versions lie with what has ended once a newer one runs, or their job is over; a job that lives again has its own at hand", () => {
  const codec = new CountingCodec();
  const state = new State({ ...coldOptions(codec), rowsPerBlock: 1, blocksUnpacked: 0 });
  const put1 = state.apply([put("job_versions", aVersion(0, 0)), put("jobs", aHead(0, "running", 0))]);
  expect(codec.packed).toBe(0);
  state.apply([put("job_versions", aVersion(1, put1.index)), put("jobs", aHead(1, "running", put1.index))]);
  expect(codec.packed).toBe(1);
  expect(state.jobVersions("default", "j").map((row) => row.version)).toEqual([1, 0]);
  state.apply([put("jobs", aHead(1, "dead", put1.index))]);
  expect(codec.packed).toBe(2);
  state.apply([put("jobs", aHead(1, "pending", put1.index))]);
  codec.unpacked = 0;
  expect([state.job("default", "j")?.version, codec.unpacked]).toEqual([1, 0]);
  state.apply([remove("jobs", aHead(1, "pending", put1.index))]);
  expect(codec.packed).toBe(3);
  expect(state.jobVersion("default", "j", put1.index, 0)?.version).toBe(0);
});

test("every table of a state keeps its ended rows, and a picture has them all", () => {
  const state = new State(tiny({ rowsPerBlock: 1 }));
  state.apply([
    put("allocs", anAlloc("a1", { clientStatus: "failed", createIndex: 0 })),
    put("evals", anEval("e1", { status: "failed", createIndex: 0 })),
  ]);
  const { tables } = state.picture();
  state.apply([remove("allocs", anAlloc("a1")), remove("evals", anEval("e1"))]);
  expect(TABLE_NAMES.map((name) => [...(tables.get(name) ?? [])].length).reduce((sum, count) => sum + count, 0)).toBe(2);
  expect([...state.allocs()].length + [...state.evals()].length).toBe(0);
});

// --- internal ---

function aHead(version: number, status: "pending" | "running" | "dead", createIndex: number) {
  return { namespace: "default", id: "j", version, status, statusDescription: "", createIndex, modifyIndex: 0 };
}

function aVersion(version: number, createIndex: number) {
  const { status: _status, statusDescription: _text, ...row } = aJob(aSpec({ id: "j" }), { version, createIndex });
  return row;
}
