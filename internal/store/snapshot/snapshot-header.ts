// What a snapshot says of itself before its rows: who made it, when, of what. It stands in the archive's meta.json, beside
// the members that Nomad's tools look for there.

import { EdgeError } from "../../domain/errors.ts";
import type { TableName } from "../../domain/tables.ts";
import { TABLE_NAMES } from "../../domain/tables.ts";
import { SCHEMA_NUMBER } from "../schema-number.ts";

/** Of the file, apart from the schema of its rows. */
export const SNAPSHOT_FORMAT = 1;

export interface SnapshotHeader {
  readonly schema: number;
  readonly clusterId: string;
  readonly region: string;
  readonly index: number;
  readonly epoch: number;
  readonly madeAtMs: number;
  /** Version of the program that made it. */
  readonly madeBy: string;
  readonly tableIndexes: ReadonlyMap<string, number>;
  readonly counts: ReadonlyMap<TableName, number>;
}

/** The text of meta.json. `size` is that of the rows in bytes. */
export function encodeHeader(header: SnapshotHeader, size: number): string {
  const { index, epoch, madeAtMs } = header;
  return `${JSON.stringify({
    Version: 1,
    ID: `${epoch}-${index}-${madeAtMs}`,
    Index: index,
    Term: epoch,
    Peers: null,
    Configuration: { Servers: [] },
    ConfigurationIndex: 0,
    Size: size,
    Edgectl: {
      Format: SNAPSHOT_FORMAT,
      Schema: header.schema,
      ClusterID: header.clusterId,
      Region: header.region,
      MadeAtMs: madeAtMs,
      MadeBy: header.madeBy,
      TableIndexes: Object.fromEntries(header.tableIndexes),
      Rows: Object.fromEntries(header.counts),
    },
  })}\n`;
}

/** Throws `invalid` for another program's file, and for what a newer edgectl has made. */
export function decodeHeader(text: string): SnapshotHeader {
  const meta = objectOf(JSON.parse(text), "it");
  if (meta.Edgectl === undefined) throw new EdgeError("invalid", "the snapshot was made by another program than edgectl: its state cannot be read");
  const own = objectOf(meta.Edgectl, "Edgectl");
  const madeBy = textOf(own, "MadeBy");
  const [format, schema] = [numberOf(own, "Format"), numberOf(own, "Schema")];
  if (format > SNAPSHOT_FORMAT || schema > SCHEMA_NUMBER)
    throw new EdgeError(
      "invalid",
      `the snapshot was made by edgectl ${madeBy}: its ${format > SNAPSHOT_FORMAT ? `format ${format}` : `schema ${schema}`} is newer than this program`,
      {
        hint: `restore it with edgectl ${madeBy} or newer`,
      },
    );
  return {
    schema,
    clusterId: textOf(own, "ClusterID"),
    region: textOf(own, "Region"),
    index: numberOf(meta, "Index"),
    epoch: numberOf(meta, "Term"),
    madeAtMs: numberOf(own, "MadeAtMs"),
    madeBy,
    tableIndexes: new Map(
      Object.keys(objectOf(own.TableIndexes, "TableIndexes")).map((name) => [name, numberOf(objectOf(own.TableIndexes, "TableIndexes"), name)]),
    ),
    counts: countsOf(objectOf(own.Rows, "Rows")),
  };
}

// --- internal ---

type Fields = Readonly<Record<string, unknown>>;

function unreadable(what: string): EdgeError {
  return new EdgeError("invalid", `the snapshot's header cannot be read: ${what}`);
}

function objectOf(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unreadable(`${name} is no object`);
  return value as Fields; // checked just before
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw unreadable(`${name} is no whole number`);
  return value;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw unreadable(`${name} is no text`);
  return value;
}

/** A table that is not named has no rows: it came with a later schema. */
function countsOf(rows: Fields): ReadonlyMap<TableName, number> {
  const unknown = Object.keys(rows).find((name) => !(TABLE_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) throw unreadable(`there is no table ${unknown}`);
  return new Map(TABLE_NAMES.map((name) => [name, rows[name] === undefined ? 0 : numberOf(rows, name)]));
}
