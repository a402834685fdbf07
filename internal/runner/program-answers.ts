// What a program of this machine says of itself, asked once: it is started again only when its file is another.

import type { Runtime } from "../runtime/runtime.ts";

export class ProgramAnswers {
  readonly #runtime: Runtime;
  readonly #path: string;
  #known: Record<string, string> | null = null;

  /** `path`: where the answers are kept over restarts. */
  constructor(runtime: Runtime, path: string) {
    this.#runtime = runtime;
    this.#path = path;
  }

  /** Its output; "" when it fails or takes too long, which is asked again next time. */
  async ask(program: string, args: readonly string[]): Promise<string> {
    const { files, processes } = this.#runtime;
    const real = files.realPath(program) ?? program;
    const info = files.stat(real);
    const key = [real, info?.sizeBytes, info?.modifiedAtMs, info?.inode, ...args].join(" ");
    const known = this.#read()[key];
    if (known !== undefined) return known;
    const done = await processes.run(program, args, { timeoutMs: ANSWER_MS_MAX });
    const text = done.code === 0 ? `${done.stdout}${done.stderr}`.slice(0, ANSWER_CHARS_MAX) : "";
    if (text !== "") {
      // Answers of a file that was replaced are of no use any more.
      const kept = Object.entries(this.#read()).filter(([other]) => !other.startsWith(`${real} `));
      this.#known = Object.fromEntries([...kept, [key, text]]);
      files.writeAtomic(this.#path, `${JSON.stringify(this.#known, null, 1)}\n`);
    }
    return text;
  }

  // --- internal ---

  #read(): Record<string, string> {
    this.#known ??= parse(this.#runtime.files.readText(this.#path));
    return this.#known;
  }
}

// --- internal ---

const ANSWER_MS_MAX = 10_000;
const ANSWER_CHARS_MAX = 4096;

/** What cannot be read is asked anew. */
function parse(text: string | null): Record<string, string> {
  try {
    const value: unknown = JSON.parse(text ?? "{}");
    const entries = Object.entries(typeof value === "object" && value !== null ? value : {});
    return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return {};
  }
}
