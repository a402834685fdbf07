// /v1/job/:id and everything below it. Ids hold slashes, so the decoded path is matched by its end.

import type { Read } from "../../api/list.ts";
import { isSet } from "../../api/query.ts";
import { type JobId, jobRead, readAllocsOfJob, readEvalsOfJob, readJob, readSummary } from "../../api/reads.ts";
import { nanos } from "../../api/wire.ts";
import { dispatchJob } from "../../cluster/dispatch.ts";
import { deregisterJob, evaluateJob, revertJob, scaleJob, setJobStability } from "../../cluster/jobs.ts";
import { forcePeriodic } from "../../cluster/periodic.ts";
import { resumeJob } from "../../cluster/resume.ts";
import { admitting } from "../../cluster/settings.ts";
import { EdgeError } from "../../domain/errors.ts";
import { firesOnNodes } from "../../domain/fires.ts";
import type { View } from "../../domain/view.ts";
import { isTrue, jsonBody, mapField, numberField, textField } from "./body.ts";
import { deploymentsOfJob, latestDeploymentOfJob } from "./deployments.ts";
import { actionRoute } from "./job-action.ts";
import { jobVersions, tagPathOf, tagRoute } from "./job-versions.ts";
import { putJob } from "./jobs.ts";
import { forceOnNodes } from "./node-fire.ts";
import { planJob } from "./plan.ts";
import { putPriority } from "./queue.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";
import { servicesOfJob } from "./services.ts";

export interface JobExchange extends Exchange {
  readonly id: string;
  readonly watch: readonly string[];
}

type Handler = (exchange: JobExchange) => Promise<Response>;
type Methods = { readonly [method in "GET" | "PUT" | "DELETE"]?: Handler };

/** By the path's end, longest first; POST counts as PUT. */
const ROUTES: readonly (readonly [string, Methods])[] = [
  ["/dispatch/payload", { PUT: dispatchPayload }],
  ["/periodic/force", { PUT: force }],
  ["/allocations", { GET: allocations }],
  ["/evaluations", { GET: evaluations }],
  ["/deployments", { GET: (exchange) => deploymentsOfJob(exchange, exchange.id) }],
  ["/deployment", { GET: (exchange) => latestDeploymentOfJob(exchange, exchange.id) }],
  ["/submission", { GET: submission }],
  ["/priority", { PUT: (exchange) => putPriority(exchange, exchange.id) }],
  ["/services", { GET: (exchange) => servicesOfJob(exchange, exchange.id) }],
  ["/summary", { GET: summary }],
  ["/versions", { GET: (exchange) => jobVersions(exchange, exchange.id) }],
  ["/evaluate", { PUT: evaluate }],
  ["/dispatch", { PUT: dispatch }],
  ["/actions", { GET: actions }],
  ["/resume", { PUT: resume }],
  ["/action", { GET: (exchange) => actionRoute(exchange, exchange.id) }],
  ["/revert", { PUT: revert }],
  ["/stable", { PUT: stable }],
  ["/scale", { GET: scaleStatus, PUT: scale }],
  ["/plan", { PUT: (exchange) => planJob(exchange, exchange.id) }],
  ["", { GET: getJob, PUT: (exchange) => putJob(exchange, exchange.id), DELETE: deleteJob }],
];

export function jobRoute(exchange: Exchange): Promise<Response> {
  const path = exchange.path.slice("job/".length);
  const tag = tagPathOf(path);
  if (tag) return tagRoute(exchange, tag);
  const [suffix, methods] = ROUTES.find(([end]) => path.endsWith(end) && path.length > end.length) ?? ["", {} as Methods];
  const id = path.slice(0, path.length - suffix.length);
  if (id === "") throw new EdgeError("invalid", "Missing job ID");
  const method = exchange.request.method === "POST" ? "PUT" : exchange.request.method;
  const handler = method === "GET" || method === "PUT" || method === "DELETE" ? methods[method] : undefined;
  if (!handler) throw new EdgeError("method-not-allowed", "Invalid method");
  return handler({ ...exchange, id, watch: [`jobs:${exchange.query.namespace}/${id}`] });
}

// --- internal ---

function readOf(exchange: JobExchange, look: (view: View) => Read): Promise<Response> {
  return read(exchange, exchange.watch, look);
}

function getJob(exchange: JobExchange): Promise<Response> {
  return readOf(exchange, (view) => readJob(view, idOf(exchange)));
}

async function deleteJob(exchange: JobExchange): Promise<Response> {
  const evalPriority = Number(exchange.query.all.get("eval_priority") ?? 0) || 0;
  const { query, id } = exchange;
  const input = {
    namespace: query.namespace,
    id,
    purge: isSet(query, "purge"),
    evalPriority,
    skipsShutdownDelay: isSet(query, "no_shutdown_delay"),
  };
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => deregisterJob(view, input, context));
  const isKnown = result.jobModifyIndex > 0;
  return written(exchange, isKnown ? index : 0, jobWrite(result, isKnown ? index : 0));
}

