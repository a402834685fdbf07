// What a node offers and what an alloc was given, as the wire has them.

import { expect, test } from "bun:test";
import { encodeAlloc } from "../../internal/api/alloc-codec.ts";
import { encodeNode } from "../../internal/api/node-codec.ts";
import { aNode, anAlloc, NO_RESOURCES } from "../fixtures/model.ts";

const PLAIN = aNode("n1");
const RICH = aNode("n2", {
  resources: {
    ...PLAIN.resources,
    coreIds: [1, 3],
    devices: [
      {
        vendor: "nvidia",
        type: "gpu",
        name: "k80",
        attributes: { memory: "11 GiB" },
        devices: [
          { id: "g0", healthy: true },
          { id: "g1", healthy: false },
        ],
      },
    ],
    hostNetworks: { lan: { address: "10.0.0.5", interface: "eth1", reservedPorts: [22, 80] } },
  },
  hostVolumes: { data: { path: "/srv/data", readOnly: true } },
});

test("a node's devices, networks, volumes and cores are where clients look for them", () => {
  const device = {
    Vendor: "nvidia",
    Type: "gpu",
    Name: "k80",
    Instances: [
      { ID: "g0", Healthy: true, HealthDescription: "", Locality: null },
      { ID: "g1", Healthy: false, HealthDescription: "not there", Locality: null },
    ],
    Attributes: { memory: { String: "11 GiB" } },
  };
  expect(encodeNode(RICH)).toMatchObject({
    NodeResources: {
      Cpu: { ReservableCpuCores: [1, 3] },
      Devices: [device],
      NodeNetworks: [{ Mode: "host", Device: "eth1", Addresses: [{ Family: "ipv4", Alias: "lan", Address: "10.0.0.5", ReservedPorts: "22,80" }] }],
    },
    HostVolumes: { data: { Name: "data", Path: "/srv/data", ReadOnly: true } },
    HostNetworks: { lan: { Name: "lan", CIDR: "10.0.0.5/32", Interface: "eth1", ReservedPorts: "22,80" } },
  });
});

test("a node that offers nothing says null, and every core", () => {
  expect(encodeNode(PLAIN)).toMatchObject({
    NodeResources: { Cpu: { ReservableCpuCores: [0, 1, 2, 3] }, Devices: null, NodeNetworks: null },
    HostVolumes: null,
    HostNetworks: null,
  });
});

test("an alloc's cores, devices, ports and preemptions are on the wire; a share says its size", () => {
  const device = { vendor: "nvidia", type: "gpu", name: "k80" };
  const task = {
    cpuMHz: 1000,
    cores: 1,
    memoryMiB: 10,
    memoryMaxMiB: 20,
    coreIds: [3],
    devices: [
      { ...device, ids: ["g0"], share: 1 },
      { ...device, ids: ["g1"], share: 0.5 },
    ],
  };
  const ports = [{ label: "http", value: 80, to: 8080, hostNetwork: "lan", hostAddress: "10.0.0.5" }];
  const alloc = anAlloc("a", { resources: { ...NO_RESOURCES, tasks: { t: task }, ports }, preemptedByAlloc: "b", preemptedAllocs: ["c"] });
  const wire = { Vendor: "nvidia", Type: "gpu", Name: "k80" };
  expect(encodeAlloc(alloc, null)).toMatchObject({
    AllocatedResources: {
      Tasks: {
        t: {
          Cpu: { CpuShares: 1000, ReservedCores: [3] },
          Memory: { MemoryMB: 10, MemoryMaxMB: 20 },
          Devices: [
            { ...wire, DeviceIDs: ["g0"] },
            { ...wire, DeviceIDs: ["g1"], Share: 0.5 },
          ],
        },
      },
      Shared: { Ports: [{ Label: "http", Value: 80, To: 8080, HostIP: "10.0.0.5", HostNetwork: "lan" }] },
    },
    PreemptedByAllocation: "b",
    PreemptedAllocations: ["c"],
  });
  expect(encodeAlloc(anAlloc("a"), null)).toMatchObject({ PreemptedByAllocation: "", PreemptedAllocations: null });
});
