// Rules of the job's own level.

import { concurrencyKeyOf, unknownNames } from "../concurrency-key.ts";
import { firesOnNodes } from "../fires.ts";
import type { Concurrency, JobSpec, Parameterized, Periodic } from "../job.ts";
import { LIMITS } from "../limits.ts";
import { cronProblem, isTimeZone } from "./cron.ts";
import { jobIdProblem, scopeNameProblem } from "./names.ts";
import type { JobProblem } from "./read.ts";
import { affinityProblems, constraintProblems, spreadProblems } from "./rules-placement.ts";
import { updateProblems } from "./rules-policies.ts";

export function jobProblems(spec: JobSpec): readonly JobProblem[] {
  return [
    ...identityProblems(spec),
    ...sizeProblems(spec),
    ...typeProblems(spec),
    ...constraintProblems(spec.constraints, ["constraints"], "job"),
    ...affinityProblems(spec.affinities, ["affinities"]),
    ...spreadProblems(spec.spreads, ["spreads"]),
    ...(spec.update ? updateProblems(spec.update, ["update"]) : []),
    ...(spec.periodic ? periodicProblems(spec.periodic) : []),
    ...(firesOnNodes(spec) ? nodeFiredProblems(spec) : []),
    ...(spec.parameterized ? parameterizedProblems(spec.parameterized) : []),
    ...(spec.concurrency ? concurrencyProblems(spec, spec.concurrency) : []),
    ...uiProblems(spec),
  ];
}

/** Items of a list that stand there before, with their index. */
export function repeated(names: readonly string[]): readonly (readonly [number, string])[] {
  const seen = new Set<string>();
  return [...names.entries()].filter(([, name]) => seen.size === seen.add(name).size);
}

// --- internal ---

function identityProblems(spec: JobSpec): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const idProblem = spec.id === "" ? null : jobIdProblem(spec.id);
  if (idProblem !== null) problems.push({ path: ["id"], message: `\`id\` is no good: ${idProblem}` });
  if (/[\u0000-\u001f]/.test(spec.name)) problems.push({ path: ["name"], message: "`name` must not hold control characters" });
  for (const key of ["namespace", "region"] as const) {
    const wrong = scopeNameProblem(spec[key]);
    if (wrong !== null) problems.push({ path: [key], message: `\`${key}\` ${wrong}` });
  }
  const poolProblem = scopeNameProblem(spec.nodePool);
  if (poolProblem !== null) problems.push({ path: ["nodePool"], message: `\`node_pool\` ${poolProblem}` });
  if (spec.nodePool === "all")
    problems.push({ path: ["nodePool"], message: '`node_pool` must not be "all": that pool holds every node and takes no jobs' });
  for (const [index, datacenter] of spec.datacenters.entries()) {
    if (datacenter === "" || /[\s\u0000-\u001f]/.test(datacenter)) {
      problems.push({ path: ["datacenters", index], message: "a datacenter must be a name or a pattern with *, without spaces" });
    }
  }
  return problems;
}

function sizeProblems(spec: JobSpec): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  if (spec.groups.length === 0)
    problems.push({ path: ["groups"], message: "a job needs at least one group with a task: write [task.NAME] or [group.NAME.task.NAME]" });
  if (spec.groups.length > LIMITS.groupsPerJobMax) {
    problems.push({
      path: ["groups"],
      message: `a job may have ${LIMITS.groupsPerJobMax} groups at most (groupsPerJobMax), this one has ${spec.groups.length}`,
    });
  }
  for (const [index, name] of repeated(spec.groups.map((group) => group.name))) {
    problems.push({ path: ["groups", index, "name"], message: `there are two groups named "${name}"` });
  }
  const count = spec.groups.reduce((sum, group) => sum + group.count, 0);
  if (count > LIMITS.jobCountMax) {
    problems.push({
      path: ["groups"],
      message: `the counts of all groups may add up to ${LIMITS.jobCountMax} at most (jobCountMax), they are ${count}`,
    });
  }
  return problems;
}

function typeProblems(spec: JobSpec): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const refuse = (path: string, key: string, types: string) =>
    problems.push({ path: [path], message: `\`${key}\` is for ${types} jobs, this one is ${spec.type}` });
  const isBatch = spec.type === "batch" || spec.type === "sysbatch";
  if (spec.periodic && !isBatch) refuse("periodic", "periodic", "batch and sysbatch");
  if (spec.parameterized && !isBatch) refuse("parameterized", "parameterized", "batch and sysbatch");
  if (spec.concurrency && !isBatch) refuse("concurrency", "concurrency", "batch and sysbatch");
  if (spec.update && isBatch) refuse("update", "update", "service and system");
  if (spec.type === "system" && spec.affinities.length > 0) refuse("affinities", "affinity", "service, batch and sysbatch");
  if (spec.type === "system" && spec.spreads.length > 0) refuse("spreads", "spread", "service and batch");
  return problems;
}