function allocations(exchange: JobExchange): Promise<Response> {
  return read(exchange, [`allocs/job:${exchange.query.namespace}/${exchange.id}`], (view) => readAllocsOfJob(view, idOf(exchange), exchange.query));
}

function evaluations(exchange: JobExchange): Promise<Response> {
  return read(exchange, [`evals/job:${exchange.query.namespace}/${exchange.id}`], (view) => readEvalsOfJob(view, idOf(exchange)));
}

function idOf({ query, id }: JobExchange): JobId {
  return { namespace: query.namespace, id };
}

function submission(exchange: JobExchange): Promise<Response> {
  const version = exchange.query.all.get("version");
  if (version === null || !/^\d+$/.test(version)) throw new EdgeError("invalid", 'a "version" query parameter with a job version is required');
  return readOf(exchange, (view) => {
    const found = view.job(exchange.query.namespace, exchange.id)
      ? view.submission(exchange.query.namespace, exchange.id, Number(version))
      : undefined;
    if (!found) return { index: view.tableIndex("submissions"), body: null, missing: "job source not found" };
    return {
      index: found.modifyIndex,
      body: { Source: found.source, Format: found.format, VariableFlags: found.variableFlags, Variables: found.variables },
    };
  });
}

function summary(exchange: JobExchange): Promise<Response> {
  const { namespace } = exchange.query;
  return read(exchange, [...exchange.watch, `allocs/job:${namespace}/${exchange.id}`, `evals/job:${namespace}/${exchange.id}`], (view) =>
    readSummary(view, idOf(exchange)),
  );
}

async function evaluate(exchange: JobExchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const id = textField(body, "JobID");
  if (id !== "" && id !== exchange.id) throw new EdgeError("invalid", "JobID not same as job name");
  const options = body.EvalOptions;
  const forceReschedule = typeof options === "object" && options !== null && "ForceReschedule" in options && options.ForceReschedule === true;
  const { result, index } = await exchange.server.leader.ledger.write((view, context) =>
    evaluateJob(view, { namespace: exchange.query.namespace, id: exchange.id, forceReschedule }, context),
  );
  return written(exchange, index, jobWrite(result, index));
}

async function resume(exchange: JobExchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const id = textField(body, "JobID");
  if (id !== "" && id !== exchange.id) throw new EdgeError("invalid", "Job ID does not match");
  const input = {
    namespace: exchange.query.namespace,
    id: exchange.id,
    allocId: textField(body, "AllocID"),
    group: textField(body, "Group"),
    isAnywhere: isTrue(body, "Anywhere"),
  };
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => resumeJob(view, input, context));
  return written(exchange, index, { ...jobWrite(result, index), ResumedAllocs: result.allocIds });
}

async function revert(exchange: JobExchange): Promise<Response> {
  const body = await jsonBody(exchange);
  if (textField(body, "JobID") !== exchange.id) throw new EdgeError("invalid", "Job ID does not match");
  const version = numberField(body, "JobVersion") ?? 0;
  const enforcePriorVersion = numberField(body, "EnforcePriorVersion");
  const { result, index } = await exchange.server.leader.ledger.write(
    admitting((view, context) => revertJob(view, { namespace: exchange.query.namespace, id: exchange.id, version, enforcePriorVersion }, context)),
  );
  return written(exchange, index, jobWrite(result, index));
}

async function stable(exchange: JobExchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const input = {
    namespace: exchange.query.namespace,
    id: exchange.id,
    version: numberField(body, "JobVersion") ?? 0,
    isStable: isTrue(body, "Stable"),
  };
  const { index } = await exchange.server.leader.ledger.write((view) => setJobStability(view, input));
  return written(exchange, index, { Index: index, LastContact: 0, KnownLeader: false, NextToken: "" });
}

function scaleStatus(exchange: JobExchange): Promise<Response> {
  return readOf(exchange, (view) =>
    jobRead(view, exchange.query.namespace, exchange.id, (job) => {
      const events = view.scalingEvents(job.namespace, job.id);
      const allocs = [...view.liveAllocsOfJob(job.namespace, job.id)];
      const groups = job.groups.map((group) => {
        const own = allocs.filter((alloc) => alloc.group === group.name);
        const scaling = (events?.groups[group.name] ?? []).map((event) => ({
          Time: nanos(event.atMs),
          Count: event.count,
          PreviousCount: event.previousCount,
          Error: event.isError,
          Message: event.message,
          Meta: event.meta,
          EvalID: event.evalId === "" ? null : event.evalId,
          CreateIndex: event.createIndex,
        }));
        const standing = {
          Desired: group.count,
          Placed: own.length,
          Running: own.filter((alloc) => alloc.clientStatus === "running").length,
          Healthy: own.filter((alloc) => alloc.health?.isHealthy === true).length,
          Unhealthy: own.filter((alloc) => alloc.health?.isHealthy === false).length,
          Events: scaling,
        };
        return [group.name, standing] as const;
      });
      const body = {
        JobID: job.id,
        Namespace: job.namespace,
        JobCreateIndex: job.createIndex,
        JobModifyIndex: job.jobModifyIndex,
        JobStopped: job.stop,
        TaskGroups: Object.fromEntries(groups),
      };
      return { body };
    }),
  );
}

