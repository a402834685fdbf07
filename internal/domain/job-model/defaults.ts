// Canonicalisation: a draft becomes a whole JobSpec. Here stand the defaults that the table cannot hold,
// because they depend on the job's type or pass from job to group and from group to task, field by field.

import type { Disconnect, JobSpec, JobType, Lifecycle, Network, Reschedule, Restart, TaskGroup } from "../job.ts";
import type { Draft } from "./dsl.ts";
import { fill } from "./fill.ts";
import { TASK_GROUP } from "./group.ts";
import { JOB, type JobDraft } from "./job.ts";

type GroupDraft = Draft<TaskGroup>;
type TaskDraft = NonNullable<GroupDraft["tasks"]>[number];
type ServiceDraft = NonNullable<GroupDraft["services"]>[number];

/** The spec of a draft with every default filled in. Idempotent: a spec canonicalises to itself. */
export function canonicalizeJob(draft: JobDraft): JobSpec {
  const { groups, reschedule, migrate, ...own } = draft;
  const { reschedule: _reschedule, migrate: _migrate, ...spec } = fill(JOB, { ...own, name: own.name || own.id });
  return { ...spec, groups: (groups ?? []).map((group) => canonicalizeGroup(group, draft)) };
}

// --- internal ---

const RESTARTS: Readonly<Record<JobType, Draft<Restart>>> = {
  service: { attempts: 2, intervalMs: 1_800_000 },
  system: { attempts: 2, intervalMs: 1_800_000 },
  batch: { attempts: 3, intervalMs: 86_400_000 },
  sysbatch: { attempts: 3, intervalMs: 86_400_000 },
};

const RESCHEDULES: Readonly<Record<JobType, Draft<Reschedule> | null>> = {
  service: { attempts: 0, intervalMs: 0, delayMs: 30_000, delayFunction: "exponential", maxDelayMs: 3_600_000, unlimited: true },
  batch: { attempts: 1, intervalMs: 86_400_000, delayMs: 5000, delayFunction: "constant", maxDelayMs: 0, unlimited: false },
  system: null,
  sysbatch: null,
};

/** A node that fires a job goes on without a server: for a year nobody takes its place. */
const PINNED: Draft<Disconnect> = { lostAfterMs: 365 * 86_400_000, replace: false, reconcile: "keep_original" };

function canonicalizeGroup(draft: GroupDraft, job: JobDraft): TaskGroup {
  const type = job.type ?? "service";
  const scaling = draft.scaling ? { ...draft.scaling, min: draft.scaling.min ?? draft.count ?? 1 } : draft.scaling;
  const restart: Draft<Restart> = { ...RESTARTS[type], ...written(draft.restart) };
  const tasks = (draft.tasks ?? []).map((task) => canonicalizeTask(task, restart, (name) => `${jobName(job)}-${draft.name ?? ""}-${name}`));
  const hasUpdates = type === "service" || type === "system";
  const group = fill(TASK_GROUP, {
    ...draft,
    count: draft.count ?? scaling?.min,
    scaling,
    restart,
    reschedule: rescheduleOf(draft, job, type),
    update: merged(hasUpdates ? {} : null, job.update, draft.update),
    migrate: merged(type === "service" ? {} : null, job.migrate, draft.migrate),
    disconnect: job.periodic?.runOn === "node" ? (draft.disconnect ?? PINNED) : draft.disconnect,
    services: draft.services?.map((service) => named(service, `${jobName(job)}-${draft.name ?? ""}`)),
    volumes: draft.volumes && [...draft.volumes].sort((a, b) => compare(a.name ?? "", b.name ?? "")),
    tasks,
  });
  return { ...group, networks: group.networks.map(sortPorts) };
}

function canonicalizeTask(draft: TaskDraft, restart: Draft<Restart>, serviceName: (task: string) => string): TaskDraft {
  const resources = draft.resources ?? {};
  const hasCoresOnly = (resources.cores ?? 0) > 0 && (resources.cpuMHz ?? undefined) === undefined;
  const identities = draft.identities ?? [];
  const isDefault = (identity: (typeof identities)[number]) => (identity.name || "default") === "default";
  return {
    ...draft,
    lifecycle: draft.lifecycle && withOn(draft.lifecycle),
    restart: { ...restart, ...written(draft.restart) },
    resources: hasCoresOnly ? { ...resources, cpuMHz: 0 } : resources,
    services: draft.services?.map((service) => named(service, serviceName(draft.name ?? ""))),
    identities: [...identities.filter(isDefault), ...identities.filter((identity) => !isDefault(identity))],
  };
}

/** After which end a hook runs, where nobody wrote it. */
function withOn(draft: NonNullable<TaskDraft["lifecycle"]>): Draft<Lifecycle> {
  if (draft.on) return draft;
  return draft.hook === "poststop" ? { ...draft, on: "always" } : draft.hook === "postfail" ? { ...draft, on: "failure" } : draft;
}

/** System jobs have none; a block of zeros, which clients send for them, counts as none. */
function rescheduleOf(draft: GroupDraft, job: JobDraft, type: JobType): Draft<Reschedule> | null {
  const initial = RESCHEDULES[type];
  const own = written({ ...written(job.reschedule), ...written(draft.reschedule) });
  if (initial === null) return Object.keys(own).length === 0 || (!own.unlimited && (own.attempts ?? 0) === 0) ? null : { unlimited: false, ...own };
  // What was written decides what the rest means: attempts are a limit, no limit needs no attempts.
  const implied: Draft<Reschedule> = {
    ...((own.attempts ?? 0) > 0 && own.unlimited === undefined ? { unlimited: false } : {}),
    ...(own.unlimited === true && own.attempts === undefined ? { attempts: 0 } : {}),
    ...((own.delayFunction ?? "constant") !== "constant" ? { maxDelayMs: 3_600_000 } : {}),
  };
  return { ...initial, ...implied, ...own };
}

/** The blocks laid over each other, later ones stronger; null when nobody wrote one and there is no initial one. */
function merged<B extends object>(initial: B | null, job: B | null | undefined, group: B | null | undefined): B | null {
  if (!initial && !job && !group) return null;
  // All three are drafts of one block, so what they spread into is one too.
  return { ...initial, ...written(job), ...written(group) } as B;
}

/** The fields of a draft that were written. */
function written<B extends object>(draft: B | null | undefined): Partial<B> {
  if (!draft) return {};
  // A subset of B's own entries is a Partial<B>.
  return Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined && value !== null)) as Partial<B>;
}

function named(service: ServiceDraft, name: string): ServiceDraft {
  return { ...service, name: service.name || name };
}

function jobName(job: JobDraft): string {
  return job.name || (job.id ?? "");
}

/** Fixed ports first: the wire keeps the two kinds apart, and a job must come back as it went. */
function sortPorts(network: Network): Network {
  const isFixed = (port: Network["ports"][number]) => port.static !== 0;
  return { ...network, ports: [...network.ports.filter(isFixed), ...network.ports.filter((port) => !isFixed(port))] };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
