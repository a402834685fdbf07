// /v1/node/pools, /v1/node/pool/:name and the nodes and jobs in it.

import { list } from "../../api/list.ts";
import { encodeNodeStub } from "../../api/node-codec.ts";
import { isSet } from "../../api/query.ts";
import { decodeNodePool, encodeNodePool } from "../../api/scheduler-codec.ts";
import { encodeJobStub } from "../../api/summary-codec.ts";
import { allNodePools, deleteNodePool, findNodePool, jobsInPool, putNodePool } from "../../cluster/node-pools.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Job } from "../../domain/job.ts";
import type { Node } from "../../domain/node.ts";
import type { NodePool } from "../../domain/setting.ts";
import type { View } from "../../domain/view.ts";
import { jsonBody } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { empty, read } from "./reply.ts";

/** What follows `node/` in the path; the name may hold anything, so that a wrong one is told to be wrong. */
export function nodePoolRoute(exchange: Exchange, [kind = "", name = "", part = "", ...rest]: readonly string[]): Promise<Response> {
  const method = exchange.request.method === "POST" ? "PUT" : exchange.request.method;
  const handler = rest.length > 0 ? undefined : HANDLERS[`${method} ${kind}${name === "" ? "" : "/:name"}${part === "" ? "" : `/${part}`}`];
  if (!handler) throw new EdgeError("method-not-allowed", "Invalid method");
  return handler(exchange, name);
}

// --- internal ---

const HANDLERS: Readonly<Record<string, (exchange: Exchange, name: string) => Promise<Response>>> = {
  "GET pools": listPools,
  "PUT pools": (exchange) => putPool(exchange, null),
  "GET pool/:name": getPool,
  "PUT pool/:name": putPool,
  "DELETE pool/:name": deletePool,
  "GET pool/:name/nodes": poolNodes,
  "GET pool/:name/jobs": poolJobs,
};

function listPools(exchange: Exchange): Promise<Response> {
  const { query } = exchange;
  return read(exchange, ["node_pools", "nodes"], (view) =>
    list<NodePool>(query, {
      items: allNodePools(view).filter((pool) => pool.name.startsWith(query.prefix)),
      index: poolsIndex(view),
      encode: encodeNodePool,
      tokenOf: (pool) => pool.name,
      compare: (a, b) => (a.name < b.name ? -1 : 1),
    }),
  );
}

function getPool(exchange: Exchange, name: string): Promise<Response> {
  return read(exchange, [`node_pools:${name}`], (view) => {
    const pool = findNodePool(view, name);
    return pool ? { index: pool.modifyIndex, body: encodeNodePool(pool) } : { index: poolsIndex(view), body: null, missing: "node pool not found" };
  });
}

async function putPool(exchange: Exchange, name: string | null): Promise<Response> {
  const pool = decodeNodePool(await jsonBody(exchange));
  if (name !== null && pool.name !== name) throw new EdgeError("invalid", "Node pool name does not match request path");
  const { index } = await exchange.server.leader.ledger.write((view) => putNodePool(view, pool));
  return empty({ "X-Nomad-Index": String(index) });
}

async function deletePool(exchange: Exchange, name: string): Promise<Response> {
  const { index } = await exchange.server.leader.ledger.write((view) => deleteNodePool(view, name));
  return empty({ "X-Nomad-Index": String(index) });
}

/** An unknown pool has no nodes, as in Nomad. */
function poolNodes(exchange: Exchange, name: string): Promise<Response> {
  const { query } = exchange;
  refusePrefix(exchange);
  return read(exchange, ["nodes"], (view) =>
    list<Node>(query, {
      items: [...view.nodes()].filter((node) => name === "all" || node.nodePool === name),
      index: Math.max(1, view.tableIndex("nodes")),
      encode: (node) => encodeNodeStub(node, { withResources: isSet(query, "resources"), withOs: isSet(query, "os") }),
      tokenOf: (node) => node.id,
      compare: (a, b) => (a.id < b.id ? -1 : 1),
    }),
  );
}

function poolJobs(exchange: Exchange, name: string): Promise<Response> {
  const { query } = exchange;
  refusePrefix(exchange);
  return read(exchange, ["jobs", "allocs", "evals"], (view) =>
    list<Job>(query, {
      items: [...jobsInPool(view, name)].filter((job) => query.namespace === "*" || job.namespace === query.namespace),
      index: Math.max(view.tableIndex("jobs"), view.tableIndex("job_versions")),
      encode: (job) => encodeJobStub(view, job, { withMeta: isSet(query, "meta") }),
      tokenOf: (job) => job.id,
      compare: (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : a.namespace < b.namespace ? -1 : 1),
    }),
  );
}

function refusePrefix(exchange: Exchange): void {
  if (exchange.query.prefix !== "") throw new EdgeError("invalid", "prefix is not allowed on this path: the pool is named in it");
}

function poolsIndex(view: View): number {
  return Math.max(1, view.tableIndex("node_pools"));
}
