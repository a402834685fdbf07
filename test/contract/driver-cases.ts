// What every driver must do with a task, whatever it runs it in.
// A new driver gets a file of its own beside this one that calls `driverContract` with its kit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { logsDirectory, sharedDirectory } from "../../internal/runner/layout.ts";
import { readStartTicks } from "../../internal/runtime/process-identity.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { Bench, type DriverKit, mortal } from "./driver-bench.ts";
import { besideCases } from "./driver-beside-cases.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

/** [what the script does, its text, how that is told] */
const ENDS: readonly (readonly [string, string, { readonly code: number; readonly signal: number }])[] = [
  ["ends well", "exit 0", { code: 0, signal: 0 }],
  ["ends with a code", "exit 3", { code: 3, signal: 0 }],
  ["ends with 128", "exit 128", { code: 128, signal: 0 }],
  ["is ended by SIGTERM", "kill -TERM $$", { code: 143, signal: 15 }],
  ["is ended by SIGINT, which it does not ignore by birth", "kill -INT $$", { code: 130, signal: 2 }],
  ["is killed", "kill -KILL $$", { code: 137, signal: 9 }],
];

/** What a status file may hold after a power cut. */
const TORN = ["", "0", "x\n", "0\n0\n"] as const;

/** Some drivers start within milliseconds, some wait for an engine under load. */
const CASE_MS_MAX = 30_000;

