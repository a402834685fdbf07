// A disk of some megabytes that can be filled up and emptied again, while something lives on it.

import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

export class SmallDisk {
  readonly folder: string;

  constructor(folder: string, sizeMiB: number) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    const done = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "tmpfs", folder], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`mount ${folder}: ${done.stderr}`);
  }

  /** Takes every page that is left. */
  fill(): void {
    const file = openSync(this.#filler(), "a");
    const page = Buffer.alloc(4096);
    try {
      for (;;) writeSync(file, page);
    } catch (error) {
      if ((error as { readonly code?: string }).code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  empty(): void {
    rmSync(this.#filler(), { force: true });
  }

  close(): void {
    spawnSync("umount", ["-l", this.folder]);
  }

  // --- internal ---

  #filler(): string {
    return join(this.folder, "filler");
  }
}
