// What a job asks for that edgectl knows and does not carry out yet. Such a job is refused by name:
// silently ignoring a block would run something other than what was asked for.

import type { JobSpec, Network, Service, TaskGroup } from "../job.ts";
import { LIMITS } from "../limits.ts";
import type { Block, Field } from "./dsl.ts";
import { JOB } from "./job.ts";
import type { JobProblem, PathPart } from "./read.ts";

/** Every use of something edgectl does not carry out yet. Drivers are not looked at. */
export function unsupportedFeatures(spec: JobSpec): JobProblem[] {
  const problems: JobProblem[] = [];
  checkBlock(JOB, spec, [], problems);
  const groups = spec.groups.flatMap((group, index) => groupFeatures(group, ["groups", index]));
  return [...problems, ...groups].slice(0, LIMITS.problemsPerJobMax);
}

// --- internal ---

function checkBlock(block: Block, value: object, path: readonly PathPart[], problems: JobProblem[]): void {
  for (const field of block.fields) {
    const member: unknown = Reflect.get(value, field.key);
    if (member === undefined || member === null) continue;
    const at = [...path, field.key];
    if (field.isCarriedOut === false) {
      if (isUsed(field, member)) problems.push({ path: at, message: `\`${field.tomlPath.join(".")}\` is not carried out by edgectl yet` });
    } else if (field.kind === "block") checkBlock(field.block, Object(member), at, problems);
    else if (field.kind === "blocks" && Array.isArray(member)) {
      for (const [index, item] of member.entries()) checkBlock(field.block, Object(item), [...at, index], problems);
    }
  }
}

function isUsed(field: Field, value: unknown): boolean {
  switch (field.kind) {
    case "block":
      return true;
    case "blocks":
    case "strings":
      return Array.isArray(value) && value.length > 0;
    case "stringMap":
    case "stringListMap":
    case "json":
      return Object.keys(Object(value)).length > 0;
    case "string":
    case "int":
    case "number":
    case "duration":
    case "bool":
      return value !== field.default;
  }
}

function groupFeatures(group: TaskGroup, path: readonly PathPart[]): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (keys: readonly PathPart[], message: string) => problems.push({ path: [...path, ...keys], message });
  for (const [index, network] of group.networks.entries()) {
    const mode = unsupportedMode(network);
    if (mode !== null) at(["networks", index, "mode"], `the network mode "${mode}" is not carried out by edgectl yet (host and none are)`);
  }
  if (group.scaling && group.scaling.type !== "horizontal")
    at(["scaling", "type"], `the scaling type "${group.scaling.type}" is not carried out by edgectl yet (horizontal is)`);
  for (const [index, volume] of group.volumes.entries())
    if (volume.type !== "host") at(["volumes", index, "type"], `the volume type "${volume.type}" is not carried out by edgectl yet (host is)`);
  for (const [index, service] of group.services.entries()) problems.push(...serviceFeatures(service, [...path, "services", index]));
  for (const [index, task] of group.tasks.entries()) {
    for (const [place, service] of task.services.entries()) problems.push(...serviceFeatures(service, [...path, "tasks", index, "services", place]));
    if (task.scalings.length > 0) at(["tasks", index, "scalings"], "`scaling` of a task is not carried out by edgectl yet (that of a group is)");
    const numa = task.resources.numa;
    if (numa && (numa.affinity !== "none" || numa.devices.length > 0))
      at(["tasks", index, "resources", "numa"], "`numa` is not carried out by edgectl yet");
  }
  return problems;
}

function serviceFeatures(service: Service, path: readonly PathPart[]): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const refuseMode = (mode: string, at: readonly PathPart[]) => {
    if (!["", "auto", "host"].includes(mode))
      problems.push({ path: [...at, "addressMode"], message: `the address mode "${mode}" is not carried out by edgectl yet (auto and host are)` });
  };
  refuseMode(service.addressMode, path);
  for (const [index, check] of service.checks.entries()) {
    const at = [...path, "checks", index];
    refuseMode(check.addressMode, at);
    if (check.type === "grpc")
      problems.push({ path: [...at, "type"], message: "grpc checks are not carried out by edgectl yet (http, tcp and script are)" });
  }
  return problems;
}

function unsupportedMode(network: Network): string | null {
  return network.mode === "host" || network.mode === "none" || network.mode === "" ? null : network.mode;
}
