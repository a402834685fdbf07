// /v1/system/*: what an operator asks of the whole system at once. Answers carry no body, as in Nomad.

import { EdgeError } from "../../domain/errors.ts";
import type { Exchange } from "./reply.ts";
import { empty } from "./reply.ts";

/** Collects everything that has ended, however young, before it answers. */
export async function collectGarbageRoute(exchange: Exchange): Promise<Response> {
  const { leader } = exchange.server;
  await leader.collectGarbage();
  return empty({ "X-Nomad-Index": String(leader.ledger.durableIndex) });
}

/** Summaries are counted anew whenever they are read: they are never wrong, so there is nothing to mend. */
export function reconcileSummariesRoute(exchange: Exchange): Response {
  if (!exchange.server.isLeading) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
  return empty({ "X-Nomad-Index": String(exchange.server.leader.ledger.durableIndex) });
}
