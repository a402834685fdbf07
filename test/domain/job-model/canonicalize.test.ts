// Defaults: those of the table, those of the job's type, and those that pass from job to group to task.

import { expect, test } from "bun:test";
import type { JobType } from "../../../internal/domain/job.ts";
import { canonicalizeJob } from "../../../internal/domain/job-model/defaults.ts";
import type { JobDraft } from "../../../internal/domain/job-model/job.ts";
import { validateJob } from "../../../internal/domain/job-model/validate.ts";

type GroupDraft = NonNullable<JobDraft["groups"]>[number];

function job(draft: JobDraft = {}, group: GroupDraft = {}) {
  const tasks = group.tasks ?? [{ name: "t", driver: "raw_exec" }];
  return canonicalizeJob({ id: "a", ...draft, groups: [{ name: "g", ...group, tasks }] });
}

test("a job of nothing but an id, a group and a task has every default and breaks no rule", () => {
  const spec = job();
  expect(spec).toMatchObject({
    name: "a",
    namespace: "default",
    region: "global",
    type: "service",
    priority: 50,
    datacenters: ["*"],
    nodePool: "default",
  });
  expect(spec.groups[0]).toMatchObject({ count: 1, ephemeralDisk: { sizeMiB: 300 }, shutdownDelayMs: null, scaling: null });
  expect(spec.groups[0]?.tasks[0]).toMatchObject({
    killTimeoutMs: 5000,
    resources: { cpuMHz: 100, cores: 0, memoryMiB: 300 },
    logs: { maxFiles: 10, maxFileSizeMB: 10 },
    lifecycle: null,
  });
  expect(validateJob(spec)).toEqual([]);
});

/** [type, restart attempts, restart interval, has reschedule, has update, has migrate] */
const TYPES: readonly (readonly [JobType, number, number, boolean, boolean, boolean])[] = [
  ["service", 2, 1_800_000, true, true, true],
  ["batch", 3, 86_400_000, true, false, false],
  ["system", 2, 1_800_000, false, true, false],
  ["sysbatch", 3, 86_400_000, false, false, false],
];

for (const [type, attempts, intervalMs, hasReschedule, hasUpdate, hasMigrate] of TYPES) {
  test(`a ${type} job has the policies of its type, and they break no rule`, () => {
    const spec = job({ type });
    const [group] = spec.groups;
    expect(group?.restart).toMatchObject({ attempts, intervalMs, delayMs: 15_000, mode: "fail" });
    expect([group?.reschedule !== null, group?.update !== null, group?.migrate !== null]).toEqual([hasReschedule, hasUpdate, hasMigrate]);
    expect(validateJob(spec)).toEqual([]);
  });
}

test("a job is canonicalised to itself", () => {
  for (const [type] of TYPES) {
    const spec = job({ type, periodic: type === "batch" ? { crons: ["@daily"] } : undefined });
    expect(canonicalizeJob(spec)).toEqual(spec);
  }
});

test("what the job says about updates passes into its groups field by field, what the group says is stronger", () => {
  const spec = job({ update: { maxParallel: 2, minHealthyTimeMs: 5000 } }, { update: { maxParallel: 4 } });
  expect(spec.groups[0]?.update).toMatchObject({ maxParallel: 4, minHealthyTimeMs: 5000, healthyDeadlineMs: 300_000 });
  expect(spec.update).toMatchObject({ maxParallel: 2, minHealthyTimeMs: 5000 });
});

test("a zero in the group is stronger than a number in the job", () => {
  expect(job({ update: { maxParallel: 2 } }, { update: { maxParallel: 0 } }).groups[0]?.update?.maxParallel).toBe(0);
});

test("migrate and reschedule of the job pass into its groups and do not stay", () => {
  const spec = job({ migrate: { maxParallel: 3 }, reschedule: { delayMs: 60_000 } }, { reschedule: { maxDelayMs: 120_000 } });
  expect(spec.groups[0]?.migrate).toMatchObject({ maxParallel: 3 });
  expect(spec.groups[0]?.reschedule).toMatchObject({ delayMs: 60_000, maxDelayMs: 120_000, unlimited: true });
  expect(Object.keys(spec)).not.toContain("migrate");
});

