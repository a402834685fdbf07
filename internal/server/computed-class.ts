// The class of a node: a hash of everything that feasibility may look at and that is not unique to it.

import type { NodeSpec } from "../domain/node.ts";
import type { Hashing } from "../runtime/runtime.ts";

/** Nodes of one class are feasible alike for every constraint without `unique.` targets. */
export function computedClassOf(node: NodeSpec, hashing: Pick<Hashing, "sha256Hex">): string {
  const shared = (map: Readonly<Record<string, string>>) =>
    Object.entries(map)
      .filter(([key]) => !key.startsWith("unique."))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  const drivers = Object.entries(node.drivers).map(([name, driver]) => [name, driver.detected && driver.healthy]);
  const parts = [node.datacenter, node.nodeClass, node.nodePool, shared(node.attributes), shared(node.meta), drivers, ...offersOf(node)];
  return `v1:${hashing.sha256Hex(JSON.stringify(parts)).slice(0, 20)}`;
}

// --- internal ---

/** What jobs ask for by name: kinds of devices and how many of them work, host networks, volumes. Ids and addresses are a node's own. */
function offersOf(node: NodeSpec): readonly unknown[] {
  const { devices = [], hostNetworks = {} } = node.resources;
  const kinds = devices.map(({ vendor, type, name, attributes, devices: all }) => [
    [vendor, type, name],
    Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
    all.filter((device) => device.healthy).length,
  ]);
  const networks = Object.keys(hostNetworks).sort();
  const volumes = Object.entries(node.hostVolumes ?? {})
    .map(([name, volume]) => `${name} ${volume.readOnly}`)
    .sort();
  // A node that offers nothing keeps the class it always had.
  return kinds.length + networks.length + volumes.length === 0 ? [] : [kinds, networks, volumes];
}
