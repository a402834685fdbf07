// What containers do beyond the drivers' contract: commands inside one, and what is known of one that is gone.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ExecSession, TaskHandle } from "../../internal/runner/drivers/driver.ts";
import { DockerEngine, IMAGE } from "../support/docker-engine.ts";
import { dockerKit } from "./docker-kit.ts";
import { Bench } from "./driver-bench.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const isThere = (await runtime.processes.run("dockerd", ["--version"])).code === 0 && runtime.host.uid === 0;
if (!isThere && process.env.EDGECTL_TEST_REQUIRE === "1") throw new Error("EDGECTL_TEST_REQUIRE=1 and a real part is missing: root and docker.io");
const options = isThere ? { timeout: 30_000 } : { skip: "needs root and the Debian package docker.io" };
const engine = new DockerEngine();
const kit = dockerKit({ name: "docker", missing: null, endpoint: () => engine.endpoint });

// Not in a hook: one runtime gives those five seconds and no more.
if (isThere) await engine.start();
after(async () => {
  kit.stop();
  await engine.close();
});

async function read(session: ExecSession): Promise<{ readonly stdout: string; readonly stderr: string; readonly code: number }> {
  const text = { stdout: "", stderr: "" };
  for await (const { stream, bytes } of session.output) text[stream] += Buffer.from(bytes).toString();
  return { ...text, code: await session.exitCode() };
}

function inTask(body: (exec: NonNullable<TaskHandle["exec"]>) => Promise<void>): Promise<void> {
  return withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    const handle = await bench.start("echo up; sleep 100");
    await bench.printed("up");
    assert.ok(handle.exec);
    await body(handle.exec);
    await handle.kill();
    await bench.exitOf(handle);
  });
}

test("a command's streams are told apart, much output comes whole, and its code is its own", options, () =>
  inTask(async (exec) => {
    const command = ["sh", "-c", "echo out; echo err >&2; seq 1 100000; exit 3"];
    const { stdout, stderr, code } = await read(await exec({ command, terminal: null }));
    assert.equal(stdout, `out\n${Array.from({ length: 100_000 }, (_, n) => `${n + 1}\n`).join("")}`);
    assert.equal(stderr, "err\n");
    assert.equal(code, 3);
  }),
);

test("what is typed reaches it, and the end of the input too", options, () =>
  inTask(async (exec) => {
    const session = await exec({ command: ["wc", "-c"], terminal: null });
    session.write(Buffer.alloc(100_000, "x"));
    session.endInput();
    assert.equal((await read(session)).stdout.trim(), "100000");
  }),
);

test("a terminal has its size, is resized, and hears Ctrl-C", options, () =>
  inTask(async (exec) => {
    const script = "sleep 0.5; stty size; trap 'stty size; exit 130' INT; while :; do sleep 0.1; done";
    const session = await exec({ command: ["sh", "-c", script], terminal: { columns: 100, rows: 30 } });
    let stdout = "";
    let isTyped = false;
    for await (const { bytes } of session.output) {
      stdout += Buffer.from(bytes).toString();
      if (isTyped || !stdout.includes("\n")) continue;
      isTyped = true;
      await session.resize(120, 40);
      await runtime.clock.sleep(200);
      session.write(Buffer.from([3]));
    }
    assert.match(stdout, /30 100\r\n/);
    assert.match(stdout, /40 120\r\n/);
    assert.equal(await session.exitCode(), 130);
  }),
);

test("a command that is nowhere is said to be", options, () =>
  inTask(async (exec) => {
    const outcome = await exec({ command: ["/nowhere"], terminal: null }).then(
      async (session) => JSON.stringify(await read(session)),
      (error: Error) => error.message,
    );
    assert.match(outcome, /no such file|not found|"code":12[67]/);
  }),
);

test("how a container ended is known after it was removed, by an agent that was not told before it died", options, () =>
  withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    assert.equal((await bench.exitOf(await bench.start("exit 7"))).code, 7);
    assert.equal(engine.containers().length, 0);
    const handle = await bench.recover(await bench.agent());
    assert.equal(handle && (await bench.exitOf(handle)).code, 7);
  }),
);

test("a container that was made and never started is removed, and its attempt was none", options, () =>
  withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    const handle = await bench.start("sleep 100");
    // As an agent leaves it that dies between the two: the name is noted, the id is not.
    await handle.kill();
    await bench.exitOf(handle);
    const name = `main-${bench.allocId}`;
    const labels = ["edgectl.node_id=node", `edgectl.alloc_id=${bench.allocId}`, "edgectl.attempt=1"].flatMap((label) => ["--label", label]);
    engine.docker("create", "--name", name, ...labels, IMAGE, "sleep", "100");
    runtime.files.remove(bench.control("exit"));
    runtime.files.writeText(bench.control("container"), JSON.stringify({ name, id: "", started: null }));
    assert.equal(await bench.recover(await bench.agent()), null);
    assert.deepEqual(engine.containers(), []);
    // One that did start is taken up.
    engine.docker("run", "--detach", "--name", name, ...labels, IMAGE, "sh", "-c", "sleep 1; exit 4");
    const found = await bench.recover(await bench.agent());
    assert.equal(found && (await bench.exitOf(found)).code, 4);
  }),
);
