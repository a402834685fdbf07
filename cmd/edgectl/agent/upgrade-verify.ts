// Whether a file is what it should be: its SHA-256, and a minisign signature of it where a key is given.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

export interface Wanted {
  /** As hex; "" = any. */
  readonly sha256: string;
  /** Text of a .minisig file, "" = none. */
  readonly signature: string;
  /** Text of a minisign public key; null = a signature is not asked for. */
  readonly key: string | null;
}

/** The file's SHA-256. Throws `permission-denied` for a signature that is missing or wrong, `invalid` for another sum. */
export async function checkProgram(runtime: Runtime, path: string, wanted: Wanted): Promise<string> {
  const key = wanted.key === null ? null : parseKey(wanted.key);
  const signature = key === null ? null : parseSignature(wanted.signature);
  const sums = { sha256: runtime.hashing.newSha256(), blake2b: runtime.hashing.newBlake2b() };
  for await (const piece of piecesOf(runtime, path)) {
    sums.sha256.update(piece);
    if (signature !== null) sums.blake2b.update(piece);
  }
  const sha256 = Buffer.from(sums.sha256.digest()).toString("hex");
  if (wanted.sha256 !== "" && wanted.sha256 !== sha256)
    throw new EdgeError("invalid", `${path} is not the file that was meant: its sha256 is ${sha256}, and should be ${wanted.sha256}`);
  if (key !== null && signature !== null) checkSignature(runtime, { key, signature, digest: sums.blake2b.digest(), path });
  return sha256;
}

/** Piece by piece, with a pause after each: other work goes on. */
export async function* piecesOf(runtime: Runtime, path: string): AsyncIterable<Uint8Array> {
  for (let at = 0; ; ) {
    const piece = await runtime.files.readAt(path, at, PIECE_BYTES);
    if (piece === null) throw new EdgeError("not-found", `there is no file ${path}`);
    if (piece.length === 0) return;
    at += piece.length;
    if (at > LIMITS.upgradeProgramBytesMax)
      throw new EdgeError("too-large", `${path} is larger than ${LIMITS.upgradeProgramBytesMax} bytes (upgradeProgramBytesMax)`);
    yield piece;
  }
}

// --- internal ---

const PIECE_BYTES = 1_048_576;

interface Key {
  readonly id: string;
  readonly bytes: Uint8Array;
}

interface Signature {
  readonly keyId: string;
  readonly bytes: Uint8Array;
  readonly comment: string;
  readonly commentSignature: Uint8Array;
}

function checkSignature(
  runtime: Runtime,
  parts: { readonly key: Key; readonly signature: Signature; readonly digest: Uint8Array; readonly path: string },
): void {
  const { key, signature, digest, path } = parts;
  const { hashing } = runtime;
  if (key.id !== signature.keyId) throw refused(`the signature of ${path} is of key ${signature.keyId}, not of ${key.id}`);
  if (!hashing.isSignedEd25519(key.bytes, digest, signature.bytes)) throw refused(`the signature is not one of ${path} by key ${key.id}`);
  const signedComment = Buffer.concat([signature.bytes, Buffer.from(signature.comment)]);
  if (!hashing.isSignedEd25519(key.bytes, signedComment, signature.commentSignature))
    throw refused(`the trusted comment of the signature of ${path} was changed`);
}

/** Two bytes of algorithm, eight of the key's id, the key. */
function parseKey(text: string): Key {
  const lines = linesOf(text);
  const data = Buffer.from(lines.find((line) => !line.startsWith("untrusted comment:")) ?? "", "base64");
  if (data.length !== 42 || data.toString("latin1", 0, 2) !== "Ed")
    throw new EdgeError("config", "this is no public key of minisign", { hint: "`minisign -G` makes a pair; the public one is minisign.pub" });
  return { id: idText(data), bytes: data.subarray(10) };
}

function parseSignature(text: string): Signature {
  if (text.trim() === "")
    throw refused("a signature is asked for and none was given", "give the .minisig file with --signature; `minisign -S` makes one");
  const [, first = "", comment = "", second = ""] = linesOf(text);
  const [data, commentSignature] = [Buffer.from(first, "base64"), Buffer.from(second, "base64")];
  const isForm = data.length === 74 && commentSignature.length === 64 && comment.startsWith(TRUSTED);
  if (!isForm) throw refused("this is no signature of minisign");
  if (data.toString("latin1", 0, 2) !== "ED")
    throw refused("the signature is of minisign's old kind, which needs the whole file in memory", "sign it again: `minisign -S -H`");
  return { keyId: idText(data), bytes: data.subarray(10), comment: comment.slice(TRUSTED.length), commentSignature };
}

const TRUSTED = "trusted comment: ";

function linesOf(text: string): readonly string[] {
  return text
    .slice(0, LIMITS.upgradeKeyCharsMax)
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "");
}

/** As minisign shows it: the bytes from the last to the first. */
function idText(data: Buffer): string {
  return Buffer.from(data.subarray(2, 10)).reverse().toString("hex").toUpperCase();
}

function refused(message: string, hint?: string): EdgeError {
  return new EdgeError("permission-denied", message, hint === undefined ? {} : { hint });
}
