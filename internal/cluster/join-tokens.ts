// Tokens that operators make so that devices may join, and take back. What one admits: admission.ts.

import { formatDuration } from "../domain/duration.ts";
import { EdgeError } from "../domain/errors.ts";
import type { JoinToken } from "../domain/join-token.ts";
import { LIMITS } from "../domain/limits.ts";
import { joinTokenKey } from "../domain/setting.ts";
import { put, remove } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { isPoolName } from "./node-pools.ts";

export interface JoinTokenInput {
  /** New; a part of the token's text, as is the secret behind the hash. */
  readonly id: string;
  readonly secretHash: string;
  readonly nodeName: string;
  readonly nodePool: string;
  readonly uses: number;
  readonly ttlMs: number;
  /** Id of the node whose place the new one takes; "" = none. */
  readonly replaces: string;
}

/** Throws `invalid` by field, `not-found` for a node that is to be replaced and is not there, `too-large` where there are too many. */
export function createJoinToken(view: View, input: JoinTokenInput, context: Context): Outcome<JoinToken> {
  const problem = problemOf(input);
  if (problem !== null) throw new EdgeError("invalid", `invalid join token: ${problem}`);
  const old = input.replaces === "" ? null : view.node(input.replaces);
  if (old === undefined) throw new EdgeError("not-found", `there is no node ${input.replaces} to replace`);
  if ([...view.joinTokens()].length >= LIMITS.joinTokensMax)
    throw new EdgeError("too-large", `there are ${LIMITS.joinTokensMax} join tokens already (joinTokensMax)`, {
      hint: "`edgectl node token list` shows them; revoke some, or let `edgectl system gc` forget those that expired",
    });
  const token: JoinToken = {
    id: input.id,
    secretHash: input.secretHash,
    nodeName: input.nodeName,
    nodePool: input.nodePool,
    uses: input.uses,
    used: 0,
    lastUse: null,
    replaces: old ? { nodeId: old.id, name: old.name } : null,
    barred: [],
    createdAtMs: context.nowMs,
    expiresAtMs: context.nowMs + input.ttlMs,
  };
  return { changes: [put("settings", { name: joinTokenKey(token.id), value: token, createIndex: 0, modifyIndex: 0 })], result: token };
}

/** It admits nobody from here on; nodes that it admitted stay. Throws `not-found`. */
export function revokeJoinToken(view: View, input: { readonly id: string }): Outcome<JoinToken> {
  const row = view.setting(joinTokenKey(input.id));
  if (!row) throw new EdgeError("not-found", "join token not found");
  return { changes: [remove("settings", row)], result: row.value };
}

// --- internal ---

function problemOf({ nodeName, nodePool, uses, ttlMs, replaces }: JoinTokenInput): string | null {
  if (nodeName.length > LIMITS.nodeNameCharsMax) return `the node's name is longer than ${LIMITS.nodeNameCharsMax} characters (nodeNameCharsMax)`;
  if (nodePool !== "" && !isPoolName(nodePool)) return `"${nodePool.slice(0, LIMITS.nameCharsMax)}" is no name of a node pool`;
  if (nodePool === "all") return 'every node is in pool "all": name another, or none';
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > LIMITS.joinTokenUsesMax)
    return `uses must be from 1 to ${LIMITS.joinTokenUsesMax} (joinTokenUsesMax)`;
  if (!(ttlMs >= LIMITS.joinTokenTtlMsMin && ttlMs <= LIMITS.joinTokenTtlMsMax))
    return `its time must be from ${formatDuration(LIMITS.joinTokenTtlMsMin)} to ${formatDuration(LIMITS.joinTokenTtlMsMax)} (joinTokenTtlMsMax)`;
  if (replaces !== "" && uses !== 1) return "one node can take the place of another: uses must be 1";
  if (replaces !== "" && (nodeName !== "" || nodePool !== "")) return "a node that takes another's place takes its name and pool: do not say them";
  return null;
}
