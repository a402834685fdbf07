// Where a service of an alloc is reached: a port by its label, or by its number on the node's own address. Pure.

import type { AllocatedPort } from "./alloc.ts";

export interface ServiceAddress {
  readonly address: string;
  /** 0 = the service names no port. */
  readonly port: number;
}

/** Null where the port is neither a label of the group nor a number. */
export function addressOf(portText: string, ports: readonly AllocatedPort[], hostAddress: string): ServiceAddress | null {
  if (portText === "") return { address: hostAddress, port: 0 };
  const labelled = ports.find((port) => port.label === portText);
  if (labelled) return { address: labelled.hostAddress || hostAddress, port: labelled.value };
  return isPortNumber(portText) ? { address: hostAddress, port: Number(portText) } : null;
}

export function isPortNumber(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}
