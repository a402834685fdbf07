// What a node says of exec: whole, without limits, or unable, each with what to do; never a failed fingerprint.

import { expect, test } from "bun:test";
import { fingerprintExec } from "../../internal/client/fingerprint/exec.ts";
import { newFacts } from "../../internal/client/fingerprint/reading.ts";
import { DEFAULT_CAPABILITIES } from "../../internal/runner/sandbox/capabilities.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { fakeFiles } from "../runner/sandbox/fake-files.ts";

const SETTINGS = { users: { min: 80_000, max: 89_999 }, allowCaps: DEFAULT_CAPABILITIES, imageGcDelayMs: 90_000_000 };
const program = "#!";
const UTIL_LINUX = Object.fromEntries(
  ["unshare", "nsenter", "setpriv", "mount", "umount", "pivot_root", "prlimit"].map((name) => [`/usr/bin/${name}`, program]),
);
const OTHERS = Object.fromEntries(["sh", "setsid", "mv", "cp", "chown", "chmod"].map((name) => [`/usr/bin/${name}`, program]));
const NAMESPACES = Object.fromEntries(["mnt", "pid", "ipc", "uts"].map((name) => [`/proc/self/ns/${name}`, { link: `${name}:[1]` }]));
const V1 = ["memory", "cpu", "cpuset", "pids"].map((name) => `cgroup /cg/${name} cgroup rw,${name} 0 0`);
const WHOLE = { ...UTIL_LINUX, ...OTHERS, ...NAMESPACES, "/proc/mounts": V1.join("\n") };

function look(files: Parameters<typeof fakeFiles>[0], uid = 0) {
  const real = bunRuntime();
  const facts = newFacts();
  const reading = fingerprintExec({ ...real, files: fakeFiles(files), host: { ...real.host, uid } }, facts, SETTINGS);
  return { ...reading, facts };
}

test("exec on a whole machine is healthy, and says what it enforces and what it does not", () => {
  const { driver, conditions, facts } = look(WHOLE);
  expect([driver.detected, driver.healthy, conditions]).toEqual([true, true, []]);
  expect(facts.attributes["driver.exec"]).toBe("1");
  expect(facts.attributes["driver.exec.enforced"]).toContain("memory limit, cpu limit, cpuset limit, pids limit");
  expect(facts.attributes["driver.exec.not_enforced"]).toContain("seccomp");
});

test("exec on a root file system that was mounted over the ramdisk's is healthy", () => {
  expect(look({ ...WHOLE, "/proc/mounts": `rootfs / rootfs rw 0 0\n/dev/mmcblk0p2 / ext4 rw 0 0\n${V1.join("\n")}` }).driver.healthy).toBe(true);
});

test("exec without the memory cgroup runs, says so, and names the line that mends it", () => {
  const { driver, conditions, facts } = look({ ...WHOLE, "/proc/mounts": V1.filter((line) => !line.includes("memory")).join("\n") });
  expect(driver.healthy).toBe(true);
  expect(conditions).toMatchObject([{ name: "exec-unlimited" }]);
  expect(conditions[0]?.message).toContain("memory");
  expect(conditions[0]?.fix).toContain("cgroup_enable=memory cgroup_memory=1");
  expect(facts.attributes["driver.exec.not_enforced"]).toContain("memory limit");
});

test("exec in a container, whose cgroup tree has all controllers and can hand none on, says so", () => {
  const box = { "/proc/mounts": "cgroup2 /cg cgroup2 rw 0 0", "/cg/cgroup.type": "domain\n", "/cg/cgroup.controllers": "cpuset cpu memory pids\n" };
  const { conditions } = look({ ...WHOLE, ...box });
  expect(conditions[0]?.message).toContain("memory, cpu, cpuset, pids (the agent runs in a cgroup of somebody else's)");
  expect(conditions[0]?.fix).toContain("--cgroupns=host");
});

/** [what, files, uid, words] */
const UNABLE: readonly (readonly [string, Parameters<typeof fakeFiles>[0], number, string])[] = [
  ["a busybox in the place of util-linux", { ...WHOLE, "/usr/bin/setpriv": { link: "/bin/busybox" }, "/bin/busybox": program }, 0, "setpriv"],
  ["no util-linux at all", { ...OTHERS, ...NAMESPACES }, 0, "unshare, nsenter, setpriv, mount, umount, pivot_root, prlimit"],
  ["a kernel without pid namespaces", { ...UTIL_LINUX, ...OTHERS, "/proc/self/ns/mnt": { link: "mnt:[1]" } }, 0, "pid"],
  ["an initial ramdisk", { ...WHOLE, "/proc/mounts": `rootfs / rootfs rw 0 0\n${V1.join("\n")}` }, 0, "ramdisk"],
  ["an agent that is not root", WHOLE, 1000, "root"],
];

for (const [what, files, uid, words] of UNABLE)
  test(`exec on ${what} is detected, unhealthy, and tells the fix`, () => {
    const { driver, conditions, facts } = look(files, uid);
    expect([driver.detected, driver.healthy]).toEqual([true, false]);
    expect(driver.description).toContain(words);
    expect(conditions).toMatchObject([{ name: "exec-unavailable" }]);
    expect(conditions[0]?.fix.length).toBeGreaterThan(10);
    expect(facts.attributes["driver.exec"]).toBeUndefined();
  });

test("exec that is switched off is not there", () => {
  const real = bunRuntime();
  const { driver, conditions } = fingerprintExec(real, newFacts(), undefined);
  expect([driver.detected, driver.description, conditions]).toEqual([false, "disabled by client.exec", []]);
});
