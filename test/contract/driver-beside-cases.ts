// What every driver must do with a command that runs beside its task.

import assert from "node:assert/strict";
import type { ExecRequest, ExecSession } from "../../internal/runner/drivers/driver.ts";
import { type Bench, type DriverKit, mortal } from "./driver-bench.ts";

type Check = (title: string, body: (bench: Bench) => Promise<void>) => void;

const TERMINAL = { columns: 101, rows: 33 };

export function besideCases(kit: DriverKit, check: Check): void {
  check("beside: what a command says and how it ends is told, with what it is given to read", async (bench) => {
    const task = await runningTask(bench);
    const bytes = new Uint8Array(100_000).map((_, index) => index % 251);
    const session = await task.beside("cat; echo end >&2; exit 7");
    void session.write(bytes).then(() => session.endInput());
    const done = await task.all(session);
    assert.deepEqual(Buffer.from(done.stdout), Buffer.from(bytes));
    assert.equal(String(done.stderr), "end\n");
    assert.equal(done.code, 7);
  });

  check("beside: a signal is told as shells tell it, and a program that is nowhere by 126 or 127", async (bench) => {
    const task = await runningTask(bench);
    assert.equal((await task.all(await task.beside("kill -KILL $$"))).code, 137);
    const absent = await task.exec({ command: ["/nowhere/program"], terminal: null }).then(
      async (session) => (await task.all(session)).code,
      () => 127,
    );
    assert.ok(absent === 127 || absent === 126, String(absent));
  });

  check("beside: it has the task's environment, user, place, and streams to open by name", async (bench) => {
    const env = { A: "käse'\"$HOME`x`\\", B: "two\nlines", IFS: "x" };
    const script = 'id -u; id -g; pwd; printf "%s|%s|%s\\n" "$A" "$B" "$NOMAD_TASK_DIR"; grep -c . /proc/self/limits';
    const task = await runningTask(bench, script, env);
    const session = await task.beside(`${script}; cat /dev/stdin; echo named >/dev/stderr`);
    void session.write(Buffer.from("read\n")).then(() => session.endInput());
    const done = await task.all(session);
    assert.equal(String(done.stdout), `${bench.output().replace("up\n", "")}read\n`);
    assert.equal(String(done.stderr), "named\n");
  });

  check("beside: on a terminal it knows the size, follows a change, and Ctrl-C interrupts what runs in front", async (bench) => {
    const task = await runningTask(bench);
    const session = await task.exec({ command: ["/bin/sh", "-c", SCREEN], terminal: TERMINAL });
    const reader = task.read(session);
    await bench.until("the first size", () => reader.stdout().includes("size 33 101"));
    await session.resize(80, 24);
    await bench.until("the other size", () => reader.stdout().includes("size 24 80"));
    await session.write(Buffer.from("word\n"));
    await bench.until("the word was read", () => reader.stdout().includes("read word"));
    await session.write(Buffer.from("\x03"));
    await bench.until("the interrupt", () => reader.stdout().includes("interrupted"));
    assert.equal(await reader.code, 9);
  });

  check("beside: a task that has ended takes no command", async (bench) => {
    const handle = await bench.start("exit 0");
    await bench.exitOf(handle);
    await assert.rejects(async () => handle.exec?.({ command: ["/bin/true"], terminal: null }));
  });

  if (!kit.hasShim && !kit.runsCommands) return;

  check("beside: a shell on a terminal controls its jobs", async (bench) => {
    const task = await runningTask(bench);
    const session = await task.exec({ command: ["/bin/sh", "-i"], terminal: TERMINAL });
    const reader = task.read(session);
    // What is typed is shown before it runs: that it runs is said in other letters.
    await session.write(Buffer.from("/bin/sh -c 'echo be''gun; exec sleep 1000'\n"));
    await bench.until("it runs", () => reader.stdout().includes("begun"));
    await session.write(Buffer.from("\x1a"));
    await bench.until("it is stopped", () => /Stopped|Suspended/i.test(reader.stdout()));
    await session.write(Buffer.from("kill %1; exit 5\n"));
    await session.write(Buffer.from("exit 5\n"));
    assert.equal(await reader.code, 5);
    assert.doesNotMatch(reader.stdout(), /job control|can't access tty/);
  });

  check("beside: when its reader goes, the command and all it started go, on a terminal or not, and the task stays", async (bench) => {
    const task = await runningTask(bench);
    for (const terminal of [null, TERMINAL]) {
      const word = `beside-${bench.runtime.chance.secret(6)}`;
      const deaf = "trap '' HUP TERM INT; while :; do sleep 0.1; done";
      const script = `env -i setsid /bin/sh -c "${deaf}" ${word} & /bin/sh -c "${deaf}" ${word} & echo both; ${deaf} # ${word}`;
      const session = await task.exec({
        command: ["/bin/sh", "-c", kit.name.includes("without") ? script.replace("env -i ", "") : script],
        terminal,
      });
      const reader = task.read(session);
      await bench.until("all run", () => reader.stdout().includes("both") && bench.named(word).length >= 2);
      session.close();
      await bench.until("nothing is left", () => bench.named(word).length === 0);
      await reader.code;
    }
    await bench.until("the task is seen to run", () => task.handle.usage() !== null);
    assert.deepEqual(leftGroups(bench), []);
  });

  check("beside: what a command leaves behind ends with it", async (bench) => {
    const task = await runningTask(bench);
    const word = `rest-${bench.runtime.chance.secret(6)}`;
    const session = await task.beside(`setsid /bin/sh -c 'while :; do sleep 0.1; done' ${word} & sleep 0.3; exit 4`);
    assert.equal((await task.all(session)).code, 4);
    await bench.until("nothing is left", () => bench.named(word).length === 0);
    await bench.until("the task is seen to run", () => task.handle.usage() !== null);
  });

  check("beside: it ends with the task", async (bench) => {
    const task = await runningTask(bench);
    const word = `with-${bench.runtime.chance.secret(6)}`;
    const session = await task.beside(`/bin/sh -c 'while :; do sleep 0.1; done' ${word}`);
    const reader = task.read(session);
    await bench.until("it runs", () => bench.named(word).length >= 1);
    await task.handle.kill();
    await bench.exitOf(task.handle);
    await bench.until("nothing is left", () => bench.named(word).length === 0);
    assert.ok((await reader.code) > 128);
    await bench.until("its groups are gone", () => leftGroups(bench).length === 0);
  });

  check("beside: a later agent runs commands too, and ends those of the one before", async (bench) => {
    const first = mortal(bench.runtime);
    const word = `earlier-${bench.runtime.chance.secret(6)}`;
    const task = await runningTask(bench, ":", { A: "kept" }, await bench.agent(first.runtime));
    const session = await task.beside(`/bin/sh -c 'while :; do sleep 0.1; done' ${word}`);
    await bench.until("it runs", () => bench.named(word).length >= 1);
    first.die();
    const handle = await bench.recover(await bench.agent());
    await bench.until("the earlier one's is gone", () => bench.named(word).length === 0);
    const later = await handle?.exec?.({ command: ["/bin/sh", "-c", 'echo "$A"'], terminal: null });
    assert.ok(later);
    assert.equal(String((await task.all(later)).stdout), "kept\n");
    session.close();
  });

  check("beside: a command that nobody reads waits, and takes no memory", async (bench) => {
    const task = await runningTask(bench);
    const session = await task.beside(
      'yes 0123456789012345678901234567890 & p=$!; sleep 0.5; a=$(cat /proc/$p/stat); sleep 0.5; b=$(cat /proc/$p/stat); echo "$a" >&2; echo "$b" >&2; kill $p',
    );
    await bench.runtime.clock.sleep(1500);
    const done = await task.all(session);
    // Processor time of `yes`, half a second apart, while nobody took what it said.
    const [a = "", b = "x"] = String(done.stderr)
      .split("\n")
      .map((line) => line.split(") ")[1]?.split(" ").slice(11, 13).join() ?? "");
    assert.equal(a, b);
  });
}

// --- internal ---

/** Says its size at once and at each change, one line that it reads, and that it was interrupted. */
const SCREEN = [
  'trap "echo interrupted; exit 9" INT',
  'trap "echo size \\$(stty size); w=1" WINCH',
  "echo size $(stty size)",
  'while [ -z "$w" ]; do sleep 0.05; done',
  // A change of size may interrupt the reading.
  'while [ -z "$line" ]; do read line; done; echo read $line',
  "while :; do sleep 0.05; done",
].join("\n");

async function runningTask(bench: Bench, script = ":", env: Readonly<Record<string, string>> = {}, driver?: Parameters<Bench["start"]>[2]) {
  const handle = await bench.start(`${script}; echo up; while :; do sleep 0.1; done`, { env }, driver);
  await bench.printed("up");
  const exec = (request: ExecRequest): Promise<ExecSession> => handle.exec?.(request) ?? assert.fail("the driver runs no commands");
  const read = (session: ExecSession) => {
    const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    const code = (async () => {
      for await (const { stream, bytes } of session.output) parts[stream].push(bytes);
      return session.exitCode();
    })();
    return { code, stdout: () => String(Buffer.concat(parts.stdout)), parts };
  };
  return {
    handle,
    exec,
    read,
    beside: (text: string) => exec({ command: ["/bin/sh", "-c", text], terminal: null }),
    async all(session: ExecSession) {
      const { code, parts } = read(session);
      return { code: await code, stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr) };
    },
  };
}

function leftGroups(bench: Bench): readonly string[] {
  const root = "/sys/fs/cgroup/unified/edgectl.slice";
  const group = `${root}/${bench.allocId}.main`;
  return (bench.runtime.files.list(group) ?? []).filter((name) => name.startsWith("command-"));
}
