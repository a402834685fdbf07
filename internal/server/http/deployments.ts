// /v1/deployments and /v1/deployment/...: what roll-outs there are, and what operators do to them. The verb stands before the id.

import { encodeAllocStub } from "../../api/alloc-codec.ts";
import { deploymentIndex, encodeDeployment } from "../../api/deployment-codec.ts";
import { checkIdPrefix, requireUuid } from "../../api/ids.ts";
import { list } from "../../api/list.ts";
import { isSet } from "../../api/query.ts";
import type { JsonObject } from "../../api/wire.ts";
import type { DeploymentWriteResult } from "../../cluster/deployment-commands.ts";
import { failDeploymentByUser, pauseDeployment, promoteDeployment, setAllocHealth, unblockDeployment } from "../../cluster/deployment-commands.ts";
import type { Deployment } from "../../domain/deployment.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Context, Outcome, View } from "../../domain/view.ts";
import { isTrue, jsonBody, textField } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";

export function listDeployments(exchange: Exchange): Promise<Response> {
  const { query } = exchange;
  checkIdPrefix(query.prefix);
  const prefix = query.prefix.replaceAll("-", "");
  return read(exchange, ["deployments"], (view) =>
    list<Deployment>(query, {
      items: [...view.deployments()].filter(
        (one) => one.id.replaceAll("-", "").startsWith(prefix) && (query.namespace === "*" || query.namespace === one.namespace),
      ),
      index: view.tableIndex("deployments"),
      encode: (one) => encodeDeployment(view, one),
      tokenOf: (one) => `${one.createIndex}.${one.id}`,
      compare: byCreation,
    }),
  );
}

export function deploymentRoute(exchange: Exchange): Promise<Response> {
  const [, verb = "", id = ""] = exchange.path.split("/");
  const isRead = exchange.request.method === "GET" || exchange.request.method === "HEAD";
  if (id === "" || verb === "allocations") {
    if (!isRead) throw new EdgeError("method-not-allowed", "Invalid method");
    return id === "" ? getDeployment(exchange, verb) : allocationsOf(exchange, id);
  }
  const command = COMMANDS[verb];
  if (!command) throw new EdgeError("not-found", "");
  if (isRead) throw new EdgeError("method-not-allowed", "Invalid method");
  requireUuid(id, "deployment");
  return carryOut(exchange, id, { verb, command });
}

/** /v1/job/:id/deployments, newest first; `all` shows those of an earlier job of that id too. */
export function deploymentsOfJob(exchange: Exchange, id: string): Promise<Response> {
  const { namespace } = exchange.query;
  return read(exchange, [`deployments/job:${namespace}/${id}`, `allocs/job:${namespace}/${id}`], (view) => {
    const found = ofJob(view, exchange, id);
    const index = found.length === 0 ? view.tableIndex("deployments") : Math.max(...found.map((one) => deploymentIndex(view, one)));
    return { index, body: found.map((one) => encodeDeployment(view, one)) };
  });
}

/** The newest of them, or null. */
export function latestDeploymentOfJob(exchange: Exchange, id: string): Promise<Response> {
  const { namespace } = exchange.query;
  return read(exchange, [`deployments/job:${namespace}/${id}`, `allocs/job:${namespace}/${id}`], (view) => {
    const [newest] = ofJob(view, exchange, id);
    if (!newest) return { index: view.tableIndex("deployments"), body: null };
    return { index: deploymentIndex(view, newest), body: encodeDeployment(view, newest) };
  });
}

// --- internal ---

type Command = (view: View, input: { readonly id: string; readonly body: JsonObject }, context: Context) => Outcome<DeploymentWriteResult>;

const COMMANDS: Readonly<Record<string, Command>> = {
  fail: (view, { id }, context) => failDeploymentByUser(view, { id }, context),
  pause: (view, { id, body }, context) => pauseDeployment(view, { id, isPaused: isTrue(body, "Pause") }, context),
  promote: (view, { id, body }, context) => promoteDeployment(view, { id, groups: groupsToPromote(body) }, context),
  unblock: (view, { id }) => unblockDeployment(view, { id }),
  "allocation-health": (view, { id, body }, context) =>
    setAllocHealth(view, { id, healthy: idList(body, "HealthyAllocationIDs"), unhealthy: idList(body, "UnhealthyAllocationIDs") }, context),
};

async function carryOut(exchange: Exchange, id: string, { verb, command }: { readonly verb: string; readonly command: Command }): Promise<Response> {
  const body = await jsonBody(exchange);
  const named = textField(body, "DeploymentID");
  // A failure is asked for without a body, as Nomad's clients do.
  if (named !== id && !(verb === "fail" && named === "")) throw new EdgeError("invalid", "Deployment ID does not match");
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => command(view, { id, body }, context));
  return written(exchange, index, {
    EvalID: result.evalId,
    EvalCreateIndex: result.evalId === "" ? 0 : index,
    DeploymentModifyIndex: index,
    RevertedJobVersion: result.revertedVersion,
    Index: index,
    LastContact: 0,
    KnownLeader: false,
    NextToken: "",
  });
}

function groupsToPromote(body: JsonObject): readonly string[] | null {
  if (isTrue(body, "All")) return null;
  const groups = idList(body, "Groups");
  if (groups.length === 0) throw new EdgeError("invalid", "must promote all groups, or name those to promote");
  return groups;
}

function idList(body: JsonObject, name: string): readonly string[] {
  const value = body[name] ?? [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
    throw new EdgeError("invalid", `field "${name}" must be a list of strings`);
  return value;
}

function getDeployment(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "deployment");
  const known = exchange.server.reader(exchange.query).view.deployment(id);
  const watch = [`deployments:${id}`, ...(known ? [`allocs/job:${known.namespace}/${known.jobId}`] : [])];
  return read(exchange, watch, (view) => {
    const deployment = view.deployment(id);
    if (!deployment) return { index: view.tableIndex("deployments"), body: null, missing: "deployment not found" };
    return { index: deploymentIndex(view, deployment), body: encodeDeployment(view, deployment) };
  });
}

function allocationsOf(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "deployment");
  const known = exchange.server.reader(exchange.query).view.deployment(id);
  const watch = [`deployments:${id}`, ...(known ? [`allocs/job:${known.namespace}/${known.jobId}`] : [])];
  const options = { withResources: isSet(exchange.query, "resources"), withTaskStates: true };
  return read(exchange, watch, (view) => {
    const deployment = view.deployment(id);
    const all = deployment ? [...view.allocsOfJob(deployment.namespace, deployment.jobId)] : [];
    const allocs = all.filter((alloc) => alloc.deploymentId === id).sort(byCreation);
    return {
      index: allocs.length === 0 ? view.tableIndex("allocs") : Math.max(...allocs.map((alloc) => alloc.modifyIndex)),
      body: allocs.map((alloc) =>
        encodeAllocStub(alloc, view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion), options),
      ),
    };
  });
}

function ofJob(view: View, exchange: Exchange, id: string): readonly Deployment[] {
  const { namespace } = exchange.query;
  const job = view.job(namespace, id);
  const withAll = isSet(exchange.query, "all");
  const found = [...view.deploymentsOfJob(namespace, id)].filter((one) => withAll || !job || one.jobCreateIndex === job.createIndex);
  return found.sort((a, b) => byCreation(b, a));
}

function byCreation(a: { readonly createIndex: number; readonly id: string }, b: { readonly createIndex: number; readonly id: string }): number {
  return a.createIndex - b.createIndex || (a.id < b.id ? -1 : 1);
}
