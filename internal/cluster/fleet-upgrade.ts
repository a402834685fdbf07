// The rules of a roll-out over many nodes: who is in which wave, when the next one begins, and when it ends.

import { EdgeError } from "../domain/errors.ts";
import { type FleetNode, type FleetNodeState, type FleetProgram, type FleetUpgrade, UPGRADE_ATTRIBUTE } from "../domain/fleet-upgrade.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node } from "../domain/node.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";

export interface FleetInput {
  readonly programs: readonly FleetProgram[];
  /** Chosen by the operator, in any order. */
  readonly nodes: readonly Node[];
  /** Nodes of a wave: a number, or a share of all. */
  readonly wave: { readonly count: number } | { readonly percent: number };
  readonly pauseMs: number;
  readonly healthyWithinMs: number;
  readonly healthyForMs: number;
  readonly isForced: boolean;
}

/** Begins one. Throws `conflict` while another runs, `invalid` when no node of those chosen can be upgraded. */
export function startFleetUpgrade(view: View, input: FleetInput, context: Context): Outcome<FleetUpgrade> {
  const before = view.setting("fleet-upgrade");
  if (before?.value.state === "running")
    throw new EdgeError("conflict", "a roll-out over the fleet is under way", { hint: "edgectl agent upgrade --fleet --status; --stop ends it" });
  if (input.nodes.length > LIMITS.fleetNodesMax)
    throw new EdgeError("too-large", `${input.nodes.length} nodes are more than ${LIMITS.fleetNodesMax} (fleetNodesMax)`, {
      hint: "choose some of them with --filter or --node-pool",
    });
  const chosen = [...input.nodes].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1));
  const reasons = new Map(chosen.map((node) => [node.id, whySkipped(node, input.programs)]));
  const able = chosen.filter((node) => reasons.get(node.id) === "");
  if (able.length === 0) {
    const first = chosen[0];
    throw new EdgeError("invalid", first ? `no node can be upgraded: ${first.name} ${reasons.get(first.id)}` : "no node was chosen");
  }
  const size = "count" in input.wave ? input.wave.count : Math.max(1, Math.floor((able.length * input.wave.percent) / 100));
  const nodes: Record<string, FleetNode> = {};
  able.forEach((node, at) => {
    nodes[node.id] = { wave: Math.floor(at / size) + 1, state: "waiting", reason: "", changedAtMs: context.nowMs };
  });
  for (const node of chosen) {
    const reason = reasons.get(node.id) ?? "";
    if (reason !== "") nodes[node.id] = { wave: 0, state: "skipped", reason, changedAtMs: context.nowMs };
  }
  const value: FleetUpgrade = {
    id: context.newId(),
    state: "running",
    reason: "",
    programs: input.programs,
    pauseMs: input.pauseMs,
    healthyWithinMs: input.healthyWithinMs,
    healthyForMs: input.healthyForMs,
    isForced: input.isForced,
    wave: 1,
    waves: Math.ceil(able.length / size),
    waveBeganAtMs: context.nowMs,
    waveDoneAtMs: null,
    startedAtMs: context.nowMs,
    changedAtMs: context.nowMs,
    nodes,
  };
  return written(view, value, value);
}

/** Ends it where it is: nodes that were told go on by themselves. Throws `not-found` when none runs. */
export function stopFleetUpgrade(view: View, context: Context): Outcome<FleetUpgrade> {
  const value = view.setting("fleet-upgrade")?.value;
  if (value?.state !== "running") throw new EdgeError("not-found", "no roll-out over the fleet is under way");
  const stopped: FleetUpgrade = { ...value, state: "stopped", reason: "an operator stopped it", changedAtMs: context.nowMs };
  return written(view, stopped, stopped);
}

/** What became of a node. Counts also after the roll-out ended; nothing changes for what is known, or of another roll-out. */
export function noteFleetNode(
  view: View,
  input: { readonly id: string; readonly nodeId: string; readonly state: FleetNodeState; readonly reason: string },
  context: Context,
): Outcome<null> {
  const value = view.setting("fleet-upgrade")?.value;
  const node = value?.nodes[input.nodeId];
  if (!value || value.id !== input.id || !node || node.state === input.state) return { changes: [], result: null };
  const noted: FleetNode = { ...node, state: input.state, reason: input.reason, changedAtMs: context.nowMs };
  return written(view, { ...value, changedAtMs: context.nowMs, nodes: { ...value.nodes, [input.nodeId]: noted } }, null);
}

