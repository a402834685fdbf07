// Real SQLite files for simulated machines: crashes close connections, power cuts throw away what was not synced.

// Loaded before any run: the runtime loads it when it opens the first file, which would take that run an uncertain while.
import "bun:sqlite";
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import type { SqliteConnection } from "../../internal/runtime/runtime.ts";
import type { Program } from "./machines.ts";
import type { Prng } from "./prng.ts";

const real = bunRuntime();

export class SqliteFiles {
  readonly #folder: string;
  readonly #chance: Prng;
  readonly #open = new Set<SqliteConnection>();
  /** Keeps the last program that closes the file from folding the WAL into it. */
  #keeper: SqliteConnection | null = null;
  #generation = 0;
  #syncedBytes = 0;

  constructor(folder: string, chance: Prng) {
    this.#folder = folder;
    this.#chance = chance;
    mkdirSync(this.#path(), { recursive: true });
  }

  get databasePath(): string {
    return join(this.#path(), "state.db");
  }

  async connect(program: Program): Promise<SqliteConnection> {
    const connection = await this.#connectReal();
    const close = () => {
      if (this.#open.delete(connection)) connection.close();
    };
    program.onCrash(close);
    return { ...connection, close };
  }

  async #connectReal(): Promise<SqliteConnection> {
    const connection = await real.openSqlite(this.databasePath, { isReadOnly: false });
    this.#open.add(connection);
    if (this.#keeper === null) {
      this.#keeper = await real.openSqlite(this.databasePath, { isReadOnly: false });
      this.#keeper.exec("PRAGMA wal_autocheckpoint = 0");
    }
    return connection;
  }

  /** The size that a sync which begins now will have made durable when it ends. */
  walBytes(): number {
    const wal = `${this.databasePath}-wal`;
    return existsSync(wal) ? statSync(wal).size : 0;
  }

  synced(bytes: number): void {
    this.#syncedBytes = Math.max(this.#syncedBytes, bytes);
  }

  /** The file as the disk had it: the WAL ends somewhere between what was synced and what was written. */
  cutPower(): void {
    const from = this.databasePath;
    const bytes = this.walBytes();
    for (const connection of this.#open) connection.close();
    const kept = this.#chance.integer(Math.min(this.#syncedBytes, bytes), bytes);
    this.#generation += 1;
    mkdirSync(this.#path(), { recursive: true });
    if (existsSync(from)) copyFileSync(from, this.databasePath);
    if (existsSync(`${from}-wal`)) {
      copyFileSync(`${from}-wal`, `${this.databasePath}-wal`);
      truncateSync(`${this.databasePath}-wal`, kept);
    }
    this.#open.clear();
    this.#keeper?.close();
    this.#keeper = null;
    this.#syncedBytes = kept;
  }

  remove(): void {
    for (const connection of this.#open) connection.close();
    this.#keeper?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  // --- internal ---

  #path(): string {
    return join(this.#folder, `generation-${this.#generation}`);
  }
}
