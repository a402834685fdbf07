// Which allocation and task `logs` means: by job or by the beginning of an allocation's id.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Call } from "./command.ts";
import { allocsByPrefix, findAlloc, findJob, findJobIfAny, isUuidPrefix, jobPath } from "./find.ts";
import { isParent } from "./show-job.ts";
import type { AllocStub, JobStub, WireAlloc, WireJob, WireTask } from "./wire-types.ts";

/** The alloc a name means. A job's is its newest one that runs, else its newest; a periodic job's is its newest child's. */
export async function findLogAlloc(
  call: Call,
  name: string,
  wanted: { readonly alloc?: string; readonly group?: string; readonly isJob: boolean },
): Promise<AllocStub> {
  const job = await findJobOf(call, name, wanted.isJob);
  if (job === null) return findAlloc(call.api, name);
  const { id, namespace } = await newestRun(call, job);
  const all = (await call.api.get<readonly AllocStub[] | null>(jobPath({ id }, "/allocations"), { namespace })) ?? [];
  const allocs = all.filter(
    (alloc) => (wanted.group === undefined || alloc.TaskGroup === wanted.group) && (wanted.alloc === undefined || alloc.ID.startsWith(wanted.alloc)),
  );
  const newestFirst = [...allocs].sort((a, b) => b.CreateIndex - a.CreateIndex || (a.Name < b.Name ? -1 : 1));
  const chosen = newestFirst.find((alloc) => alloc.ClientStatus === "running") ?? newestFirst[0];
  if (chosen) return chosen;
  if (all.length > 0) throw new EdgeError("not-found", `no allocation of job "${id}" fits --group or --alloc`, { hint: `edgectl job allocs ${id}` });
  throw new EdgeError("not-found", `job "${id}" has no allocation yet`, { hint: `\`edgectl status ${id}\` shows why` });
}

/** The task that is named, or the only one that can be meant. */
export function chooseTask(alloc: WireAlloc, named: string | undefined, hint?: string): string {
  const tasks = alloc.Job?.TaskGroups.find((group) => group.Name === alloc.TaskGroup)?.Tasks ?? [];
  const names = tasks.map((task) => task.Name);
  if (named !== undefined) {
    if (names.length === 0 || names.includes(named)) return named;
    throw new EdgeError("not-found", `allocation ${alloc.ID.slice(0, 8)} has no task "${named}"`, { hint: `it has ${names.join(", ")}` });
  }
  const candidates = tasks.length === 1 ? tasks : tasks.filter(isMain);
  const [only] = candidates;
  if (only && candidates.length === 1) return only.Name;
  throw new EdgeError("invalid", `allocation ${alloc.ID.slice(0, 8)} has several tasks: ${names.join(", ")}`, {
    hint: hint ?? `say which: edgectl logs ${alloc.ID.slice(0, 8)} ${names[0] ?? "TASK"}`,
  });
}

// --- internal ---

function isMain(task: WireTask): boolean {
  return !task.Lifecycle;
}

/** An exact job id wins over an alloc's beginning, and that over a job's beginning. */
async function findJobOf(call: Call, name: string, isJob: boolean): Promise<{ readonly id: string; readonly namespace: string } | null> {
  if (isJob) return findJob(call.api, name);
  if (!isUuidPrefix(name)) return findJob(call.api, name);
  const [job, allocs] = await Promise.all([findJobIfAny(call.api, name).catch(() => null), allocsByPrefix(call.api, name)]);
  if (job?.isExact) return job;
  return allocs.length > 0 ? null : job;
}

async function newestRun(
  call: Call,
  found: { readonly id: string; readonly namespace: string },
): Promise<{ readonly id: string; readonly namespace: string }> {
  const job = await call.api.get<WireJob>(jobPath(found), { namespace: found.namespace });
  if (!isParent(job)) return found;
  const prefix = `${found.id}/${job.Periodic ? "periodic-" : "dispatch-"}`;
  const children = (await call.api.get<readonly JobStub[] | null>("/v1/jobs", { namespace: found.namespace, prefix })) ?? [];
  const newest = children.reduce<JobStub | undefined>(
    (best, child) => (best === undefined || child.SubmitTime >= best.SubmitTime ? child : best),
    undefined,
  );
  if (newest) return { id: newest.ID, namespace: found.namespace };
  throw new EdgeError("not-found", `job "${found.id}" has not run yet`, { hint: `\`edgectl status ${found.id}\` shows its next launch` });
}
