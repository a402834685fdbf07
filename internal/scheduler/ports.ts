// Ports of a node: unique per address, each host network having one, and dynamic ones chosen lowest first.

import type { AllocatedPort } from "../domain/alloc.ts";
import type { Network, Port } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { resolveOnNode } from "../domain/node-scope.ts";

/** How often a port is in use, by address and number: `ignore_collision` lets several allocs share one. */
export type PortUse = Map<string, Map<number, number>>;

const DEFAULT_NETWORK = "default";

/** The address of a host network on this node, null where the node has no such network. */
export function addressOf(node: Node, hostNetwork: string): string | null {
  const networks = node.resources.hostNetworks ?? {};
  if (Object.hasOwn(networks, hostNetwork)) return networks[hostNetwork]?.address ?? "";
  return hostNetwork === DEFAULT_NETWORK || hostNetwork === "" ? (node.attributes["unique.network.ip-address"] ?? "") : null;
}

/** The first port whose host network the node has not got, in the field's words; null when it has all. */
export function missingHostNetwork(node: Node, ports: readonly Port[]): string | null {
  for (const port of ports) {
    const name = resolveOnNode(port.hostNetwork, node);
    if (name === undefined) return `invalid host network "${port.hostNetwork}" template for port "${port.label}"`;
    if (addressOf(node, name) === null) return `missing host network "${name}" for port "${port.label}"`;
  }
  return null;
}

export function portsOf(networks: readonly Network[]): readonly Port[] {
  return networks.flatMap((network) => network.ports);
}

/** Counts the ports of an alloc, `times` +1 or -1. */
export function countPorts(use: PortUse, node: Node, ports: readonly AllocatedPort[], times: 1 | -1): void {
  for (const port of ports) {
    // A network that left the node's settings keeps its ports apart, so that they can be taken off again.
    const address = addressOf(node, port.hostNetwork) ?? `network ${port.hostNetwork}`;
    const numbers = use.get(address) ?? new Map<number, number>();
    const count = (numbers.get(port.value) ?? 0) + times;
    if (count > 0) numbers.set(port.value, count);
    else numbers.delete(port.value);
    if (numbers.size > 0) use.set(address, numbers);
    else use.delete(address);
  }
}

/** Why the ports cannot all be had on the node, in the field's words; null when they can. */
export function portShortage(node: Node, use: PortUse, ports: readonly Port[]): string | null {
  const taken = new Taken(node, use);
  const dynamic = new Map<string, number>();
  for (const port of ports) {
    const address = addressOfPort(node, port);
    if (address === null) return `network: ${missingHostNetwork(node, [port])}`;
    if (port.static === 0) {
      dynamic.set(address, (dynamic.get(address) ?? 0) + 1);
      continue;
    }
    if (!port.ignoreCollision && taken.has(address, port.static)) return `network: reserved port collision ${port.label}=${port.static}`;
    taken.add(address, port.static);
  }
  for (const [address, count] of dynamic) if (count > taken.freeInRange(address)) return "network: dynamic port selection failed";
  return null;
}

/** The ports as they are given on the node; `portShortage` said that there are enough. */
export function choosePorts(node: Node, use: PortUse, ports: readonly Port[]): AllocatedPort[] {
  const taken = new Taken(node, use);
  for (const port of ports) if (port.static !== 0) taken.add(addressOfPort(node, port) ?? "", port.static);
  return ports.map((port) => {
    const hostAddress = addressOfPort(node, port) ?? "";
    const value = port.static === 0 ? taken.lowestFree(hostAddress) : port.static;
    taken.add(hostAddress, value);
    const hostNetwork = resolveOnNode(port.hostNetwork, node) ?? port.hostNetwork;
    return { label: port.label, value, to: port.to === -1 ? value : port.to, hostNetwork, hostAddress };
  });
}

/** The static ports, each with its address: what another alloc on the node may stand in the way of. */
export function staticPortsOn(node: Node, ports: readonly Port[]): readonly { readonly address: string; readonly value: number }[] {
  return ports
    .filter((port) => port.static !== 0 && !port.ignoreCollision)
    .map((port) => ({ address: addressOfPort(node, port) ?? "", value: port.static }));
}

// --- internal ---

function addressOfPort(node: Node, port: Port): string | null {
  const name = resolveOnNode(port.hostNetwork, node);
  return name === undefined ? null : addressOf(node, name);
}

/** What of a node's ports is in use or reserved, and what the group in hand takes besides. */
class Taken {
  readonly #node: Node;
  readonly #use: PortUse;
  readonly #own = new Map<string, Set<number>>();
  readonly #reserved = new Map<string, ReadonlySet<number>>();

  constructor(node: Node, use: PortUse) {
    this.#node = node;
    this.#use = use;
  }

  has(address: string, port: number): boolean {
    return this.#use.get(address)?.has(port) || this.#own.get(address)?.has(port) || this.#reservedOn(address).has(port);
  }

  add(address: string, port: number): void {
    const own = this.#own.get(address);
    if (own) own.add(port);
    else this.#own.set(address, new Set([port]));
  }

  freeInRange(address: string): number {
    const { portMin, portMax } = this.#node.resources;
    const taken = new Set([...(this.#use.get(address)?.keys() ?? []), ...(this.#own.get(address) ?? []), ...this.#reservedOn(address)]);
    return portMax - portMin + 1 - [...taken].filter((port) => port >= portMin && port <= portMax).length;
  }

  lowestFree(address: string): number {
    const { portMin, portMax } = this.#node.resources;
    let candidate = portMin;
    while (candidate < portMax && this.has(address, candidate)) candidate += 1;
    return candidate;
  }

  #reservedOn(address: string): ReadonlySet<number> {
    const known = this.#reserved.get(address);
    if (known) return known;
    const networks = Object.values(this.#node.resources.hostNetworks ?? {}).filter((network) => network.address === address);
    const reserved = new Set([...this.#node.reserved.ports, ...networks.flatMap((network) => network.reservedPorts)]);
    this.#reserved.set(address, reserved);
    return reserved;
  }
}
