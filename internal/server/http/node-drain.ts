// PUT /v1/node/:id/drain: a node is to be emptied, or not any more.

import { requireUuid } from "../../api/ids.ts";
import type { JsonObject } from "../../api/wire.ts";
import { type SetDrainInput, setDrain } from "../../cluster/drain.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { isTrue, jsonBody, mapField, numberField } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { written } from "./reply.ts";

export async function drainNode(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "node");
  const body = await jsonBody(exchange);
  const input: SetDrainInput = {
    nodeId: id,
    drain: readDrain(body.DrainSpec),
    isMarkedEligible: isTrue(body, "MarkEligible"),
    meta: body.Meta === undefined || body.Meta === null ? null : mapField(body, "Meta"),
  };
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => setDrain(view, input, context));
  return written(exchange, index, { NodeModifyIndex: index, EvalIDs: result.length === 0 ? null : result, EvalCreateIndex: index, Index: index });
}

// --- internal ---

function readDrain(spec: unknown): SetDrainInput["drain"] {
  if (spec === undefined || spec === null) return null;
  if (typeof spec !== "object" || Array.isArray(spec)) throw new EdgeError("invalid", 'field "DrainSpec" must be an object');
  const fields = spec as JsonObject; // an object, as was just seen
  const nanoseconds = numberField(fields, "Deadline") ?? 0;
  if (nanoseconds > LIMITS.drainDeadlineMsMax * 1e6)
    throw new EdgeError("invalid", `the drain's deadline is more than ${LIMITS.drainDeadlineMsMax / 86_400_000} days ahead (drainDeadlineMsMax)`, {
      hint: "a deadline of 0 is none at all",
    });
  return { deadlineMs: nanoseconds < 0 ? -1 : Math.ceil(nanoseconds / 1e6), ignoresSystemJobs: isTrue(fields, "IgnoreSystemJobs") };
}
