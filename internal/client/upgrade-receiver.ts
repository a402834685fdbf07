// A program that a server hands to this node over their connection: kept piece by piece, so that a connection that ends
// costs nothing, then given to the agent. Off unless the node's settings allow it.

import type { NodeCall, UpgradeHeld, UpgradeProgress } from "../api/node-protocol.ts";
import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { readBootId } from "../runtime/process-identity.ts";
import type { Runtime } from "../runtime/runtime.ts";

export type UpgradeCall = Extract<NodeCall, { readonly method: `upgrade-${string}` }>;

/** What the agent does with a program. */
export interface UpgradePort {
  /** How it stands with the upgrade of this id; null = it knows of none. */
  status(id: string): UpgradeProgress | null;
  apply(file: string, request: Extract<UpgradeCall, { readonly method: "upgrade-apply" }>): Promise<UpgradeProgress>;
}

export class UpgradeReceiver {
  readonly #runtime: Runtime;
  readonly #folder: string;
  readonly #port: UpgradePort | null;

  /** Without a port every program is refused. */
  constructor(runtime: Runtime, folder: string, port: UpgradePort | null) {
    this.#runtime = runtime;
    this.#folder = folder;
    this.#port = port;
  }

  async answer(request: UpgradeCall): Promise<UpgradeProgress | UpgradeHeld | null> {
    const port = this.#port;
    if (port === null)
      throw new EdgeError("permission-denied", "this node does not let servers upgrade it", {
        hint: "client.upgrade.enabled = true in its settings",
      });
    switch (request.method) {
      case "upgrade-status":
        return port.status(request.id);
      case "upgrade-offer":
        return this.#offer(request.sha256, request.sizeBytes);
      case "upgrade-piece":
        return this.#piece(request);
      case "upgrade-apply": {
        const file = this.#path(request.sha256);
        try {
          return await port.apply(file, request);
        } finally {
          // It has a copy of its own by now, or this one is of no use.
          this.#runtime.files.remove(file);
        }
      }
    }
  }

  // --- internal ---

  #offer(sha256: string, sizeBytes: number): UpgradeHeld {
    const { files } = this.#runtime;
    if (sizeBytes > LIMITS.upgradeProgramBytesMax)
      throw new EdgeError("too-large", `a program of ${sizeBytes} bytes is larger than ${LIMITS.upgradeProgramBytesMax} (upgradeProgramBytesMax)`);
    files.makeDirectory(this.#folder, 0o700);
    const path = this.#path(sha256);
    for (const name of files.list(this.#folder) ?? []) if (`${this.#folder}/${name}` !== path) files.remove(`${this.#folder}/${name}`);
    const offset = files.stat(path)?.sizeBytes ?? 0;
    const freeBytes = files.diskSpace(this.#folder)?.freeBytes ?? Number.POSITIVE_INFINITY;
    // What is left to come, and the copy that takes the program's place.
    const neededBytes = sizeBytes - offset + sizeBytes;
    if (freeBytes < neededBytes)
      throw new EdgeError("store-full", `${neededBytes} bytes of disk are needed for the program, and ${freeBytes} are free`);
    return { offset, packings: ["gzip"] };
  }

  async #piece({ sha256, offset, packing, data }: Extract<UpgradeCall, { readonly method: "upgrade-piece" }>): Promise<UpgradeHeld> {
    const { files, compression } = this.#runtime;
    const path = this.#path(sha256);
    const held = files.stat(path)?.sizeBytes ?? 0;
    if (held !== offset) throw new EdgeError("busy", `the node holds ${held} bytes of the program, and was sent a piece at ${offset}`);
    const sent = Buffer.from(data, "base64");
    const bytes = packing === "gzip" ? await compression.gunzip(sent, LIMITS.upgradePieceBytes) : sent;
    if (offset + bytes.length > LIMITS.upgradeProgramBytesMax)
      throw new EdgeError("too-large", `the program is larger than ${LIMITS.upgradeProgramBytesMax} bytes (upgradeProgramBytesMax)`);
    const file = files.append(path);
    try {
      file.write(bytes);
    } finally {
      file.close();
    }
    return { offset: offset + bytes.length, packings: ["gzip"] };
  }

  /** Of this boot: pieces that a power cut may have taken from the disk are not built upon. */
  #path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new EdgeError("invalid", `"${sha256}" is no SHA-256`);
    return `${this.#folder}/${sha256}.${readBootId(this.#runtime.files).slice(0, 8)}`;
  }
}
