// The HTTP app: routes, the envelope around each, errors. One per server; hono does the matching.

import { Hono } from "hono";
import { errorResponse } from "../../api/http-error.ts";
import type { NodeMessage, ServerMessage } from "../../api/node-protocol.ts";
import { isStaleRead, parseQuery } from "../../api/query.ts";
import { REGION_PATH } from "../../api/region-codec.ts";
import { SERVER_CONNECT_PATH } from "../../api/server-protocol.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { RequestContext } from "../../runtime/runtime.ts";
import type { Server } from "../server.ts";
import { serverTransport } from "../socket-transport.ts";
import type { AgentFacts } from "./agent.ts";
import { agentRoute, metricsRoute, reloadRoute } from "./agent.ts";
import { allocRoute, countEvals, evalRoute, listAllocs, listEvals } from "./allocs.ts";
import { clientRoute } from "./client-routes.ts";
import { deploymentRoute, listDeployments } from "./deployments.ts";
import { eventStreamRoute } from "./events.ts";
import { explainRoute } from "./explain.ts";
import { deleteFleetUpgrade, getFleetUpgrade, putFleetUpgrade, takeProgram } from "./fleet-upgrade.ts";
import { forward } from "./forward.ts";
import { jobRoute } from "./job.ts";
import { listJobs, parseJobRoute, putJob, validateJobRoute } from "./jobs.ts";
import { introductionTokenRoute } from "./join-tokens.ts";
import { monitorRoute } from "./monitor.ts";
import { listNodes, nodeRoute } from "./nodes.ts";
import { autopilotHealth, getAutopilot, putAutopilot, raftConfiguration, transferLeadership } from "./operator.ts";
import { deleteEvalsRoute, queueRoute } from "./queue.ts";
import { forwardToRegion, greetingRoute, joinRoute, meetRoute } from "./regions.ts";
import type { EdgeContext, Exchange, HonoEnvironment } from "./reply.ts";
import { getSchedulerConfig, putSchedulerConfig } from "./scheduler.ts";
import { listServices, serviceRoute } from "./services.ts";
import { restoreSnapshot, saveSnapshot } from "./snapshot.ts";
import { collectGarbageRoute, reconcileSummariesRoute } from "./system.ts";

type Handler = (exchange: Exchange) => Response | Promise<Response>;
type Methods = { readonly [method in "GET" | "PUT" | "DELETE"]?: Handler };

export type HttpHandler = (request: Request, context: RequestContext) => Response | Promise<Response>;

export function createApp(server: Server, facts: AgentFacts): HttpHandler {
  const app = new Hono<HonoEnvironment>({ strict: true });
  const route = (path: string, methods: Methods) => app.all(path, (context) => answer(server, context, methods));
  const every = (handler: Handler): Methods => ({ GET: handler, PUT: handler });

  route("/v1/jobs", { GET: listJobs, PUT: (exchange) => putJob(exchange, null) });
  route("/v1/jobs/parse", { PUT: parseJobRoute });
  route("/v1/validate/job", { PUT: validateJobRoute });
  app.all("/v1/job/*", (context) => answer(server, context, null, jobRoute));
  route("/v1/nodes", { GET: listNodes });
  app.get("/v1/node/connect", (context) => connectNode(server, context));
  app.get(SERVER_CONNECT_PATH, (context) => context.env.context.upgrade(server.peers.handlers()));
  route("/v1/acl/identity/client-introduction-token", { PUT: introductionTokenRoute });
  app.all("/v1/node/*", (context) => answer(server, context, null, nodeRoute));
  route("/v1/allocations", { GET: listAllocs });
  app.all("/v1/allocation/*", (context) => answer(server, context, null, allocRoute));
  route("/v1/evaluations", { GET: listEvals, DELETE: deleteEvalsRoute });
  route("/v1/evaluations/queue", { GET: queueRoute });
  route("/v1/evaluations/count", { GET: countEvals });
  app.all("/v1/evaluation/*", (context) => answer(server, context, null, evalRoute));
  app.all("/v1/explain/*", (context) => answer(server, context, null, explainRoute));
  route("/v1/services", { GET: listServices });
  app.all("/v1/service/*", (context) => answer(server, context, null, serviceRoute));
  route("/v1/deployments", { GET: listDeployments });
  route("/v1/deployment/*", every(deploymentRoute));
  app.all("/v1/client/*", (context) => answer(server, context, null, clientRoute));
  route("/v1/system/gc", { PUT: collectGarbageRoute });
  route("/v1/system/reconcile/summaries", { PUT: reconcileSummariesRoute });
  route("/v1/operator/snapshot", { GET: saveSnapshot, PUT: restoreSnapshot });
  route("/v1/operator/raft/configuration", { GET: raftConfiguration });
  route("/v1/operator/raft/transfer-leadership", { PUT: transferLeadership });
  route("/v1/operator/autopilot/configuration", { GET: getAutopilot, PUT: putAutopilot });
  route("/v1/operator/scheduler/configuration", { GET: getSchedulerConfig, PUT: putSchedulerConfig });
  route("/v1/operator/autopilot/health", { GET: autopilotHealth });
  route("/v1/operator/upgrade", { GET: getFleetUpgrade, PUT: putFleetUpgrade, DELETE: deleteFleetUpgrade });
  route("/v1/operator/upgrade/program/*", { PUT: takeProgram });
  route("/v1/event/stream", { GET: eventStreamRoute });
  route("/v1/agent/monitor", { GET: (exchange) => monitorRoute(exchange, facts.logs) });
  route("/v1/agent/reload", { PUT: (exchange) => reloadRoute(exchange, facts) });
  route("/v1/agent/join", { PUT: joinRoute });
  route(REGION_PATH, { GET: greetingRoute, PUT: meetRoute });
  route("/v1/metrics", { GET: (exchange) => metricsRoute(exchange, facts) });
  for (const path of [
    "/v1/agent/self",
    "/v1/agent/health",
    "/v1/agent/members",
    "/v1/agent/servers",
    "/v1/status/leader",
    "/v1/status/peers",
    "/v1/regions",
    "/v1/namespaces",
    "/v1/namespace/*",
  ])
    route(path, { GET: (exchange) => agentRoute(exchange, facts) });
  app.notFound(() => new Response("", { status: 404, headers: { "Content-Length": "0" } }));
  app.onError((error) => failed(server, error));

  const answerHere = (request: Request, context: RequestContext) => app.fetch(request, { context });
  return (request, context) => {
    server.options.log.debug("request", { method: request.method, path: request.url.slice(request.url.indexOf("/", SCHEME_CHARS)) });
    const cleaned = cleanPath(request);
    if (cleaned) return cleaned;
    const region = foreignRegion(server, request);
    if (region !== null) return forwardToRegion({ server, request, context, region });
    if (isAnsweredAnywhere(server, request)) return answerHere(request, context);
    const passOn = () => forward({ server, request, context, answerHere: (again) => answerHere(again, context) });
    if (!server.isLeading) return passOn();
    if (server.hasAuthority || request.headers.has("upgrade")) return answerHere(request, context);
    // One that stood still may have a successor by now, who answers what came meanwhile.
    return server.untilAuthority(LIMITS.leaderWaitMsMax).then((isLeader) => (isLeader ? answerHere(request, context) : passOn()));
  };
}

