// The config of docker as a job writes it: every key of Nomad's driver, carried out or refused by name.

import { parseDurationMs } from "../../../domain/duration.ts";
import type { JsonMap } from "../../../domain/job.ts";
import { ConfigReader } from "../config-reader.ts";
import type { ConfigProblem } from "../registry.ts";
import { readMount } from "./config-mount.ts";
import { parseReference } from "./reference.ts";

export type DockerConfig = ReturnType<typeof read>;

export function dockerConfigProblems(values: JsonMap): ConfigProblem[] {
  const reader = new ConfigReader("docker", values);
  read(reader);
  return reader.allProblems();
}

/** The config as the driver uses it; call only where there are no problems. */
export function dockerConfigOf(values: JsonMap): DockerConfig {
  return read(new ConfigReader("docker", values));
}

// --- internal ---

const LABEL_PREFIXES = ["edgectl.", "com.hashicorp.nomad."];

function read(reader: ConfigReader) {
  reader.refused("advertise_ipv6_address", "no service is advertised by this driver");
  reader.refused("isolation", "it is for Windows");
  reader.refused("container_exists_attempts", "a container of that name that is ours is replaced at once, any other is refused");
  return {
    ...readImage(reader),
    command: reader.string("command"),
    args: reader.strings("args"),
    entrypoint: reader.stringOrStrings("entrypoint"),
    workDir: absolute(reader, "work_dir"),
    tty: reader.bool("tty"),
    interactive: reader.bool("interactive"),
    init: reader.bool("init"),
    runtime: reader.string("runtime"),
    labels: readLabels(reader),
    isHealthcheckOff: reader.block("healthchecks").bool("disable"),
    logging: readLogging(reader),
    ...readNetwork(reader),
    ...readFiles(reader),
    ...readLimits(reader),
    ...readRights(reader),
  };
}

function readImage(reader: ConfigReader) {
  const image = reader.string("image");
  if (image === "") reader.report("image", 'docker needs config "image": what to run, such as "busybox:1.36"');
  else if (!image.includes("${") && parseReference(image) === null) reader.report("image", `"${image}" is no name of an image`);
  const auth = reader.block("auth");
  const timeout = reader.string("image_pull_timeout");
  const timeoutMs = timeout === "" || timeout.includes("${") ? 0 : parseDurationMs(timeout);
  if (timeoutMs === null || timeoutMs < 0) reader.report("image_pull_timeout", `docker config "image_pull_timeout" must be a duration, such as "5m"`);
  return {
    image,
    auth: {
      username: auth.string("username"),
      password: auth.string("password"),
      email: auth.string("email"),
      serverAddress: auth.string("server_address"),
    },
    isAuthSoft: reader.bool("auth_soft_fail"),
    isPullForced: reader.bool("force_pull"),
    pullTimeoutMs: timeoutMs ?? 0,
    load: reader.string("load"),
  };
}

function readLabels(reader: ConfigReader): Readonly<Record<string, string>> {
  const labels = reader.map("labels");
  for (const name of Object.keys(labels))
    if (LABEL_PREFIXES.some((prefix) => name.startsWith(prefix))) reader.report("labels", `label "${name}" is edgectl's own`);
  return labels;
}

function readLogging(reader: ConfigReader) {
  const logging = reader.block("logging");
  const [type, driver] = [logging.string("type"), logging.string("driver")];
  if (type !== "" && driver !== "" && type !== driver)
    logging.report("driver", 'docker config "logging": "type" and "driver" mean the same, and differ');
  return { type: type || driver, options: logging.map("config") };
}

