// exec on a real agent: who a task is, what it sees, what it may use, and that it outlives its agent.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPart, testWith } from "../support/real-parts.ts";
import { NO_RETRY } from "./jobs.ts";
import { inPlace, isAlive, type Place, pidsWith, root, until } from "./place.ts";

const MINUTE = 60_000;
const EXEC = ["root", "unshare", "nsenter"] as const;

interface ExecJob {
  readonly id: string;
  readonly script: string;
  readonly type?: string;
  readonly config?: string;
  readonly resources?: string;
  readonly task?: string;
  readonly group?: string;
}

function execJob(job: ExecJob): string {
  return `id = "${job.id}"
type = "${job.type ?? "batch"}"
[group.g]
${job.group ?? NO_RETRY}
[group.g.task.main]
driver = "exec"
config = { command = "/bin/sh", args = ["-c", ${JSON.stringify(job.script)}]${job.config ? `, ${job.config}` : ""} }
resources = { ${job.resources ?? "cpu = 50, memory = 32"} }
${job.task ?? ""}
`;
}

async function eventsOf(place: Place, job: string): Promise<string> {
  const alloc = await place.alloc(job);
  return (alloc?.TaskStates?.main?.Events ?? []).map((event: { DisplayMessage: string }) => event.DisplayMessage).join("\n");
}

async function outputOf(place: Place, job: ExecJob, status = "complete"): Promise<string> {
  expect(place.run(execJob(job), "--detach").stderr).not.toContain("rror");
  const alloc = await place.untilAlloc(job.id, status);
  return `${await place.logs(alloc.ID, "main")}${await place.logs(alloc.ID, "main", "stderr")}`;
}

const tasksOf = (allocId: string) => pidsWith(`EDGECTL_TASK_TOKEN=${allocId}`);
/** The line of /proc/PID/status, such as Uid. */
const statusOf = (pid: number, name: string) => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
const cgroupOf = (pid: number, controller: string) =>
  new RegExp(`^\\d+:[^:]*\\b${controller}\\b[^:]*:(.*)$`, "m").exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
const controllerOf = (name: string) =>
  /^cgroup (\S+) /m.exec(spawnSync("grep", ["-E", `^cgroup .*[ ,]${name}[ ,]`, "/proc/mounts"], { encoding: "utf8" }).stdout)?.[1];

testWith(
  EXEC,
  "jobs/exec.toml runs: as a user of the range, in a pid namespace of its own, within its cgroups; a stop ends all of it",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.ok("run", "--detach", join(root, "jobs", "exec.toml"));
      const alloc = await place.untilAlloc("exec", "running");
      const file = join(place.agent.dataDirectory, "alloc", alloc.ID, "alloc/data/last.json");
      await until("a line", () => existsSync(file) && readFileSync(file, "utf8").includes("}"));
      const line = JSON.parse(readFileSync(file, "utf8"));
      expect(line.user).toBeGreaterThanOrEqual(80_000);
      expect(line.user).toBeLessThan(90_000);
      expect(line.processes).toBeLessThan(9);
      const [pid = 0] = tasksOf(alloc.ID);
      expect(statusOf(pid, "NoNewPrivs")).toBe("1");
      expect(statusOf(pid, "CapEff")).toBe("0000000000000000");
      expect(statusOf(pid, "CapBnd")).toBe("0000000000000000");
      expect(JSON.parse(place.ok("job", "action", "--job", "exec", "last")).user).toBe(line.user);
      expect(place.ok("node", "status", "-self")).toContain("exec: namespaces (mount, pid, ipc, uts)");
      place.ok("stop", "exec");
      await place.untilAlloc("exec", "complete");
      expect(tasksOf(alloc.ID)).toEqual([]);
      expect(readdirSync(join(place.agent.dataDirectory, "client/users"))).toEqual([]);
    }),
  MINUTE,
);

