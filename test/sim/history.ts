// What happened in a run: commits, what users were told, and the trace whose hash tells whether two runs were the same.

import { createHash } from "node:crypto";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import type { StoredContent } from "../../internal/store/store.ts";

/** A promise was broken: names the invariant. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

export interface Commit {
  readonly epoch: number;
  readonly sets: readonly ChangeSet[];
  readonly by: string;
}

/** Everything was replaced: from here on only this content and what follows it count. */
export interface Restore {
  readonly index: number;
  /** Under which it was written; the lease's row may have been raised further. */
  readonly epoch: number;
  readonly rows: StoredContent["rows"];
}

export interface Operation {
  readonly kind: string;
  readonly jobId: string;
  /** Rises with each operation on the job: the spec's meta says which one is in force. */
  readonly step: number;
  readonly startedAtMs: number;
  outcome: "running" | "done" | "refused" | "unknown";
  index: number;
}

export class History {
  readonly commits: Commit[] = [];
  readonly operations: Operation[] = [];
  /** Of the restores that the store carried out. */
  readonly restoredIndexes = new Set<number>();
  restoredIndex = 0;
  /** How often each operation and each fault happened. */
  readonly counts = new Map<string, number>();
  readonly #hash = createHash("sha256");
  readonly #recent: string[] = [];
  #lines = 0;

  trace(line: string): void {
    this.#hash.update(`${line}\n`);
    this.#lines += 1;
    this.#recent.push(line);
    if (this.#recent.length > 40_000) this.#recent.splice(0, 20_000);
  }

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  get recent(): readonly string[] {
    return this.#recent;
  }

  get lineCount(): number {
    return this.#lines;
  }

  digest(): string {
    return this.#hash.copy().digest("hex").slice(0, 16);
  }
}
