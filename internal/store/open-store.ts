// A store by its URL. Each backend is loaded when a URL names it.

import { EdgeError } from "../domain/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { parsePostgresUrl, titleOf } from "./postgres/postgres-url.ts";
import { SCHEMA_NUMBER } from "./schema-number.ts";
import type { Store } from "./store.ts";

export type StoreUrl = { readonly kind: "sqlite"; readonly path: string } | { readonly kind: "postgres"; readonly url: string };

/** What the URL names; throws `config` for any other, without quoting what may be a password. */
export function parseStoreUrl(url: string): StoreUrl {
  const path = /^sqlite:(?:\/\/)?(.+)$/s.exec(url)?.[1];
  if (path) return { kind: "sqlite", path };
  if (/^postgres(?:ql)?:\/\//.test(url)) {
    parsePostgresUrl(url, "");
    return { kind: "postgres", url };
  }
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*(?=:)/.exec(url)?.[0];
  throw new EdgeError("config", scheme === undefined ? "the store is no URL" : `a store of the kind "${scheme}:" is not supported`, {
    hint: "use sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
  });
}

/** The store's name in messages: its URL without the password. */
export function titleOfStore(url: string): string {
  return parseStoreUrl(url).kind === "sqlite" ? url : titleOf(parsePostgresUrl(url, ""));
}

export interface StoreOptions {
  /** The schema to write, lower than this program's where an older program is played. */
  readonly schema?: number;
}

/** Makes the folder of an SQLite file where it is missing. Throws `config` and what the backend throws. */
export async function openStore(runtime: Runtime, url: string, options: StoreOptions = {}): Promise<Store> {
  const schema = options.schema ?? SCHEMA_NUMBER;
  const parsed = parseStoreUrl(url);
  if (parsed.kind === "postgres") {
    const { openPostgresStore } = await import("./postgres/postgres-store.ts");
    return openPostgresStore(runtime, parsed.url, schema);
  }
  const { openSqliteStore } = await import("./sqlite/sqlite-store.ts");
  runtime.files.makeDirectory(parsed.path.slice(0, parsed.path.lastIndexOf("/")) || ".", 0o700);
  return openSqliteStore(runtime, parsed.path, schema);
}