testWith(
  EXEC,
  "two tasks are two users, each with secrets of its own; a task keeps its user over a restart, and gives it back at its end",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--client.dynamic-user-min", "70000", "--client.dynamic-user-max", "70001"] });
      const script = 'id -u; [ -e "$NOMAD_SECRETS_DIR/mine" ] && exec sleep 1000; echo s >"$NOMAD_SECRETS_DIR/mine"; exit 1';
      const group = 'restart = { attempts = 3, delay = "50ms", interval = "1m", mode = "fail" }';
      const users: string[] = [];
      for (const id of ["one", "two"]) {
        place.run(execJob({ id, script, group, type: "service" }), "--detach");
        await until(`${id} to start again`, async () => ((await place.alloc(id))?.TaskStates?.main?.Restarts ?? 0) === 1);
        const alloc = await place.untilAlloc(id, "running");
        await until("both lines", async () => (await place.logs(alloc.ID, "main")).split("\n").length === 3);
        const [first, second] = (await place.logs(alloc.ID, "main")).split("\n");
        expect(second).toBe(first ?? "");
        users.push(first ?? "");
        const secrets = statSync(join(place.agent.dataDirectory, "alloc", alloc.ID, "main/secrets"));
        expect([secrets.uid, secrets.mode & 0o777]).toEqual([Number(first), 0o700]);
      }
      expect([...users].sort()).toEqual(["70000", "70001"]);
      place.run(execJob({ id: "three", script: "id -u" }), "--detach");
      await place.untilAlloc("three", "failed");
      expect(await eventsOf(place, "three")).toContain("all users from 70000 to 70001 are lent to tasks");
      place.ok("stop", "one");
      await place.untilAlloc("one", "complete");
      expect(await outputOf(place, { id: "four", script: "id -u" })).toBe(`${users[0]}\n`);
    }),
  MINUTE,
);

testWith(
  EXEC,
  "a task that needs more memory than it may is ended, and told with peak and limit",
  () =>
    inPlace(async (place) => {
      if (!controllerOf("memory") && findPart("cgroup v2").kind === "missing") return console.log("skipped: no memory cgroup here");
      await place.start();
      place.run(execJob({ id: "hog", script: "echo big; head -c 200m /dev/zero | tail", resources: "cpu = 50, memory = 24" }), "--detach");
      const alloc = await place.untilAlloc("hog", "failed");
      expect(alloc.TaskStates.main.Failed).toBe(true);
      expect(await eventsOf(place, "hog")).toMatch(/OOM Killed: .* at its peak 2\d MiB of 24 MiB allowed/);
      // With memory_max it may go beyond what it is promised.
      const more = { id: "more", script: "head -c 40m /dev/zero | tail | wc -c", resources: "cpu = 50, memory = 24, memory_max = 128" };
      await place.request("PUT", "/v1/operator/scheduler/configuration", { MemoryOversubscriptionEnabled: true });
      expect(await outputOf(place, more)).toContain("41943040");
    }),
  MINUTE,
);

testWith(
  EXEC,
  "limits stand in the task's cgroups: shares, a hard quota, processes, cores of its own",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--client.cpu-total-compute", "4000"] });
      const [cpu, pids, cpuset] = ["cpu", "pids", "cpuset"].map(controllerOf);
      const config = "pids_limit = 33, cpu_hard_limit = true";
      place.run(execJob({ id: "soft", script: "sleep 1000", resources: "cpu = 300, memory = 32" }), "--detach");
      place.run(execJob({ id: "hard", script: "sleep 1000", config, resources: "cpu = 500, memory = 32" }), "--detach");
      place.run(execJob({ id: "own", script: "sleep 1000", resources: "cores = 1, memory = 32" }), "--detach");
      const pidOf = async (job: string) => {
        const { ID } = await place.untilAlloc(job, "running");
        // It runs from the moment it is claimed; its environment comes with its last step.
        await until(`the program of ${job}`, () => tasksOf(ID).length > 0);
        return tasksOf(ID)[0] ?? 0;
      };
      const [soft, hard, own] = [await pidOf("soft"), await pidOf("hard"), await pidOf("own")];
      const read = (tree: string | undefined, pid: number, controller: string, name: string) =>
        tree === undefined ? undefined : readFileSync(join(tree, cgroupOf(pid, controller), name), "utf8").trim();
      const [{ ID: nodeId }] = await place.get("/v1/nodes");
      const cores = (await place.get(`/v1/node/${nodeId}`)).Attributes["cpu.numcores"];
      if (cpu) {
        expect(read(cpu, soft, "cpu", "cpu.shares")).toBe("300");
        expect(read(cpu, soft, "cpu", "cpu.cfs_quota_us")).toBe("-1");
        expect(read(cpu, hard, "cpu", "cpu.cfs_quota_us")).toBe(String(Math.round((500 / (4000 / Number(cores))) * 100_000)));
      } else console.log("skipped: no v1 cpu cgroup here");
      if (pids) {
        expect(read(pids, soft, "pids", "pids.max")).toBe("1024");
        expect(read(pids, hard, "pids", "pids.max")).toBe("33");
      } else console.log("skipped: no v1 pids cgroup here");
      if (cpuset) {
        const given = (await place.alloc("own")).AllocatedResources.Tasks.main.Cpu.ReservedCores;
        expect(given).toHaveLength(1);
        expect(read(cpuset, own, "cpuset", "cpuset.cpus")).toBe(String(given[0]));
        expect(statusOf(own, "Cpus_allowed_list")).toBe(String(given[0]));
      } else console.log("skipped: no v1 cpuset cgroup here");
    }),
  MINUTE,
);

