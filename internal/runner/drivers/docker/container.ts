// From a task to the engine's request for its container: pure but for looks at the files it is to see.

import type { TaskResources } from "../../../domain/alloc.ts";
import { EdgeError } from "../../../domain/errors.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { StartRequest } from "../driver.ts";
import type { DockerConfig } from "./config.ts";
import { bindsOf, devicesOf, type FolderPaths, mountsOf, volumeMountsOf } from "./files.ts";
import { capabilitiesOf, checkRights } from "./rights.ts";
import type { DockerSettings } from "./settings.ts";

export interface ContainerInput {
  readonly request: StartRequest;
  readonly config: DockerConfig;
  readonly settings: DockerSettings;
  readonly paths: FolderPaths;
  /** What to run: the image's id, so that a tag that moves meanwhile does not matter. */
  readonly imageId: string;
  /** Of the node: MHz over all cores, and where its ports are bound unless they say otherwise. */
  readonly node: { readonly cpuMHz: number; readonly cores: number; readonly address: string };
  readonly isPodman: boolean;
}

export const LABEL = {
  nodeId: "edgectl.node_id",
  allocId: "edgectl.alloc_id",
  task: "edgectl.task",
  attempt: "edgectl.attempt",
} as const;

/** The name of a task's container: one task has one at a time. */
export function containerName(allocId: string, task: string): string {
  return `${task.replace(/[^A-Za-z0-9_.-]/g, "_").replace(/^[^A-Za-z0-9]/, "t")}-${allocId}`;
}

/** The body of the request that makes the container. Throws `invalid` for what the node does not allow or cannot do. */
export function containerBody(input: ContainerInput, files: Files): Readonly<Record<string, unknown>> {
  const { request, config, settings } = input;
  checkRights(config, settings);
  const { exposed, bindings } = portsOf(input);
  const own = request.resources.tasks[request.task.name];
  const command = config.command === "" ? config.args : [config.command, ...config.args];
  return {
    Image: input.imageId,
    Env: Object.entries(request.env).map(([name, value]) => `${name}=${value}`),
    ...(command.length === 0 ? {} : { Cmd: command }),
    ...(config.entrypoint.length === 0 ? {} : { Entrypoint: config.entrypoint }),
    ...(config.workDir === "" ? {} : { WorkingDir: config.workDir }),
    ...(request.task.user === "" ? {} : { User: request.task.user }),
    ...(config.hostname === "" ? {} : { Hostname: config.hostname }),
    ...(config.macAddress === "" ? {} : { MacAddress: config.macAddress }),
    Tty: config.tty,
    OpenStdin: config.interactive,
    Labels: { ...config.labels, ...ownLabels(request) },
    ExposedPorts: exposed,
    ...(config.isHealthcheckOff ? { Healthcheck: { Test: ["NONE"] } } : {}),
    HostConfig: {
      ...limitsOf(input),
      ...rightsOf(input),
      Binds: bindsOf(files, config, input.paths, settings),
      Mounts: [...mountsOf(files, config, input.paths, settings), ...volumeMountsOf(request.volumes ?? [])],
      Devices: [...givenDevices(own), ...devicesOf(files, config, settings)],
      ...(config.volumeDriver === "" ? {} : { VolumeDriver: config.volumeDriver }),
      ...(Object.keys(config.storageOptions).length === 0 ? {} : { StorageOpt: config.storageOptions }),
      ReadonlyRootfs: config.isReadOnly,
      PortBindings: bindings,
      ...(config.networkMode === "" ? {} : { NetworkMode: config.networkMode }),
      Dns: config.dnsServers,
      DnsSearch: config.dnsSearch,
      DnsOptions: config.dnsOptions,
      ExtraHosts: config.extraHosts.map((host) => host.replace("=", ":")),
      LogConfig: logConfigOf(input),
      // Starting again is the agent's to decide.
      RestartPolicy: { Name: "no" },
    },
    ...endpointOf(config),
  };
}

