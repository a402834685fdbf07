// The processes port with real programs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { identityOf, livenessOf, readStartTicks } from "../../internal/runtime/process-identity.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const { processes, files, clock } = runtime;
const SHELL = { command: "/bin/sh", cwd: "/", env: { PATH: "/usr/bin:/bin" } };

async function until(isTrue: () => boolean, what: string): Promise<void> {
  const startedAtMs = clock.monotonicMs();
  while (!isTrue()) {
    assert.ok(clock.monotonicMs() - startedAtMs < 4000, `in time: ${what}`);
    await clock.sleep(5);
  }
}

/** [what the program does, its script, the code it ends with] */
const ENDS: readonly (readonly [string, string, number])[] = [
  ["ends well", "exit 0", 0],
  ["ends with a code", "exit 7", 7],
  ["is ended by a signal", "kill -TERM $$", 128 + 15],
  ["is killed", "kill -KILL $$", 128 + 9],
  ["is ended by a signal of the user's", "kill -USR1 $$", 128 + 10],
];

for (const [name, script, code] of ENDS) {
  test(`processes: a program that ${name} has the code ${code}, run or spawned`, async () => {
    assert.equal((await processes.run("/bin/sh", ["-c", script])).code, code);
    assert.equal(await processes.spawn({ ...SHELL, args: ["-c", script], isDetached: false }).exited, code);
  });
}

test("processes: run captures both outputs and passes the environment it was given, no other", async () => {
  const ended = await processes.run("/bin/sh", ["-c", "echo out $A $HOME; echo err >&2"], { env: { A: "käse" } });
  assert.deepEqual(ended, { code: 0, stdout: "out käse\n", stderr: "err\n" });
});

test("processes: a program that takes too long is killed at its timeout", async () => {
  const startedAtMs = clock.monotonicMs();
  const ended = await processes.run("/bin/sh", ["-c", "trap '' TERM; while :; do :; done"], { timeoutMs: 200 });
  assert.equal(ended.code, 128 + 9);
  assert.ok(clock.monotonicMs() - startedAtMs < 3000);
});

test("processes: output beyond a megabyte is cut, and does not block the program", async () => {
  const ended = await processes.run("/bin/sh", ["-c", "head -c 5000000 /dev/zero | tr '\\0' 'x'; echo done >&2"]);
  assert.equal(ended.code, 0);
  assert.ok(ended.stdout.length >= 1_000_000 && ended.stdout.length < 2_000_000);
  assert.equal(ended.stderr, "done\n");
});

test("processes: a program that is not there is 127 to run, and a rejection to spawn", async () => {
  assert.equal((await processes.run("/no/such/program", [])).code, 127);
  await assert.rejects(processes.spawn({ ...SHELL, command: "/no/such/program", args: [], isDetached: false }).exited);
});

test("processes: a detached program has a session of its own and outlives whoever started it", () =>
  withFolder(runtime, async (folder) => {
    const child = processes.spawn({ ...SHELL, cwd: folder, args: ["-c", "echo $$ > pid; sleep 60"], isDetached: true });
    await until(() => (files.readText(`${folder}/pid`) ?? "").endsWith("\n"), "it wrote its pid");
    const [, , , group, session] = fieldsOf(child.pid);
    assert.deepEqual([group, session], [String(child.pid), String(child.pid)]);
    // Another process of the same runtime starts one and is gone.
    const script = `setsid sh -c 'echo $$ > ${folder}/orphan; exec sleep 60' & exit 0`;
    assert.equal(await processes.spawn({ ...SHELL, args: ["-c", script], isDetached: true }).exited, 0);
    await until(() => (files.readText(`${folder}/orphan`) ?? "").endsWith("\n"), "the orphan wrote its pid");
    const orphan = Number(files.readText(`${folder}/orphan`));
    assert.equal(processes.signal(orphan, 0), true);
    processes.signal(-child.pid, "SIGKILL");
    processes.signal(orphan, "SIGKILL");
    assert.equal(await child.exited, 128 + 9);
  }));

test("processes: kill reaches the child, and a signal to a group all in it", () =>
  withFolder(runtime, async (folder) => {
    const child = processes.spawn({ ...SHELL, cwd: folder, args: ["-c", "sleep 60 & echo $! > inner; wait"], isDetached: true });
    await until(() => (files.readText(`${folder}/inner`) ?? "").endsWith("\n"), "its own child runs");
    const inner = Number(files.readText(`${folder}/inner`));
    assert.equal(processes.signal(-child.pid, "SIGTERM"), true);
    assert.equal(await child.exited, 128 + 15);
    await until(() => readStartTicks(files, inner) === null, "the inner one ended too");
    const other = processes.spawn({ ...SHELL, args: ["-c", "exec sleep 60"], isDetached: false });
    other.kill("SIGINT");
    assert.equal(await other.exited, 128 + 2);
  }));

test("processes: a signal to nobody says so", () => {
  assert.equal(processes.signal(2 ** 22 + 1, 0), false);
  assert.equal(processes.signal(2 ** 22 + 1, "SIGTERM"), false);
});

test("processes: a process is known by boot, namespace, pid and start, and is gone when it ended", async () => {
  const child = processes.spawn({ ...SHELL, args: ["-c", "exec sleep 60"], isDetached: false });
  const identity = identityOf(files, child.pid);
  assert.ok(identity.startTicks > 0);
  assert.equal(livenessOf(files, identity), "alive");
  assert.equal(livenessOf(files, { ...identity, startTicks: identity.startTicks + 1 }), "gone");
  assert.equal(livenessOf(files, { ...identity, bootId: "another" }), "unknown");
  assert.equal(livenessOf(files, { ...identity, pidNamespace: "pid:[1]" }), "unknown");
  child.kill("SIGKILL");
  await child.exited;
  assert.equal(livenessOf(files, identity), "gone");
});

// --- internal ---

/** The fields of /proc/PID/stat, the name left out: pid, state, parent, group, session. */
function fieldsOf(pid: number): readonly string[] {
  const stat = files.readText(`/proc/${pid}/stat`) ?? "";
  return [String(pid), ...stat.slice(stat.lastIndexOf(")") + 2).split(" ")];
}