// --- internal ---

/** `https://`, beyond which the next slash begins the path. */
const SCHEME_CHARS = 8;

/** What each server says of itself, whoever leads. */
const OWN_PATHS: ReadonlySet<string> = new Set([
  SERVER_CONNECT_PATH,
  "/v1/agent/self",
  "/v1/agent/reload",
  "/v1/agent/health",
  REGION_PATH,
  "/v1/agent/members",
  "/v1/agent/servers",
  "/v1/metrics",
  "/v1/status/leader",
  "/v1/regions",
]);

/** The region that a request names, where it is another one; what servers say to each other stays here. */
function foreignRegion(server: Server, request: Request): string | null {
  // Few requests name one, and taking a URL apart costs as much as the rest of the way to a handler.
  if (!request.url.includes("region")) return null;
  const url = new URL(request.url);
  const region = url.searchParams.get("region") ?? "";
  return region === "" || region === server.options.region || url.pathname.startsWith("/v1/internal/") ? null : region;
}

function isAnsweredAnywhere(server: Server, request: Request): boolean {
  const url = new URL(request.url);
  if (url.pathname === "/v1/agent/monitor") return (url.searchParams.get("node_id") ?? "") === "";
  if (OWN_PATHS.has(url.pathname)) return url.pathname !== REGION_PATH || request.method === "GET";
  const isRead = request.method === "GET" || request.method === "HEAD";
  return isRead && isStaleRead(url.searchParams) && server.canAnswerStale && isInState(url.pathname);
}

/** Reads of the state; what nodes or the leader itself must be asked for is not among them. */
function isInState(path: string): boolean {
  if (path === "/v1/operator/raft/configuration" || path === "/v1/event/stream") return true;
  return !/^\/v1\/(?:(?:client|agent|status|operator|event|internal)\/|node\/refused$)/.test(path);
}

function answer(server: Server, context: EdgeContext, methods: Methods | null, handler?: Handler): Response | Promise<Response> {
  const request = context.req.raw;
  const url = new URL(request.url);
  const method = request.method === "POST" ? "PUT" : request.method === "HEAD" ? "GET" : request.method;
  const chosen = methods === null ? handler : method === "GET" || method === "PUT" || method === "DELETE" ? methods[method] : undefined;
  if (!chosen) throw new EdgeError("method-not-allowed", "Invalid method");
  const query = parseQuery(url.searchParams, server.options.region);
  return chosen({ server, query, request, context: context.env.context, path: decodePath(url.pathname.slice("/v1/".length)) });
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw new EdgeError("invalid", `the path is not percent-encoded correctly: ${path}`, { cause: error });
  }
}

/** Double slashes and dots are cleaned by a redirect that keeps the query: clients rely on it. */
function cleanPath(request: Request): Response | null {
  const url = new URL(request.url);
  if (url.pathname === "/") return new Response("", { status: 307, headers: { Location: `/ui/${url.search}` } });
  if (!url.pathname.includes("//")) return null;
  return new Response("", { status: 307, headers: { Location: url.pathname.replace(/\/{2,}/g, "/") + url.search } });
}

function failed(server: Server, error: unknown): Response {
  if (!(error instanceof EdgeError))
    server.options.log.error("a request failed", { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined });
  const isMiss = error instanceof EdgeError && error.code === "not-found" && error.message === "";
  if (isMiss) return new Response("", { status: 404, headers: { "Content-Length": "0" } });
  return errorResponse(error, server.isLeading ? server.leader.ledger.durableIndex : null);
}

function connectNode(server: Server, context: EdgeContext): Response {
  return context.env.context.upgrade(serverTransport<ServerMessage, NodeMessage>((transport) => server.acceptNode(transport, { isOwn: false })));
}