test("constraints of the job stay at the job", () => {
  const spec = job({ constraints: [{ attribute: "${attr.x}", value: "y" }] });
  expect(spec.constraints).toEqual([{ attribute: "${attr.x}", operator: "=", value: "y" }]);
  expect(spec.groups[0]?.constraints).toEqual([]);
});

test("a task restarts as its group does, but for what it says itself", () => {
  const spec = job({}, { restart: { attempts: 7, delayMs: 1000 }, tasks: [{ name: "t", driver: "x", restart: { delayMs: 2000 } }] });
  expect(spec.groups[0]?.tasks[0]?.restart).toMatchObject({ attempts: 7, delayMs: 2000, intervalMs: 1_800_000 });
});

test("a written number of reschedule attempts is a limit, and unlimited needs no attempts", () => {
  expect(job({}, { reschedule: { attempts: 2, intervalMs: 3_600_000 } }).groups[0]?.reschedule?.unlimited).toBe(false);
  const batch = job({ type: "batch" }, { reschedule: { unlimited: true, delayFunction: "exponential" } });
  expect(batch.groups[0]?.reschedule).toMatchObject({ attempts: 0, unlimited: true, maxDelayMs: 3_600_000 });
  expect(validateJob(batch)).toEqual([]);
});

test("the zeros that clients send as a system job's reschedule count as none", () => {
  expect(job({ type: "system" }, { reschedule: { attempts: 0, delayMs: 0, unlimited: false } }).groups[0]?.reschedule).toBeNull();
  expect(job({ type: "system" }, { reschedule: { attempts: 1, unlimited: false } }).groups[0]?.reschedule).not.toBeNull();
});

test("the count of a group follows its scaling's least, and the least follows the count", () => {
  expect(job({}, { scaling: { min: 3, max: 5 } }).groups[0]?.count).toBe(3);
  expect(job({}, { count: 2, scaling: { max: 5 } }).groups[0]?.scaling?.min).toBe(2);
  expect(job({}, { count: 0, scaling: { min: 0, max: 5 } }).groups[0]?.count).toBe(0);
});

test("cores take the place of the default cpu, a written cpu stays and is refused", () => {
  expect(job({}, { tasks: [{ name: "t", driver: "x", resources: { cores: 2 } }] }).groups[0]?.tasks[0]?.resources).toMatchObject({
    cores: 2,
    cpuMHz: 0,
  });
  expect(validateJob(job({}, { tasks: [{ name: "t", driver: "x", resources: { cores: 2, cpuMHz: 100 } }] }))).toHaveLength(1);
});

test("fixed ports stand before chosen ones, volumes by name, the default identity first", () => {
  const [group] = job(
    {},
    {
      networks: [{ ports: [{ label: "a" }, { label: "b", static: 80 }, { label: "c" }] }],
      volumes: [{ name: "z" }, { name: "a" }],
      tasks: [{ name: "t", driver: "x", identities: [{ name: "vault" }, {}] }],
    },
  ).groups;
  expect(group?.networks[0]?.ports.map((port) => port.label)).toEqual(["b", "a", "c"]);
  expect(group?.volumes.map((volume) => volume.name)).toEqual(["a", "z"]);
  expect(group?.tasks[0]?.identities.map((identity) => identity.name)).toEqual(["default", "vault"]);
});

test("services are named after job, group and task", () => {
  const spec = job({}, { services: [{}], tasks: [{ name: "t", driver: "x", services: [{}, { name: "own" }] }] });
  expect(spec.groups[0]?.services[0]?.name).toBe("a-g");
  expect(spec.groups[0]?.tasks[0]?.services.map((service) => service.name)).toEqual(["a-g-t", "own"]);
});
