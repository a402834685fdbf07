// What a node agent is started with.

import type { CollectSettings } from "../device/collect.ts";
import type { Driver } from "../runner/drivers/driver.ts";
import type { Log, LogLines } from "../runtime/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ClientSettings } from "./fingerprint/fingerprint.ts";
import type { Dial } from "./transports.ts";
import type { UpgradePort } from "./upgrade-receiver.ts";

/** Of what a node is started with, what it may be told anew while it runs. */
export interface ReloadedNode {
  readonly settings: ClientSettings;
  readonly collect: CollectSettings;
  readonly isDiskEnforced: boolean;
}

export interface NodeAgentOptions {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly dataDirectory: string;
  readonly settings: ClientSettings;
  readonly onAgentStop: "keep" | "stop";
  readonly dial: Dial;
  /** How long ended allocations stay; default COLLECT_DEFAULTS. */
  readonly collect?: CollectSettings;
  /** Whether tasks end whose files take more than their ephemeral_disk. */
  /** Bound of each stream of each task; 0 or absent: as jobs say. */
  readonly maxLogMB?: number;
  readonly isDiskEnforced?: boolean;
  /** What it shows until a server has admitted it; null = nothing. */
  joinToken?(): string | null;
  readonly upgrades?: UpgradePort;
  /** For those that watch this agent's log; nobody can unless given. */
  readonly logs?: LogLines;
  /** The drivers of this node; default: those of the real machine, as the settings allow. */
  makeDrivers?(allocRoot: string): ReadonlyMap<string, Driver>;
}
