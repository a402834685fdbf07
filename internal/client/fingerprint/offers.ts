// What the agent's settings say of the node beyond what can be found out: devices, folders, host networks, and what it
// keeps for itself. What the machine has not got is left out and becomes a condition; the node starts all the same.

import { isInRange, parseRange } from "../../domain/address.ts";
import type { NodeCondition, NodeDeviceGroup, NodeHostNetwork, NodeHostVolume, NodeReserved } from "../../domain/node.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { CpuReading } from "./cpu.ts";
import { addressesOf } from "./networks.ts";

/** A host network as it is asked for: by a range of addresses or by an interface. */
export interface HostNetworkSetting {
  readonly cidr: string;
  readonly interface: string;
  readonly reservedPorts: readonly number[];
}

/** A kind of device as it is written down; with `paths` its devices are there while their files are. */
export interface DeviceSetting {
  readonly vendor: string;
  readonly type: string;
  readonly name: string;
  readonly ids: readonly string[];
  readonly hasPaths: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface NodeOffers {
  readonly reserved: NodeReserved & { readonly cores: readonly number[] };
  readonly portMin: number;
  readonly portMax: number;
  readonly hostVolumes: Readonly<Record<string, NodeHostVolume>>;
  readonly hostNetworks: Readonly<Record<string, HostNetworkSetting>>;
  readonly devices: readonly DeviceSetting[];
}

export const NO_OFFERS: NodeOffers = {
  reserved: { cpuMHz: 0, memoryMiB: 0, diskMiB: 0, ports: [], cores: [] },
  portMin: 20_000,
  portMax: 32_000,
  hostVolumes: {},
  hostNetworks: {},
  devices: [],
};

export interface OfferReading {
  readonly reserved: NodeReserved;
  /** Absent where tasks may have every core. */
  readonly coreIds?: readonly number[];
  readonly devices: readonly NodeDeviceGroup[];
  readonly hostNetworks: Readonly<Record<string, NodeHostNetwork>>;
  readonly conditions: readonly NodeCondition[];
}

/** The settings as this machine can keep them; `totalMHz` is what all cores together count for. */
export function readOffers(runtime: Runtime, offers: NodeOffers, cpu: CpuReading): OfferReading {
  const conditions: NodeCondition[] = [];
  const devices = offers.devices.map((device) => readDevice(runtime, device, conditions));
  const hostNetworks = readNetworks(runtime, offers, conditions);
  const cores = readCores(offers, cpu, conditions);
  return { ...cores, devices, hostNetworks, conditions };
}

// --- internal ---

function readDevice(runtime: Runtime, setting: DeviceSetting, conditions: NodeCondition[]): NodeDeviceGroup {
  const { vendor, type, name, attributes } = setting;
  const devices = setting.ids.map((id) => ({ id, healthy: !setting.hasPaths || runtime.files.stat(id) !== null }));
  const missing = devices.filter((device) => !device.healthy).map((device) => device.id);
  if (missing.length > 0)
    conditions.push({
      name: `device-missing:${vendor}/${type}/${name}`,
      message: `the device ${missing.join(", ")} is not there: no task is given it`,
      fix: "connect it, or take its path out of client.device, then start the agent again",
    });
  return { vendor, type, name, attributes, devices };
}

function readNetworks(runtime: Runtime, offers: NodeOffers, conditions: NodeCondition[]): Readonly<Record<string, NodeHostNetwork>> {
  const found: Record<string, NodeHostNetwork> = {};
  if (Object.keys(offers.hostNetworks).length === 0) return found;
  const addresses = addressesOf(runtime.files);
  for (const [name, setting] of Object.entries(offers.hostNetworks)) {
    const range = setting.cidr === "" ? null : parseRange(setting.cidr);
    const match = addresses.find(
      (one) => (range ? isInRange(one.address, range) : true) && (setting.interface === "" || one.interface === setting.interface),
    );
    if (match) found[name] = { address: match.address, interface: match.interface, reservedPorts: setting.reservedPorts };
    else
      conditions.push({
        name: `host-network-missing:${name}`,
        message: `no address of this machine is ${describe(setting)}: jobs that ask for the host network "${name}" are not placed here`,
        fix: `bring the address up, or correct client.host_network.${name}, then start the agent again`,
      });
  }
  return found;
}

function describe(setting: HostNetworkSetting): string {
  return [setting.cidr === "" ? "" : `in ${setting.cidr}`, setting.interface === "" ? "" : `on ${setting.interface}`]
    .filter((part) => part !== "")
    .join(" and ");
}

function readCores(
  offers: NodeOffers,
  cpu: CpuReading,
  conditions: NodeCondition[],
): { readonly reserved: NodeReserved; readonly coreIds?: readonly number[] } {
  const { cores, ...reserved } = offers.reserved;
  const kept = cores.filter((id) => cpu.coreIds.includes(id));
  if (kept.length < cores.length)
    conditions.push({
      name: "reserved-cores-missing",
      message: `client.reserved.cores names cores that are not there: ${cores.filter((id) => !kept.includes(id)).join(", ")}`,
      fix: `this machine has the cores ${cpu.coreIds.join(", ")}`,
    });
  // What cores the node keeps counts as MHz too, and either way the larger of the two is kept.
  const cpuMHz = Math.max(reserved.cpuMHz, kept.length * Math.floor(cpu.totalMHz / Math.max(cpu.cores, 1)));
  const free = cpu.coreIds.filter((id) => !kept.includes(id));
  const isPlain = free.length === cpu.cores && free.every((id, at) => id === at);
  return { reserved: { ...reserved, cpuMHz }, ...(isPlain ? {} : { coreIds: free }) };
}
