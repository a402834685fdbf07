// The drivers' contract, kept by exec: in namespaces of its own, and in those of the host as far as a job may ask.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findTools } from "../../internal/runner/sandbox/tools.ts";
import { Bench, mortal } from "./driver-bench.ts";
import { driverContract } from "./driver-cases.ts";
import { execMissing, openExec } from "./exec-kit.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const kit = {
  name: "exec",
  missing: execMissing(runtime),
  open: openExec,
  script: (text: string) => ({ command: "/bin/sh", args: ["-c", text] }),
  absent: () => ({ command: "/nowhere/sensor" }),
  hasShim: true,
  workDirectory: () => "/",
};

await driverContract(kit);
await driverContract({ ...kit, script: (text) => ({ command: "/bin/sh", args: ["-c", text], pid_mode: "host", ipc_mode: "host" }) });
// Where no cgroup can be used, the end of a pid namespace's first process is the end of all.
const bare = { unified: "", unifiedControllers: [], freezer: "", memory: "", cpu: "", cpuset: "", pids: "" };
await driverContract({ ...kit, name: "exec without cgroups", open: (machine, folder) => openExec(machine, folder, { cgroups: bare }) });

test("exec: an attempt whose set-up hangs is given up at recovery, and what hung is ended", { skip: kit.missing !== null }, () =>
  withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    const { files, chance } = runtime;
    const word = `hang-${chance.secret(6)}`;
    // As a mount does whose server is gone.
    files.writeText(`${folder}/mount`, `#!/bin/sh\nexec /bin/sh -c 'while :; do sleep 0.1; done' ${word}\n`);
    files.chmod(`${folder}/mount`, 0o755);
    const tools = findTools(files);
    const first = mortal(runtime);
    const hanging = openExec(first.runtime, folder, { tools: { ...tools, paths: { ...tools.paths, mount: `${folder}/mount` } } });
    void bench.start("echo ran", {}, hanging).catch(() => undefined);
    await bench.until("it hangs", () => bench.named(word).length >= 1);
    first.die();
    assert.equal(await bench.recover(await bench.agent()), null);
    await bench.until("nothing hangs", () => bench.named(word).length === 0);
    assert.deepEqual(files.list(`${folder}/client/users`), []);
    assert.equal(bench.output(), "");
  }),
);

test("exec: a config that is known on the node only is checked there", { skip: kit.missing !== null }, () =>
  withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    const driver = await bench.agent();
    const config = { ...kit.script("true"), ulimit: { nofile: "1 --pid 1" } };
    await assert.rejects(driver.start(bench.request(driver, config)), /"nofile" must be a number or soft:hard/);
  }),
);

test("exec: who stops a task while its image is unpacked does not wait for that", { skip: kit.missing !== null }, () =>
  withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    const stop = new AbortController();
    const never: typeof runtime = { ...runtime, processes: { ...runtime.processes, run: () => new Promise(() => undefined) } };
    const driver = openExec(never, folder);
    runtime.files.writeText(`${folder}/image.tar`, "");
    const request = { ...bench.request(driver, { ...kit.script("true"), image: `${folder}/image.tar` }), cancelled: stop.signal };
    const started = driver.start(request);
    stop.abort();
    await assert.rejects(started, /called off/);
    assert.equal(runtime.files.stat(bench.control("pid")), null);
  }),
);