export async function driverContract(kit: DriverKit): Promise<void> {
  const runtime = await thisRuntime();
  const { files, processes, clock } = runtime;
  const check = (title: string, body: (bench: Bench) => Promise<void>) => {
    const name = `${kit.name}: ${title}`;
    const lack = kit.missing ?? Object.entries(kit.skips ?? {}).find(([words]) => title.includes(words))?.[1] ?? null;
    if (lack !== null) return test(`${name} (skipped: ${lack})`, { skip: true }, () => undefined);
    return test(name, { timeout: CASE_MS_MAX }, () =>
      withFolder(runtime, (folder) => {
        const bench = new Bench(runtime, folder, kit);
        return body(bench).finally(() => bench.end());
      }),
    );
  };

  for (const [name, script, want] of ENDS)
    check(`a task that ${name} is told as ${JSON.stringify(want)}`, async (bench) => {
      const exit = await bench.exitOf(await bench.start(script));
      assert.deepEqual({ code: exit.code, signal: exit.signal }, want);
      assert.equal(exit.isOom, false);
    });

  check("its default signal ends a program that handles none", async (bench) => {
    const driver = await bench.agent();
    const handle = await bench.start("echo up; exec sleep 1000", {}, driver);
    await bench.printed("up");
    assert.equal(handle.signal(driver.defaultSignal), true);
    assert.equal((await bench.exitOf(handle)).signal > 0, true);
  });

  check("a signal reaches the task, and after its end there is nothing to signal", async (bench) => {
    const handle = await bench.start("trap 'echo heard; exit 9' USR1; echo up; while :; do sleep 0.05; done");
    await bench.printed("up");
    assert.equal(handle.signal("SIGUSR1"), true);
    assert.equal((await bench.exitOf(handle)).code, 9);
    await bench.printed("heard");
    assert.equal(handle.signal("SIGUSR1"), false);
  });

  check("a kill ends a tree that ignores signals, left its session and cleared its environment", async (bench) => {
    const word = `tree-${runtime.chance.secret(6)}`;
    const deaf = "trap '' TERM INT HUP; echo deaf; while :; do sleep 0.1; done";
    const handle = await bench.start(
      `env -i setsid /bin/sh -c "${deaf}" ${word} & setsid /bin/sh -c "${deaf}" ${word} & /bin/sh -c "${deaf}" ${word} & ${deaf}`,
    );
    await bench.until("all four are deaf", () => bench.output() === "deaf\n".repeat(4));
    handle.signal("SIGTERM");
    await clock.sleep(100);
    // A loop that is about to become `sleep` counts twice for a moment.
    assert.ok(bench.named(word).length >= 3);
    await handle.kill();
    const exit = await bench.exitOf(handle);
    assert.deepEqual({ code: exit.code, signal: exit.signal }, { code: 137, signal: 9 });
    await bench.until("nothing is left", () => bench.named(word).length === 0);
  });

  check("what outlives the task's first process is ended with it", async (bench) => {
    const word = `orphan-${runtime.chance.secret(6)}`;
    const handle = await bench.start(`setsid /bin/sh -c "while :; do sleep 0.1; done" ${word} & sleep 0.3; exit 4`);
    await bench.until("it runs", () => bench.named(word).length >= 1);
    assert.equal((await bench.exitOf(handle)).code, 4);
    await bench.until("it is gone", () => bench.named(word).length === 0);
  });

  check("standard output and error go to files of their own, behind what is there; input is empty", async (bench) => {
    files.makeDirectory(logsDirectory(bench.allocRoot, bench.allocId));
    for (const attempt of [1, 2]) await bench.exitOf(await bench.start(`cat; echo out ${attempt}; echo err ${attempt} >&2`, { attempt }));
    await bench.until("all was written", () => bench.output().includes("out 2") && bench.output("stderr").includes("err 2"));
    assert.equal(bench.output(), "out 1\nout 2\n");
    assert.equal(bench.output("stderr"), "err 1\nerr 2\n");
  });

  check("a task without logs leaves none", async (bench) => {
    const logs = { maxFiles: 1, maxFileSizeMB: 1, disabled: true };
    assert.equal((await bench.exitOf(await bench.start("echo out; exit 5", { task: { logs } }))).code, 5);
    assert.equal(bench.output(), "");
  });

  check("the environment is the job's to the letter, and none of the agent's", async (bench) => {
    const env = { A: "käse'\"$HOME`x`\\", B: "two\nlines", C: "", LD_LIBRARY_PATH: "/nowhere", IFS: "x", ENV: "/nowhere" };
    await bench.exitOf(await bench.start("env -0 | tr '\\0\\n' '\\n|' | sort", { env }));
    await bench.until("it was printed", () => bench.output().includes("PATH="));
    const lines = new Map(
      bench
        .output()
        .trimEnd()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    for (const [name, value] of Object.entries(env)) if (name !== "IFS") assert.equal(lines.get(name), value.replace("\n", "|"), name);
    const known = [...Object.keys(env), "PATH", "NOMAD_ALLOC_DIR", "NOMAD_TASK_DIR", "NOMAD_SECRETS_DIR", "EDGECTL_TASK_TOKEN"];
    // What shells and engines add of themselves.
    const added = ["PWD", "SHLVL", "_", "OLDPWD", "HOSTNAME", "HOME", "TERM", "container"];
    assert.deepEqual(
      [...lines.keys()].filter((name) => ![...known, ...added].includes(name)),
      [],
    );
  });

  check("no descriptor of the agent's or the shim's is open in the task", async (bench) => {
    await bench.exitOf(await bench.start("exec ls -l /proc/self/fd"));
    await bench.until("it was printed", () => bench.output().includes(" 2 -> "));
    const linksOf = (text: string) => [...text.matchAll(/ (\d+) -> (.*)$/gm)].map(([, fd, target = ""]) => ({ fd: Number(fd), target }));
    // What the runner of these tests leaves open for all its children is no doing of the driver's.
    const given = linksOf((await processes.run("ls", ["-l", "/proc/self/fd"])).stdout).map(({ target }) => target);
    // The folder that ls reads is its own.
    const open = linksOf(bench.output()).filter(({ fd, target }) => fd > 2 && !/^\/proc\/\d+\/fd$/.test(target));
    assert.deepEqual(
      open.filter(({ target }) => !given.includes(target)),
      [],
    );
  });

  check("it begins in its folder, or where it is told, and not in a folder that is not there", async (bench) => {
    await bench.exitOf(await bench.start("pwd"));
    await bench.until("it was printed", () => bench.output() !== "");
    assert.equal(bench.output(), `${kit.workDirectory(bench.paths.task)}\n`);
    const driver = await bench.agent();
    await bench.exitOf(await driver.start(bench.request(driver, { ...kit.script("pwd"), work_dir: "/usr" }, { attempt: 2 })));
    await bench.printed("/usr");
    if (kit.isWorkDirectoryMade) return;
    const refused = driver.start(bench.request(driver, { ...kit.script("echo ran"), work_dir: "/nowhere" }, { attempt: 3 }));
    await assert.rejects(refused.then((handle) => bench.exitOf(handle)).then((exit) => assert.equal(exit.code, 0)));
    assert.equal(bench.output().includes("ran"), false);
  });

  check("its own folders are there to write, and to find on the machine", async (bench) => {
    const script =
      'echo l >"$NOMAD_TASK_DIR/f" && echo s >"$NOMAD_SECRETS_DIR/f" && echo a >"$NOMAD_ALLOC_DIR/data/f" && echo t >"$NOMAD_ALLOC_DIR/tmp/f"';
    assert.equal((await bench.exitOf(await bench.start(script))).code, 0, bench.output("stderr"));
    const shared = sharedDirectory(bench.allocRoot, bench.allocId);
    assert.equal(files.readText(`${bench.paths.local}/f`), "l\n");
    assert.equal(files.readText(`${bench.paths.secrets}/f`), "s\n");
    assert.equal(files.readText(`${shared}/data/f`), "a\n");
    assert.equal(files.readText(`${shared}/tmp/f`), "t\n");
  });

  check("what it made in one attempt is its own in the next", async (bench) => {
    await bench.exitOf(await bench.start('umask 077; echo kept >"$NOMAD_TASK_DIR/f"'));
    const again = await bench.start('cat "$NOMAD_TASK_DIR/f" && echo more >>"$NOMAD_TASK_DIR/f"', { attempt: 2 });
    assert.equal((await bench.exitOf(again)).code, 0, bench.output("stderr"));
    await bench.printed("kept");
  });

  check("its use is counted while it runs, and nothing after", async (bench) => {
    const handle = await bench.start("i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; echo counted; sleep 1000");
    await bench.printed("counted");
    const usage = await handle.usage();
    assert.ok(usage && usage.pids.length >= 1 && usage.rssBytes > 100_000 && usage.cpuSeconds > 0, JSON.stringify(usage));
    // One by one where they can be looked at, and what their group is charged where the kernel counts it.
    for (const one of usage.processes ?? []) assert.ok(usage.pids.includes(one.pid) && one.userSeconds >= 0, JSON.stringify(usage));
    if (usage.memory) assert.ok(usage.memory.usedBytes > 0 && (usage.memory.peakBytes ?? usage.memory.usedBytes) > 0, JSON.stringify(usage));
    if (usage.cpu) assert.ok(usage.cpu.userSeconds + usage.cpu.systemSeconds > 0, JSON.stringify(usage));
    await handle.kill();
    await bench.exitOf(handle);
    assert.equal(await handle.usage(), null);
  });

  check("a program that is nowhere is named, or told by its status", async (bench) => {
    const driver = await bench.agent();
    const outcome = await driver.start(bench.request(driver, kit.absent())).then(
      async (handle) => String((await bench.exitOf(handle)).code),
      (error: Error) => error.message,
    );
    assert.match(outcome, /not found|no such|^127$/i);
  });

  besideCases(kit, check);

  // --- after the agent's death ---

  check("recovery: of an attempt that was never begun there is nothing", async (bench) => {
    assert.equal(await bench.recover(await bench.agent()), null);
  });

  check("recovery: a task that runs goes on, is signalled and waited for, and is not started again", async (bench) => {
    const first = mortal(runtime);
    const word = `once-${runtime.chance.secret(6)}`;
    await bench.start(`echo begun; trap 'exit 6' TERM; while :; do sleep 0.05; done # ${word}`, {}, await bench.agent(first.runtime));
    first.die();
    // Where the agent itself collects the output, that is the next one's to do.
    if (kit.hasShim) await bench.printed("begun");
    const handle = await bench.recover(await bench.agent());
    assert.ok(handle);
    await bench.printed("begun");
    assert.ok(Math.abs(handle.startedAtMs - clock.nowMs()) < 60_000);
    assert.ok((await handle.usage())?.pids.length);
    assert.equal(handle.signal("SIGTERM"), true);
    assert.equal((await bench.exitOf(handle)).code, 6);
    assert.equal(bench.output(), "begun\n");
  });

  check("recovery: a task that ended while nobody looked is told with its code, and leaves nothing", async (bench) => {
    const first = mortal(runtime);
    const word = `left-${runtime.chance.secret(6)}`;
    await bench.start(`setsid /bin/sh -c "while :; do sleep 0.1; done" ${word} & sleep 0.2; exit 7`, {}, await bench.agent(first.runtime));
    first.die();
    if (kit.hasShim) await bench.until("the status stands", () => files.readText(bench.control("status")) === "7\n");
    else await clock.sleep(1000);
    const handle = await bench.recover(await bench.agent());
    assert.equal(handle && (await bench.exitOf(handle)).code, 7);
    await bench.until("what it left is gone", () => bench.named(word).length === 0);
  });

  check("recovery: a task is killed with all it has", async (bench) => {
    const first = mortal(runtime);
    const word = `deaf-${runtime.chance.secret(6)}`;
    const deaf = `trap '' TERM INT HUP; while :; do sleep 0.1; done`;
    await bench.start(`setsid /bin/sh -c "${deaf}" ${word} & ${deaf}`, {}, await bench.agent(first.runtime));
    first.die();
    await bench.until("it runs", () => bench.named(word).length >= 1);
    const handle = await bench.recover(await bench.agent());
    await handle?.kill();
    assert.equal(handle && (await bench.exitOf(handle)).signal, 9);
    await bench.until("nothing is left", () => bench.named(word).length === 0);
  });

  if (!kit.hasShim) return;

  check("recovery: an attempt whose shim has not come so far is given up, and never begins", async (bench) => {
    const first = mortal(runtime);
    // Held before its first step, as on a machine under load.
    const gate = `${bench.folder}/gate`;
    const wait = 'g=$1; shift; while [ ! -e "$g" ]; do /bin/sleep 0.02; done; exec "$@"';
    const held: Runtime = {
      ...first.runtime,
      processes: {
        ...first.runtime.processes,
        spawn: (options) =>
          first.runtime.processes.spawn({ ...options, command: "/bin/sh", args: ["-c", wait, "sh", gate, options.command, ...options.args] }),
      },
    };
    void bench.start("echo ran", {}, await bench.agent(held)).catch(() => undefined);
    await bench.until("the shim was started", () => first.spawned.length === 1);
    first.die();
    assert.equal(await bench.recover(await bench.agent()), null);
    files.writeText(gate, "");
    const [shim = 0] = first.spawned;
    await bench.until("the shim leaves", () => readStartTicks(files, shim) === null);
    assert.equal(bench.output(), "");
  });

  for (const text of TORN)
    check(`recovery: a status file that holds ${JSON.stringify(text)} is unknown, never success`, async (bench) => {
      const first = mortal(runtime);
      await bench.start("exit 0", {}, await bench.agent(first.runtime));
      first.die();
      await bench.until("the status stands", () => files.readText(bench.control("status")) === "0\n");
      files.writeText(bench.control("status"), text);
      const handle = await bench.recover(await bench.agent());
      assert.deepEqual(handle && (await bench.exitOf(handle)), { code: null, signal: 0, isOom: false });
    });

  for (const text of ["", "12", "x y z\n"])
    check(`recovery: a pid file that holds ${JSON.stringify(text)} names nobody, and nobody is signalled`, async (bench) => {
      const first = mortal(runtime);
      const handle = await bench.start("sleep 0.3", {}, await bench.agent(first.runtime));
      await bench.exitOf(handle);
      files.writeText(bench.control("pid"), text);
      assert.equal(await bench.recover(await bench.agent()), null);
    });

  check("recovery: a process of another boot is not this one, whatever its number", async (bench) => {
    const first = mortal(runtime);
    const word = `stranger-${runtime.chance.secret(6)}`;
    const stranger = processes.spawn({ command: "/bin/sh", args: ["-c", "while :; do sleep 0.1; done", word], env: {}, cwd: "/", isDetached: true });
    try {
      await bench.exitOf(await bench.start("exit 0", {}, await bench.agent(first.runtime)));
      const ticks = (files.readText(`/proc/${stranger.pid}/stat`) ?? "").split(") ")[1]?.split(" ")[19];
      files.remove(bench.control("status"));
      for (const name of ["pid", "init"]) files.writeText(bench.control(name), `${stranger.pid} ${ticks} another-boot\n`);
      const handle = await bench.recover(await bench.agent());
      assert.equal(handle?.signal("SIGKILL"), false);
      await handle?.kill();
      assert.equal(handle && (await bench.exitOf(handle)).code, null);
      assert.ok(bench.named(word).length >= 1);
    } finally {
      processes.signal(-stranger.pid, "SIGKILL");
    }
  });
}
