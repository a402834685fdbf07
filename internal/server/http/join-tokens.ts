// /v1/node/tokens, /v1/node/token and /v1/node/token/:id: what lets devices join; /v1/node/refused: who was not let in. The same under Nomad's own path, with its
// defaults. A token's secret is in the answer to its making, and nowhere else.

import { requireUuid } from "../../api/ids.ts";
import { decodeJoinTokenDraft, encodeJoinToken, encodeRefusal, type JoinTokenDraft } from "../../api/join-token-codec.ts";
import { list } from "../../api/list.ts";
import type { JsonObject } from "../../api/wire.ts";
import { createJoinToken, revokeJoinToken } from "../../cluster/join-tokens.ts";
import { EdgeError } from "../../domain/errors.ts";
import { joinTokenText } from "../../domain/join-token.ts";
import { LIMITS } from "../../domain/limits.ts";
import { type JoinTokenRow, joinTokenKey } from "../../domain/setting.ts";
import { jsonBody } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";

/** What follows `node/` in the path. */
export function joinTokenRoute(exchange: Exchange, [kind = "", id = "", ...rest]: readonly string[]): Promise<Response> {
  const method = exchange.request.method === "POST" ? "PUT" : exchange.request.method;
  const handler = rest.length > 0 ? undefined : HANDLERS[`${method} ${kind}${id === "" ? "" : "/:id"}`];
  if (!handler) throw new EdgeError("method-not-allowed", "Invalid method");
  return handler(exchange, id);
}

/** PUT /v1/acl/identity/client-introduction-token, as Nomad has it: short-lived, for one node where it is named, else for many. */
export async function introductionTokenRoute(exchange: Exchange): Promise<Response> {
  const draft = decodeJoinTokenDraft(await jsonBody(exchange));
  const { text, index } = await create(exchange, {
    ...draft,
    uses: draft.nodeName === "" ? LIMITS.joinTokenUsesMax : 1,
    ttlMs: Math.min(draft.ttlMs ?? INTRODUCTION_TTL_MS, INTRODUCTION_TTL_MS_MAX),
    nodePool: draft.nodePool || "default",
    replaces: "",
  });
  return written(exchange, index, { JWT: text });
}

// --- internal ---

const TTL_MS = 24 * 3_600_000;
/** Those of Nomad's servers. */
const INTRODUCTION_TTL_MS = 5 * 60_000;
const INTRODUCTION_TTL_MS_MAX = 30 * 60_000;

const HANDLERS: Readonly<Record<string, (exchange: Exchange, id: string) => Promise<Response>>> = {
  "GET tokens": listTokens,
  "GET refused": listRefused,
  "PUT token": putToken,
  "GET token/:id": getToken,
  "DELETE token/:id": deleteToken,
};

function listTokens(exchange: Exchange): Promise<Response> {
  const { query } = exchange;
  return read(exchange, ["settings"], (view) =>
    list<JoinTokenRow>(query, {
      items: [...view.joinTokens()].filter((row) => row.value.id.startsWith(query.prefix)),
      index: Math.max(1, view.tableIndex("settings")),
      encode: (row) => encodeJoinToken(row, nowMs(exchange)),
      tokenOf: (row) => row.value.id,
      compare: (a, b) => a.createIndex - b.createIndex || (a.value.id < b.value.id ? -1 : 1),
    }),
  );
}

function getToken(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "join token");
  return read(exchange, [`settings:${joinTokenKey(id)}`], (view) => {
    const row = view.setting(joinTokenKey(id));
    return row
      ? { index: row.modifyIndex, body: encodeJoinToken(row, nowMs(exchange)) }
      : { index: Math.max(1, view.tableIndex("settings")), body: null, missing: "join token not found" };
  });
}

/** Who was refused by this leader: a device that does not come is looked for here. */
async function listRefused(exchange: Exchange): Promise<Response> {
  const { ledger, sessions } = exchange.server.leader;
  return written(exchange, Math.max(1, ledger.durableIndex), sessions.refusals.list().map(encodeRefusal));
}

async function putToken(exchange: Exchange): Promise<Response> {
  const draft = decodeJoinTokenDraft(await jsonBody(exchange));
  if (draft.replaces !== "") requireUuid(draft.replaces, "node");
  const { text, token, index } = await create(exchange, { ...draft, uses: draft.uses ?? 1, ttlMs: draft.ttlMs ?? TTL_MS });
  return written(exchange, index, { ...token, Token: text });
}

async function deleteToken(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "join token");
  const { index } = await exchange.server.leader.ledger.write((view) => revokeJoinToken(view, { id }));
  return written(exchange, index, { Index: index });
}

async function create(
  exchange: Exchange,
  draft: JoinTokenDraft & { readonly uses: number; readonly ttlMs: number },
): Promise<{ readonly text: string; readonly token: JsonObject; readonly index: number }> {
  const { chance, hashing } = exchange.server.options.runtime;
  const id = chance.uuid();
  const text = joinTokenText(id, chance.secret(32));
  const input = { ...draft, id, secretHash: hashing.sha256Hex(text) };
  const { ledger } = exchange.server.leader;
  const { result, index } = await ledger.write((view, context) => createJoinToken(view, input, context));
  const row: JoinTokenRow = { name: joinTokenKey(id), value: result, createIndex: index, modifyIndex: index };
  return { text, token: encodeJoinToken(row, nowMs(exchange)), index };
}

function nowMs(exchange: Exchange): number {
  return exchange.server.options.runtime.clock.nowMs();
}
