// What the agent's configuration says of the node it is.

import type { ClientSettings } from "../../../internal/client/fingerprint/fingerprint.ts";
import type { ReloadedNode } from "../../../internal/client/node-options.ts";
import { BUILD } from "../build.ts";
import type { AgentConfig } from "./config.ts";

export function clientSettingsOf(config: AgentConfig): ClientSettings {
  return {
    name: config.name,
    region: config.region,
    datacenter: config.datacenter,
    nodeClass: config.nodeClass,
    nodePool: config.nodePool,
    meta: config.meta,
    cpuTotalMHz: config.cpuTotalMHz,
    memoryTotalMiB: config.memoryTotalMiB,
    isRawExecEnabled: config.isRawExecEnabled,
    isJavaEnabled: config.isJavaEnabled,
    ...(config.docker ? { docker: config.docker } : {}),
    plugins: config.plugins,
    ...(config.qemu ? { qemu: config.qemu } : {}),
    ...(config.exec ? { exec: config.exec } : {}),
    offers: config.offers,
    version: BUILD.version,
    upgrade: config.isServer ? "server" : config.isUpgradeEnabled ? "enabled" : "disabled",
  };
}

/** What may change while it runs. */
export function nodeSettingsOf(config: AgentConfig): ReloadedNode {
  return { settings: clientSettingsOf(config), collect: config.collect, isDiskEnforced: config.isDiskEnforced };
}
