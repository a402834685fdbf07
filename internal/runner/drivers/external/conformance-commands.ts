// Whether commands in a driver's tasks are what an agent's users expect: each promise tried by a script in a task that runs.

import { EdgeError } from "../../../domain/errors.ts";
import type { Runtime } from "../../../runtime/runtime.ts";
import { commandLineHolders } from "../../processes.ts";
import type { ExecRequest, ExecSession } from "../driver.ts";

export interface CommandTrial {
  readonly runtime: Runtime;
  /** Words before a script, as the task's own shell. */
  readonly shell: readonly string[];
  exec(request: ExecRequest): Promise<ExecSession>;
}

/** [promise, what was seen; throws where it is not kept], all in one task. */
export const COMMAND_PROMISES: readonly (readonly [string, (trial: CommandTrial) => Promise<string>])[] = [
  ["runs a command in its task and tells its code, its two streams apart, its input to the end", echoes],
  ["a command's large output comes whole", large],
  ["a command on a terminal knows the terminal's size", sized],
  ["a command whose reader goes ends, with all that it started", hungUp],
  ["what a command leaves behind ends with it", leaves],
];

// --- internal ---

const OUTPUT_BYTES = 3_000_000;
const INPUT_BYTES = 100_000;
const TERMINAL = { columns: 101, rows: 33 };
const WAIT_MS_MAX = 10_000;
/** A hang-up has its time, then what is left is killed. */
const GONE_MS_MAX = 6000;

async function echoes(trial: CommandTrial): Promise<string> {
  const session = await trial.exec({ command: [...trial.shell, "cat; echo end >&2; exit 7"], terminal: null });
  const input = new Uint8Array(INPUT_BYTES).map((_, index) => index % 251);
  void session.write(input).then(() => session.endInput());
  const { code, stdout, stderr } = await all(trial, session);
  if (!Buffer.from(input).equals(stdout))
    throw new EdgeError("invalid", `of ${INPUT_BYTES} bytes that went in, ${stdout.length} came out, or others`);
  if (String(stderr) !== "end\n") throw new EdgeError("invalid", `its standard error held ${JSON.stringify(String(stderr).slice(0, 200))}`);
  if (code !== 7) throw new EdgeError("invalid", `exit code ${code} instead of 7`);
  return "exit code 7, both streams, input to its end";
}

async function large(trial: CommandTrial): Promise<string> {
  const session = await trial.exec({ command: [...trial.shell, `head -c ${OUTPUT_BYTES} /dev/zero`], terminal: null });
  session.endInput();
  const { stdout } = await all(trial, session);
  if (stdout.length !== OUTPUT_BYTES) throw new EdgeError("invalid", `${stdout.length} bytes of ${OUTPUT_BYTES}`);
  return `${OUTPUT_BYTES} bytes`;
}

async function sized(trial: CommandTrial): Promise<string> {
  const session = await trial.exec({ command: [...trial.shell, "stty size"], terminal: TERMINAL });
  const { stdout } = await all(trial, session);
  const size = /\d+ \d+/.exec(String(stdout))?.[0];
  if (size !== `${TERMINAL.rows} ${TERMINAL.columns}`)
    throw new EdgeError("invalid", `it was told ${size ?? JSON.stringify(String(stdout).slice(0, 200))}`);
  return `${size} (rows, columns)`;
}

async function hungUp(trial: CommandTrial): Promise<string> {
  const { word, script } = lingering(trial, "trap '' HUP TERM INT; ");
  const session = await trial.exec({ command: [...trial.shell, `${script} & echo both; ${script}`], terminal: null });
  const done = all(trial, session);
  await until(trial, "it did not begin", () => holders(trial, word).length >= 2);
  session.close();
  await untilNone(trial, "it, or what it started, still ran", word);
  await done;
  return "nothing of it is left";
}

async function leaves(trial: CommandTrial): Promise<string> {
  const { word, script } = lingering(trial, "");
  const session = await trial.exec({ command: [...trial.shell, `${script} & sleep 0.3; exit 4`], terminal: null });
  session.endInput();
  const { code } = await all(trial, session);
  if (code !== 4) throw new EdgeError("invalid", `exit code ${code} instead of 4`);
  await untilNone(trial, "what it left still ran", word);
  return "nothing of it is left";
}

// --- steps ---

/** A shell that stays, and by which word it is known. */
function lingering({ runtime, shell }: CommandTrial, first: string) {
  const word = `check-${runtime.chance.secret(6)}`;
  const quoted = shell.map((part) => `'${part.replaceAll("'", "'\\''")}'`).join(" ");
  return { word, script: `${quoted} "${first}while :; do sleep 0.1; done" ${word}` };
}

function holders({ runtime }: CommandTrial, word: string): readonly number[] {
  return commandLineHolders(runtime.files, word);
}

/** What is there all the same is ended by its number. */
async function untilNone(trial: CommandTrial, otherwise: string, word: string): Promise<void> {
  try {
    await until(trial, otherwise, () => holders(trial, word).length === 0, GONE_MS_MAX);
  } finally {
    for (const pid of holders(trial, word)) trial.runtime.processes.signal(pid, "SIGKILL");
  }
}

async function all({ runtime }: CommandTrial, session: ExecSession) {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const timer = runtime.clock.after(WAIT_MS_MAX, () => session.close(), { keepsAlive: false });
  for await (const { stream, bytes } of session.output) parts[stream].push(bytes);
  const code = await session.exitCode();
  timer.cancel();
  return { code, stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr) };
}

async function until({ runtime }: CommandTrial, otherwise: string, isTrue: () => boolean, maxMs = WAIT_MS_MAX): Promise<void> {
  const deadlineMs = runtime.clock.monotonicMs() + maxMs;
  while (!isTrue()) {
    if (runtime.clock.monotonicMs() > deadlineMs) throw new EdgeError("invalid", `${otherwise} after ${maxMs / 1000} s`);
    await runtime.clock.sleep(50);
  }
}