export interface FleetStep {
  /** Nodes to be seen to now: to be given the program, or asked how it goes. */
  readonly nodeIds: readonly string[];
  readonly isOver: boolean;
}

/** Goes on to the next wave, or to the end, where that is due. */
export function stepFleetUpgrade(view: View, input: { readonly isConnected: (nodeId: string) => boolean }, context: Context): Outcome<FleetStep> {
  const value = view.setting("fleet-upgrade")?.value;
  if (value?.state !== "running") return { changes: [], result: { nodeIds: [], isOver: true } };
  const nowMs = context.nowMs;
  const change = (more: Partial<FleetUpgrade>): Outcome<FleetStep> => {
    const next: FleetUpgrade = { ...value, ...more, changedAtMs: nowMs };
    return written(view, next, { nodeIds: [], isOver: next.state !== "running" });
  };
  const all = Object.entries(value.nodes);
  const failed = all.find(([, node]) => node.state === "failed");
  if (failed) return change({ state: "failed", reason: `node ${nameOf(view, failed[0])}: ${failed[1].reason}` });
  const open = all.filter(([, node]) => node.wave === value.wave && (node.state === "waiting" || node.state === "told"));
  for (const [nodeId, node] of open) {
    const lateness = whyLate(value, node, { nowMs, isConnected: input.isConnected(nodeId) });
    if (lateness === "") continue;
    const late: FleetNode = { ...node, state: "failed", reason: lateness, changedAtMs: nowMs };
    return change({ nodes: { ...value.nodes, [nodeId]: late }, state: "failed", reason: `node ${nameOf(view, nodeId)}: ${lateness}` });
  }
  if (open.length > 0) return { changes: [], result: { nodeIds: open.map(([nodeId]) => nodeId), isOver: false } };
  if (value.wave >= value.waves) return change({ state: "done", waveDoneAtMs: nowMs });
  if (value.waveDoneAtMs === null) return change({ waveDoneAtMs: nowMs });
  // A clock that went back must not hold it up for longer than the pause.
  const restedMs = nowMs - value.waveDoneAtMs;
  if (restedMs >= 0 && restedMs < value.pauseMs) return { changes: [], result: { nodeIds: [], isOver: false } };
  return change({ wave: value.wave + 1, waveBeganAtMs: nowMs, waveDoneAtMs: null });
}

/** The program for a node; undefined where its processor has none. */
export function programFor(node: Pick<Node, "attributes">, programs: readonly FleetProgram[]): FleetProgram | undefined {
  return programs.find((program) => program.architecture === node.attributes["cpu.arch"]);
}

// --- internal ---

/** "" = it takes part. */
function whySkipped(node: Node, programs: readonly FleetProgram[]): string {
  const says = node.attributes[UPGRADE_ATTRIBUTE];
  if (says === undefined) return `is too old to upgrade itself (edgectl ${node.version})`;
  if (says === "server") return "is a server too: upgrade it there, with edgectl agent upgrade";
  if (says !== "enabled") return "does not let servers upgrade it (client.upgrade.enabled)";
  if (programFor(node, programs) === undefined) return `has another processor (${node.attributes["cpu.arch"] ?? "unknown"})`;
  if (node.status !== "ready") return `is ${node.status}`;
  return "";
}

function whyLate(value: FleetUpgrade, node: FleetNode, now: { readonly nowMs: number; readonly isConnected: boolean }): string {
  if (node.state === "waiting")
    return !now.isConnected && now.nowMs - value.waveBeganAtMs > LIMITS.fleetNodeAwayMsMax ? "it has not been connected since its wave began" : "";
  return now.nowMs - node.changedAtMs > value.healthyWithinMs + LIMITS.fleetNodeAwayMsMax ? "it was not heard of after it was told to upgrade" : "";
}

function nameOf(view: View, nodeId: string): string {
  return view.node(nodeId)?.name ?? nodeId;
}

function written<T>(view: View, value: FleetUpgrade, result: T): Outcome<T> {
  const before = view.setting("fleet-upgrade");
  return { changes: [put("settings", { name: "fleet-upgrade", value, createIndex: before?.createIndex ?? 0, modifyIndex: 0 })], result };
}
