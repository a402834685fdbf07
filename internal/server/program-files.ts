// Programs that wait on a server to be handed to nodes: files in its data directory, named by their sum.

import { EdgeError, messageOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Runtime } from "../runtime/runtime.ts";

export class ProgramFiles {
  readonly #runtime: Runtime;
  readonly #folder: string;

  constructor(runtime: Runtime, folder: string) {
    this.#runtime = runtime;
    this.#folder = folder;
  }

  has(sha256: string): boolean {
    return this.#runtime.files.stat(this.#path(sha256)) !== null;
  }

  /** Shorter at the end of the file, null where there is none. */
  read(sha256: string, offset: number, length: number): Promise<Uint8Array | null> {
    return this.#runtime.files.readAt(this.#path(sha256), offset, length);
  }

  /** Takes a file as it comes, whole or not at all. Throws `invalid` for another sum, `too-large`, `store-full`. */
  async take(sha256: string, body: ReadableStream<Uint8Array> | null): Promise<void> {
    const { files, hashing } = this.#runtime;
    if (body === null) throw new EdgeError("invalid", "the program is missing: it is the body of the request");
    files.makeDirectory(this.#folder, 0o700);
    const coming = `${this.#path(sha256)}.coming`;
    files.remove(coming);
    const sum = hashing.newSha256();
    const file = files.append(coming);
    try {
      let bytes = 0;
      for await (const piece of piecesOf(body)) {
        bytes += piece.length;
        if (bytes > LIMITS.upgradeProgramBytesMax)
          throw new EdgeError("too-large", `the program is larger than ${LIMITS.upgradeProgramBytesMax} bytes (upgradeProgramBytesMax)`);
        sum.update(piece);
        file.write(piece);
      }
      await file.sync();
      const found = Buffer.from(sum.digest()).toString("hex");
      if (found !== sha256) throw new EdgeError("invalid", `the program came with the sum ${found}, and should have ${sha256}`);
      files.rename(coming, this.#path(sha256));
    } catch (error) {
      files.remove(coming);
      if (error instanceof EdgeError) throw error;
      throw new EdgeError("store-full", `the program could not be kept in ${this.#folder}: ${messageOf(error)}`, { cause: error });
    } finally {
      file.close();
    }
  }

  /** Of programs that were sent and never rolled out only so many stay. */
  makeRoom(used: readonly string[]): void {
    if ((this.#runtime.files.list(this.#folder) ?? []).length >= LIMITS.fleetProgramsMax * 2) this.keepOnly(used);
  }

  /** All but these go. */
  keepOnly(sums: readonly string[]): void {
    const { files } = this.#runtime;
    for (const name of files.list(this.#folder) ?? []) if (!sums.includes(name)) files.remove(`${this.#folder}/${name}`);
  }

  // --- internal ---

  #path(sha256: string): string {
    return `${this.#folder}/${sha256}`;
  }
}

// --- internal ---

async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
