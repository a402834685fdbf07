// Nodes as Nomad's wire has them. What is ours alone (sources, conditions) stands beside it.

import type { Node } from "../domain/node.ts";
import type { JsonObject } from "./wire.ts";
import { nanos, nullIfEmptyMap, timeText } from "./wire.ts";

export function encodeNode(node: Node): JsonObject {
  const cpuMHz = node.resources.cpuMHz;
  const coreIds = node.resources.coreIds ?? Array.from({ length: node.resources.cores }, (_, id) => id);
  const networks = [
    {
      Mode: "host",
      Device: "",
      CIDR: "",
      IP: node.attributes["unique.network.ip-address"] ?? "",
      Hostname: "",
      MBits: 0,
      DNS: null,
      ReservedPorts: null,
      DynamicPorts: null,
    },
  ];
  return {
    ID: node.id,
    SecretID: "",
    Datacenter: node.datacenter,
    Name: node.name,
    HTTPAddr: node.httpAddress,
    TLSEnabled: false,
    Attributes: node.attributes,
    Resources: {
      CPU: cpuMHz,
      Cores: node.resources.cores,
      MemoryMB: node.resources.memoryMiB,
      MemoryMaxMB: 0,
      DiskMB: node.resources.diskMiB,
      IOPS: 0,
      Networks: networks,
      Devices: encodeDevices(node),
      NUMA: null,
      SecretsMB: 0,
    },
    NodeResources: {
      Cpu: { CpuShares: cpuMHz, TotalCpuCores: node.resources.cores, ReservableCpuCores: coreIds },
      Memory: { MemoryMB: node.resources.memoryMiB },
      Disk: { DiskMB: node.resources.diskMiB },
      Networks: networks,
      NodeNetworks: encodeNodeNetworks(node),
      Devices: encodeDevices(node),
      MinDynamicPort: node.resources.portMin,
      MaxDynamicPort: node.resources.portMax,
    },
    Reserved: { CPU: node.reserved.cpuMHz, MemoryMB: node.reserved.memoryMiB, DiskMB: node.reserved.diskMiB },
    ReservedResources: {
      Cpu: { CpuShares: node.reserved.cpuMHz, ReservedCpuCores: null },
      Memory: { MemoryMB: node.reserved.memoryMiB },
      Disk: { DiskMB: node.reserved.diskMiB },
      Networks: { ReservedHostPorts: node.reserved.ports.join(",") },
    },
    Links: {},
    Meta: nullIfEmptyMap(node.meta),
    NodeClass: node.nodeClass,
    NodePool: node.nodePool,
    CgroupParent: node.attributes["os.cgroups.parent"] ?? "",
    ComputedClass: node.computedClass,
    DrainStrategy: encodeDrain(node),
    Drain: Boolean(node.drain),
    SchedulingEligibility: node.eligibility,
    Status: node.status,
    StatusDescription: node.statusDescription,
    StatusUpdatedAt: Math.floor(node.statusUpdatedAtMs / 1000),
    Events: node.events.map((event) => ({
      Message: event.message,
      Subsystem: event.subsystem,
      Details: nullIfEmptyMap(event.details),
      Timestamp: timeText(event.atMs),
      CreateIndex: 0,
    })),
    Drivers: encodeDrivers(node),
    HostVolumes: encodeHostVolumes(node),
    GCVolumesOnNode: null,
    HostNetworks: encodeHostNetworks(node),
    CSIControllerPlugins: null,
    CSINodePlugins: null,
    LastDrain: encodeLastDrain(node),
    LastMissedHeartbeatIndex: 0,
    LastAllocUpdateIndex: 0,
    Version: node.version,
    Sources: node.sources,
    Conditions: node.conditions.map((condition) => ({ Name: condition.name, Message: condition.message, Fix: condition.fix })),
    CreateIndex: node.createIndex,
    ModifyIndex: node.modifyIndex,
  };
}