/** Whether the agent can collect what the container writes. */
export function isLogCollected(config: DockerConfig, areLogsDisabled: boolean): boolean {
  return !areLogsDisabled && (config.logging.type === "" || config.logging.type === "json-file" || config.logging.type === "k8s-file");
}

// --- internal ---

function ownLabels(request: StartRequest): Readonly<Record<string, string>> {
  const { origin, allocId, task } = request;
  return {
    [LABEL.nodeId]: origin.nodeId,
    [LABEL.allocId]: allocId,
    [LABEL.task]: task.name,
    [LABEL.attempt]: String(request.attempt),
    // As log shippers and dashboards of the field know them.
    "com.hashicorp.nomad.alloc_id": allocId,
    "com.hashicorp.nomad.job_id": origin.jobId,
    "com.hashicorp.nomad.job_name": origin.jobName,
    "com.hashicorp.nomad.namespace": origin.namespace,
    "com.hashicorp.nomad.node_id": origin.nodeId,
    "com.hashicorp.nomad.node_name": origin.nodeName,
    "com.hashicorp.nomad.task_group_name": origin.group,
    "com.hashicorp.nomad.task_name": task.name,
  };
}

function portsOf({ request, config, node }: ContainerInput) {
  const wanted = [
    ...config.ports.map((label) => [label, 0] as const),
    ...Object.entries(config.portMap).map(([label, to]) => [label, Number(to)] as const),
  ];
  const exposed: Record<string, object> = {};
  const bindings: Record<string, { readonly HostIp: string; readonly HostPort: string }[]> = {};
  for (const [label, to] of wanted) {
    const port = request.resources.ports.find((candidate) => candidate.label === label);
    if (port === undefined)
      throw new EdgeError(
        "invalid",
        `the group has no port "${label}" (it has ${request.resources.ports.map((known) => known.label).join(", ") || "none"})`,
      );
    const inside = to || (port.to > 0 ? port.to : port.value);
    for (const protocol of ["tcp", "udp"]) {
      const key = `${inside}/${protocol}`;
      exposed[key] = {};
      bindings[key] = [...(bindings[key] ?? []), { HostIp: port.hostAddress || node.address, HostPort: String(port.value) }];
    }
  }
  // A container on the host's network has its ports there already.
  return config.networkMode === "host" ? { exposed: {}, bindings: {} } : { exposed, bindings };
}

/** What the scheduler gave of the node's devices, where an id is the path of one; the operator offered it. */
function givenDevices(own: TaskResources | undefined): readonly Readonly<Record<string, string>>[] {
  const paths = (own?.devices ?? []).flatMap((device) => device.ids).filter((id) => /^\/dev\/[^:]+$/.test(id) && !id.split("/").includes(".."));
  return paths.map((path) => ({ PathOnHost: path, PathInContainer: path, CgroupPermissions: "rwm" }));
}

const MIB = 1_048_576;
const CPU_PERIOD_US = 100_000;
const SHARES_MIN = 2;

function limitsOf({ request, config, settings, node }: ContainerInput): Readonly<Record<string, unknown>> {
  const own = request.resources.tasks[request.task.name];
  const memory = memoryOf(config, own, request.task.resources.memoryMiB);
  const cpuMHz = own?.cpuMHz ?? request.task.resources.cpuMHz;
  const period = config.cpuPeriodUs || CPU_PERIOD_US;
  const cores = own?.coreIds ?? [];
  const cpuset = config.cpusetCpus || cores.join(",");
  const quota = Math.max(1000, Math.round((cpuMHz / Math.max(1, node.cpuMHz)) * Math.max(1, node.cores) * period));
  const pids = config.pidsLimit || settings.pidsLimit;
  return {
    ...memory,
    CpuShares: Math.max(SHARES_MIN, cpuMHz),
    ...(config.isCpuLimitHard ? { CpuPeriod: period, CpuQuota: quota } : {}),
    ...(cpuset === "" ? {} : { CpusetCpus: cpuset }),
    ...(pids === 0 ? {} : { PidsLimit: pids }),
    Ulimits: config.ulimits.map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    Sysctls: config.sysctls,
    ...(config.shmSizeBytes === 0 ? {} : { ShmSize: config.shmSizeBytes }),
    ...(config.oomScoreAdj === 0 ? {} : { OomScoreAdj: config.oomScoreAdj }),
  };
}