function readNetwork(reader: ConfigReader) {
  const ports = reader.strings("ports");
  const portMap = reader.map("port_map");
  for (const [label, port] of Object.entries(portMap))
    if (!port.includes("${") && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
      reader.report("port_map", `docker config "port_map": "${port}" of "${label}" is no port`);
  if (ports.length > 0 && reader.has("port_map")) reader.report("port_map", 'docker config "port_map" is the older way of "ports": use one of them');
  const aliases = reader.strings("network_aliases");
  const networkMode = reader.string("network_mode");
  if (aliases.length > 0 && ["", "default", "bridge", "host", "none"].includes(networkMode))
    reader.report("network_aliases", 'docker config "network_aliases" needs "network_mode" to be a network made with `docker network create`');
  const extraHosts = reader.strings("extra_hosts");
  for (const host of extraHosts)
    if (!/^[^\s:=]+[:=]\S+$/.test(host) && !host.includes("${")) reader.report("extra_hosts", `"${host}" is not NAME:ADDRESS`);
  return {
    ports,
    portMap,
    networkMode,
    networkAliases: aliases,
    hostname: reader.string("hostname"),
    dnsServers: reader.strings("dns_servers"),
    dnsSearch: reader.strings("dns_search_domains"),
    dnsOptions: reader.strings("dns_options"),
    extraHosts,
    ipv4Address: reader.string("ipv4_address"),
    ipv6Address: reader.string("ipv6_address"),
    macAddress: reader.string("mac_address"),
  };
}

function readFiles(reader: ConfigReader) {
  const devices = reader.blocks("devices").map((device) => {
    const permissions = device.string("cgroup_permissions");
    if (!/^[rwm]{0,3}$/.test(permissions)) device.report("cgroup_permissions", `"${permissions}" is not made of r, w and m`);
    const hostPath = absolute(device, "host_path");
    if (hostPath === "") device.report("host_path", 'docker config "devices" needs "host_path", such as "/dev/i2c-1"');
    return { hostPath, containerPath: absolute(device, "container_path") || hostPath, permissions: permissions || "rwm" };
  });
  return {
    volumes: reader.strings("volumes"),
    volumeDriver: reader.string("volume_driver"),
    mounts: [...reader.blocks("mount"), ...reader.blocks("mounts")].map(readMount),
    devices,
    shmSizeBytes: reader.int("shm_size"),
    storageOptions: reader.map("storage_opt"),
    isReadOnly: reader.bool("readonly_rootfs"),
  };
}

function readLimits(reader: ConfigReader) {
  const ulimits = Object.entries(reader.map("ulimit")).map(([name, text]) => {
    const [soft, hard] = [...text.split(":"), text];
    const match = /^(-?\d{1,15})(?::(-?\d{1,15}))?$/.exec(text);
    if (!match && !text.includes("${")) reader.report("ulimit", `docker config "ulimit": "${text}" of "${name}" is not SOFT or SOFT:HARD`);
    return { name, soft: Number(soft), hard: Number(hard) };
  });
  return {
    isCpuLimitHard: reader.bool("cpu_hard_limit"),
    cpuPeriodUs: reader.int("cpu_cfs_period", 0, 1_000_000),
    cpusetCpus: reader.string("cpuset_cpus"),
    memoryHardLimitMiB: reader.int("memory_hard_limit"),
    pidsLimit: reader.int("pids_limit", -1),
    ulimits,
    sysctls: reader.map("sysctl"),
    oomScoreAdj: reader.int("oom_score_adj", -1000, 1000),
  };
}

function readRights(reader: ConfigReader) {
  return {
    isPrivileged: reader.bool("privileged"),
    capAdd: reader.strings("cap_add"),
    capDrop: reader.strings("cap_drop"),
    groupAdd: reader.strings("group_add"),
    securityOptions: reader.strings("security_opt"),
    ipcMode: reader.string("ipc_mode"),
    pidMode: reader.string("pid_mode"),
    utsMode: reader.string("uts_mode"),
    usernsMode: reader.string("userns_mode"),
    cgroupnsMode: reader.choice("cgroupns", ["host", "private"]),
  };
}

function absolute(reader: ConfigReader, key: string): string {
  const path = reader.string(key);
  if (path !== "" && !path.startsWith("/") && !path.includes("${"))
    reader.report(key, `docker config "${key}" must be an absolute path, not "${path}"`);
  return path;
}
