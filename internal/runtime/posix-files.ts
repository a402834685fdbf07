// Files through node:fs, which Bun and Node share. Missing files are null, other failures throw.

import type { Stats } from "node:fs";
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fdatasync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  promises,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { AppendFile, FileInfo, Files } from "./runtime.ts";

export const posixFiles: Files = {
  readText: (path) => orNull(() => readFileSync(path, "utf8")),
  readBytes: (path) => orNull(() => readFileSync(path)),
  writeText(path, text, mode) {
    writeFileSync(path, text, mode === undefined ? {} : { mode });
  },
  createExclusive(path, text) {
    return unlessTaken(() => writeFileSync(path, text, { flag: "wx" }));
  },
  writeAtomic(path, text, mode) {
    const temporary = `${path}.new`;
    const fd = openSync(temporary, "w", mode ?? 0o644);
    try {
      // Unlike writeSync it goes on after a part was written.
      writeFileSync(fd, text);
      fsyncSync(fd);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  },
  append: openAppend,
  makeDirectory(path, mode) {
    mkdirSync(path, { recursive: true, ...(mode === undefined ? {} : { mode }) });
  },
  list: (path) => orNull(() => readdirSync(path).sort()),
  stat: (path) => orNull(() => infoOf(path, statSync(path))),
  lstat: (path) => orNull(() => infoOf(path, lstatSync(path))),
  realPath: (path) => orNull(() => realpathSync(path)),
  readLink: (path) => orNull(() => readlinkSync(path)),
  linkExclusive(from, to) {
    return unlessTaken(() => linkSync(from, to));
  },
  readAt,
  rename: renameSync,
  renameDurably(from, to) {
    renameSync(from, to);
    syncDirectory(dirname(to));
  },
  remove(path) {
    rmSync(path, { force: true });
  },
  removeTree,
  truncate: truncateSync,
  chmod: chmodSync,
  chown: chownSync,
  symlink(target, path) {
    symlinkSync(target, path);
  },
  isExecutable(path) {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      // Whatever the reason, it cannot be executed; callers say so in words.
      return false;
    }
  },
  diskSpace(path) {
    return orNull(() => {
      const stats = statfsSync(path);
      return {
        totalBytes: stats.blocks * stats.bsize,
        usedBytes: (stats.blocks - stats.bfree) * stats.bsize,
        freeBytes: stats.bavail * stats.bsize,
        inodes: stats.files,
        freeInodes: stats.ffree,
      };
    });
  },
  openForSync(path) {
    const fd = openSync(path, "r+");
    return {
      datasync: () => new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
      close: () => closeSync(fd),
    };
  },
  temporaryDirectory: (prefix) => mkdtempSync(join(tmpdir(), prefix)),
};

// --- internal ---

function openAppend(path: string): AppendFile {
  const fd = openSync(path, "a", 0o600);
  return {
    write(data) {
      const bytes = Buffer.from(data);
      let written = 0;
      while (written < bytes.length) written += writeSync(fd, bytes, written);
    },
    sync: () => new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
    close: () => closeSync(fd),
  };
}

async function readAt(path: string, offset: number, length: number): Promise<Uint8Array | null> {
  let handle: promises.FileHandle;
  try {
    handle = await promises.open(path, "r");
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  try {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function infoOf(path: string, stats: Stats): FileInfo {
  return {
    name: basename(path),
    isDirectory: stats.isDirectory(),
    isFile: stats.isFile(),
    sizeBytes: stats.size,
    allocatedBytes: stats.blocks * 512,
    mode: stats.mode,
    modifiedAtMs: stats.mtimeMs,
    inode: stats.ino,
  };
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function unlessTaken(create: () => void): boolean {
  try {
    create();
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Somebody may write into it meanwhile, as the shim of a task that was just killed does; Bun tells that by EFAULT. */
async function removeTree(path: string): Promise<void> {
  for (let left = REMOVALS_MAX - 1; ; left--) {
    try {
      return await promises.rm(path, { recursive: true, force: true });
    } catch (error) {
      if (left === 0 || (codeOf(error) !== "ENOTEMPTY" && codeOf(error) !== "EFAULT")) throw error;
      await new Promise((resolve) => setTimeout(resolve, REMOVAL_PAUSE_MS));
    }
  }
}

const REMOVALS_MAX = 10;
const REMOVAL_PAUSE_MS = 30;

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