function periodicProblems(periodic: Periodic): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const path = ["periodic", "crons"];
  if (periodic.crons.length === 0) problems.push({ path, message: "`periodic` needs `cron` or `crons`" });
  if (periodic.crons.length > LIMITS.cronsPerJobMax) {
    problems.push({
      path,
      message: `\`crons\` may hold ${LIMITS.cronsPerJobMax} expressions at most (cronsPerJobMax), it holds ${periodic.crons.length}`,
    });
  }
  for (const [index, cron] of periodic.crons.entries()) {
    const wrong = cronProblem(cron);
    if (wrong !== null) problems.push({ path: [...path, index], message: `the cron expression "${cron}" ${wrong}` });
  }
  if (!isTimeZone(periodic.timeZone)) {
    problems.push({ path: ["periodic", "timeZone"], message: `\`time_zone\` must be a zone such as "Europe/Berlin", is "${periodic.timeZone}"` });
  }
  return problems;
}

/** One alloc stands for the node that fires, and holds the room of one run. */
function nodeFiredProblems(spec: JobSpec): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const path = ["periodic", "runOn"];
  const [group] = spec.groups;
  const runs = spec.groups.reduce((sum, one) => sum + one.count, 0);
  if (spec.groups.length !== 1 || runs !== 1)
    problems.push({
      path,
      message: `\`run_on = "node"\` is for jobs of one group with a count of 1, this one has ${runs} in ${spec.groups.length} groups`,
    });
  if (spec.parameterized) problems.push({ path, message: '`run_on = "node"` and `parameterized` exclude each other' });
  if (group?.disconnect && (group.disconnect.stopOnClientAfterMs ?? null) !== null)
    problems.push({ path, message: '`run_on = "node"` and `stop_on_client_after` exclude each other: such a job goes on without a server' });
  return problems;
}

function parameterizedProblems(parameterized: Parameterized): readonly JobProblem[] {
  const required = new Set(parameterized.metaRequired);
  return [...parameterized.metaOptional.entries()]
    .filter(([, key]) => required.has(key))
    .map(([index, key]) => ({ path: ["parameterized", "metaOptional", index], message: `the meta key "${key}" is both required and optional` }));
}

function concurrencyProblems(spec: JobSpec, { key }: Concurrency): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (message: string) => problems.push({ path: ["concurrency", "key"], message });
  if (key.length > LIMITS.concurrencyKeyCharsMax)
    at(`\`key\` may have ${LIMITS.concurrencyKeyCharsMax} characters at most (concurrencyKeyCharsMax), it has ${key.length}`);
  if (/[\u0000-\u001f]/.test(spec.parameterized ? key : key + concurrencyKeyOf(spec, spec.meta))) at("`key` must not hold control characters");
  const length = spec.parameterized ? 0 : concurrencyKeyOf(spec, spec.meta).length;
  if (key.length <= LIMITS.concurrencyKeyCharsMax && length > LIMITS.concurrencyKeyCharsMax)
    at(`\`key\` has ${length} characters with the job's meta, ${LIMITS.concurrencyKeyCharsMax} are allowed (concurrencyKeyCharsMax)`);
  const given = [...Object.keys(spec.meta), ...(spec.parameterized?.metaRequired ?? []), ...(spec.parameterized?.metaOptional ?? [])];
  for (const name of unknownNames(key, given))
    at(`\`key\` asks for \${${name}}, which no run of the job has: only meta keys can stand there, as \${NOMAD_META_name}`);
  if (firesOnNodes(spec))
    problems.push({ path: ["concurrency"], message: '`concurrency` and `run_on = "node"` exclude each other: a node knows nothing of other runs' });
  if (spec.periodic?.prohibitOverlap)
    problems.push({
      path: ["concurrency"],
      message: '`concurrency` and `prohibit_overlap` exclude each other: `policy = "skip"` leaves out what overlaps',
    });
  return problems;
}

function uiProblems(spec: JobSpec): readonly JobProblem[] {
  const links = spec.ui?.links ?? [];
  return [...links.entries()]
    .filter(([, link]) => link.url !== "" && !/^https?:\/\//.test(link.url))
    .map(([index]) => ({ path: ["ui", "links", index, "url"], message: "`url` must begin with http:// or https://" }));
}
