// The docker driver's decisions that need no engine: configs, names of images, rights, paths, lines of its logs.

import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerConfigOf, dockerConfigProblems } from "../../internal/runner/drivers/docker/config.ts";
import { containerBody, containerName } from "../../internal/runner/drivers/docker/container.ts";
import { parseEndpoint } from "../../internal/runner/drivers/docker/engine.ts";
import { type FolderPaths, insideTask, volumeMountsOf } from "../../internal/runner/drivers/docker/files.ts";
import { parseLogLine } from "../../internal/runner/drivers/docker/log-lines.ts";
import { parseReference } from "../../internal/runner/drivers/docker/reference.ts";
import { capabilitiesOf } from "../../internal/runner/drivers/docker/rights.ts";
import { DOCKER_DEFAULTS } from "../../internal/runner/drivers/docker/settings.ts";
import type { StartRequest } from "../../internal/runner/drivers/driver.ts";
import { posixFiles } from "../../internal/runtime/posix-files.ts";
import { aSpec } from "../fixtures/model.ts";

/** [what is written, registry, name, tag]; null = refused */
const REFERENCES: readonly (readonly [string, readonly [string, string, string] | null])[] = [
  ["busybox", ["docker.io", "busybox", "latest"]],
  ["busybox:1.36", ["docker.io", "busybox", "1.36"]],
  ["library/busybox", ["docker.io", "library/busybox", "latest"]],
  ["ghcr.io/team/app:v2", ["ghcr.io", "ghcr.io/team/app", "v2"]],
  ["localhost/app", ["localhost", "localhost/app", "latest"]],
  ["10.0.0.1:5000/app", ["10.0.0.1:5000", "10.0.0.1:5000/app", "latest"]],
  ["10.0.0.1:5000/team/app:1", ["10.0.0.1:5000", "10.0.0.1:5000/team/app", "1"]],
  ["https://ghcr.io/team/app", ["ghcr.io", "ghcr.io/team/app", "latest"]],
  [`app@sha256:${"a".repeat(64)}`, ["docker.io", "app", `sha256:${"a".repeat(64)}`]],
  [`app:1@sha256:${"a".repeat(64)}`, ["docker.io", "app", `sha256:${"a".repeat(64)}`]],
  ["Upper/Case", null],
  ["with space", null],
  ["app:tag:tag", null],
  ["app?x=1", null],
  ["../../etc", null],
  ["app\n", null],
  ["a".repeat(2000), null],
];
for (const [text, want] of REFERENCES)
  test(`the image ${JSON.stringify(text.slice(0, 40))} is ${want === null ? "refused" : want.join(" ").slice(0, 60)}`, () => {
    const found = parseReference(text);
    expect(found && [found.registry, found.name, found.tag]).toEqual(want === null ? null : [...want]);
  });

test("a long name that is nearly one is refused without taking long", () => {
  const began = performance.now();
  for (const text of [`${"a.".repeat(500)}!`, `${"a/".repeat(500)}`, `${"a-_.".repeat(250)}:`]) expect(parseReference(text)).toBe(null);
  expect(performance.now() - began).toBeLessThan(200);
});

/** [endpoint, where it leads] */
const ENDPOINTS: readonly (readonly [string, ReturnType<typeof parseEndpoint>])[] = [
  ["unix:///run/docker.sock", { path: "/run/docker.sock" }],
  ["/run/docker.sock", { path: "/run/docker.sock" }],
  ["tcp://10.0.0.1:2375", { host: "10.0.0.1", port: 2375 }],
  ["tcp://[::1]:2375", { host: "::1", port: 2375 }],
  ["tcp://10.0.0.1:99999", null],
  ["ssh://host", null],
  ["docker.sock", null],
  ["", null],
];
for (const [text, want] of ENDPOINTS) test(`the endpoint ${JSON.stringify(text)}`, () => expect(parseEndpoint(text)).toEqual(want));

const CAPS = DOCKER_DEFAULTS.allowedCaps;

test("capabilities: the engine's own less net_raw, what was added and allowed, less what was dropped", () => {
  const of = (capAdd: readonly string[], capDrop: readonly string[], allowed = CAPS) => capabilitiesOf({ capAdd, capDrop }, allowed);
  expect(of([], [])).toEqual({ add: [], drop: ["CAP_NET_RAW"] });
  expect(of(["CAP_CHOWN"], ["all"]).add).toEqual([]);
  expect(of(["CAP_CHOWN"], ["all"]).drop).not.toContain("CAP_CHOWN");
  expect(of(["CAP_CHOWN"], ["all"]).drop).toHaveLength(13);
  expect(() => of(["sys_admin"], [])).toThrow(/sys_admin/);
  expect(() => of(["SYS_ADMIN", "net_admin"], [])).toThrow(/sys_admin, net_admin/);
  expect(of(["net_admin"], [], [...CAPS, "net_admin"])).toEqual({ add: ["CAP_NET_ADMIN"], drop: ["CAP_NET_RAW"] });
  expect(of(["all"], [], ["all"])).toEqual({ add: ["ALL"], drop: [] });
  expect(of(["all"], [])).toEqual({ add: [], drop: ["CAP_NET_RAW"] });
});

