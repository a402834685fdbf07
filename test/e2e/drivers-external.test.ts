// Drivers that are executables of their own, on a real agent: a useful one, whose process is killed under its task, and bad ones.

import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testWith } from "../support/real-parts.ts";
import { driverJob } from "./jobs.ts";
import { inPlace, pidsWith, root, until } from "./place.ts";

testWith(
  ["root", "python"],
  "jobs/external.toml runs by docs/drivers/chroot: keys are refused by name, its driver and its agent die, the task goes on; bad drivers are told",
  () =>
    inPlace(async (place) => {
      const plugins = place.path("plugins");
      mkdirSync(plugins, { mode: 0o755 });
      copyFileSync(join(root, "docs/drivers/chroot"), join(plugins, "chroot"));
      writeFileSync(join(plugins, "babble"), "#!/bin/sh\nwhile read -r line; do echo bla; done\n");
      writeFileSync(join(plugins, "bare"), BARE);
      for (const name of ["chroot", "babble", "bare"]) chmodSync(join(plugins, name), 0o755);
      writeFileSync(join(plugins, "loose"), "#!/bin/sh\n");
      chmodSync(join(plugins, "loose"), 0o777);
      mkdirSync(place.path("data"));
      writeFileSync(place.path("data/in"), "in\n");
      const flags = ["--plugin-dir", plugins, "--host-volume", `data=${place.path("data")}`];
      const first = await place.start({ flags });
      const status = () => place.ok("node", "status", "-self");
      await until(
        "both were greeted",
        () => /chroot/.test(status()) && /Drivers.*\bbare\b/.test(status()) && /babble \(unhealthy: .*no JSON: bla/.test(status()),
      );
      expect(status()).toMatch(/Drivers\s+=.*\bchroot\b(?! \(unhealthy)/);
      expect(status()).toMatch(/driver-refused:loose: .*others than its owner may change it/);

      const job = (id: string, config: string) => driverJob(id, "chroot", config);
      expect(place.run(job("typo", 'comand = "/bin/true"')).stderr).toContain('chroot has no config key "comand"');
      const mounted = (driver: string) =>
        driverJob(driver, driver, 'command = "/bin/sh", args = ["-c", "cat data/in; echo out >data/out; exec sleep 1000"]')
          .replace("[group.g]\n", '[group.g]\nvolume = { data = { source = "data" } }\n')
          .concat('[[group.g.task.main.volume_mount]]\nvolume = "data"\ndestination = "data"\n');
      expect(place.run(mounted("bare")).stderr).toContain("the driver bare gives its tasks no volumes on any node");
      expect(place.run(mounted("qemu")).stderr).toContain("the driver qemu gives its tasks no volumes");
      place.run(mounted("chroot"), "--detach");
      const withVolume = await place.untilAlloc("chroot", "running");
      await until("the volume is written", () => existsSync(place.path("data/out")));
      // A command in the task sees it; the machine does not, where it was mounted.
      expect(place.cli("exec", "chroot", "--", "cat", "data/in").stdout).toBe("in\n");
      expect(readdirSync(join(first.dataDirectory, "alloc", withVolume.ID, "main/data"))).toEqual([]);
      place.ok("stop", "chroot");
      expect(place.cli("exec", "chroot", "--", "true").status).not.toBe(0);

      place.run(job("absent", 'command = "/nowhere/sensor"'), "--detach");
      expect(JSON.stringify((await place.untilAlloc("absent", "failed")).TaskStates)).toContain("not found on this node: /nowhere/sensor");
      place.run(job("three", 'command = "/bin/sh", args = ["-c", "echo out; exit 3"]'), "--detach");
      expect((await place.untilAlloc("three", "failed")).TaskStates.main.Events.map((event: { ExitCode: number }) => event.ExitCode)).toContain(3);

      place.ok("run", "--detach", join(root, "jobs/external.toml"));
      const alloc = await place.untilAlloc("external", "running");
      const beats = async () => (await place.logs(alloc.ID, "beacon")).trimEnd().split("\n");
      await until("beats", async () => (await beats()).length > 2);
      for (const pid of childrenOf(first.process.pid, "chroot")) process.kill(pid, "SIGKILL");
      await until("it is told", () => place.agent.log.includes("driver chroot: the driver's process failed"));
      const exec = (script: string) => place.cli("exec", "external", "--", "sh", "-c", script);
      const folder = join(first.dataDirectory, "alloc", alloc.ID, "beacon");
      expect(exec('echo "$NOMAD_JOB_ID"; pwd; echo err >&2; exit 7')).toEqual({ status: 7, stdout: `external\n${folder}\n`, stderr: "err\n" });
      const beaten = (await beats()).length;
      await until("it beats on", async () => (await beats()).length > beaten);
      await first.kill();
      await place.start({ flags, name: "second", dataDirectory: first.dataDirectory, port: first.port });
      await until("chroot is greeted again", () => /Drivers\s+=.*\bchroot\b(?! \(unhealthy)/.test(status()));
      await place.untilAlloc("external", "running");
      expect((await beats()).filter((line) => line === "beat 1").length).toBe(1);
      expect(exec('echo "$NOMAD_JOB_ID"').stdout).toBe("external\n");
      place.ok("stop", "external");
      await place.untilAlloc("external", "complete");
      expect(pidsWith(`NOMAD_ALLOC_ID=${alloc.ID}`)).toEqual([]);
    }),
  180_000,
);

/** One that only says that it is there. */
const BARE = `#!/bin/sh
while read -r line; do
  id=\${line#*:}; id=\${id%%,*}
  echo "{\\"id\\":$id,\\"result\\":{\\"protocol\\":1,\\"healthy\\":true,\\"config\\":{\\"command\\":\\"string\\",\\"args\\":\\"list\\"}}}"
done
`;

/** Not the watchers of its tasks, which carry the same command line. */
function childrenOf(parent: number | undefined, name: string): number[] {
  const found = spawnSync("pgrep", ["--parent", String(parent), "--full", name], { encoding: "utf8" });
  return found.stdout.split("\n").filter(Boolean).map(Number);
}
