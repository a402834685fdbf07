// Copies what a container wrote from the engine's log file into the task's own log files, from where it stopped.
//
// The file is read, not the engine asked: a position in a file is exact, while the engine can only be asked by time, and
// times repeat, differ between the two streams, and go back when a device sets its clock. It also goes on while the
// engine is away. Nothing is lost or doubled when the agent is killed at any instant: the cursor says how long the
// task's files were at its position, and what they are longer by was copied already.

import { join } from "../../../domain/paths.ts";
import type { AppendFile, Runtime, Timer } from "../../../runtime/runtime.ts";
import { type LogEntry, parseLogLine } from "./log-lines.ts";

export interface LogFollowerParts {
  readonly runtime: Runtime;
  /** Where the cursor is kept. */
  readonly control: string;
  /** The engine's file; rotated ones end in `.1` and so on, the newest first. */
  readonly source: string;
  readonly targets: Readonly<Record<LogEntry["stream"], string>>;
  /** Told once: the file cannot be read, or some of it was gone before it was read. */
  trouble(message: string): void;
}

/** A place in the source, and how long the targets were there. Inode 0 = nothing was read yet. */
interface Cursor {
  readonly inode: number;
  /** Sum of the file's first line, whose time no other file has: a rotated file's inode is soon given to another. "" = not read yet. */
  readonly head: string;
  readonly offset: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** Notes how long the task's files are before its container writes anything: what is there is of earlier attempts. */
export function beginLog(runtime: Runtime, control: string, targets: LogFollowerParts["targets"]): void {
  writeCursor(runtime, control, { inode: 0, head: "", offset: 0, stdout: sizeOf(runtime, targets.stdout), stderr: sizeOf(runtime, targets.stderr) });
}

export class LogFollower {
  readonly #parts: LogFollowerParts;
  readonly #files: Readonly<Record<LogEntry["stream"], AppendFile>>;
  #cursor: Cursor;
  /** What the targets already hold of what is read next. */
  readonly #skip: Record<LogEntry["stream"], number>;
  #pauseMs = PAUSE_MS_MIN;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #isStopped = false;
  #isTroubleTold = false;
  #emptyLooks = 0;

  constructor(parts: LogFollowerParts) {
    this.#parts = parts;
    const { runtime, control, targets } = parts;
    const sizes = { stdout: sizeOf(runtime, targets.stdout), stderr: sizeOf(runtime, targets.stderr) };
    this.#cursor = readCursor(runtime, control) ?? { inode: 0, head: "", offset: 0, ...sizes };
    this.#skip = { stdout: Math.max(0, sizes.stdout - this.#cursor.stdout), stderr: Math.max(0, sizes.stderr - this.#cursor.stderr) };
    this.#files = { stdout: runtime.files.append(targets.stdout), stderr: runtime.files.append(targets.stderr) };
  }

  start(): void {
    this.#arm(0);
  }

