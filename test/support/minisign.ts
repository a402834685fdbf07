// Keys and signatures as minisign writes them.

import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface MinisignKey {
  readonly id: Buffer;
  /** The public key's file. */
  readonly text: string;
  sign(data: Uint8Array): Uint8Array;
}

export function minisignKey(): MinisignKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const id = randomBytes(8);
  const bytes = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const data = Buffer.concat([Buffer.from("Ed"), id, bytes]).toString("base64");
  return { id, text: `untrusted comment: minisign public key\n${data}\n`, sign: (message) => sign(null, message, privateKey) };
}

/** `ED` signs the BLAKE2b of the file, `Ed` the file itself. */
export function minisign(key: MinisignKey, content: Uint8Array | string, algorithm: "ED" | "Ed" = "ED"): string {
  const message = algorithm === "ED" ? createHash("blake2b512").update(content).digest() : Buffer.from(content);
  const signature = key.sign(message);
  const comment = "ours";
  const data = Buffer.concat([Buffer.from(algorithm), key.id, signature]).toString("base64");
  const global = Buffer.from(key.sign(Buffer.concat([signature, Buffer.from(comment)]))).toString("base64");
  return `untrusted comment: signature\n${data}\ntrusted comment: ${comment}\n${global}\n`;
}
