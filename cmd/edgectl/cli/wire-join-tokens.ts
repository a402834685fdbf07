// Join tokens as the API shows them, and as people read them.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Api } from "./api.ts";

export interface WireJoinToken {
  readonly ID: string;
  readonly Status: "valid" | "used-up" | "expired";
  readonly NodeName: string;
  readonly NodePool: string;
  readonly Uses: number;
  readonly Used: number;
  readonly LastUse: { readonly NodeID: string; readonly NodeName: string; readonly Time: string } | null;
  readonly Replaces: { readonly NodeID: string; readonly NodeName: string } | null;
  readonly CreateTime: string;
  readonly ExpirationTime: string;
}

export interface WireRefusal {
  readonly NodeID: string;
  readonly NodeName: string;
  readonly Reason: string;
  readonly Count: number;
  readonly LastAt: string;
}

/** Whom it admits, in words. */
export function admitsText({ NodeName, NodePool, Replaces }: WireJoinToken): string {
  if (Replaces) return `the next ${Replaces.NodeName} (${Replaces.NodeID.slice(0, 8)})`;
  const parts = [NodeName === "" ? "" : `named ${NodeName}`, NodePool === "" ? "" : `of pool ${NodePool}`].filter((part) => part !== "");
  return parts.length === 0 ? "any node" : parts.join(" ");
}

/** By id or the beginning of one. Throws `not-found` for none, `invalid` for several. */
export async function findJoinToken(api: Api, prefix: string): Promise<WireJoinToken> {
  const tokens = (await api.get<readonly WireJoinToken[] | null>("/v1/node/tokens")) ?? [];
  const found = tokens.filter((token) => token.ID.startsWith(prefix.toLowerCase()));
  const [first] = found;
  if (first === undefined || prefix === "")
    throw new EdgeError("not-found", `no join token has the id "${prefix}" or begins with it`, { hint: "`edgectl node token list` shows them" });
  if (found.length > 1)
    throw new EdgeError("invalid", `"${prefix}" is the beginning of ${found.length} join tokens' ids`, { hint: "type more of the id" });
  return first;
}
