// The queue of evaluations on the wire: what waits and for what, moving one of it, a job's priority, and Nomad's deletion.

import { encodeEval } from "../../api/eval-codec.ts";
import { compileFilter } from "../../api/filter.ts";
import { requireUuid } from "../../api/ids.ts";
import { nanos } from "../../api/wire.ts";
import { deleteEvals, moveInQueue, queueOf, setJobPriority } from "../../cluster/queue.ts";
import { EdgeError } from "../../domain/errors.ts";
import { jsonBody, numberField, textField } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";

/** GET /v1/evaluations/queue: ours; `?job` for one job's. */
export function queueRoute(exchange: Exchange): Promise<Response> {
  const { query, server } = exchange;
  const job = query.all.get("job");
  return read(exchange, ["evals", "settings:scheduler"], (view) => {
    const waiting = queueOf(view, server.options.runtime.clock.nowMs()).filter(
      ({ evaluation }) =>
        (query.namespace === "*" || query.namespace === evaluation.namespace) &&
        (!job || evaluation.jobId === job) &&
        evaluation.id.startsWith(query.prefix),
    );
    return {
      index: Math.max(view.tableIndex("evals"), view.tableIndex("settings")),
      body: waiting.map(({ evaluation, position, sinceMs, waitsFor }) => ({
        Position: position,
        EvalID: evaluation.id,
        Namespace: evaluation.namespace,
        JobID: evaluation.jobId,
        Type: evaluation.type,
        Priority: evaluation.priority,
        Rank: evaluation.queueRank ?? 0,
        Status: evaluation.status,
        Queued: Object.values(evaluation.queued).reduce((sum, count) => sum + count, 0),
        Since: nanos(sinceMs),
        WaitsFor: waitsFor,
      })),
    };
  });
}

/** PUT /v1/evaluation/:id/queue {"Place": "first" or "last"}: ours. */
export async function moveEval(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "eval");
  const place = textField(await jsonBody(exchange), "Place");
  if (place !== "first" && place !== "last") throw new EdgeError("invalid", `Place "${place}" is neither first nor last`);
  const { index } = await exchange.server.leader.ledger.write((view, context) => moveInQueue(view, { id, place }, context));
  return written(exchange, index, { EvalID: id, Index: index });
}

/** PUT /v1/job/:id/priority {"Priority": n, "JobModifyIndex": n}: ours. */
export async function putPriority(exchange: Exchange, id: string): Promise<Response> {
  const body = await jsonBody(exchange);
  const priority = numberField(body, "Priority");
  if (priority === null) throw new EdgeError("invalid", "Priority must be specified");
  const input = { namespace: exchange.query.namespace, id, priority, enforceIndex: numberField(body, "JobModifyIndex") || null };
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => setJobPriority(view, input, context));
  return written(exchange, index, {
    EvalID: result.evalId,
    EvalCreateIndex: result.evalId === "" ? 0 : index,
    JobModifyIndex: result.jobModifyIndex,
    Index: index,
  });
}

/** DELETE /v1/evaluations {"EvalIDs": [...]} or {"Filter": "..."}, as in Nomad only while the broker is paused. */
export async function deleteEvalsRoute(exchange: Exchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const filter = textField(body, "Filter");
  const ids = body.EvalIDs ?? [];
  if (!Array.isArray(ids) || ids.some((id) => typeof id !== "string")) throw new EdgeError("invalid", 'field "EvalIDs" must be a list of ids');
  if (filter !== "" && ids.length > 0) throw new EdgeError("invalid", "evals cannot be deleted by both ID and filter");
  if (filter === "" && ids.length === 0) throw new EdgeError("invalid", "evals must be deleted by either ID or filter");
  const matches = filter === "" ? null : compileFilter(filter);
  const { result, index } = await exchange.server.leader.ledger.write((view) => {
    if (matches === null) return deleteEvals(view, { ids, isStrict: true });
    const chosen = [...view.evals()].filter((evaluation) => matches(encodeEval(evaluation))).map((evaluation) => evaluation.id);
    return deleteEvals(view, { ids: chosen, isStrict: false });
  });
  return written(exchange, index, { Count: result, Index: index });
}
