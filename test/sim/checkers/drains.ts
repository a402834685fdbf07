// Drains and nodes that are cut off: a drained node is empty, nothing is placed on a node that drains, and what is
// unknown is not given up before its time.

import type { Alloc } from "../../../internal/domain/alloc.ts";
import { isClientTerminal } from "../../../internal/domain/alloc.ts";
import type { Node } from "../../../internal/domain/node.ts";
import type { ChangeSet } from "../../../internal/domain/tables.ts";
import type { View } from "../../../internal/domain/view.ts";
import { STOP_TEXT } from "../../../internal/scheduler/changes.ts";
import { Violation } from "../history.ts";
import { firedJobOf } from "../node-fires.ts";
import { lostAfterMsOf, stopOnClientAfterMsOf } from "../workload.ts";
import type { World } from "../world.ts";
import type { Checker } from "./checker.ts";

/** A task that is told to stop takes its kill timeout, on a slow disk a little longer. */
const STOP_MS = 12_000;

export function drainsChecker(): Checker {
  const nodes = new Map<string, Node>();
  const allocs = new Map<string, Alloc>();
  const cutSince = new Map<string, number>();
  return {
    name: "drains",
    committed(world, { sets, by }) {
      const server = world.servers.find((one) => one.name === by)?.server;
      // A commit that a server made before it died is not among those seen here: what they add up to is checked against its view.
      if (!server?.isLeading) return;
      const { view } = server.leader;
      for (const set of sets) {
        const drained = takeNodes(world, set, nodes);
        takeAllocs(world, set, { nodes, allocs, view });
        for (const node of drained) checkEmpty(node, allocs, view);
      }
    },
    restored(_world, { rows }) {
      nodes.clear();
      allocs.clear();
      for (const { table, row } of rows) {
        if (table === "nodes") nodes.set((row as Node).id, row as Node); // that table's row
        if (table === "allocs") allocs.set((row as Alloc).id, row as Alloc); // that table's row
      }
    },
    tick: (world) => checkCutOff(world, cutSince),
    settled(world) {
      for (const node of world.leader?.leader.view.nodes() ?? [])
        if (node.drain || node.eligibility !== "eligible" || node.status !== "ready")
          throw new Violation("convergence", `node ${node.name} is ${node.status}, ${node.eligibility}${node.drain ? " and drains" : ""}`);
    },
  };
}

// --- internal ---

/** Returns the nodes that this set says are drained, as they were before. */
function takeNodes(world: World, set: ChangeSet, nodes: Map<string, Node>): readonly Node[] {
  const drained: Node[] = [];
  for (const change of set.changes) {
    if (change.table !== "nodes" || change.op !== "put") continue;
    const { row } = change;
    const before = nodes.get(row.id);
    nodes.set(row.id, row);
    if (before?.status !== row.status) world.history.count(`seen node ${row.status}`);
    if (!before?.drain || row.drain) continue;
    world.history.count(`seen drain ${row.lastDrain?.status}`);
    if (row.lastDrain?.status === "complete") drained.push(before);
    if (row.lastDrain?.status === "complete" && row.eligibility !== "ineligible")
      throw new Violation("drain", `node ${row.name} is drained and takes work`);
  }
  return drained;
}

function takeAllocs(
  world: World,
  set: ChangeSet,
  known: { readonly nodes: ReadonlyMap<string, Node>; readonly allocs: Map<string, Alloc>; readonly view: View },
): void {
  for (const change of set.changes) {
    if (change.table !== "allocs" || change.op !== "put") continue;
    const { row } = change;
    const before = known.allocs.get(row.id);
    known.allocs.set(row.id, row);
    const node = known.nodes.get(row.nodeId);
    const isAway = [node, known.view.node(row.nodeId)].every((one) => one?.eligibility === "ineligible");
    // What a node fired itself is told, not placed.
    if (!before && row.createIndex === set.index && node && isAway && !firedJobOf(row.jobId))
      throw new Violation("drain", `alloc ${row.id} of ${row.jobId} is placed on ${node.name}, which is ${node.drain ? "draining" : "ineligible"}`);
    if (before && before.clientStatus !== row.clientStatus) checkUnknown(world, before, row);
  }
}

function checkUnknown(world: World, before: Alloc, row: Alloc): void {
  if (row.clientStatus === "unknown") world.history.count("seen alloc unknown");
  if (before.clientStatus !== "unknown") return;
  world.history.count(row.clientStatus === "lost" ? "seen unknown lost" : "seen unknown back");
  if (row.clientStatus !== "lost" || (row.desiredDescription !== STOP_TEXT.expired && row.desiredDescription !== STOP_TEXT.lost)) return;
  const lostAfterMs = lostAfterMsOf(row.jobId);
  const waitedMs = row.modifiedAtMs - (row.disconnectedAtMs ?? 0);
  if (waitedMs < lostAfterMs) throw new Violation("unknown", `alloc ${row.id} of ${row.jobId} was lost after ${waitedMs} of ${lostAfterMs} ms`);
}

function checkEmpty(node: Node, allocs: ReadonlyMap<string, Alloc>, view: View): void {
  for (const alloc of allocs.values()) {
    const now = view.alloc(alloc.id);
    if (alloc.nodeId !== node.id || !now || isClientTerminal(now) || isClientTerminal(alloc)) continue;
    if (node.drain?.ignoresSystemJobs && /^(system-|patrol\b)/.test(alloc.jobId)) continue;
    throw new Violation(
      "drain",
      `node ${node.name} is drained with ${alloc.id} of ${alloc.jobId} ${alloc.desiredStatus}/${alloc.clientStatus} on it`,
    );
  }
}

/** While an agent lives without a server for longer than a group allows, nothing of that group runs on its machine. */
function checkCutOff(world: World, cutSince: Map<string, number>): void {
  for (const node of world.nodes) {
    const isAlone = node.agent !== null && node.program !== null && !node.program.isPaused && !node.agent.isJoined;
    const key = `${node.name}/${node.program?.pid}`;
    if (!isAlone) {
      cutSince.delete(key);
      continue;
    }
    const sinceMs = Math.max(cutSince.get(key) ?? world.time.nowMs, node.joinedAtMs ?? 0);
    cutSince.set(key, sinceMs);
    for (const process of node.machine.tasks.values()) {
      if (process.exitCode !== null) continue;
      const jobId = [...(node.agent?.allocRunners() ?? [])].find((runner) => runner.alloc.id === process.allocId)?.job.id ?? "";
      const stopAfterMs = stopOnClientAfterMsOf(jobId);
      if (stopAfterMs === null) continue;
      if (world.time.nowMs - sinceMs > stopAfterMs) world.history.count("seen stop without a server due");
      if (world.time.nowMs - sinceMs > stopAfterMs * 1.2 + STOP_MS)
        throw new Violation("cut off", `${node.name} runs ${process.allocId} of ${jobId} ${world.time.nowMs - sinceMs} ms after it lost its servers`);
    }
  }
}
