// The config of exec: what a job may write, and each mistake in words.

import { expect, test } from "bun:test";
import type { JsonMap } from "../../internal/domain/job.ts";
import { execConfigOf, execConfigProblems } from "../../internal/runner/drivers/exec-config.ts";

const SH = { command: "/bin/sh" };

/** [config, words of the problem; none = fine] */
const CASES: readonly (readonly [JsonMap, string | null])[] = [
  [SH, null],
  [{}, 'needs config "command"'],
  [{ ...SH, args: ["a"], work_dir: "/local", pid_mode: "host", ipc_mode: "private", cap_add: ["CAP_CHOWN"], cap_drop: ["all"] }, null],
  [{ ...SH, devices: ["/dev/i2c-1", "/dev/snd/seq:r", "/dev/ttyUSB0:rw"], image: "local/x.tar", pids_limit: 5, cpu_hard_limit: true }, null],
  [{ ...SH, ulimit: { nofile: "10:20", core: 0, stack: "unlimited" } }, null],
  [{ ...SH, devices: ["${meta.sensor}"], work_dir: "${NOMAD_TASK_DIR}", ulimit: { nofile: "${meta.files}" } }, null],
  [{ ...SH, comand: "x" }, 'no config key "comand"'],
  [{ ...SH, args: "a" }, "must be a list of strings"],
  [{ ...SH, work_dir: "local" }, "must be a path from the task's root"],
  [{ ...SH, pid_mode: "shared" }, 'must be "private" or "host"'],
  [{ ...SH, cap_add: ["wings"] }, "names no capability: wings"],
  [{ ...SH, devices: ["i2c-1"] }, "must name devices as /dev/NAME"],
  [{ ...SH, devices: ["/dev/../etc/shadow"] }, "must name devices as /dev/NAME"],
  [{ ...SH, devices: ["/dev/i2c-1:x"] }, "must name devices as /dev/NAME"],
  [{ ...SH, ulimit: { wings: "2" } }, 'has no limit "wings"'],
  [{ ...SH, ulimit: { nofile: "2; reboot" } }, "must be a number or soft:hard"],
  [{ ...SH, ulimit: "nofile=2" }, "must be a table"],
  [{ ...SH, pids_limit: 0 }, "must be a whole number above 0"],
  [{ ...SH, cpu_hard_limit: "yes" }, "must be true or false"],
];

for (const [config, words] of CASES)
  test(`exec config ${JSON.stringify(config)}`, () => {
    const messages = execConfigProblems(config).map((problem) => problem.message);
    if (words === null) expect(messages).toEqual([]);
    else expect(messages.join()).toContain(words);
  });

test("exec config: devices are read with their access", () => {
  expect(execConfigOf({ ...SH, devices: ["/dev/a", "/dev/b:r", "/dev/c:w"] }).devices).toEqual([
    { path: "/dev/a", access: "rw" },
    { path: "/dev/b", access: "r" },
    { path: "/dev/c", access: "w" },
  ]);
});
