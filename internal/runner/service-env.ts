// What a service's texts may name: the environment of the task it belongs to, or of the group, and the node's own values.

import type { AllocResources } from "../domain/alloc.ts";
import { type InterpolationScope, interpolate } from "../domain/interpolate.ts";
import type { Service, TaskGroup } from "../domain/job.ts";
import type { NodeSpec } from "../domain/node.ts";
import { nodeScope } from "../domain/node-scope.ts";
import type { TaskEnvInput } from "./task-env.ts";
import { taskEnv } from "./task-env.ts";

export interface ServiceOwner {
  readonly alloc: { readonly id: string; readonly name: string; readonly namespace: string; readonly resources: AllocResources };
  readonly job: TaskEnvInput["job"];
  readonly group: TaskGroup;
  readonly node: NodeSpec;
}

/** One service with the task it belongs to; "" = the group's. */
export interface OwnedService {
  readonly service: Service;
  readonly task: string;
}

/** Every service of a group and of its tasks. */
export function servicesOf(group: TaskGroup): readonly OwnedService[] {
  return [
    ...group.services.map((service) => ({ service, task: service.task })),
    ...group.tasks.flatMap((task) => task.services.map((service) => ({ service, task: task.name }))),
  ];
}

/** Replaces `${...}` in the texts of such a service. */
export function serviceTexts(owner: ServiceOwner, taskName: string): (text: string) => string {
  const scope = scopeOf(owner, taskName);
  const words: Readonly<Record<string, string>> = {
    JOB: owner.job.name,
    TASKGROUP: owner.group.name,
    TASK: taskName,
    BASE: [owner.job.name, owner.group.name, taskName].filter((part) => part !== "").join("-"),
  };
  return (text) => interpolate(text, scope).replace(/\$\{(JOB|TASKGROUP|TASK|BASE)\}/g, (_, word: string) => words[word] ?? "");
}

export function hostAddressOf(node: NodeSpec): string {
  return node.attributes["unique.network.ip-address"] ?? "127.0.0.1";
}

// --- internal ---

function scopeOf(owner: ServiceOwner, taskName: string): InterpolationScope {
  const { alloc, job, group, node } = owner;
  const found = group.tasks.find((task) => task.name === taskName);
  const [first] = group.tasks;
  const task = found ?? (first && { ...first, name: "", env: {}, meta: {} });
  if (!task) return { ...nodeScope(node), env: {} };
  const directories = { shared: "/alloc", local: "/local", secrets: "/secrets" };
  const env = taskEnv({ node, alloc, job, group, task, directories, hostPath: "", hostAddress: hostAddressOf(node) });
  return { ...nodeScope(node), env };
}
