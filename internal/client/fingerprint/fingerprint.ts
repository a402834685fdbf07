// What this machine is, as the node tells the server: attributes with their sources, resources, drivers,
// and conditions that say what is missing and how to mend it.

import { UPGRADE_ATTRIBUTE } from "../../domain/fleet-upgrade.ts";
import type { JsonMap } from "../../domain/job.ts";
import type { NodeSpec } from "../../domain/node.ts";
import { RESUME_ATTRIBUTE } from "../../domain/resume.ts";
import type { DockerSettings } from "../../runner/drivers/docker/settings.ts";
import type { ExecSettings } from "../../runner/drivers/exec.ts";
import type { QemuSettings } from "../../runner/drivers/qemu/driver.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { NodeIdentity } from "../identity.ts";
import { fingerprintCpu } from "./cpu.ts";
import { fingerprintExec } from "./exec.ts";
import { fingerprintExternal } from "./external.ts";
import { fingerprintBuses, fingerprintCgroups, fingerprintDisk, fingerprintMemory, fingerprintNetwork, fingerprintSystem } from "./host.ts";
import { fingerprintJava } from "./java.ts";
import { NO_OFFERS, type NodeOffers, readOffers } from "./offers.ts";
import { atFirst, newFacts, note } from "./reading.ts";

export interface ClientSettings {
  readonly name: string;
  readonly region: string;
  readonly datacenter: string;
  readonly nodeClass: string;
  readonly nodePool: string;
  readonly meta: Readonly<Record<string, string>>;
  /** Overrides in MHz and MiB; 0 = what was found. */
  readonly cpuTotalMHz: number;
  readonly memoryTotalMiB: number;
  readonly isRawExecEnabled: boolean;
  /** Absent: the driver is switched off. */
  readonly exec?: ExecSettings;
  /** Whether jars may run where exec can, and a JVM is found. */
  readonly isJavaEnabled?: boolean;
  /** Absent: the driver is switched off. */
  readonly docker?: DockerSettings;
  /** Absent: the driver is switched off. */
  readonly qemu?: QemuSettings;
  /** Drivers of others: the folder they are in, and what each is told. Absent: none. */
  readonly plugins?: { readonly folder: string; readonly settings: Readonly<Record<string, JsonMap>> };
  /** Absent: nothing beyond what is found, and nothing kept. */
  readonly offers?: NodeOffers;
  readonly version: string;
  /** What it says of servers that want to upgrade it; absent: they must not. */
  readonly upgrade?: "enabled" | "disabled" | "server";
}

export function fingerprint(runtime: Runtime, settings: ClientSettings, identity: NodeIdentity, allocDirectory: string): NodeSpec {
  const facts = newFacts();
  const cpu = fingerprintCpu(runtime, facts);
  const memoryMiB = fingerprintMemory(runtime, facts);
  const diskMiB = fingerprintDisk(runtime, facts, allocDirectory);
  fingerprintSystem(runtime, facts);
  fingerprintNetwork(runtime, facts);
  fingerprintBuses(runtime, facts);
  const offers = settings.offers ?? NO_OFFERS;
  const totalMHz = settings.cpuTotalMHz || cpu.totalMHz;
  const offered = readOffers(runtime, offers, { ...cpu, totalMHz });
  const conditions = [...fingerprintCgroups(runtime, facts), ...offered.conditions];
  note(facts, "cpu.reservablecores", { value: offered.coreIds?.length ?? cpu.cores, source: "the agent's settings" });
  note(facts, "cpu.usablecompute", {
    value: Math.max(0, totalMHz - offered.reserved.cpuMHz),
    source: "cores times frequency, less what is reserved",
  });
  note(facts, "nomad.version", { value: settings.version, source: "the program's own build" });
  note(facts, "edgectl.version", { value: settings.version, source: "the program's own build" });
  note(facts, UPGRADE_ATTRIBUTE, { value: settings.upgrade ?? "disabled", source: "the agent's settings" });
  note(facts, "edgectl.runtime", { value: `${runtime.name} ${runtime.version}`, source: "the program's own build" });
  note(facts, "edgectl.fires", { value: "1", source: "the program's own build" });
  note(facts, "edgectl.schedule", { value: "1", source: "the program's own build" });
  note(facts, RESUME_ATTRIBUTE, { value: "1", source: "the program's own build" });
  const nowMs = runtime.clock.nowMs();
  const rawExec = settings.isRawExecEnabled
    ? { detected: true, healthy: true, description: "Healthy", attributes: { "driver.raw_exec": "true" }, updatedAtMs: nowMs }
    : { detected: false, healthy: false, description: "disabled by client.raw_exec", attributes: {}, updatedAtMs: nowMs };
  if (settings.isRawExecEnabled) note(facts, "driver.raw_exec", { value: "1", source: "the agent's settings" });
  const exec = fingerprintExec(runtime, facts, settings.exec);
  const java = fingerprintJava(runtime, facts, { isEnabled: settings.isJavaEnabled === true, exec: exec.driver });
  const docker = settings.docker ? "the container engine is looked for" : "disabled by client.docker.enabled";
  const qemu = settings.qemu ? "emulators are looked for" : "disabled by client.qemu.enabled";
  const external = fingerprintExternal(runtime, settings.plugins?.folder ?? "");
  const uid = runtime.host.uid;
  return {
    id: identity.id,
    name: settings.name,
    region: settings.region,
    datacenter: settings.datacenter,
    nodeClass: settings.nodeClass,
    nodePool: settings.nodePool,
    attributes: facts.attributes,
    sources: facts.sources,
    meta: { "connect.log_level": "info", "connect.proxy_concurrency": "1", ...settings.meta },
    resources: {
      cpuMHz: totalMHz,
      cores: cpu.cores,
      memoryMiB: settings.memoryTotalMiB || memoryMiB,
      diskMiB,
      portMin: offers.portMin,
      portMax: offers.portMax,
      ...(offered.coreIds ? { coreIds: offered.coreIds } : {}),
      ...(offered.devices.length > 0 ? { devices: offered.devices } : {}),
      ...(Object.keys(offered.hostNetworks).length > 0 ? { hostNetworks: offered.hostNetworks } : {}),
    },
    reserved: offered.reserved,
    ...(Object.keys(offers.hostVolumes).length > 0 ? { hostVolumes: offers.hostVolumes } : {}),
    drivers: { raw_exec: rawExec, exec: exec.driver, java, docker: atFirst(docker, nowMs), qemu: atFirst(qemu, nowMs), ...external.drivers },
    conditions:
      uid === 0
        ? [...conditions, ...exec.conditions, ...external.conditions]
        : [
            ...conditions,
            ...exec.conditions,
            ...external.conditions,
            {
              name: "not-root",
              message: `the agent runs as user ${uid}: tasks run as that user and cannot be limited`,
              fix: "start the agent as root",
            },
          ],
    httpAddress: "",
    version: settings.version,
    machineId: identity.machineId,
  };
}