/** [line, entry] */
const LINES: readonly (readonly [string, ReturnType<typeof parseLogLine>])[] = [
  ['{"log":"one\\n","stream":"stdout","time":"x"}', { stream: "stdout", text: "one\n" }],
  ['{"log":"\\u003cb\\u003e \\"q\\"","stream":"stderr","time":"x"}', { stream: "stderr", text: '<b> "q"' }],
  ['{"log":"cut', null],
  ['{"stream":"stdout"}', null],
  ["2026-01-02T03:04:05.678901234+00:00 stdout F whole line", { stream: "stdout", text: "whole line\n" }],
  ["2026-01-02T03:04:05.678901234+00:00 stderr P a part ", { stream: "stderr", text: "a part " }],
  ["2026-01-02T03:04:05.678901234+00:00 stdout F ", { stream: "stdout", text: "\n" }],
  ["2026-01-02T03:04:05.678901234+00:00 stdout F", { stream: "stdout", text: "\n" }],
  ["something else", null],
  ["", null],
];
for (const [line, want] of LINES) test(`the log line ${JSON.stringify(line)}`, () => expect(parseLogLine(line)).toEqual(want));

/** Values that no key expects. */
const HOSTILE = [null, 0, -1, 1e300, true, "", "x".repeat(100_000), [], [[]], [null], [{}], {}, { a: { b: [] } }, "\u0000", "__proto__"];
const KEYS = Object.keys(dockerConfigOf({ image: "x" }));

test("no value of any key throws, and one with problems never reads as something that it is not", () => {
  const names = ["image", "args", "auth", "mount", "mounts", "devices", "labels", "logging", "ulimit", "port_map", "volumes", "healthchecks"];
  for (const name of [...names, "constructor", "__proto__", "toString"])
    for (const value of HOSTILE) {
      const config = { image: "x", [name]: value } as Parameters<typeof dockerConfigOf>[0];
      dockerConfigProblems(config);
      expect(Object.keys(dockerConfigOf(config))).toEqual(KEYS);
    }
  expect(dockerConfigProblems(JSON.parse('{ "image": "x", "__proto__": 1 }')).length).toBe(1);
  expect(dockerConfigProblems(JSON.parse('{ "image": "x", "constructor": 1 }')).length).toBe(1);
});

test("every key of the field's driver is known: carried out, or refused by name", () => {
  const known =
    "image advertise_ipv6_address args auth auth_soft_fail cap_add cap_drop cgroupns command container_exists_attempts cpu_hard_limit cpu_cfs_period cpuset_cpus devices dns_search_domains dns_options dns_servers entrypoint extra_hosts force_pull group_add healthchecks hostname init interactive ipc_mode ipv4_address ipv6_address isolation labels load logging mac_address memory_hard_limit mount mounts network_aliases network_mode oom_score_adj runtime pids_limit pid_mode ports port_map privileged image_pull_timeout readonly_rootfs security_opt shm_size storage_opt sysctl tty ulimit uts_mode userns_mode volumes volume_driver work_dir";
  for (const key of known.split(" "))
    expect(
      dockerConfigProblems({ image: "x", [key]: [{}] })
        .map((problem) => problem.message)
        .join(),
    ).not.toContain("has no config key");
});

