// Where a node keeps the meta that operators set, over its restarts.

import { type DynamicMeta, parseMetaChanges, withMetaChanges } from "../domain/node-meta.ts";
import type { Log } from "../runtime/log.ts";
import { readOrNull } from "../runtime/read-or-null.ts";
import type { Files } from "../runtime/runtime.ts";

export class MetaFile {
  readonly #files: Files;
  readonly #path: string;

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
  }

  /** What was set; a file that is none of ours is left out, and said so. */
  read(log: Log): DynamicMeta {
    const text = readOrNull(this.#files, this.#path);
    if (text === null || text.trim() === "{}") return {};
    try {
      const meta = parseMetaChanges(JSON.parse(text));
      // Each of its keys counts as one that the settings have: which do is not known here.
      return withMetaChanges({ dynamic: {}, static: Object.fromEntries(Object.keys(meta).map((key) => [key, ""])) }, meta);
    } catch (error) {
      log.warn("the meta that was set on this node cannot be read and is left out", { path: this.#path, error: String(error).slice(0, 200) });
      return {};
    }
  }

  /** Durable once it returns. Throws what the disk says. */
  write(meta: DynamicMeta): void {
    this.#files.writeAtomic(this.#path, `${JSON.stringify(meta)}\n`, 0o600);
  }
}
