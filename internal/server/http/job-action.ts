// A job's action, run inside its task over a WebSocket: as a command beside it, whose words the job's file says.

import type { Alloc } from "../../domain/alloc.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Action } from "../../domain/job-inputs.ts";
import { findAlloc, sessionOf } from "./client-routes.ts";
import { execRoute } from "./exec.ts";
import type { Exchange } from "./reply.ts";

/** Throws as Nomad does for what is missing. */
export async function actionRoute(exchange: Exchange, jobId: string): Promise<Response> {
  const { all } = exchange.query;
  const [name, group, task] = [all.get("action") ?? "", all.get("group") ?? "", all.get("task") ?? ""];
  if (name === "") throw new EdgeError("invalid", "must provide an action name");
  const alloc = allocOf(exchange, { jobId, group, task, id: all.get("allocID") ?? "" });
  const found = actionOf(exchange, alloc, { name, task });
  const command = [found.action.command, ...found.action.args];
  return execRoute(exchange, { alloc, session: sessionOf(exchange, alloc.nodeId), task: found.task, command, isOfJob: true });
}

// --- internal ---

/** The one that is named, or the newest of the job that runs. */
function allocOf(exchange: Exchange, wanted: { readonly jobId: string; readonly group: string; readonly task: string; readonly id: string }): Alloc {
  const { view } = exchange.server.leader;
  const { namespace } = exchange.query;
  if (!view.job(namespace, wanted.jobId)) throw new EdgeError("not-found", "job not found");
  if (wanted.id !== "") {
    const alloc = findAlloc(exchange, wanted.id);
    if (alloc.jobId !== wanted.jobId || alloc.namespace !== namespace) throw new EdgeError("not-found", `Unknown allocation "${wanted.id}"`);
    return alloc;
  }
  const running = [...view.allocsOfJob(namespace, wanted.jobId)].filter(
    (alloc) => alloc.clientStatus === "running" && (wanted.group === "" || alloc.group === wanted.group),
  );
  const newest = running.reduce<Alloc | undefined>((best, one) => (best === undefined || one.createIndex > best.createIndex ? one : best), undefined);
  if (newest) return newest;
  throw new EdgeError("not-found", `no allocation of job "${wanted.jobId}" is running`);
}

function actionOf(
  exchange: Exchange,
  alloc: Alloc,
  wanted: { readonly name: string; readonly task: string },
): { readonly action: Action; readonly task: string } {
  const job = exchange.server.leader.view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
  const tasks = job?.groups.find((group) => group.name === alloc.group)?.tasks ?? [];
  for (const task of tasks) {
    const action = wanted.task === "" || task.name === wanted.task ? task.actions.find((one) => one.name === wanted.name) : undefined;
    if (action) return { action, task: task.name };
  }
  throw new EdgeError("not-found", `action "${wanted.name}" not found`);
}