function withFolders(body: (paths: FolderPaths) => void): void {
  const root = mkdtempSync(join(tmpdir(), "edgectl-docker-"));
  const [alloc, task] = [join(root, "a1"), join(root, "a1/main")];
  const paths = { alloc, shared: join(alloc, "alloc"), task, local: join(task, "local"), secrets: join(task, "secrets") };
  for (const path of [join(paths.shared, "data"), paths.local, paths.secrets, join(alloc, "other/secrets"), join(root, "a12/main")])
    mkdirSync(path, { recursive: true });
  try {
    body(paths);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("volumes of the group are binds of the operator's folders, never in the place of the task's own", () => {
  const volume = { name: "v", source: "/srv/data", destination: "data/x", access: "read", propagation: "private", selinuxLabel: "" } as const;
  const bind = { Type: "bind", Source: "/srv/data", Target: "/data/x", ReadOnly: true, BindOptions: { Propagation: "rprivate" } };
  expect(volumeMountsOf([volume])).toEqual([bind]);
  expect(volumeMountsOf([{ ...volume, access: "write", propagation: "host-to-task" }])).toEqual([
    { ...bind, ReadOnly: false, BindOptions: { Propagation: "rslave" } },
  ]);
  expect(() => volumeMountsOf([{ ...volume, destination: "/alloc/logs/" }])).toThrow("the task's own folder");
  expect(() => volumeMountsOf([{ ...volume, selinuxLabel: "Z" }])).toThrow("labels no mounts");
});

test("paths of a job stay in its task's folder and the one its group shares, links and all", () =>
  withFolders((paths) => {
    symlinkSync("/etc", join(paths.local, "etc"));
    symlinkSync("/nowhere/yet", join(paths.local, "dangling"));
    symlinkSync(paths.secrets, join(paths.local, "own"));
    for (const path of [
      "..",
      "../..",
      "../other",
      "../other/secrets",
      "../../a12/main",
      "../.control",
      "local/../../other",
      "local\0/x",
      "../alloc",
      "../alloc/logs",
      "../alloc/data/../logs",
      "/etc",
      "../../../../etc",
    ])
      expect(() => insideTask(posixFiles, path, paths), path).toThrow(/outside the task's folder$/);
    for (const path of ["local/etc", "local/etc/deep/er", "local/dangling", "local/dangling/x"])
      expect(() => insideTask(posixFiles, path, paths), path).toThrow(/by a link/);
    expect(insideTask(posixFiles, "local/new/deep", paths)).toBe(join(paths.local, "new/deep"));
    expect(insideTask(posixFiles, "../alloc/data", paths)).toBe(join(paths.shared, "data"));
    expect(insideTask(posixFiles, "local/own", paths)).toBe(join(paths.local, "own"));
    expect(insideTask(posixFiles, paths.local, paths)).toBe(paths.local);
  }));

test("the request for a container holds the task's limits, ports and labels, and nobody may write ours", () =>
  withFolders((paths) => {
    const config = dockerConfigOf({ image: "x", ports: ["http"], labels: { mine: "1" }, cpu_hard_limit: true, args: ["a"] });
    const task = aSpec({}, { tasks: [{ name: "main", driver: "docker", resources: { cpuMHz: 500, memoryMiB: 64 } }] }).groups[0]?.tasks[0];
    const request = {
      allocId: "a1",
      attempt: 2,
      task,
      env: { A: "b" },
      origin: { namespace: "default", jobId: "j", jobName: "j", group: "g", nodeId: "n1", nodeName: "n" },
      resources: {
        tasks: {
          main: {
            cpuMHz: 500,
            cores: 0,
            memoryMiB: 64,
            memoryMaxMiB: 128,
            devices: [{ vendor: "acme", type: "bus", name: "i2c", ids: ["/dev/i2c-1", "GPU-1"], share: 1 }],
          },
        },
        cpuMHz: 500,
        memoryMiB: 64,
        diskMiB: 1,
        ports: [{ label: "http", value: 20_001, to: 80, hostNetwork: "default" }],
      },
    } as unknown as StartRequest; // what the request is made from
    const input = {
      request,
      config,
      settings: DOCKER_DEFAULTS,
      paths,
      imageId: "sha256:1",
      node: { cpuMHz: 4000, cores: 4, address: "10.0.0.9" },
      isPodman: false,
    };
    const body = containerBody(input, posixFiles) as Readonly<Record<string, unknown>>;
    expect(body.Env).toEqual(["A=b"]);
    expect(body.Labels).toMatchObject({ mine: "1", "edgectl.alloc_id": "a1", "edgectl.attempt": "2", "edgectl.node_id": "n1" });
    expect(body.HostConfig).toMatchObject({
      Memory: 128 * 1_048_576,
      MemorySwap: 128 * 1_048_576,
      MemoryReservation: 64 * 1_048_576,
      CpuShares: 500,
      CpuPeriod: 100_000,
      CpuQuota: 50_000,
      PortBindings: { "80/tcp": [{ HostIp: "10.0.0.9", HostPort: "20001" }], "80/udp": [{ HostIp: "10.0.0.9", HostPort: "20001" }] },
      Binds: [`${paths.shared}:/alloc`, `${paths.shared}/logs:/alloc/logs:ro`, `${paths.local}:/local`, `${paths.secrets}:/secrets`],
      Devices: [{ PathOnHost: "/dev/i2c-1", PathInContainer: "/dev/i2c-1", CgroupPermissions: "rwm" }],
      Privileged: false,
      CapDrop: ["CAP_NET_RAW"],
      RestartPolicy: { Name: "no" },
    });
    expect(containerName("a1", "odd name/ü")).toBe("odd_name__-a1");
  }));
