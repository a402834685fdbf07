// The class of a node: a hash of everything that feasibility may look at and that is not unique to it.

import type { NodeSpec } from "../domain/node.ts";
import type { Hashing } from "../runtime/runtime.ts";

/** Nodes of one class are feasible alike for every constraint without `unique.` targets. */
export function computedClassOf(node: NodeSpec, hashing: Hashing): string {
  const shared = (map: Readonly<Record<string, string>>) =>
    Object.entries(map)
      .filter(([key]) => !key.startsWith("unique."))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  const drivers = Object.entries(node.drivers).map(([name, driver]) => [name, driver.detected && driver.healthy]);
  const { devices = [], hostNetworks = {} } = node.resources;
  const offers = [
    devices.map((device) => [
      device.vendor,
      device.type,
      device.name,
      shared(device.attributes),
      device.devices.map(({ id, healthy }) => [id, healthy]),
    ]),
    Object.keys(hostNetworks).sort(),
    Object.entries(node.hostVolumes ?? {}).map(([name, volume]) => [name, volume.readOnly]),
  ];
  return `v1:${hashing.sha256Hex(JSON.stringify([node.datacenter, node.nodeClass, node.nodePool, shared(node.attributes), shared(node.meta), drivers, ...(offers.some((kind) => kind.length > 0) ? [offers] : [])])).slice(0, 20)}`;
}
