// Who may join that is not known yet: anybody, or those who show a token that admits them. A token that is shown has to be
// good in any case: it may say more than that its bearer may join.

import { formatAge } from "../domain/duration.ts";
import { EdgeError } from "../domain/errors.ts";
import { isSameHash, type JoinToken, type ShownToken, standingOf } from "../domain/join-token.ts";
import { belongingOf, type Node, type NodeSpec, type NodeSuccession } from "../domain/node.ts";
import { type JoinTokenRow, joinTokenKey } from "../domain/setting.ts";
import { type Change, put } from "../domain/tables.ts";
import type { Context, View } from "../domain/view.ts";
import { purgeChanges } from "./node-purge.ts";

export interface JoinTerms {
  readonly isTokenRequired: boolean;
  /** Absent where the node shows none. */
  readonly token?: ShownToken;
}

/** What joining brings beside the node's own row. */
export interface Admission {
  readonly changes: readonly Change[];
  /** Its place is taken; among the changes it is gone already. */
  readonly replaced: Node | null;
  readonly succession?: NodeSuccession;
  /** The token's id. */
  readonly admittedBy?: string;
  /** For the node's events. */
  readonly message: string;
}

export const NO_ADMISSION: Admission = { changes: [], replaced: null, message: "" };

/** Throws `permission-denied` with what is wrong with the token, or with having none. */
export function admitNode(
  view: View,
  { spec, terms }: { readonly spec: NodeSpec; readonly terms: JoinTerms | undefined },
  context: Context,
): Admission {
  if (terms?.token === undefined) {
    if (terms?.isTokenRequired) throw noToken(spec);
    return { ...NO_ADMISSION, message: `Node registered${namesakeNote(view, spec)}` };
  }
  const row = requireSecret(view, terms.token);
  const token = row.value;
  checkToken(token, spec, context.nowMs);
  const replaced = token.replaces ? requireReplaceable(view, token) : null;
  const lastUse = { nodeId: spec.id, nodeName: replaced?.name ?? spec.name, atMs: context.nowMs };
  const used: Change = put("settings", {
    name: joinTokenKey(token.id),
    value: { ...token, used: token.used + 1, lastUse },
    createIndex: row.createIndex,
    modifyIndex: 0,
  });
  const admittedBy = token.id;
  if (replaced)
    return {
      changes: [used, ...purgeChanges(view, replaced)],
      replaced,
      succession: successionOf(replaced, spec),
      admittedBy,
      message: `Node registered with join token ${short(token.id)}, in the place of node ${short(replaced.id)}, which was purged`,
    };
  return { changes: [used], replaced: null, admittedBy, message: `Node registered with join token ${short(token.id)}${namesakeNote(view, spec)}` };
}

/** Whether somebody tries out secrets for a token that there is. */
export function isGuess(view: View, token: ShownToken): boolean {
  const row = token ? view.setting(joinTokenKey(token.id)) : undefined;
  return token !== null && row !== undefined && !isSameHash(row.value.secretHash, token.secretHash);
}

// --- internal ---

/** What the token is and how it stands is told to those alone who know its secret. */
function requireSecret(view: View, shown: ShownToken): JoinTokenRow {
  if (shown === null)
    throw new EdgeError("permission-denied", "what this node shows as its join token is none", {
      hint: "it begins with edgectl-join. and is shown once, by `edgectl node token create`",
    });
  const row = view.setting(joinTokenKey(shown.id));
  if (row && isSameHash(row.value.secretHash, shown.secretHash)) return row;
  throw new EdgeError("permission-denied", `join token ${short(shown.id)} is not known here: it was mistyped, revoked, or expired long ago`, {
    hint: NEW_TOKEN,
  });
}

function checkToken(token: JoinToken, spec: NodeSpec, nowMs: number): void {
  const refuse = (problem: string, hint = NEW_TOKEN) => {
    throw new EdgeError("permission-denied", `join token ${short(token.id)} ${problem}`, { hint });
  };
  const standing = standingOf(token, nowMs);
  if (standing === "expired") refuse(`expired ${formatAge(nowMs - token.expiresAtMs)} ago`);
  if (token.barred.includes(spec.id)) refuse("admitted this node before, and the node was purged since");
  if (standing === "used-up")
    refuse(`is used up: it admitted ${token.used === 1 ? "one node" : `${token.used} nodes`}, the last was ${lastOf(token)}`);
  if (token.nodeName !== "" && token.nodeName !== spec.name)
    refuse(
      `admits a node named "${token.nodeName}", this one is "${spec.name}"`,
      `start its agent with --name ${token.nodeName}, or make a token for it`,
    );
  if (token.nodePool !== "" && token.nodePool !== spec.nodePool)
    refuse(
      `admits nodes of pool "${token.nodePool}", this one is of "${spec.nodePool}"`,
      `start its agent with --node-pool ${token.nodePool}, or make a token for it`,
    );
}

function requireReplaceable(view: View, token: JoinToken): Node {
  const { nodeId, name } = token.replaces ?? { nodeId: "", name: "" };
  const node = view.node(nodeId);
  const refuse = (problem: string, hint: string) =>
    new EdgeError("permission-denied", `join token ${short(token.id)} puts a node in the place of ${name} (${short(nodeId)}), ${problem}`, { hint });
  if (!node) throw refuse("which is not known any more", "make a token without --replace, with --node-name");
  if (node.status === "ready" || node.status === "initializing")
    throw refuse("which is alive", "switch that one off and wait until it is down, or make a token without --replace");
  return node;
}

function successionOf(replaced: Node, spec: NodeSpec): NodeSuccession {
  return { replacedId: replaced.id, said: belongingOf(spec), counts: belongingOf(replaced), meta: replaced.meta };
}

function noToken(spec: NodeSpec): EdgeError {
  return new EdgeError("permission-denied", `node ${spec.name} (${short(spec.id)}) is not known here, and joining takes a join token`, {
    hint: "`edgectl node token create` on a server, then --join-token-file FILE or EDGECTL_JOIN_TOKEN on the device",
  });
}

/** Two devices of one name are a mistake, or the old one and the new one: people must see which is which. */
function namesakeNote(view: View, spec: NodeSpec): string {
  for (const node of view.nodes())
    if (node.name === spec.name && node.id !== spec.id) return `; node ${short(node.id)}, which is ${node.status}, has its name too`;
  return "";
}

const NEW_TOKEN = "`edgectl node token create` makes a new one";

function lastOf(token: JoinToken): string {
  return token.lastUse ? `${token.lastUse.nodeName} (${short(token.lastUse.nodeId)})` : "one that is forgotten";
}

function short(id: string): string {
  return id.slice(0, 8);
}
