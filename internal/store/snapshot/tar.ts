// The few bytes of a tar archive that a snapshot needs: plain files with short names, written and read back. It refuses
// whatever it would not write itself.

import { EdgeError } from "../../domain/errors.ts";

export const TAR_BLOCK = 512;

export interface TarEntry {
  readonly name: string;
  readonly content: Uint8Array;
}

/** The header before a file's content. */
export function tarHeader(file: { readonly name: string; readonly size: number; readonly modifiedAtMs: number }): Uint8Array {
  const header = new Uint8Array(TAR_BLOCK);
  const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  put(file.name, 0);
  put("0000600\0", 100);
  put("0000000\0", 108);
  put("0000000\0", 116);
  put(`${octal(file.size, 11)}\0`, 124);
  put(`${octal(Math.max(Math.floor(file.modifiedAtMs / 1000), 0), 11)}\0`, 136);
  put("        ", 148);
  put("0", 156);
  put("ustar\u000000", 257);
  put(`${octal(sumOf(header), 6)}\0 `, 148);
  return header;
}

/** What fills a file's last block. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}

/** What stands after the last file. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * TAR_BLOCK);
}

/** Throws `invalid` for what is no whole archive. */
export function readTar(bytes: Uint8Array): readonly TarEntry[] {
  const entries: TarEntry[] = [];
  for (let at = 0; ; ) {
    const header = bytes.subarray(at, at + TAR_BLOCK);
    if (header.length < TAR_BLOCK) throw broken("it ends early");
    if (header.every((byte) => byte === 0)) return entries;
    if (fieldOf(header, 257, 5) !== "ustar") throw broken("a header is missing");
    const size = octalOf(header, 124, 12);
    if (octalOf(header, 148, 8) !== sumOf(withoutSum(header))) throw broken("a header has the wrong sum");
    const content = bytes.subarray(at + TAR_BLOCK, at + TAR_BLOCK + size);
    if (content.length < size) throw broken("a file in it ends early");
    entries.push({ name: fieldOf(header, 0, 100), content });
    at += TAR_BLOCK + size + tarPadding(size).length;
  }
}

// --- internal ---

function broken(reason: string): EdgeError {
  return new EdgeError("invalid", `the snapshot's archive is broken: ${reason}`);
}

function fieldOf(header: Uint8Array, at: number, length: number): string {
  const text = new TextDecoder().decode(header.subarray(at, at + length));
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function octalOf(header: Uint8Array, at: number, length: number): number {
  const text = fieldOf(header, at, length).trim();
  if (!/^[0-7]+$/.test(text)) throw broken("a header holds no number where one belongs");
  return Number.parseInt(text, 8);
}

function sumOf(header: Uint8Array): number {
  return header.reduce((sum, byte) => sum + byte, 0);
}

/** A header's sum is made with blanks in its own place. */
function withoutSum(header: Uint8Array): Uint8Array {
  const copy = header.slice();
  copy.fill(0x20, 148, 156);
  return copy;
}
