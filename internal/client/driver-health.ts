// A node's description once one of its drivers found out more: an engine that came, went, or is of another version. Pure.

import type { NodeSpec } from "../domain/node.ts";
import type { DriverState } from "../runner/drivers/driver.ts";

/** The node with what the driver says; its earlier attributes go when it says them no more. */
export function withDriverState(node: NodeSpec, name: string, state: DriverState, nowMs: number): NodeSpec {
  const isOld = (key: string) => key === `driver.${name}` || key.startsWith(`driver.${name}.`);
  const kept = (map: Readonly<Record<string, string>>) => Object.fromEntries(Object.entries(map).filter(([key]) => !isOld(key)));
  const sources = Object.fromEntries(Object.keys(state.attributes).map((key) => [key, `the driver ${name}`]));
  return {
    ...node,
    attributes: { ...kept(node.attributes), ...state.attributes },
    sources: { ...kept(node.sources), ...sources },
    drivers: { ...node.drivers, [name]: { ...state, updatedAtMs: nowMs } },
  };
}