async function scale(exchange: JobExchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const target = mapField(body, "Target");
  if (target.Job !== undefined && target.Job !== exchange.id) throw new EdgeError("invalid", "job ID in payload did not match URL");
  const group = target.Group ?? "";
  if (group === "") throw new EdgeError("invalid", "missing task group name for scaling action");
  const meta = body.Meta;
  const input = {
    namespace: exchange.query.namespace,
    id: exchange.id,
    group,
    count: numberField(body, "Count"),
    message: textField(body, "Message"),
    isError: isTrue(body, "Error"),
    meta: typeof meta === "object" && meta !== null ? (meta as Readonly<Record<string, unknown>>) : {},
    enforceIndex: numberField(body, "JobModifyIndex") || null,
  };
  const { result, index } = await exchange.server.leader.ledger.write(admitting((view, context) => scaleJob(view, input, context)));
  return written(exchange, index, jobWrite(result, index));
}

async function dispatch(exchange: JobExchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const id = textField(body, "JobID");
  if (id !== "" && id !== exchange.id) throw new EdgeError("invalid", "Job ID does not match");
  return dispatched(exchange, {
    payload: textField(body, "Payload"),
    meta: mapField(body, "Meta"),
    idPrefix: textField(body, "IdPrefixTemplate"),
    priority: numberField(body, "Priority") ?? 0,
  });
}

/** The raw body is the payload: for webhooks. */
async function dispatchPayload(exchange: JobExchange): Promise<Response> {
  const bytes = new Uint8Array(await exchange.request.arrayBuffer());
  return dispatched(exchange, { payload: Buffer.from(bytes).toString("base64"), meta: {}, idPrefix: "", priority: 0 });
}

async function dispatched(
  exchange: JobExchange,
  given: { readonly payload: string; readonly meta: Readonly<Record<string, string>>; readonly idPrefix: string; readonly priority: number },
): Promise<Response> {
  const input = {
    namespace: exchange.query.namespace,
    id: exchange.id,
    idempotencyToken: exchange.query.all.get("idempotency_token") ?? "",
    ...given,
  };
  const { result, index } = await exchange.server.leader.ledger.write(admitting((view, context) => dispatchJob(view, input, context)));
  return written(exchange, index, {
    DispatchedJobID: result.childId,
    EvalID: result.evalId,
    EvalCreateIndex: result.evalCreateIndex,
    JobCreateIndex: result.jobCreateIndex,
    Index: index,
    ...(result.waits === "" ? {} : { Waits: result.waits }),
  });
}

async function force(exchange: JobExchange): Promise<Response> {
  const job = exchange.server.leader.view.job(exchange.query.namespace, exchange.id);
  if (job && firesOnNodes(job) && !job.stop) {
    const evalId = await forceOnNodes(exchange, job);
    const { index } = exchange.server.leader.view;
    return written(exchange, index, { EvalID: evalId, EvalCreateIndex: index, Index: index });
  }
  const { result, index } = await exchange.server.leader.ledger.write((view, context) =>
    forcePeriodic(view, { namespace: exchange.query.namespace, id: exchange.id }, context),
  );
  const { evalId, waits } = result;
  return written(exchange, index, { EvalID: evalId, EvalCreateIndex: index, Index: index, ...(waits === "" ? {} : { Waits: waits }) });
}

function actions(exchange: JobExchange): Promise<Response> {
  return readOf(exchange, (view) =>
    jobRead(view, exchange.query.namespace, exchange.id, (job) => ({
      body: job.groups.flatMap((group) =>
        group.tasks.flatMap((task) =>
          task.actions.map((action) => ({
            Name: action.name,
            Command: action.command,
            Args: action.args,
            TaskName: task.name,
            TaskGroupName: group.name,
          })),
        ),
      ),
    })),
  );
}

function jobWrite(result: { readonly evalId: string; readonly evalCreateIndex: number; readonly jobModifyIndex: number }, index: number) {
  return {
    EvalID: result.evalId,
    EvalCreateIndex: result.evalCreateIndex,
    JobModifyIndex: result.jobModifyIndex,
    Warnings: "",
    Index: index,
    LastContact: 0,
    KnownLeader: false,
    NextToken: "",
  };
}
