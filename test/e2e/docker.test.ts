// The docker driver against a real engine: what a container gets, what it may not have, and how it ends.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE } from "../support/docker-engine.ts";
import { dockerJob } from "../support/docker-jobs.ts";
import { containerOf, dockerTest, engineOfFile, outputOf, refusalOf, withNode } from "./docker-place.ts";
import { inPlace, root, until } from "./place.ts";

const engine = engineOfFile();

dockerTest("a container has its folders, its environment and what its config says; its end is the task's", () =>
  withNode(engine, ["--client.docker.volumes"], async (place) => {
    mkdirSync(place.path("mine"));
    writeFileSync(place.path("mine/marker"), "");
    const said = await outputOf(place, {
      id: "all",
      script: [
        "echo out; echo err >&2; echo $NOMAD_ALLOC_DIR $NOMAD_TASK_DIR $NOMAD_SECRETS_DIR $GREETING; id -u; id -G; pwd; hostname",
        "touch /alloc/data/a /local/l /secrets/s && echo folders; ln -sf /etc/evil /alloc/logs/main.stdout.0 2>/dev/null || echo no-links-in-logs",
        "touch /etc/x 2>/dev/null || echo read-only; grep -c ^tmpfs./cache /proc/mounts",
        "grep -o 'edge.test' /etc/hosts; grep -o 'nameserver 10.9.8.7' /etc/resolv.conf; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        "ulimit -n; ls /host/marker; cat /proc/1/comm; cat /proc/self/oom_score_adj",
      ].join("; "),
      config: {
        volumes: [`${place.folder}/mine:/host:ro`],
        mount: [{ type: "tmpfs", target: "/cache", tmpfs_options: [{ size: 1_000_000 }] }],
        work_dir: "/tmp",
        hostname: "boat",
        extra_hosts: ["edge.test:10.1.2.3"],
        dns_servers: ["10.9.8.7"],
        sysctl: { "net.ipv4.ip_unprivileged_port_start": "81" },
        ulimit: [{ nofile: "2048:4096" }],
        readonly_rootfs: true,
        group_add: ["4242"],
        init: true,
        oom_score_adj: 300,
        labels: [{ team: "sensors" }],
        pids_limit: 50,
      },
      task: 'user = "0:0"\nenv = { GREETING = "hello ${node.datacenter}" }',
    });
    for (const want of [
      "out\n",
      "/alloc /local /secrets hello dc1\n",
      "4242",
      "/tmp\n",
      "boat\n",
      "folders\n",
      "read-only\n",
      "edge.test\n",
      "no-links-in-logs\n",
    ])
      expect(said).toContain(want);
    for (const want of ["nameserver 10.9.8.7\n", "\n81\n", "2048\n", "/host/marker\n", "\n300\n", "docker-init\n"]) expect(said).toContain(want);
    const alloc = await place.alloc("all");
    expect(await place.logs(alloc.ID, "main", "stderr")).toBe("err\n");
    await until("the ended container to be removed", () => !engine.containers().includes(containerOf(alloc)));
  }),
);

dockerTest("exit codes, signals and the entrypoint of a container are the task's", () =>
  withNode(engine, [], async (place) => {
    place.run(dockerJob({ id: "seven", script: "exit 7" }), "--detach");
    const seven = await place.untilAlloc("seven", "failed");
    expect(JSON.stringify(seven.TaskStates.main.Events)).toContain("Exit Code: 7");
    const asAnother = {
      id: "another",
      script: "id -u; touch /local/x /alloc/data/x && echo written; ls /secrets || echo kept",
      task: 'user = "4321"',
    };
    expect(await outputOf(place, asAnother)).toBe("4321\nwritten\nkept\n");
    expect(await outputOf(place, { id: "entry", config: { entrypoint: ["echo", "from"], args: ["the entrypoint"] } })).toBe("from the entrypoint\n");
    expect(await refusalOf(place, { id: "none", config: { command: "no-such-program" } })).toMatch(
      /container could not be started: .*no-such-program/,
    );
  }),
);

