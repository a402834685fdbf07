// Images of tasks: a folder as it is, or a tarball unpacked once into a folder named by its digest. And the few
// programs of the host that a task's start needs inside an image, which may have none of its own.

import { EdgeError, messageOf } from "../../domain/errors.ts";
import { join } from "../../domain/paths.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { Disuse } from "../disuse.ts";
import type { Tools } from "./tools.ts";

const UNPACK_MS_MAX = 600_000;
const GONE = ".gone";

export interface ImagesParts {
  readonly runtime: Runtime;
  /** Where they are unpacked. */
  readonly directory: string;
  readonly tools: Tools;
  /** How long one that was unpacked stays unused. */
  readonly delayMs: number;
  /** Whether a task runs in it that nobody here knows of, or not yet. */
  isInUse(digest: string): boolean;
}

export interface FoundImage {
  readonly folder: string;
  /** Of the tarball: the image is held, until it is released. Null = a folder of somebody else's. */
  readonly digest: string | null;
}

export class Images {
  /** Unpacked ones, by their digests. */
  readonly uses: Disuse;
  readonly #runtime: Runtime;
  readonly #directory: string;
  readonly #tools: Tools;
  readonly #isInUse: ImagesParts["isInUse"];
  /** Work under way by its result's path: two tasks of one image wait for the same. */
  readonly #pending = new Map<string, Promise<string>>();

  constructor({ runtime, directory, tools, delayMs, isInUse }: ImagesParts) {
    this.#runtime = runtime;
    this.#directory = directory;
    this.#tools = tools;
    this.#isInUse = isInUse;
    const path = `${directory}.json`;
    this.uses = new Disuse({ runtime, path, delayMs, remove: (digest) => this.#remove(digest) });
  }

  /** Throws `invalid` when there is no such image; `say` hears what takes its time. */
  async find(path: string, say: (message: string) => void): Promise<FoundImage> {
    const info = this.#runtime.files.stat(path);
    if (info === null) throw new EdgeError("invalid", `the image "${path}" is not on this node`);
    if (info.isDirectory) return { folder: path, digest: null };
    const digest = await this.#digestOf(path, `${path}|${info.sizeBytes}|${info.modifiedAtMs}|${info.inode}`);
    const folder = join(this.#directory, digest);
    this.uses.hold(digest);
    try {
      await this.#once(folder, async () => {
        say(`Unpacking ${path}`);
        await this.#fill(folder, (half) =>
          this.#run("tar", ["-x", "-f", path, "-C", half, "--numeric-owner"], `the image "${path}" could not be unpacked`),
        );
      });
    } catch (error) {
      this.uses.release(digest);
      throw error;
    }
    this.uses.note(digest, path);
    return { folder, digest };
  }