testWith(
  EXEC,
  "an agent that is killed leaves its tasks running, and the next one takes them up: output, signals, code, and their user",
  () =>
    inPlace(async (place) => {
      const first = await place.start();
      place.run(execJob({ id: "long", script: "echo up; trap 'echo bye; exit 5' USR1; while :; do sleep 0.05; done" }), "--detach");
      const alloc = await place.untilAlloc("long", "running");
      await until("its output", async () => (await place.logs(alloc.ID, "main")).includes("up"));
      const before = tasksOf(alloc.ID);
      await first.kill();
      expect(before.some(isAlive)).toBe(true);
      await place.start({ name: "second", dataDirectory: first.dataDirectory });
      await place.untilAlloc("long", "running");
      expect(tasksOf(alloc.ID).some((pid) => before.includes(pid))).toBe(true);
      expect(readdirSync(join(first.dataDirectory, "client/users"))).toHaveLength(1);
      place.ok("alloc", "signal", "-s", "SIGUSR1", alloc.ID);
      await place.untilAlloc("long", "failed");
      expect(await eventsOf(place, "long")).toContain("Exit Code: 5");
      expect(await place.logs(alloc.ID, "main")).toBe("up\nbye\n");
      expect(readdirSync(join(first.dataDirectory, "client/users"))).toEqual([]);
    }),
  MINUTE,
);

testWith(
  [...EXEC, "busybox"],
  "an image is a folder or a tarball, unpacked once; the task sees it and nothing of the host",
  () =>
    inPlace(async (place) => {
      const image = place.path("image");
      for (const folder of ["bin", "etc", "data"]) mkdirSync(join(image, folder), { recursive: true });
      const busybox = spawnSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).stdout.trim();
      spawnSync("cp", [busybox, join(image, "bin/busybox")]);
      for (const name of ["sh", "ls", "cat", "id", "echo", "touch"]) spawnSync("ln", ["-s", "busybox", join(image, "bin", name)]);
      writeFileSync(join(image, "etc/motd"), "from the image\n");
      writeFileSync(join(image, "etc/hosts"), "");
      chmodSync(image, 0o755);
      spawnSync("tar", ["-C", image, "-czf", place.path("image.tar.gz"), "."]);
      await place.start();
      const script = "cat /etc/motd; cat /etc/hosts; ls /; id -u; touch /data/x; touch /local/x && echo wrote; kill -9 $$";
      for (const [id, path] of [
        ["folder", image],
        ["tarball", place.path("image.tar.gz")],
        ["again", place.path("image.tar.gz")],
      ] as const) {
        const output = await outputOf(place, { id, script, config: `image = ${JSON.stringify(path)}` }, "failed");
        expect(output).toContain("from the image\n");
        expect(output).toContain("localhost");
        expect(output).toMatch(/^8\d{4}$/m);
        expect(output).toContain("Read-only file system");
        expect(output).toContain("wrote");
        expect(output).not.toContain("usr");
        expect(await eventsOf(place, id)).toContain("Signal: 9");
      }
      expect(await eventsOf(place, "tarball")).toContain("Unpacking ");
      expect(await eventsOf(place, "again")).not.toContain("Unpacking ");
      place.run(execJob({ id: "none", script, config: 'image = "/nowhere.tar"' }), "--detach");
      await place.untilAlloc("none", "failed");
      expect(await eventsOf(place, "none")).toContain('the image "/nowhere.tar" is not on this node');
    }),
  MINUTE,
);

testWith(
  EXEC,
  "devices are there when asked for, as far as asked for, and belong to the task's group",
  () =>
    inPlace(async (place) => {
      await place.start();
      // A sensor's stand-in: a device for root alone, which gives zeros and takes anything.
      const device = `/dev/edgectl-test-${process.pid}`;
      place.onClose(() => rmSync(device, { force: true }));
      expect(spawnSync("mknod", ["-m", "600", device, "c", "1", "5"]).status).toBe(0);
      const script = `ls /dev | tr '\\n' ' '; head -c 3 ${device} | wc -c; (echo x >${device}) 2>/dev/null && echo written; echo end`;
      const without = await outputOf(place, { id: "without", script });
      expect(without).toContain("fd full null ptmx pts random shm stderr stdin stdout tty urandom zero");
      expect(without).not.toContain("3\n");
      const read = await outputOf(place, { id: "read", script, config: `devices = ["${device}:r"]` });
      expect(read).toContain("3\n");
      expect(read).not.toContain("written");
      const both = await outputOf(place, { id: "both", script, config: `devices = ["${device}", "/dev/null"]` });
      expect(both).toContain("3\nwritten\nend\n");
      place.run(execJob({ id: "absent", script, config: 'devices = ["/dev/i2c-77"]' }), "--detach");
      await place.untilAlloc("absent", "failed");
      expect(await eventsOf(place, "absent")).toContain("/dev/i2c-77 is no device on this node");
    }),
  MINUTE,
);

