// /v1/allocations, /v1/allocation/:id, and evaluations beside them.

import { encodeEval, encodeEvalStub } from "../../api/eval-codec.ts";
import { checkIdPrefix, requireUuid } from "../../api/ids.ts";
import { list } from "../../api/list.ts";
import { isSet } from "../../api/query.ts";
import { byCreation, inNamespace, readAlloc, readAllocs, readAllocsOfEval } from "../../api/reads.ts";
import { encodeToldChecks } from "../../api/service-codec.ts";
import { stopAlloc } from "../../cluster/nodes.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Evaluation } from "../../domain/evaluation.ts";
import type { View } from "../../domain/view.ts";
import { moveEval } from "./queue.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";
import { allocServices } from "./services.ts";

export function listAllocs(exchange: Exchange): Promise<Response> {
  return read(exchange, ["allocs"], (view) => readAllocs(view, exchange.query));
}

export function allocRoute(exchange: Exchange): Promise<Response> {
  const [, id = "", action = ""] = exchange.path.split("/");
  const method = exchange.request.method === "POST" ? "PUT" : exchange.request.method;
  if (action === "" && method === "GET") return read(exchange, [`allocs:${id}`], (view) => readAlloc(view, id));
  if (action === "stop" && method === "PUT") return stop(exchange, id);
  if (action === "checks" && method === "GET") return toldChecks(exchange, id);
  if (action === "services" && method === "GET") return allocServices(exchange, id);
  if (action !== "" && !["stop", "services", "checks"].includes(action)) throw new EdgeError("not-found", "");
  throw new EdgeError("method-not-allowed", "Invalid method");
}

export function listEvals(exchange: Exchange): Promise<Response> {
  const { query } = exchange;
  checkIdPrefix(query.prefix);
  return read(exchange, ["evals"], (view) =>
    list<Evaluation>(query, {
      items: evalsMatching(view, exchange),
      index: view.tableIndex("evals"),
      encode: encodeEval,
      tokenOf: (item) => `${item.createIndex}.${item.id}`,
      compare: byCreation,
    }),
  );
}

export function countEvals(exchange: Exchange): Promise<Response> {
  return read(exchange, ["evals"], (view) => {
    const found = list<Evaluation>(
      { ...exchange.query, perPage: 0, nextToken: "" },
      { items: evalsMatching(view, exchange), index: 0, encode: encodeEval, tokenOf: (item) => item.id, compare: byCreation },
    );
    return { index: view.tableIndex("evals"), body: { Count: (found.body as readonly unknown[]).length, Index: view.tableIndex("evals") } };
  });
}

export function evalRoute(exchange: Exchange): Promise<Response> {
  const [, id = "", action = ""] = exchange.path.split("/");
  if (action === "queue" && (exchange.request.method === "PUT" || exchange.request.method === "POST")) return moveEval(exchange, id);
  if (exchange.request.method !== "GET") throw new EdgeError("method-not-allowed", "Invalid method");
  if (action === "allocations") return read(exchange, [`allocs/eval:${id}`], (view) => readAllocsOfEval(view, id));
  requireUuid(id, "eval");
  return read(exchange, [`evals:${id}`], (view) => {
    const evaluation = view.evaluation(id);
    if (!evaluation) return { index: view.tableIndex("evals"), body: null, missing: "eval not found" };
    const related = isSet(exchange.query, "related") ? relatedTo(view, evaluation).map(encodeEvalStub) : null;
    return { index: evaluation.modifyIndex, body: { ...encodeEval(evaluation), RelatedEvals: related } };
  });
}

// --- internal ---

function toldChecks(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "alloc");
  return read(exchange, [`allocs:${id}`], (view) => {
    const alloc = view.alloc(id);
    return alloc
      ? { index: alloc.modifyIndex, body: encodeToldChecks(alloc.checks ?? [], alloc) }
      : { index: view.tableIndex("allocs"), body: null, missing: "alloc not found" };
  });
}

async function stop(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "alloc");
  const isReschedule = isSet(exchange.query, "reschedule");
  const input = { allocId: id, isReschedule, skipsShutdownDelay: isSet(exchange.query, "no_shutdown_delay") };
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => stopAlloc(view, input, context));
  return written(exchange, index, { EvalID: result.evalId, Index: index });
}

function evalsMatching(view: View, exchange: Exchange): Evaluation[] {
  const { query } = exchange;
  const [status, job] = [query.all.get("status"), query.all.get("job")];
  return [...view.evals()].filter(
    (evaluation) =>
      evaluation.id.startsWith(query.prefix) &&
      inNamespace(query.namespace, evaluation.namespace) &&
      (!status || evaluation.status === status) &&
      (!job || evaluation.jobId === job),
  );
}

function relatedTo(view: View, evaluation: Evaluation): Evaluation[] {
  const seen = new Set([evaluation.id]);
  const related: Evaluation[] = [];
  const queue = [evaluation];
  for (let at = 0; at < queue.length && at < 100; at++) {
    const current = queue[at];
    for (const id of [current?.nextEval, current?.previousEval, current?.blockedEval]) {
      const other = id ? view.evaluation(id) : undefined;
      if (!other || seen.has(other.id)) continue;
      seen.add(other.id);
      related.push(other);
      queue.push(other);
    }
  }
  return related;
}