  /** Once running tasks were taken up: what lies there and nobody uses is unused from now on, those of earlier versions too. */
  async settle(): Promise<void> {
    const { files } = this.#runtime;
    for (const name of files.list(this.#directory) ?? []) {
      if (name.endsWith(GONE)) await files.removeTree(join(this.#directory, name));
      else if (/^[0-9a-f]{64}$/.test(name) && !this.uses.isKnown(name)) this.uses.note(name, "");
    }
    this.uses.settle();
  }

  /** A folder with shell, setpriv and umount, with the loader and the libraries that they need. */
  async toolsFolder(): Promise<string> {
    const { sh, setpriv, umount } = this.#tools.paths;
    const programs = [sh, setpriv, umount];
    const stamps = programs.map((path) => this.#runtime.files.stat(path)?.modifiedAtMs ?? 0);
    const folder = join(this.#directory, `tools-${this.#runtime.hashing.sha256Hex(stamps.join()).slice(0, 16)}`);
    return this.#once(folder, () => this.#fill(folder, (half) => this.#copyTools(half, programs)));
  }

  // --- internal ---

  /** Under another name first: a task that wants it meanwhile unpacks it anew. */
  async #remove(digest: string): Promise<"gone" | "later"> {
    if (this.#isInUse(digest)) return "later";
    const { files } = this.#runtime;
    const folder = join(this.#directory, digest);
    if (files.stat(folder) === null) return "gone";
    for (const name of files.list(this.#directory) ?? [])
      if (name.startsWith("digest-") && files.readText(join(this.#directory, name)) === digest) files.remove(join(this.#directory, name));
    await files.removeTree(`${folder}${GONE}`);
    if (this.uses.isHeld(digest)) return "later";
    files.rename(folder, `${folder}${GONE}`);
    await files.removeTree(`${folder}${GONE}`);
    return "gone";
  }

  /** Reading a large file takes long on a small device: its digest is noted beside what tells that it changed. */
  async #digestOf(path: string, stamp: string): Promise<string> {
    const { files, hashing } = this.#runtime;
    const note = join(this.#directory, `digest-${hashing.sha256Hex(stamp)}`);
    const known = /^[0-9a-f]{64}$/.exec(files.readText(note) ?? "")?.[0];
    if (known) return known;
    const output = await this.#run("sha256sum", [path], `the image "${path}" could not be read`);
    const digest = /[0-9a-f]{64}/.exec(output)?.[0];
    if (!digest) throw new EdgeError("internal", `sha256sum gave no digest of "${path}"`);
    files.makeDirectory(this.#directory, 0o700);
    files.writeText(note, digest);
    return digest;
  }

  async #once(folder: string, make: () => Promise<void>): Promise<string> {
    if (this.#runtime.files.stat(folder) !== null) return folder;
    const pending = this.#pending.get(folder) ?? make().then(() => folder);
    this.#pending.set(folder, pending);
    try {
      return await pending;
    } finally {
      this.#pending.delete(folder);
    }
  }

  /** Whole or not at all: an interrupted attempt leaves a folder under another name, which the next one clears away. */
  async #fill(folder: string, fill: (half: string) => Promise<unknown>): Promise<void> {
    const { files } = this.#runtime;
    const half = `${folder}.new`;
    await files.removeTree(half);
    files.makeDirectory(this.#directory, 0o700);
    files.makeDirectory(half, 0o755);
    try {
      await fill(half);
      files.rename(half, folder);
    } catch (error) {
      await files.removeTree(half);
      throw error;
    }
  }

  async #copyTools(half: string, programs: readonly string[]): Promise<void> {
    const loader = loaderOf(this.#runtime, programs[1] ?? "");
    const libraries = new Set<string>();
    for (const program of programs) {
      const listed = await this.#run(loader, ["--list", program], `the libraries of ${program} could not be listed`);
      for (const [, library = ""] of listed.matchAll(/=> (\/\S+)/g)) libraries.add(library);
    }
    await this.#run("cp", ["-L", ...programs, ...libraries, half], "the tools for images could not be copied");
    await this.#run("cp", ["-L", loader, join(half, "loader")], "the loader for images could not be copied");
  }

  async #run(program: string, args: readonly string[], what: string): Promise<string> {
    const done = await this.#runtime.processes.run(program, args, { timeoutMs: UNPACK_MS_MAX });
    if (done.code === 0) return done.stdout;
    throw new EdgeError("internal", `${what}: ${done.stderr.trim().slice(0, 300) || `${program} ended with ${done.code}`}`);
  }
}

/** How a program of that folder is called inside an image that may lack every library. */
export function toolInImage(folder: string, name: string): string {
  return `/${folder}/loader --library-path /${folder} /${folder}/${name}`;
}

// --- internal ---

/** The program's loader, as its ELF header names it within the first pages. */
function loaderOf(runtime: Runtime, program: string): string {
  try {
    const bytes = runtime.files.readBytes(program) ?? new Uint8Array();
    const loader = /\/[\w./-]*\/ld[\w.-]*\.so[\w.]*/.exec(Buffer.from(bytes.subarray(0, 8192)).toString("latin1"))?.[0];
    if (loader) return loader;
  } catch (error) {
    throw new EdgeError("internal", `${program} could not be read: ${messageOf(error)}`);
  }
  throw new EdgeError("internal", `${program} names no loader: images need a dynamically linked one of the host`);
}
