// Files of a machine that never was: what is listed is there, all else is missing. Links have a target.

import { bunRuntime } from "../../../internal/runtime/bun.ts";
import type { FileInfo, Files } from "../../../internal/runtime/runtime.ts";

type Entry = string | null | { readonly link: string };

/** A text is a file, null a folder. Programs are the files whose text begins with `#!`. */
export function fakeFiles(entries: Readonly<Record<string, Entry>>): Files & { readonly now: Map<string, Entry> } {
  const now = new Map<string, Entry>(Object.entries(entries));
  const real = (path: string): string => {
    const entry = now.get(path);
    if (typeof entry !== "object" || entry === null) return path;
    return real(entry.link.startsWith("/") ? entry.link : `${path.slice(0, path.lastIndexOf("/"))}/${entry.link}`);
  };
  const info = (path: string): FileInfo | null => {
    const entry = now.get(path);
    if (entry === undefined) return null;
    const kinds = { isDirectory: entry === null, isFile: typeof entry === "string" };
    return { name: path, ...kinds, sizeBytes: 0, allocatedBytes: 0, mode: 0o644, modifiedAtMs: 0, inode: 1 };
  };
  const textOf = (path: string) => {
    const entry = now.get(real(path));
    return typeof entry === "string" ? entry : null;
  };
  return {
    ...bunRuntime().files,
    now,
    readText: textOf,
    readBytes: () => null,
    stat: (path) => info(real(path)),
    lstat: info,
    realPath: (path) => (now.has(real(path)) ? real(path) : null),
    readLink(path) {
      const entry = now.get(path);
      return typeof entry === "object" && entry !== null ? entry.link : null;
    },
    list: (path) =>
      [...now.keys()]
        .filter((key) => key.startsWith(`${path}/`) && !key.slice(path.length + 1).includes("/"))
        .map((key) => key.slice(path.length + 1)),
    isExecutable: (path) => textOf(path)?.startsWith("#!") === true,
    makeDirectory: (path) => void now.set(path, null),
    writeText: (path, text) => void now.set(path, String(text)),
    createExclusive(path, text) {
      if (now.has(path)) return false;
      now.set(path, text);
      return true;
    },
    remove: (path) => void now.delete(path),
    chmod: () => undefined,
  };
}
