// The settings of the docker driver: where its engine is, what containers may have, and what is cleared away.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { parseEndpoint } from "../../../internal/runner/drivers/docker/engine.ts";
import { DOCKER_DEFAULTS, type DockerSettings } from "../../../internal/runner/drivers/docker/settings.ts";
import type { SettingValues } from "./settings.ts";

const HOST_MODES = ["pid", "ipc", "uts", "userns", "cgroup"];

/** Null when the driver is switched off. Throws `config` with the setting and what is wrong with it. */
export function dockerSettingsOf(values: SettingValues): DockerSettings | null {
  if (values.get("client.docker.enabled") === false) return null;
  const number = (key: string, otherwise: number) => Number(values.get(`client.docker.${key}`) ?? otherwise);
  const truth = (key: string, otherwise: boolean) => (values.get(`client.docker.${key}`) ?? otherwise) === true;
  const text = (key: string) => String(values.get(`client.docker.${key}`) ?? "");
  const list = (key: string, otherwise: readonly string[]) => (values.get(`client.docker.${key}`) as readonly string[] | undefined) ?? otherwise; // a checked list
  const endpoint = text("endpoint");
  if (endpoint !== "" && parseEndpoint(endpoint) === null)
    throw new EdgeError("config", `client.docker.endpoint "${endpoint}" is no address of an engine`, {
      hint: "write it like unix:///var/run/docker.sock or tcp://127.0.0.1:2375",
    });
  const tls = { certificatePath: text("tls_cert"), keyPath: text("tls_key"), authorityPath: text("tls_ca") };
  if ((tls.certificatePath === "") !== (tls.keyPath === ""))
    throw new EdgeError("config", "client.docker.tls_cert and client.docker.tls_key belong together: one of them is missing");
  if (Object.values(tls).some((path) => path !== "") && !endpoint.startsWith("tcp://"))
    throw new EdgeError("config", `client.docker.tls_cert, tls_key and tls_ca are for an engine at a port, not at "${endpoint}"`, {
      hint: "set client.docker.endpoint to tcp://HOST:2376",
    });
  const modes = list("allow_host_modes", DOCKER_DEFAULTS.allowedHostModes);
  const unknown = modes.find((mode) => !HOST_MODES.includes(mode));
  if (unknown !== undefined) throw new EdgeError("config", `client.docker.allow_host_modes: "${unknown}" is none of ${HOST_MODES.join(", ")}`);
  const periodMs = number("gc_dangling_period", DOCKER_DEFAULTS.danglingPeriodMs);
  if (periodMs < 1000) throw new EdgeError("config", "client.docker.gc_dangling_period is shorter than a second");
  return {
    endpoint,
    authConfigPath: text("auth_config"),
    authHelper: text("auth_helper"),
    tls,
    pullTimeoutMs: number("pull_timeout", DOCKER_DEFAULTS.pullTimeoutMs),
    isVolumesEnabled: truth("volumes", DOCKER_DEFAULTS.isVolumesEnabled),
    isPrivilegedAllowed: truth("allow_privileged", DOCKER_DEFAULTS.isPrivilegedAllowed),
    allowedCaps: list("allow_caps", DOCKER_DEFAULTS.allowedCaps).map((name) => name.toLowerCase().replace(/^cap_/, "")),
    allowedRuntimes: list("allow_runtimes", DOCKER_DEFAULTS.allowedRuntimes),
    allowedHostModes: modes,
    pidsLimit: number("pids_limit", DOCKER_DEFAULTS.pidsLimit),
    isImageGcEnabled: truth("gc_image", DOCKER_DEFAULTS.isImageGcEnabled),
    imageGcDelayMs: number("gc_image_delay", DOCKER_DEFAULTS.imageGcDelayMs),
    isContainerGcEnabled: truth("gc_container", DOCKER_DEFAULTS.isContainerGcEnabled),
    isDanglingGcEnabled: truth("gc_dangling", DOCKER_DEFAULTS.isDanglingGcEnabled),
    danglingPeriodMs: periodMs,
    danglingGraceMs: number("gc_dangling_grace", DOCKER_DEFAULTS.danglingGraceMs),
  };
}
