// What a task without isolation can do to the machine and one of `exec` cannot, row by row; as root inside as well.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findCgroups } from "../../internal/runner/cgroups.ts";
import type { Driver } from "../../internal/runner/drivers/driver.ts";
import { rawExecDriver } from "../../internal/runner/drivers/raw-exec.ts";
import { logsDirectory, taskPaths } from "../../internal/runner/layout.ts";
import { SHIM_SCRIPT, TASK_SCRIPT } from "../../internal/runner/shim-scripts.ts";
import { Bench, type DriverKit } from "./driver-bench.ts";
import { ATTEMPTS, type Attempt, type Targets } from "./escape-attempts.ts";
import { execMissing, openExec } from "./exec-kit.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const { files, processes } = runtime;
const missing = execMissing(runtime);

/** [column, driver, user of the task unless the attempt names one, what must come out] */
const SUBJECTS = [
  ["raw_exec", "raw_exec", "", "ESCAPED"],
  ["exec", "exec", "", "denied"],
  ["exec, user root", "exec", "root", "denied"],
  ["beside exec", "beside exec", "", "denied"],
] as const;

const table: string[] = [];

for (const attempt of ATTEMPTS) {
  const reason = missing ?? attempt.missing?.(runtime) ?? null;
  if (reason !== null) test(`escape: ${attempt.name} (skipped: ${reason})`, { skip: true }, () => undefined);
  else
    test(`escape: ${attempt.name}: raw_exec ESCAPED, exec denied`, async () => {
      const outcomes: string[] = [];
      const subjects = SUBJECTS.filter(
        ([, driver, user]) => !(attempt.isNotForRoot && driver === "exec" && user === "root") && !(attempt.first && driver === "beside exec"),
      );
      for (const [column, driver, user] of subjects) outcomes.push(`${column}: ${await outcomeOf(attempt, driver, attempt.user ?? user)}`);
      table.push(`${attempt.name.padEnd(52)} ${outcomes.join("   ")}`);
      assert.deepEqual(
        outcomes,
        subjects.map(([column, , , want]) => `${column}: ${want}`),
      );
    });
}

test("escape: the table", () => {
  console.log(table.join("\n"));
  assert.equal(table.length, ATTEMPTS.filter((attempt) => (missing ?? attempt.missing?.(runtime) ?? null) === null).length);
});

// --- internal ---

function outcomeOf(attempt: Attempt, subject: "raw_exec" | "exec" | "beside exec", user: string): Promise<"ESCAPED" | "denied"> {
  const name = subject === "raw_exec" ? "raw_exec" : "exec";
  return withFolder(runtime, async (folder) => {
    files.chmod(folder, 0o755);
    const bench = new Bench(runtime, folder, { ...KIT, name });
    const word = `escape-${runtime.chance.secret(6)}`;
    const victim = processes.spawn({
      command: "/bin/sh",
      args: ["-c", "while :; do sleep 1; done", `${word}-process`],
      env: { WORD: `${word}-environment`, PATH: "/usr/bin:/bin" },
      cwd: "/",
      isDetached: true,
    });
    const targets = targetsOf(bench, word, victim.pid);
    try {
      const driver = name === "exec" ? openExec(runtime, folder) : openRawExec(folder);
      const config = name === "exec" ? (attempt.config ?? {}) : {};
      const run = async (text: string, number: number, env: Readonly<Record<string, string>>) => {
        const request = bench.request(driver, { command: "/bin/sh", args: ["-c", text], ...config }, { attempt: number, env, task: { user } });
        const handle = await driver.start(request).catch(() => null);
        if (handle) await bench.exitOf(handle);
      };
      await attempt.before?.(targets);
      if (subject === "beside exec") return (await saidBeside(bench, driver, attempt, targets)).includes("ESCAPED") ? "ESCAPED" : "denied";
      if (attempt.first) await run(attempt.first(targets), 1, {});
      await run(attempt.script(targets), 2, attempt.env?.(targets) ?? {});
      return (attempt.hasEscaped?.(targets) ?? bench.output().includes("ESCAPED")) ? "ESCAPED" : "denied";
    } finally {
      await attempt.after?.(targets);
      files.remove(targets.sharedMemory);
      processes.signal(-victim.pid, "SIGKILL");
    }
  });
}

/** What a command says that tries it beside a task that only sleeps. */
async function saidBeside(bench: Bench, driver: Driver, attempt: Attempt, targets: Targets): Promise<string> {
  const config = { command: "/bin/sh", args: ["-c", "exec sleep 1000"], ...attempt.config };
  const handle = await driver.start(
    bench.request(driver, config, { attempt: 2, env: attempt.env?.(targets) ?? {}, task: { user: attempt.user ?? "" } }),
  );
  const session = await handle.exec?.({ command: ["/bin/sh", "-c", attempt.script(targets)], terminal: null });
  assert.ok(session);
  session.endInput();
  const said: Uint8Array[] = [];
  for await (const { stream, bytes } of session.output) if (stream === "stdout") said.push(bytes);
  await handle.kill();
  await bench.exitOf(handle);
  // A script that tried nothing proves nothing.
  assert.notEqual(await session.exitCode(), 125);
  return String(Buffer.concat(said));
}

function targetsOf(bench: Bench, word: string, pid: number): Targets {
  const other = taskPaths(bench.allocRoot, "6f1c7a9e-0000-4000-8000-00000000000b", "main");
  for (const path of [other.local, other.secrets]) files.makeDirectory(path, 0o755);
  files.writeText(`${other.local}/file`, "other\n", 0o644);
  files.writeText(`${other.secrets}/token`, "secret\n", 0o644);
  files.writeText(`${bench.folder}/file`, "original\n", 0o666);
  files.writeText(`/dev/shm/${word}`, "shared\n", 0o644);
  return {
    runtime,
    file: `${bench.folder}/file`,
    otherTask: { secret: `${other.secrets}/token`, file: `${other.local}/file` },
    pid,
    word,
    hostLocal: bench.paths.local,
    hostLogs: logsDirectory(bench.allocRoot, bench.allocId),
    sharedMemory: `/dev/shm/${word}`,
  };
}

const KIT: DriverKit = {
  name: "exec",
  missing: null,
  open: openExec,
  script: (text) => ({ command: "/bin/sh", args: ["-c", text] }),
  absent: () => ({ command: "/nowhere" }),
  hasShim: true,
  workDirectory: () => "/",
};

function openRawExec(folder: string): Driver {
  files.writeAtomic(`${folder}/client/shim.sh`, SHIM_SCRIPT);
  files.writeAtomic(`${folder}/client/task.sh`, TASK_SCRIPT);
  return rawExecDriver({
    runtime,
    allocRoot: `${folder}/alloc`,
    cgroups: findCgroups(files),
    shimPath: `${folder}/client/shim.sh`,
    taskScriptPath: `${folder}/client/task.sh`,
  });
}
