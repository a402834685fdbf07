// Nodes that are to be known no more.

import type { Node } from "../domain/node.ts";
import { joinTokenKey } from "../domain/setting.ts";
import { type Change, put, remove } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { evalsForNode, requireNode } from "./node-evals.ts";

/**
 * The node is known no more: what ran there is lost. One that lives and needs no token registers again, as a new one;
 * the token that admitted it does not do so again.
 */
export function purgeNode(view: View, input: { readonly nodeId: string }, context: Context): Outcome<readonly string[]> {
  const node = requireNode(view, input.nodeId);
  const evals = evalsForNode(view, asLost(node), context);
  return {
    changes: [...purgeChanges(view, node), ...evals.map((evaluation) => put("evals", evaluation))],
    result: evals.map((evaluation) => evaluation.id),
  };
}

/** Without the evaluations that follow from it. */
export function purgeChanges(view: View, node: Node): readonly Change[] {
  return [remove("nodes", node), ...bar(view, node)];
}

/** As whoever evaluates must see a node that is about to be gone. */
export function asLost(node: Node): Node {
  return { ...node, status: "down" };
}

// --- internal ---

function bar(view: View, node: Node): readonly Change[] {
  const row = node.admittedBy === undefined ? undefined : view.setting(joinTokenKey(node.admittedBy));
  if (!row) return [];
  const { createIndex, value } = row;
  return [put("settings", { name: joinTokenKey(value.id), value: { ...value, barred: [...value.barred, node.id] }, createIndex, modifyIndex: 0 })];
}