dockerTest("a port is reached where the scheduler put it, by `ports` and by the older port_map; the kernel's figures are the task's", () =>
  withNode(engine, [], async (place) => {
    const script = "echo page > /tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    for (const [id, config, port] of [
      ["web", { ports: ["http"] }, "to = 8080"],
      ["old", { port_map: [{ http: 8080 }] }, ""],
    ] as const) {
      place.run(
        dockerJob({ id, type: "service", script, config, task: 'kill_timeout = "200ms"', group: `[group.g.network.port.http]\n${port}` }),
        "--detach",
      );
      const alloc = await place.untilAlloc(id, "running");
      const [mapped] = alloc.AllocatedResources.Shared.Ports;
      const inspected = JSON.parse(engine.docker("inspect", containerOf(alloc)))[0];
      const [bound] = inspected.HostConfig.PortBindings["8080/tcp"];
      expect(bound.HostPort).toBe(String(mapped.Value));
      await until("the page", async () => (await fetch(`http://${bound.HostIp}:${mapped.Value}/`).catch(() => null))?.status === 200, 5000);
      expect(inspected.Config.Labels["edgectl.alloc_id"]).toBe(alloc.ID);
      expect(inspected.Config.Labels["com.hashicorp.nomad.job_id"]).toBe(id);
      const stats = await place.get(`/v1/client/allocation/${alloc.ID}/stats`);
      expect(stats.Tasks.main.ResourceUsage.MemoryStats.RSS).toBeGreaterThan(0);
      expect(Object.keys(stats.Tasks.main.Pids).length).toBeGreaterThan(0);
      place.ok("stop", "--detach", id);
      await place.untilAlloc(id, "complete");
    }
  }),
);

dockerTest("memory: beyond its limit a task is ended as out of memory; memory_hard_limit is the limit where it is larger", () =>
  withNode(engine, [], async (place) => {
    const script = "dd if=/dev/zero of=/dev/null bs=100M count=1 && echo fits";
    place.run(dockerJob({ id: "big", script: `exec ${script.split(" && ")[0]}` }), "--detach");
    const big = await place.untilAlloc("big", "failed");
    expect(JSON.stringify(big.TaskStates.main.Events)).toMatch(/OOM Killed/);
    expect(await outputOf(place, { id: "hard", script, config: { memory_hard_limit: 200 } })).toBe("fits\n");
    place.run(dockerJob({ id: "quota", type: "service", script: "sleep 60", config: { cpu_hard_limit: true, cpuset_cpus: "0" } }), "--detach");
    const { HostConfig } = JSON.parse(engine.docker("inspect", containerOf(await place.untilAlloc("quota", "running"))))[0];
    expect(HostConfig.CpuShares).toBe(50);
    expect(HostConfig.CpuQuota).toBeGreaterThanOrEqual(1000);
    expect(HostConfig.CpusetCpus).toBe("0");
    expect(HostConfig.MemorySwap).toBe(HostConfig.Memory);
  }),
);

const SLEEPER = "trap '' TERM; echo ready; while :; do sleep 0.2; done";

dockerTest("stop asks with the signal, waits, and kills; a task that listens ends at once", () =>
  withNode(engine, [], async (place) => {
    place.run(dockerJob({ id: "deaf", type: "service", script: SLEEPER, task: 'kill_timeout = "1s"' }), "--detach");
    place.run(
      dockerJob({
        id: "polite",
        type: "service",
        script: "trap 'echo bye; exit 0' USR1; echo ready; while :; do sleep 0.1; done",
        task: 'kill_signal = "SIGUSR1"',
      }),
      "--detach",
    );
    for (const id of ["deaf", "polite"]) {
      const alloc = await place.untilAlloc(id, "running");
      await until("its first line", async () => (await place.logs(alloc.ID, "main")).includes("ready"));
    }
    const began = Date.now();
    place.ok("stop", "--detach", "polite");
    const polite = await place.untilAlloc("polite", "complete");
    expect(Date.now() - began).toBeLessThan(4000);
    expect(await place.logs(polite.ID, "main")).toContain("bye");
    const asked = Date.now();
    place.ok("stop", "--detach", "deaf");
    const deaf = await place.untilAlloc("deaf", "complete");
    expect(Date.now() - asked).toBeGreaterThan(900);
    expect(JSON.stringify(deaf.TaskStates.main.Events)).toMatch(/Signal: 9/);
    await until("their containers to be gone", () => !engine.containers().some((name) => [containerOf(deaf), containerOf(polite)].includes(name)));
  }),
);