  /** Copies what is left, now that nothing more comes, and lets go. */
  async finish(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
    // One look takes a bounded part: what came while no agent ran may be far more.
    while (await this.#copyAll());
    this.#close();
  }

  /** Lets go where it stands: the next agent goes on from here. */
  release(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.cancel();
    void (this.#running ?? Promise.resolve()).then(() => this.#close());
  }

  // --- internal ---

  #close(): void {
    this.#files.stdout.close();
    this.#files.stderr.close();
  }

  #arm(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.runtime.clock.after(
      delayMs,
      () => {
        this.#running = this.#copyAll()
          .then(() => undefined)
          .catch((error) => this.#trouble(`the container's output cannot be copied: ${error instanceof Error ? error.message : String(error)}`))
          .finally(() => this.#arm(this.#pauseMs));
      },
      { keepsAlive: false },
    );
  }

  /** Towards the end of the newest file; false when it was there already. Pauses grow while nothing comes. */
  async #copyAll(): Promise<boolean> {
    let isMoved = false;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const source = await this.#locate();
      if (source === null) break;
      const [before, pieceBefore] = [this.#cursor, this.#pieceBytes];
      await this.#copySome(source);
      if (this.#cursor !== before || this.#pieceBytes !== pieceBefore) isMoved = true;
      else if (!source.isRotated || !this.#moveOn()) break;
    }
    this.#pauseMs = isMoved ? PAUSE_MS_MIN : Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    return isMoved;
  }

  /** The file the cursor stands in, wherever rotation has moved it; the oldest one there is when it is gone. */
  async #locate(): Promise<{ readonly path: string; readonly isRotated: boolean } | null> {
    const names = this.#sources();
    if (names.length === 0) {
      this.#emptyLooks += 1;
      if (this.#cursor.inode !== 0) this.#trouble("the engine's log file of the container is gone: the end of its output may be missing");
      else if (this.#emptyLooks > EMPTY_LOOKS_MAX)
        this.#trouble(`the agent finds no file ${this.#parts.source}: the container's output is not collected`);
      return null;
    }
    const found = names.find((entry) => entry.inode === this.#cursor.inode);
    if (found && (await this.#isSame(found.path))) return { path: found.path, isRotated: found !== names[0] };
    if (this.#cursor.inode !== 0) this.#trouble("the container wrote more than the engine keeps before it was read: some of its output is missing");
    const oldest = names.at(-1) ?? names[0];
    if (!oldest) return null;
    this.#cursor = { ...this.#cursor, inode: oldest.inode, head: "", offset: 0 };
    return { path: oldest.path, isRotated: oldest !== names[0] };
  }

  /** Newest first. */
  #sources(): readonly { readonly path: string; readonly inode: number }[] {
    const { files } = this.#parts.runtime;
    const found: { readonly path: string; readonly inode: number }[] = [];
    for (let at = 0; at < ROTATED_MAX; at++) {
      const path = at === 0 ? this.#parts.source : `${this.#parts.source}.${at}`;
      const info = files.stat(path);
      if (info === null) {
        // Between the two renames of a rotation the newest is missing for an instant.
        if (at > 0) break;
        continue;
      }
      found.push({ path, inode: info.inode });
    }
    return found;
  }

  /** From the end of a rotated file to the beginning of the next newer one; false where that is not known now. */
  #moveOn(): boolean {
    const names = this.#sources();
    const next = names[names.findIndex((entry) => entry.inode === this.#cursor.inode) - 1];
    if (next === undefined) return false;
    this.#cursor = { ...this.#cursor, inode: next.inode, head: "", offset: 0 };
    return true;
  }

  /** Whether the file of the cursor's inode is the one that was read. */
  async #isSame(path: string): Promise<boolean> {
    const { runtime } = this.#parts;
    if (this.#cursor.head === "") return true;
    const bytes = await runtime.files.readAt(path, 0, HEAD_BYTES);
    return bytes !== null && headOf(runtime, bytes) === this.#cursor.head;
  }

  async #copySome(source: { readonly path: string }): Promise<void> {
    const { runtime } = this.#parts;
    const { inode, offset } = this.#cursor;
    const bytes = await runtime.files.readAt(source.path, offset, this.#pieceBytes);
    // A rotation between the looks would have given the bytes of another file.
    if (bytes === null || bytes.length === 0 || runtime.files.stat(source.path)?.inode !== inode) return;
    const end = bytes.lastIndexOf(10) + 1;
    // A line longer than a piece: the next look takes a longer one.
    if (end === 0) {
      if (bytes.length === this.#pieceBytes) this.#pieceBytes = Math.min(this.#pieceBytes * 4, PIECE_BYTES_MAX);
      return;
    }
    const pending = { stdout: "", stderr: "" };
    for (const line of Buffer.from(bytes.buffer, bytes.byteOffset, end - 1)
      .toString("utf8")
      .split("\n")) {
      const entry = parseLogLine(line);
      if (entry) pending[entry.stream] += entry.text;
    }
    this.#append("stdout", pending.stdout);
    this.#append("stderr", pending.stderr);
    const head = offset === 0 ? headOf(runtime, bytes.subarray(0, HEAD_BYTES)) : this.#cursor.head;
    this.#cursor = { inode, head, offset: offset + end, stdout: this.#placeOf("stdout"), stderr: this.#placeOf("stderr") };
    writeCursor(runtime, this.#parts.control, this.#cursor);
  }
  #pieceBytes = PIECE_BYTES;

  /** How far the target is for the cursor: less than its size while it is ahead of what was read. */
  #placeOf(stream: LogEntry["stream"]): number {
    return sizeOf(this.#parts.runtime, this.#parts.targets[stream]) - this.#skip[stream];
  }

  #append(stream: LogEntry["stream"], text: string): void {
    if (text === "") return;
    const skip = this.#skip[stream];
    if (skip === 0) return this.#files[stream].write(text);
    const bytes = Buffer.from(text);
    this.#skip[stream] = Math.max(0, skip - bytes.length);
    // A kill in the middle of a write may have left part of a character: bytes are compared by their count alone.
    if (bytes.length > skip) this.#files[stream].write(bytes.subarray(skip));
  }

  #trouble(message: string): void {
    if (this.#isTroubleTold) return;
    this.#isTroubleTold = true;
    this.#parts.trouble(message);
  }
}

// --- internal ---

const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 1000;
const PIECE_BYTES = 262_144;
const PIECE_BYTES_MAX = 16_777_216;
/** Of one look, so that a task that never stops writing leaves others their turn. */
const ROUNDS_MAX = 64;
const ROTATED_MAX = 1000;
/** Of a first line; longer ones have their time beyond it, and differ in what comes before. */
const HEAD_BYTES = 32_768;
/** About ten seconds: an engine makes the file when the container starts. */
const EMPTY_LOOKS_MAX = 15;

const NO_HEAD = "-";

function headOf(runtime: Runtime, bytes: Uint8Array): string {
  const sum = runtime.hashing.newSha256();
  sum.update(bytes.subarray(0, bytes.indexOf(10) + 1 || bytes.length));
  return Buffer.from(sum.digest()).toString("hex").slice(0, 16);
}

function sizeOf(runtime: Runtime, path: string): number {
  return runtime.files.stat(path)?.sizeBytes ?? 0;
}

function readCursor(runtime: Runtime, control: string): Cursor | null {
  const [head = "", ...rest] = (runtime.files.readText(join(control, "log-cursor")) ?? "").split(" ").reverse();
  const numbers = rest.reverse().map(Number);
  const [inode = -1, offset = -1, stdout = -1, stderr = -1] = numbers;
  if (numbers.length !== 4 || !numbers.every((number) => Number.isSafeInteger(number) && number >= 0)) return null;
  return { inode, head: head === NO_HEAD ? "" : head, offset, stdout, stderr };
}

/** As one step for whoever is killed meanwhile; a power cut is beyond it, as it is for the logs themselves. */
function writeCursor(runtime: Runtime, control: string, cursor: Cursor): void {
  const path = join(control, "log-cursor");
  const { inode, offset, stdout, stderr, head } = cursor;
  runtime.files.writeText(`${path}.new`, `${inode} ${offset} ${stdout} ${stderr} ${head || NO_HEAD}`);
  runtime.files.rename(`${path}.new`, path);
}