testWith(
  EXEC,
  "capabilities, users and programs: what the node allows, and what it refuses in words",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--client.exec-allow-caps", "net_bind_service,chown"] });
      const caps = "grep -E '^Cap(Eff|Bnd|Amb)' /proc/self/status; id -u";
      const own = await outputOf(place, { id: "own", script: caps, config: 'cap_add = ["NET_BIND_SERVICE"]' });
      expect(own).toContain("CapEff:\t0000000000000400\nCapBnd:\t0000000000000400\nCapAmb:\t0000000000000400");
      const asRoot = await outputOf(place, { id: "as-root", script: caps, task: 'user = "root"' });
      expect(asRoot).toContain("CapEff:\t0000000000000401\nCapBnd:\t0000000000000401\nCapAmb:\t0000000000000000\n0");
      const dropped = await outputOf(place, { id: "dropped", script: caps, task: 'user = "root"', config: 'cap_drop = ["all"]' });
      expect(dropped).toContain("CapEff:\t0000000000000000");
      expect(await outputOf(place, { id: "named", script: "id -un", task: 'user = "nobody"' })).toBe("nobody\n");
      const refusals: readonly (readonly [string, string, string])[] = [
        ["admin", 'cap_add = ["sys_admin"]', "this node does not allow the capabilities sys_admin"],
        ["hidden", 'command = "/root/sensor"', "was not found on this node"],
      ];
      for (const [id, config, words] of refusals) {
        const text = execJob({ id, script: "true", config }).replace(/command = "\/bin\/sh", (.*command = )/, "$1");
        place.run(text, "--detach");
        await place.untilAlloc(id, "failed");
        expect(await eventsOf(place, id)).toContain(words);
      }
      const wrong = place.run(
        execJob({ id: "wrong", script: "true", config: 'cap_add = ["fly"], devices = ["../x"], pid_mode = "shared", ulimit = { wings = "2" }' }),
      );
      expect(wrong.status).not.toBe(0);
      for (const words of ["names no capability: fly", "must name devices as /dev/NAME", 'must be "private" or "host"', 'has no limit "wings"'])
        expect(wrong.stderr + wrong.stdout).toContain(words);
    }),
  MINUTE,
);

testWith(
  EXEC,
  "without the memory cgroup a task runs without that limit, and the node says so with the line that mends it",
  () =>
    inPlace(async (place) => {
      const tree = controllerOf("memory");
      if (!tree) return console.log("skipped: no v1 memory cgroup here that could be taken away");
      await place.start({ wrapper: ["unshare", "--mount", "sh", "-c", `umount ${tree} && exec "$@"`, "sh"] });
      const script = "head -c 60m /dev/zero | tail | wc -c";
      expect(await outputOf(place, { id: "free", script, resources: "cpu = 50, memory = 16" })).toContain("62914560");
      const status = place.ok("node", "status", "-self");
      expect(status).toContain("exec-unlimited: exec tasks run without these limits: memory");
      expect(status).toContain("cgroup_enable=memory cgroup_memory=1");
    }),
  MINUTE,
);

for (const shell of ["bash", "busybox"] as const)
  testWith(
    [...EXEC, shell],
    `where sh is ${shell}, tasks of exec start, are signalled, and end with their code just so`,
    () =>
      inPlace(async (place) => {
        // Whatever sh is here, it is that shell for the agent and its tasks.
        const cover = `mount --bind "$(command -v ${shell})" "$(readlink -f /bin/sh)" && exec "$@"`;
        await place.start({ wrapper: ["unshare", "--mount", "sh", "-c", cover, "sh"] });
        expect(await outputOf(place, { id: "code", script: "echo out; echo err >&2; exit 3", task: 'env = { A = "it\'s" }' }, "failed")).toBe(
          "out\nerr\n",
        );
        expect(await eventsOf(place, "code")).toContain("Exit Code: 3");
        place.run(execJob({ id: "long", type: "service", script: "echo up; exec sleep 1000" }), "--detach");
        const alloc = await place.untilAlloc("long", "running");
        await until("its output", async () => (await place.logs(alloc.ID, "main")).includes("up"));
        place.ok("stop", "long");
        await place.untilAlloc("long", "complete", 4000);
        expect(await eventsOf(place, "long")).toContain("Signal: 2 (SIGINT)");
      }),
    MINUTE,
  );

test(
  "a node whose exec is switched off says so and is given no such task",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--client.exec=false"] });
      const done = place.run(execJob({ id: "off", script: "true" }));
      expect(done.status).toBe(2);
      expect(done.stdout + done.stderr).toContain("missing drivers");
    }),
  MINUTE,
);