/** Where a node with a disk would have it: made by the test, as not every machine has one. */
const DISKS = "/dev/edgectl-test-disks";

const refusals: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
  ["privileged", { privileged: true }, /client\.docker\.allow_privileged/],
  ["a capability", { cap_add: ["CAP_SYS_ADMIN"] }, /sys_admin.*client\.docker\.allow_caps/s],
  ["a folder of the host", { volumes: ["/etc:/host"] }, /\/etc of this machine.*client\.docker\.volumes/s],
  ["a path that climbs", { volumes: ["../../../../etc:/host"] }, /outside the task's folder/],
  ["a path that climbs out of its own", { volumes: [`/proc/../etc:/host`] }, /client\.docker\.volumes/],
  ["a mount that climbs", { mount: { type: "bind", source: "local/../../../..", target: "/host" } }, /outside the task's folder/],
  ["the logs of its group", { volumes: ["../alloc/logs:/logs"] }, /outside the task's folder/],
  ["the folder that they are in", { volumes: ["../alloc:/all"] }, /outside the task's folder/],
  ["a sibling's secrets", { volumes: ["../other/secrets:/host"] }, /outside the task's folder/],
  [
    "a volume driver by the back door",
    { mount: { type: "volume", source: "x", target: "/x", volume_options: { driver_config: { name: "local" } } } },
    /docker\.volumes/,
  ],
  ["its own root replaced", { volumes: ["local:/"] }, /nothing can be mounted at/],
  ["its secrets hidden", { mount: { type: "tmpfs", target: "/secrets" } }, /own folder is mounted/],
  ["the host's processes", { pid_mode: "host" }, /allow_host_modes/],
  ["another's processes", { ipc_mode: "container:other" }, /allow_host_modes/],
  ["another runtime", { runtime: "kata" }, /allow_runtimes/],
  ["no seccomp", { security_opt: ["seccomp=unconfined"] }, /allow_privileged/],
  ["a folder with a disk in it", { devices: [{ host_path: DISKS }] }, /whole machine/],
  ["a file as a device", { devices: [{ host_path: "/etc/passwd" }] }, /no device/],
  ["a port it has not", { ports: ["http"] }, /has no port "http"/],
];

dockerTest("what the operator did not allow is refused by the name of its setting", () =>
  withNode(engine, [], async (place) => {
    spawnSync("sh", ["-c", `mkdir -p ${DISKS} && { [ -e ${DISKS}/d ] || mknod ${DISKS}/d b 7 200; }`]);
    place.onClose(() => spawnSync("rm", ["-r", DISKS]));
    for (const [at, [name, config, want]] of refusals.entries()) {
      const said = await refusalOf(place, { id: `no-${at}`, config });
      expect(`${name}: ${said}`).toMatch(want);
    }
  }),
);

dockerTest("a link that a task makes in its own folder leads nowhere outside when it starts again", () =>
  withNode(engine, [], async (place) => {
    const script = "ls /door; rmdir /local/door; ln -s /etc /local/door; exit 1";
    const restart = 'restart = { attempts = 1, interval = "1m", delay = "10ms", mode = "fail" }';
    place.run(dockerJob({ id: "link", script, config: { volumes: ["local/door:/door"] }, task: restart }), "--detach");
    const alloc = await place.untilAlloc("link", "failed");
    expect(JSON.stringify(alloc.TaskStates.main.Events)).toContain("by a link");
    expect(await place.logs(alloc.ID, "main")).toBe("");
  }),
);

dockerTest("with the operator's leave the same is given", () =>
  withNode(engine, ["--client.docker.volumes", "--client.docker.allow-caps", "all", "--client.docker.allow-host-modes", "pid"], async (place) => {
    mkdirSync(place.path("shared"));
    writeFileSync(place.path("shared/note"), "from outside\n");
    const said = await outputOf(place, {
      id: "yes",
      script: "cat /mine/note; echo back > /mine/reply; ls /dev/full; cat /proc/1/comm",
      config: {
        volumes: [`${place.path("shared")}:/mine`],
        cap_add: ["net_admin"],
        cap_drop: ["mknod"],
        pid_mode: "host",
        devices: [{ host_path: "/dev/full" }],
      },
    });
    expect(said).toContain("from outside\n");
    expect(said).toContain("/dev/full\n");
    expect(said).not.toContain("\nsh\n");
    expect(await Bun.file(place.path("shared/reply")).text()).toBe("back\n");
  }),
);

dockerTest("a volume that the node offers is in the container, without leave for any other path", () => {
  const folder = mkdtempSync(join(tmpdir(), "edgectl-volume-"));
  writeFileSync(join(folder, "note"), "offered\n");
  return withNode(engine, ["--host-volume", `data=${folder}`], async (place) => {
    place.onClose(() => rmSync(folder, { recursive: true }));
    const mount = (destination: string, more: string) =>
      `[[group.g.task.main.volume_mount]]\nvolume = "data"\ndestination = "${destination}"\n${more}\n`;
    const said = await outputOf(place, {
      id: "volume",
      script: "cat /srv/data/note; echo back > /rw/reply; echo no > /srv/data/note || echo refused",
      group: 'volume = { data = { source = "data" } }',
      task: mount("/srv/data", "read_only = true") + mount("rw", ""),
    });
    expect(said).toBe("offered\nrefused\n");
    expect([readFileSync(join(folder, "reply"), "utf8"), readFileSync(join(folder, "note"), "utf8")]).toEqual(["back\n", "offered\n"]);
  });
});

test(
  "a job with keys that nobody knows, or of another type, is refused where it is written",
  () =>
    inPlace(async (place) => {
      await place.start();
      const refused: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
        [{ imagee: "x" }, 'did you mean "image"?'],
        [{ volume: ["x"] }, 'did you mean "volumes"?'],
        [{ image: 7, args: "one" }, 'docker config "args" must be a list of strings'],
        [{ image: { deep: 1 } }, 'docker config "image" must be a string'],
        [{ image: "UPPER/Case Space" }, "no name of an image"],
        [{ privileged: "yes" }, "must be true or false"],
        [{ labels: { "edgectl.alloc_id": "x" } }, "edgectl's own"],
        [{ mount: { type: "cdrom", target: "/x" } }, "must be one of bind, volume, tmpfs"],
        [{ mount: [{ type: "bind", source: "x", target: "/x", bind_option: {} }] }, 'did you mean "bind_options"?'],
        [{ isolation: "hyperv" }, 'config "isolation" is not supported'],
        [{ ports: ["a"], port_map: { a: 1 } }, "older way"],
        [{ port_map: { a: 70_000 } }, "is no port"],
        [{ pids_limit: -2 }, "at least -1"],
        [{ devices: [{ container_path: "/x" }] }, 'needs "host_path"'],
        [{ image_pull_timeout: "soon" }, "must be a duration"],
        [{ network_aliases: ["a"] }, "network_mode"],
      ];
      for (const [config, want] of refused) {
        const done = place.run(dockerJob({ id: "bad", config }));
        expect(done.status).toBe(1);
        expect(`${done.stdout}${done.stderr}`).toContain(want);
      }
    }),
  60_000,
);

dockerTest("the example in jobs/ runs", () =>
  withNode(engine, [], async (place) => {
    engine.docker("tag", IMAGE, "busybox:1.36");
    place.ok("run", "--detach", join(root, "jobs/docker-hello.toml"));
    const alloc = await place.untilAlloc("docker-hello", "running");
    await until("its greeting", async () => (await place.logs(alloc.ID, "web")).includes("serving on port"));
  }),
);
