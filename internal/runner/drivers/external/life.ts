// One life of an external driver's process: questions with numbers, answers in any order, an end with a reason.

import { EdgeError, messageOf } from "../../../domain/errors.ts";
import type { JsonMap } from "../../../domain/job.ts";
import { LIMITS } from "../../../domain/limits.ts";
import type { PipedChild, Runtime, Timer } from "../../../runtime/runtime.ts";
import { DriverGone } from "./gone.ts";
import { LineReader, readLine } from "./protocol.ts";

export interface LifeParts {
  readonly runtime: Runtime;
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  event(event: string, params: JsonMap): void;
  /** A line of its standard error. */
  log(line: string): void;
  ended(reason: string, isExpected: boolean): void;
}

interface Question {
  readonly method: string;
  resolve(result: JsonMap): void;
  reject(error: Error): void;
  readonly timer: Timer | null;
}

export class Life {
  readonly #parts: LifeParts;
  readonly #questions = new Map<number, Question>();
  readonly #lines = new LineReader();
  readonly #complaints = new LineReader();
  readonly #child: PipedChild;
  #unreadBytes = 0;
  #lastId = 0;
  #lastComplaint = "";
  #reason = "";
  #isEnding = false;
  #isOver = false;
  #eventsSinceMs = 0;
  #events = 0;

  constructor(parts: LifeParts) {
    this.#parts = parts;
    this.#child = parts.runtime.processes.open({ command: parts.path, args: [], env: parts.env, cwd: parts.folder });
    const complaints = hearAll(this.#child.stderr, (bytes) => this.#complained(bytes));
    void hearAll(this.#child.stdout, (bytes) => this.#heard(bytes));
    this.#child.exited.then(
      async (code) => {
        // Its last words, unless something that it left behind holds the stream.
        await Promise.race([complaints, parts.runtime.clock.sleep(LAST_WORDS_MS)]);
        this.#over(code > 128 ? `it was ended by signal ${code - 128}` : `it ended with ${code}`);
      },
      (error) => this.#over(`it could not be started: ${messageOf(error)}`),
    );
  }

  ask(method: string, params: JsonMap, timeoutMs: number | null): Promise<JsonMap> {
    if (this.#isOver) return Promise.reject(new DriverGone(this.#reason));
    const line = JSON.stringify({ id: ++this.#lastId, method, params });
    if (line.length > LIMITS.driverLineCharsMax)
      return Promise.reject(
        new EdgeError("invalid", `the message "${method}" to the driver is longer than ${LIMITS.driverLineCharsMax} (driverLineCharsMax)`),
      );
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      const late = () => this.#break(`it did not answer "${method}" within ${(timeoutMs ?? 0) / 1000} s`);
      const timer = timeoutMs === null ? null : this.#parts.runtime.clock.after(timeoutMs, late, { keepsAlive: false });
      this.#questions.set(id, { method, resolve, reject, timer });
      this.#write(new TextEncoder().encode(`${line}\n`));
    });
  }

  /** It is not what it should be. */
  giveUp(reason: string): Promise<never> {
    this.#break(reason);
    return Promise.reject(new DriverGone(reason));
  }

  /** Asks it to leave, which it does when its input ends; its tasks stay. */
  end(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    this.#child.endInput();
    this.#parts.runtime.clock.after(LEAVE_MS_MAX, () => this.#isOver || this.#kill(), { keepsAlive: false });
  }

  // --- internal ---

  #write(bytes: Uint8Array): void {
    this.#unreadBytes += bytes.length;
    if (this.#unreadBytes > UNREAD_BYTES_MAX) return this.#break("it does not read what it is told");
    void this.#child.write(bytes).then(
      () => {
        this.#unreadBytes -= bytes.length;
      },
      () => undefined, // it left, as its end will tell
    );
  }

  /** With what it started in its own session. */
  #kill(): void {
    if (this.#child.pid > 0) this.#parts.runtime.processes.signal(-this.#child.pid, "SIGKILL");
    this.#child.dropOutput();
  }

  #heard(bytes: Uint8Array): void {
    if (this.#isOver) return;
    const lines = this.#lines.push(bytes);
    if (lines === null) return this.#break(`it wrote a line longer than ${LIMITS.driverLineCharsMax} characters (driverLineCharsMax)`);
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    const heard = readLine(line);
    if (heard.kind === "broken") return this.#break(heard.reason);
    if (heard.kind === "event") {
      const nowMs = this.#parts.runtime.clock.monotonicMs();
      if (nowMs - this.#eventsSinceMs > EVENT_WINDOW_MS) [this.#eventsSinceMs, this.#events] = [nowMs, 0];
      this.#events += 1;
      if (this.#events > LIMITS.driverEventsMax)
        return this.#break(`it says more than ${LIMITS.driverEventsMax} events in ten seconds (driverEventsMax)`);
      return this.#parts.event(heard.event, heard.params);
    }
    const question = this.#questions.get(heard.id);
    if (question === undefined) return this.#break(`it answered ${heard.id}, which nobody asked`);
    this.#questions.delete(heard.id);
    question.timer?.cancel();
    if (heard.kind === "result") question.resolve(heard.result);
    else question.reject(new EdgeError(heard.code === "invalid" ? "invalid" : "internal", heard.message));
  }

  #complained(bytes: Uint8Array): void {
    const lines = this.#complaints.push(bytes) ?? [];
    for (const line of lines.slice(0, COMPLAINTS_PER_PIECE)) {
      this.#lastComplaint = line.slice(0, LIMITS.problemCharsMax);
      this.#parts.log(this.#lastComplaint);
    }
  }

  #break(reason: string): void {
    if (this.#isOver) return;
    this.#kill();
    this.#over(reason);
  }

  #over(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reason = this.#lastComplaint === "" ? reason : `${reason} ("${this.#lastComplaint}")`;
    for (const question of this.#questions.values()) {
      question.timer?.cancel();
      question.reject(new DriverGone(this.#reason));
    }
    this.#questions.clear();
    this.#parts.ended(this.#reason, this.#isEnding);
  }
}

// --- internal ---

async function hearAll(stream: AsyncIterable<Uint8Array>, hear: (bytes: Uint8Array) => void): Promise<void> {
  try {
    for await (const bytes of stream) hear(bytes);
  } catch {
    // Cut off with its process, whose end is told.
  }
}

const LAST_WORDS_MS = 200;
const UNREAD_BYTES_MAX = 4_000_000;
const LEAVE_MS_MAX = 5000;
const EVENT_WINDOW_MS = 10_000;
const COMPLAINTS_PER_PIECE = 20;
