// What the agent of a node does with a program that a server handed to it: the same as with a file on the device.

import type { UpgradePort } from "../../../internal/client/upgrade-receiver.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import type { AgentConfig } from "./config.ts";
import { readUpgrade } from "./upgrade-record.ts";

export function upgradePort(runtime: Runtime, config: AgentConfig): UpgradePort {
  const { dataDirectory, upgradeKey: key } = config;
  return {
    status(id) {
      const upgrade = readUpgrade(runtime, dataDirectory);
      return upgrade?.id === id ? { state: upgrade.state, reason: upgrade.reason } : null;
    },
    async apply(file, { id, sha256, signature, isForced, healthyWithinMs, healthyForMs }) {
      const { stageUpgrade } = await import("./upgrade-stage.ts");
      const limits = { healthyWithinMs, healthyForMs };
      const staged = await stageUpgrade(runtime, { dataDirectory, file, sha256, signature, key, isForced, id, ...limits });
      return staged === null ? { state: "unchanged", reason: "" } : { state: staged.state, reason: staged.reason };
    },
  };
}