export function encodeNodeStub(node: Node, options: { readonly withResources: boolean; readonly withOs: boolean }): JsonObject {
  const full = encodeNode(node);
  return {
    Address: node.attributes["unique.network.ip-address"] ?? "",
    ID: node.id,
    Attributes: options.withOs ? { "os.name": node.attributes["os.name"] ?? "" } : null,
    Datacenter: node.datacenter,
    Name: node.name,
    NodeClass: node.nodeClass,
    NodePool: node.nodePool,
    Version: node.version,
    Drain: Boolean(node.drain),
    SchedulingEligibility: node.eligibility,
    Status: node.status,
    StatusDescription: node.statusDescription,
    Drivers: full.Drivers,
    HostVolumes: encodeHostVolumes(node),
    GCVolumesOnNode: null,
    NodeResources: options.withResources ? full.NodeResources : null,
    ReservedResources: options.withResources ? full.ReservedResources : null,
    LastDrain: encodeLastDrain(node),
    CreateIndex: node.createIndex,
    ModifyIndex: node.modifyIndex,
  };
}

// --- internal ---

function encodeDrain({ drain }: Node): JsonObject | null {
  if (!drain) return null;
  return {
    Deadline: drain.isForced ? -1 : nanos(drain.deadlineMs),
    IgnoreSystemJobs: drain.ignoresSystemJobs,
    ForceDeadline: timeText(drain.deadlineAtMs),
    StartedAt: timeText(drain.startedAtMs),
  };
}

function encodeLastDrain({ lastDrain }: Node): JsonObject | null {
  if (!lastDrain) return null;
  return {
    StartedAt: timeText(lastDrain.startedAtMs),
    UpdatedAt: timeText(lastDrain.updatedAtMs),
    Status: lastDrain.status,
    AccessorID: "",
    Meta: nullIfEmptyMap(lastDrain.meta),
  };
}

function encodeDrivers(node: Node): JsonObject {
  return Object.fromEntries(
    Object.entries(node.drivers).map(([name, driver]) => [
      name,
      {
        Attributes: nullIfEmptyMap(driver.attributes),
        Detected: driver.detected,
        Healthy: driver.healthy,
        HealthDescription: driver.description,
        UpdateTime: timeText(driver.updatedAtMs),
      },
    ]),
  );
}

function encodeDevices(node: Node): JsonObject[] | null {
  const groups = node.resources.devices ?? [];
  if (groups.length === 0) return null;
  return groups.map((group) => ({
    Vendor: group.vendor,
    Type: group.type,
    Name: group.name,
    Instances: group.devices.map(({ id, healthy }) => ({ ID: id, Healthy: healthy, HealthDescription: healthy ? "" : "not there", Locality: null })),
    Attributes: Object.fromEntries(Object.entries(group.attributes).map(([key, value]) => [key, { String: value }])),
  }));
}

function encodeHostVolumes(node: Node): JsonObject | null {
  const volumes = Object.entries(node.hostVolumes ?? {});
  if (volumes.length === 0) return null;
  return Object.fromEntries(volumes.map(([name, { path, readOnly }]) => [name, { Name: name, Path: path, ReadOnly: readOnly, ID: "" }]));
}

function encodeHostNetworks(node: Node): JsonObject | null {
  const networks = Object.entries(node.resources.hostNetworks ?? {});
  if (networks.length === 0) return null;
  return Object.fromEntries(
    networks.map(([name, network]) => [
      name,
      {
        Name: name,
        CIDR: `${network.address}${network.address.includes(":") ? "/128" : "/32"}`,
        Interface: network.interface,
        ReservedPorts: network.reservedPorts.join(","),
      },
    ]),
  );
}

/** Every address that ports may be bound to, each under its host network's name. */
function encodeNodeNetworks(node: Node): JsonObject[] | null {
  const networks = Object.entries(node.resources.hostNetworks ?? {});
  if (networks.length === 0) return null;
  return networks.map(([name, network]) => ({
    Mode: "host",
    Device: network.interface,
    MacAddress: "",
    Speed: 0,
    Addresses: [
      {
        Family: network.address.includes(":") ? "ipv6" : "ipv4",
        Alias: name,
        Address: network.address,
        ReservedPorts: network.reservedPorts.join(","),
        Gateway: "",
      },
    ],
  }));
}
