// Images that exec unpacked: they stay while a task of any agent's runs in them, and a while longer, then they go.

import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_CAPABILITIES } from "../../internal/runner/sandbox/capabilities.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { Bench, mortal } from "./driver-bench.ts";
import { execMissing, openExec } from "./exec-kit.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const { files, processes, clock } = runtime;
const skip = execMissing(runtime) ?? (files.isExecutable("/bin/busybox") ? false : "no busybox");

const open = (machine: Runtime, folder: string, imageGcDelayMs: number) =>
  openExec(machine, folder, { settings: { users: { min: 80_000, max: 89_999 }, allowCaps: DEFAULT_CAPABILITIES, imageGcDelayMs } });

async function withImage(delayMs: number, body: (bench: Bench, unpacked: () => readonly string[]) => Promise<void>): Promise<void> {
  // Timers of an agent keep nothing alive.
  const alive = setInterval(() => undefined, 1000);
  await withFolder(runtime, async (folder) => {
    const [image, tarball] = [`${folder}/image`, `${folder}/image.tar`];
    files.makeDirectory(`${image}/bin`);
    await processes.run("cp", ["/bin/busybox", `${image}/bin/busybox`]);
    for (const name of ["sh", "sleep", "cat", "echo"]) files.symlink("busybox", `${image}/bin/${name}`);
    await processes.run("tar", ["-C", image, "-cf", tarball, "."]);
    const bench = new Bench(runtime, folder, {
      name: "exec",
      missing: null,
      open: (machine) => open(machine, folder, delayMs),
      script: (text) => ({ command: "/bin/sh", args: ["-c", text], image: tarball }),
      absent: () => ({}),
      hasShim: true,
      workDirectory: () => "/",
    });
    const unpacked = () => (files.list(`${folder}/client/images`) ?? []).filter((name) => /^[0-9a-f]{64}$/.test(name));
    await body(bench, unpacked).finally(() => bench.end());
  }).finally(() => clearInterval(alive));
}

test(
  "an unpacked image goes when nobody used it for as long as it may stay, and is unpacked again when it is wanted",
  { skip, timeout: 60_000 },
  () =>
    withImage(300, async (bench, unpacked) => {
      const driver = await bench.agent();
      const handle = await bench.start("echo up; exec sleep 1000", {}, driver);
      await bench.printed("up");
      const [digest = ""] = unpacked();
      // Longer than a whole round of what clears away.
      await clock.sleep(1500);
      assert.deepEqual(unpacked(), [digest]);
      await handle.kill();
      await handle.exited;
      await bench.until("the image goes", () => unpacked().length === 0);
      // The note of what its tarball holds goes with it.
      const left = () => (files.list(`${bench.folder}/client/images`) ?? []).filter((name) => !name.startsWith("tools-"));
      await bench.until("nothing of it is left", () => left().length === 0);
      await bench.until("nobody knows it", () => files.readText(`${bench.folder}/client/images.json`) === "{}");
      assert.equal((await bench.exitOf(await bench.start("echo again", { attempt: 2 }, driver))).code, 0);
      assert.deepEqual(unpacked(), [digest]);
      driver.stop?.();
    }),
);

test("a later agent keeps the image of a task that runs, taken up or not, and clears it once the task ended", { skip, timeout: 60_000 }, () =>
  withImage(300, async (bench, unpacked) => {
    const first = mortal(runtime);
    await bench.start("echo up; exec sleep 1000", {}, open(first.runtime, bench.folder, 90_000_000));
    await bench.printed("up");
    first.die();
    const later = await bench.agent();
    await clock.sleep(2500);
    assert.equal(unpacked().length, 1, "not taken up yet");
    const handle = await bench.recover(later);
    await clock.sleep(1500);
    assert.equal(unpacked().length, 1, "taken up");
    await handle?.kill();
    await handle?.exited;
    await bench.until("the image goes", () => unpacked().length === 0);
    later.stop?.();
  }),
);

test("an image that an earlier version left, and what a power cut left of one, go too", { skip, timeout: 60_000 }, () =>
  withImage(300, async (bench, unpacked) => {
    const images = `${bench.folder}/client/images`;
    files.makeDirectory(`${images}/${"a".repeat(64)}/bin`);
    files.makeDirectory(`${images}/${"b".repeat(64)}.gone/bin`);
    const driver = await bench.agent();
    await bench.until("both go", () => unpacked().length === 0 && (files.list(images) ?? []).length === 0);
    driver.stop?.();
  }),
);

test("a start that is called off while its image is unpacked holds nothing", { skip, timeout: 60_000 }, () =>
  withImage(300, async (bench, unpacked) => {
    const driver = await bench.agent();
    const stop = new AbortController();
    const config = { command: "/bin/sh", args: ["-c", "echo ran"], image: `${bench.folder}/image.tar` };
    const started = driver.start({ ...bench.request(driver, config), cancelled: stop.signal });
    stop.abort();
    await assert.rejects(started, /called off/);
    await bench.until("it was unpacked all the same", () => unpacked().length === 1);
    await bench.until("and goes", () => unpacked().length === 0);
    driver.stop?.();
  }),
);
