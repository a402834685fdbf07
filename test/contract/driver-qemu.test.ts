// The drivers' contract, as far as a machine of one boot sector can keep it: it runs no shell and has no folders.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { findCgroups } from "../../internal/runner/cgroups.ts";
import { qemuDriver } from "../../internal/runner/drivers/qemu/driver.ts";
import { ProgramAnswers } from "../../internal/runner/program-answers.ts";
import { SHIM_SCRIPT, TASK_SCRIPT } from "../../internal/runner/shim-scripts.ts";
import { bootSector, EXIT_DEVICE } from "../support/boot-sector.ts";
import { Bench, type DriverKit, mortal } from "./driver-bench.ts";
import { driverContract } from "./driver-cases.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const images = runtime.files.temporaryDirectory("edgectl-boot-");
after(() => runtime.files.removeTree(images));
const noShell = "a boot sector runs no shell";
const sameShim = "the files are the shim's, and torn in raw_exec's kit";
const handled = "the emulator handles the signal, and ends well";

const kit: DriverKit = {
  name: "qemu",
  missing: runtime.files.isExecutable("/usr/bin/qemu-system-x86_64") ? null : "no qemu-system-x86_64 (install qemu-system-x86)",
  open(machine, folder) {
    const directory = `${folder}/client`;
    machine.files.writeAtomic(`${directory}/shim.sh`, SHIM_SCRIPT);
    machine.files.writeAtomic(`${directory}/task.sh`, TASK_SCRIPT);
    return qemuDriver({
      runtime: machine,
      allocRoot: `${folder}/alloc`,
      cgroups: findCgroups(machine.files),
      shimPath: `${directory}/shim.sh`,
      taskScriptPath: `${directory}/task.sh`,
      settings: { imagePaths: [images], allowedArgs: null, allowedEmulators: null },
      answers: new ProgramAnswers(machine, `${directory}/programs.json`),
    });
  },
  script(text) {
    const path = `${images}/${runtime.chance.secret(8)}.img`;
    runtime.files.writeText(path, bootSector(text), 0o666);
    return { image_path: path, args: [...EXIT_DEVICE, "-snapshot"] };
  },
  absent: () => ({ image_path: "local/nowhere.img" }),
  hasShim: true,
  workDirectory: (folder) => folder,
  skips: {
    "beside:": "a machine takes no command from outside",
    "ends with 128": "the machine's exit device knows odd codes only",
    "is ended by SIG": noShell,
    "is killed is told": noShell,
    "its default signal": handled,
    "a signal reaches": noShell,
    "a kill ends a tree": noShell,
    "what outlives": noShell,
    "standard output and error": noShell,
    "the environment": noShell,
    "no descriptor": noShell,
    "it begins in its folder": noShell,
    "its own folders": noShell,
    "what it made": noShell,
    "its use is counted": noShell,
    "file that holds": sameShim,
    "a task that runs goes on": noShell,
    "ended while nobody looked": noShell,
    "killed with all it has": noShell,
  },
};

await driverContract(kit);

const skip = kit.missing !== null;

test("qemu: a machine runs on without its agent, is counted, ends at the signal, and was not started again", { skip, timeout: 30_000 }, () =>
  withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    const first = mortal(runtime);
    await bench.start("echo up; exec sleep 1000", {}, await bench.agent(first.runtime));
    first.die();
    await bench.printed("up");
    const driver = await bench.agent();
    const handle = await bench.recover(driver);
    assert.ok((handle?.usage()?.rssBytes ?? 0) > 1_000_000);
    assert.equal(handle?.signal(driver.defaultSignal), true);
    assert.deepEqual(handle && (await bench.exitOf(handle)), { code: 0, signal: 0, isOom: false });
    assert.equal(bench.output().split("up").length, 2);
    assert.equal(handle?.usage(), null);
  }),
);

test("qemu: a machine that hears nothing is killed", { skip, timeout: 30_000 }, () =>
  withFolder(runtime, async (folder) => {
    const bench = new Bench(runtime, folder, kit);
    const handle = await bench.start("echo up; sleep 1000");
    await bench.printed("up");
    await handle.kill();
    assert.equal((await bench.exitOf(handle)).signal, 9);
  }),
);
