// What a container may do beyond the usual: capabilities, devices, host namespaces, runtimes. Pure: refusals name the setting.

import { EdgeError } from "../../../domain/errors.ts";
import { DEFAULT_CAPABILITIES } from "../../sandbox/capabilities.ts";
import type { DockerConfig } from "./config.ts";
import type { DockerSettings } from "./settings.ts";

/** What an engine gives unless it is told otherwise. */
const ENGINE_CAPS: readonly string[] = [...DEFAULT_CAPABILITIES, "net_raw"];

/** The capabilities to add to the engine's own and to take from them. Throws where one is not allowed. */
export function capabilitiesOf(config: Pick<DockerConfig, "capAdd" | "capDrop">, allowed: readonly string[]) {
  const isAnyAllowed = allowed.includes("all");
  const [add, drop] = [config.capAdd.map(plainName), config.capDrop.map(plainName)];
  const refused = add.filter((name) => name !== "all" && !isAnyAllowed && !allowed.includes(name));
  if (refused.length > 0)
    throw new EdgeError("invalid", `cap_add: this node does not allow ${refused.join(", ")}`, {
      hint: "the operator allows more with client.docker.allow_caps",
    });
  if (add.includes("all") && isAnyAllowed) return { add: ["ALL"], drop: drop.filter((name) => name !== "all").map(engineName) };
  const base = drop.includes("all") ? [] : ENGINE_CAPS.filter((name) => (isAnyAllowed || allowed.includes(name)) && !drop.includes(name));
  const wanted = new Set([...base, ...add.flatMap((name) => (name === "all" ? allowed : [name]))]);
  for (const name of drop) wanted.delete(name);
  return {
    add: [...wanted].filter((name) => !ENGINE_CAPS.includes(name)).map(engineName),
    drop: ENGINE_CAPS.filter((name) => !wanted.has(name)).map(engineName),
  };
}

/** Throws where the task asks for rights that the node does not give. */
export function checkRights(config: DockerConfig, settings: DockerSettings): void {
  if (config.isPrivileged && !settings.isPrivilegedAllowed)
    throw new EdgeError("invalid", "privileged: this node does not allow privileged containers", {
      hint: "the operator allows them with client.docker.allow_privileged",
    });
  if (config.runtime !== "" && !settings.allowedRuntimes.includes(config.runtime))
    throw new EdgeError("invalid", `runtime: this node does not allow "${config.runtime}" (allowed: ${settings.allowedRuntimes.join(", ")})`, {
      hint: "the operator allows more with client.docker.allow_runtimes",
    });
  const modes = { pid: config.pidMode, ipc: config.ipcMode, uts: config.utsMode, userns: config.usernsMode, cgroup: config.cgroupnsMode };
  for (const [name, mode] of Object.entries(modes))
    if ((mode === "host" || mode.startsWith("container:")) && !settings.allowedHostModes.includes(name) && !settings.isPrivilegedAllowed)
      throw new EdgeError("invalid", `${name} mode "${mode}": this node does not let a container share what is not its own`, {
        hint: `the operator allows it with client.docker.allow_host_modes = ["${name}"]`,
      });
  for (const option of config.securityOptions)
    if (/^(?:seccomp[=:]unconfined|apparmor[=:]unconfined|systempaths=unconfined|label[=:]disable)$/.test(option) && !settings.isPrivilegedAllowed)
      throw new EdgeError("invalid", `security_opt "${option}": this node does not allow containers without that protection`, {
        hint: "the operator allows them with client.docker.allow_privileged",
      });
}

// --- internal ---

function plainName(name: string): string {
  return name.toLowerCase().replace(/^cap_/, "");
}

function engineName(name: string): string {
  return `CAP_${name.toUpperCase()}`;
}
