// The last bytes of a snapshot: the SHA-256 of everything before them, so that a file that is cut or damaged anywhere is
// refused before anything is read from it. They are an empty gzip member whose comment is the sum: whatever reads gzip
// reads past it, and the file stays one that `tar xzf` takes.

import type { Hashing } from "../../runtime/runtime.ts";

const MEMBER_HEAD = [0x1f, 0x8b, 0x08, 0x10, 0, 0, 0, 0, 0, 0xff];
/** An empty block, its CRC and its size. */
const MEMBER_TAIL = [0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0];
const COMMENT = "edgectl snapshot sha-256=";

export const SEAL_BYTES = MEMBER_HEAD.length + COMMENT.length + 64 + 1 + MEMBER_TAIL.length;

export function sealOf(hashing: Hashing, pieces: readonly Uint8Array[]): Uint8Array {
  const sum = hashing.newSha256();
  for (const piece of pieces) sum.update(piece);
  return Uint8Array.from([...MEMBER_HEAD, ...new TextEncoder().encode(`${COMMENT}${hexOf(sum.digest())}`), 0, ...MEMBER_TAIL]);
}

/** Whether the file ends with the seal of what comes before it. */
export function isSealed(hashing: Hashing, file: Uint8Array): boolean {
  if (file.length <= SEAL_BYTES) return false;
  const end = file.length - SEAL_BYTES;
  const seal = sealOf(hashing, [file.subarray(0, end)]);
  return seal.every((byte, at) => file[end + at] === byte);
}

export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
