// Which services there are: read off the allocs that run, so that nothing must be kept in step or cleared away. Pure.

import type { Alloc, TaskState } from "../domain/alloc.ts";
import type { TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { Registration } from "../domain/registration.ts";
import { addressOf } from "../domain/service-address.ts";
import type { JobVersion } from "../domain/tables.ts";
import { hostAddressOf, type OwnedService, servicesOf, serviceTexts } from "../runner/service-env.ts";

/** Those of one alloc: none unless it runs and is to go on running. */
export function registrationsOf(alloc: Alloc, job: JobVersion, node: Node): readonly Registration[] {
  if (!mayServe(alloc)) return [];
  const group = job.groups.find((candidate) => candidate.name === alloc.group);
  if (!group) return [];
  return servicesOf(group).flatMap((owned) => {
    if (!tasksOf(group.tasks, owned.task).every((task) => isServing(alloc.taskStates[task]))) return [];
    const registration = registrationOf({ alloc, job, group, node, owned });
    return registration === null || alloc.hiddenServices?.includes(registration.id) ? [] : [registration];
  });
}

/** Whether it may have services at all, before its job is looked at. */
export function mayServe(alloc: Alloc): boolean {
  return alloc.desiredStatus === "run" && alloc.clientStatus === "running";
}

/** Whether a task is there to be asked: it runs, and its end was not begun. */
export function isServing(state: TaskState | undefined): boolean {
  if (state?.state !== "running") return false;
  const lastTurn = state.events.findLast((event) => BEGIN.test(event.type) || END.test(event.type));
  return lastTurn === undefined || BEGIN.test(lastTurn.type);
}

// --- internal ---

const BEGIN = /^(?:Started|Restored)$/;
/** Told before a task is sent its signal: what waits for a shutdown_delay serves those alone that know it already. */
const END = /^(?:Killing|Restart Signaled|Waiting)/;

function tasksOf(tasks: TaskGroup["tasks"], owner: string): readonly string[] {
  if (owner !== "") return [owner];
  return tasks.filter((task) => task.lifecycle === null || (task.lifecycle.sidecar && task.lifecycle.hook === "prestart")).map((task) => task.name);
}

function registrationOf(parts: {
  readonly alloc: Alloc;
  readonly job: JobVersion;
  readonly group: TaskGroup;
  readonly node: Node;
  readonly owned: OwnedService;
}): Registration | null {
  const { alloc, job, group, node, owned } = parts;
  const { service } = owned;
  const text = serviceTexts({ alloc, job, group, node }, owned.task);
  const portText = text(service.port);
  const found = addressOf(portText, alloc.resources.ports, hostAddressOf(node));
  // What is no port of the group was refused when the job came; only a node's own value can have become one.
  if (found === null) return null;
  const name = text(service.name);
  const isCanary = alloc.health?.isCanary === true;
  const tags = isCanary && service.canaryTags.length > 0 ? service.canaryTags : service.tags;
  return {
    id: `_nomad-task-${alloc.id}-${owned.task === "" || service.task !== "" ? `group-${alloc.group}` : owned.task}-${name}-${portText}`,
    name,
    namespace: alloc.namespace,
    nodeId: alloc.nodeId,
    datacenter: node.datacenter,
    jobId: alloc.jobId,
    allocId: alloc.id,
    tags: tags.map((tag) => text(tag)),
    address: service.address === "" ? found.address : text(service.address),
    port: found.port,
    createIndex: alloc.createIndex,
    modifyIndex: alloc.modifyIndex,
  };
}
