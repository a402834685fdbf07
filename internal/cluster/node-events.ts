// What the server notes of a node, and what nodes ask it to note: the newest few, kept with the node. Something that is no
// news makes no event, so that a driver which only says the same in other words writes nothing into its history.

import { LIMITS } from "../domain/limits.ts";
import type { Node, NodeEvent, NodeSpec } from "../domain/node.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { withEvent } from "./node-evals.ts";

export interface ToldEventsInput {
  readonly nodeId: string;
  readonly events: readonly NodeEvent[];
}

/** Notes what the node tells of itself, cut to size. A node that is gone is no error. */
export function noteNodeEvents(view: View, input: ToldEventsInput, context: Context): Outcome<null> {
  const node = view.node(input.nodeId);
  const told = input.events.slice(-LIMITS.nodeEventsKept).map((event) => cut(event, context));
  if (!node || told.length === 0) return { changes: [], result: null };
  return { changes: [put("nodes", { ...node, events: told.reduce(withEvent, node.events) })], result: null };
}

/** The known node's events with what its new description brings: drivers that came, went or are ill, its meta, or anything else. */
export function withDescriptionEvents(known: Node, spec: NodeSpec, context: Context): readonly NodeEvent[] {
  const events = [...driverEvents(known, spec, context), ...metaEvents(known, spec, context)];
  if (events.length === 0 && restOf(known) !== restOf(spec))
    events.push({ atMs: context.nowMs, subsystem: "Cluster", message: "Node updated its description", details: {} });
  return events.reduce(withEvent, known.events);
}

// --- internal ---

function driverEvents(known: NodeSpec, spec: NodeSpec, context: Context): NodeEvent[] {
  return Object.entries(spec.drivers).flatMap(([name, driver]) => {
    const before = known.drivers[name];
    if (before ? before.healthy === driver.healthy && before.detected === driver.detected : !driver.detected) return [];
    const message = driver.description === "" ? (driver.healthy ? "Healthy" : "Unhealthy") : driver.description;
    return [{ atMs: context.nowMs, subsystem: `Driver: ${name}`, message, details: { driver: name } }];
  });
}

function metaEvents(known: NodeSpec, spec: NodeSpec, context: Context): NodeEvent[] {
  const keys = [...new Set([...Object.keys(known.meta), ...Object.keys(spec.meta)])].filter((key) => known.meta[key] !== spec.meta[key]).sort();
  if (keys.length === 0) return [];
  const details = Object.fromEntries(keys.slice(0, DETAILS_MAX).map((key) => [key, (spec.meta[key] ?? "(unset)").slice(0, DETAIL_CHARS_MAX)]));
  return [{ atMs: context.nowMs, subsystem: "Cluster", message: `Node meta updated: ${keys.slice(0, DETAILS_MAX).join(", ")}`, details }];
}

/** All but drivers and meta, which have events of their own. */
function restOf({ attributes, ...spec }: NodeSpec): string {
  const { name, datacenter, nodeClass, region, nodePool, resources, reserved, conditions, hostVolumes = {}, httpAddress, version } = spec;
  const others = Object.entries(attributes).filter(([key]) => !key.startsWith("driver."));
  return JSON.stringify([name, datacenter, nodeClass, region, nodePool, resources, reserved, conditions, hostVolumes, httpAddress, version, others]);
}

const DETAILS_MAX = 10;
const DETAIL_CHARS_MAX = 200;
const SUBSYSTEM_CHARS_MAX = 64;
const WEEK_MS = 7 * 86_400_000;

/** A node's clock may be wrong: an instant that cannot be is the present one. */
function cut(event: NodeEvent, { nowMs }: Context): NodeEvent {
  const isPossible = event.atMs <= nowMs && event.atMs > nowMs - WEEK_MS;
  const details = Object.entries(event.details ?? {}).slice(0, DETAILS_MAX);
  return {
    atMs: isPossible ? event.atMs : nowMs,
    subsystem: String(event.subsystem).slice(0, SUBSYSTEM_CHARS_MAX),
    message: String(event.message).slice(0, LIMITS.problemCharsMax),
    details: Object.fromEntries(details.map(([key, value]) => [key.slice(0, DETAIL_CHARS_MAX), String(value).slice(0, DETAIL_CHARS_MAX)])),
  };
}