/** The scheduler counts `memory`; the kernel's limit is the larger one where the task has one. Swap is nobody's. */
function memoryOf(config: DockerConfig, own: TaskResources | undefined, askedMiB: number) {
  const reserved = own?.memoryMiB ?? askedMiB;
  const limit = config.memoryHardLimitMiB || (own?.memoryMaxMiB ?? 0);
  if (limit > 0 && limit < reserved)
    throw new EdgeError("invalid", `memory_hard_limit of ${limit} MiB is below the task's memory of ${reserved} MiB`);
  if (own?.memoryMaxMiB === -1 && config.memoryHardLimitMiB === 0) return { MemoryReservation: reserved * MIB };
  const hard = (limit > 0 ? limit : reserved) * MIB;
  return { Memory: hard, MemorySwap: hard, ...(limit > reserved ? { MemoryReservation: reserved * MIB } : {}) };
}

function rightsOf({ config, settings }: ContainerInput): Readonly<Record<string, unknown>> {
  const caps = config.isPrivileged ? { add: [], drop: [] } : capabilitiesOf(config, settings.allowedCaps);
  return {
    Privileged: config.isPrivileged,
    CapAdd: caps.add,
    CapDrop: caps.drop,
    GroupAdd: config.groupAdd,
    SecurityOpt: config.securityOptions,
    ...(config.ipcMode === "" ? {} : { IpcMode: config.ipcMode }),
    ...(config.pidMode === "" ? {} : { PidMode: config.pidMode }),
    ...(config.utsMode === "" ? {} : { UTSMode: config.utsMode }),
    ...(config.usernsMode === "" ? {} : { UsernsMode: config.usernsMode }),
    ...(config.cgroupnsMode === "" ? {} : { CgroupnsMode: config.cgroupnsMode }),
    ...(config.runtime === "" ? {} : { Runtime: config.runtime }),
    ...(config.init ? { Init: true } : {}),
  };
}

/** The engine keeps as much as the task's logs may: the agent reads it from there, also what came while no agent ran. */
function logConfigOf({ request, config, isPodman }: ContainerInput) {
  const { logs } = request.task;
  if (config.logging.type !== "" && config.logging.type !== "json-file") return { Type: config.logging.type, Config: config.logging.options };
  if (logs.disabled && config.logging.type === "") return { Type: "none", Config: {} };
  const size = { "max-size": `${Math.max(1, logs.maxFileSizeMB)}m` };
  const bounds = isPodman ? size : { ...size, "max-file": String(Math.max(2, logs.maxFiles)) };
  return { Type: isPodman ? "k8s-file" : "json-file", Config: { ...bounds, ...config.logging.options } };
}

function endpointOf(config: DockerConfig): Readonly<Record<string, unknown>> {
  const addresses = {
    ...(config.ipv4Address === "" ? {} : { IPv4Address: config.ipv4Address }),
    ...(config.ipv6Address === "" ? {} : { IPv6Address: config.ipv6Address }),
  };
  const hasAddress = Object.keys(addresses).length > 0;
  if (config.networkAliases.length === 0 && !hasAddress) return {};
  const endpoint = { Aliases: config.networkAliases, ...(hasAddress ? { IPAMConfig: addresses } : {}) };
  return { NetworkingConfig: { EndpointsConfig: { [config.networkMode || "bridge"]: endpoint } } };
}
