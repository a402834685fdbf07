// What the operator of a node allows containers, and how their engine is reached.

import { UNUSED_MS_MAX } from "../../disuse.ts";
import { DEFAULT_CAPABILITIES } from "../../sandbox/capabilities.ts";

export interface DockerSettings {
  /** "" = the first socket found of docker, then podman. */
  readonly endpoint: string;
  /** A docker config.json with `auths`; "" = none. */
  readonly authConfigPath: string;
  /** Who is asked where that file says nothing: the program docker-credential-NAME; "" = nobody. */
  readonly authHelper: string;
  /** Files in PEM for an engine behind TLS; "" = none. */
  readonly tls: { readonly certificatePath: string; readonly keyPath: string; readonly authorityPath: string };
  readonly pullTimeoutMs: number;
  /** Folders of the host may be mounted, and volumes with a driver. */
  readonly isVolumesEnabled: boolean;
  readonly isPrivilegedAllowed: boolean;
  /** Lower case, without `cap_`; "all" allows any. */
  readonly allowedCaps: readonly string[];
  readonly allowedRuntimes: readonly string[];
  /** Of pid, ipc, uts, userns and cgroup: where a task may share the host's. */
  readonly allowedHostModes: readonly string[];
  /** Of a task that says none; 0 = none. */
  readonly pidsLimit: number;
  readonly isImageGcEnabled: boolean;
  readonly imageGcDelayMs: number;
  /** Ended containers are removed; else they stay for whoever looks into them. */
  readonly isContainerGcEnabled: boolean;
  readonly isDanglingGcEnabled: boolean;
  readonly danglingPeriodMs: number;
  readonly danglingGraceMs: number;
}

export const DOCKER_DEFAULTS: DockerSettings = {
  endpoint: "",
  authConfigPath: "",
  authHelper: "",
  tls: { certificatePath: "", keyPath: "", authorityPath: "" },
  pullTimeoutMs: 300_000,
  isVolumesEnabled: false,
  isPrivilegedAllowed: false,
  // The engine's own set less net_raw, with which a task could speak for other machines.
  allowedCaps: DEFAULT_CAPABILITIES,
  allowedRuntimes: ["runc", "crun", "nvidia"],
  allowedHostModes: [],
  pidsLimit: 0,
  isImageGcEnabled: true,
  imageGcDelayMs: UNUSED_MS_MAX,
  isContainerGcEnabled: true,
  isDanglingGcEnabled: true,
  danglingPeriodMs: 300_000,
  danglingGraceMs: 300_000,
};
