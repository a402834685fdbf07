// The job model: what a person writes (JobSpec) and what the server adds to it (Job).
// Shapes only; defaults, limits and rules stand in the job model table (job-model/).
// Durations are milliseconds (`Ms`), memory and disk MiB, CPU MHz.

import type { Action, Artifact, Identity, Secret, Template, Vault, VolumeMount } from "./job-inputs.ts";

export type JobType = "service" | "batch" | "system" | "sysbatch";
export type JobStatus = "pending" | "running" | "dead";

export type StringMap = Readonly<Record<string, string>>;
/** Opaque JSON: a driver's config, a scaling policy. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonMap = { readonly [key: string]: Json };

/** The closed list of constraint operators, as written after normalisation (`is` and `==` become `=`). */
export type Operator =
  | "="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "regexp"
  | "version"
  | "semver"
  | "set_contains"
  | "set_contains_all"
  | "set_contains_any"
  | "distinct_hosts"
  | "distinct_property"
  | "is_set"
  | "is_not_set";

export interface Constraint {
  readonly attribute: string;
  readonly operator: Operator;
  readonly value: string;
}

export interface Affinity {
  readonly attribute: string;
  readonly operator: Operator;
  readonly value: string;
  /** -100..100, never 0. */
  readonly weight: number;
}

export interface SpreadTarget {
  readonly value: string;
  readonly percent: number;
}

export interface Spread {
  readonly attribute: string;
  readonly weight: number;
  readonly targets: readonly SpreadTarget[];
}

export interface Update {
  readonly maxParallel: number;
  readonly healthCheck: "checks" | "task_states" | "manual";
  readonly minHealthyTimeMs: number;
  readonly healthyDeadlineMs: number;
  readonly progressDeadlineMs: number;
  readonly autoRevert: boolean;
  readonly autoPromote: boolean;
  readonly canary: number;
  readonly staggerMs: number;
}

export interface Reschedule {
  readonly attempts: number;
  readonly intervalMs: number;
  readonly delayMs: number;
  readonly delayFunction: "constant" | "exponential" | "fibonacci";
  readonly maxDelayMs: number;
  readonly unlimited: boolean;
}

export interface Restart {
  readonly attempts: number;
  readonly delayMs: number;
  readonly intervalMs: number;
  readonly mode: "fail" | "delay";
  readonly renderTemplates: boolean;
}

export interface Migrate {
  readonly maxParallel: number;
  readonly healthCheck: "checks" | "task_states";
  readonly minHealthyTimeMs: number;
  readonly healthyDeadlineMs: number;
}

export interface Disconnect {
  readonly lostAfterMs: number;
  /** null: tasks are never stopped for being cut off. */
  readonly stopOnClientAfterMs: number | null;
  readonly replace: boolean;
  readonly reconcile: "best_score" | "keep_original" | "keep_replacement" | "longest_running";
}

/** How many ended children stay, the newest ones; null = as long as their age allows. */
export interface Keep {
  readonly success: number | null;
  readonly failure: number | null;
}

export interface Periodic {
  readonly enabled: boolean;
  /** One or more cron expressions; the earliest next fire wins. */
  readonly crons: readonly string[];
  readonly prohibitOverlap: boolean;
  readonly timeZone: string;
  /** What happens to fires missed while no leader ran: none, the last one, or all (bounded by limits). */
  readonly catchUp: "none" | "last" | "all";
  /** A missed fire older than this is not caught up; 0 = no deadline. */
  readonly startDeadlineMs: number;
  /** Each fire is delayed by a fixed share of this, derived from the job id. */
  readonly splayMs: number;
  /** Who decides that it fires: the leader, or the node that the job is placed on, also while it hears of no server. */
  readonly runOn: "server" | "node";
  /** What becomes of a fire of a node whose start nobody can prove after a crash. */
  readonly onUnknown: "skip" | "run";
  readonly keep: Keep | null;
}

export interface Parameterized {
  readonly payload: "optional" | "required" | "forbidden";
  readonly metaRequired: readonly string[];
  readonly metaOptional: readonly string[];
  readonly keep: Keep | null;
}

/** Runs that share a key take turns. */
export interface Concurrency {
  /** `${NOMAD_META_x}` stands for a run's meta; "" = the job's id. Shared by all jobs of a namespace that name it. */
  readonly key: string;
  /** Runs of the key at once. */
  readonly limit: number;
  /** What becomes of one too many: it waits, it is left out, or the oldest ends for it. */
  readonly policy: "queue" | "skip" | "replace";
}

/** How a run stands with its concurrency key. */
export interface Slot {
  readonly key: string;
  /** `waits` until one of the key ends, `held` while it may run, `over` once it has ended. */
  readonly state: "waits" | "held" | "over";
}

export interface MultiregionRegion {
  readonly name: string;
  readonly count: number;
  readonly datacenters: readonly string[];
  readonly nodePool: string;
  readonly meta: StringMap;
}

export interface Multiregion {
  readonly strategy: { readonly maxParallel: number; readonly onFailure: string } | null;
  readonly regions: readonly MultiregionRegion[];
}

export interface JobUi {
  readonly description: string;
  readonly links: readonly { readonly label: string; readonly url: string }[];
}

export interface Port {
  readonly label: string;
  /** 0 = chosen by the scheduler. */
  readonly static: number;
  /** Port inside the task's network; 0 = not mapped, -1 = the same as the host's. */
  readonly to: number;
  readonly hostNetwork: string;
  readonly ignoreCollision: boolean;
}

export interface Network {
  readonly mode: string;
  readonly hostname: string;
  readonly device: string;
  readonly cidr: string;
  readonly mbits: number;
  readonly dns: { readonly servers: readonly string[]; readonly searches: readonly string[]; readonly options: readonly string[] } | null;
  readonly cniArgs: StringMap;
  readonly ports: readonly Port[];
}

export interface CheckRestart {
  readonly limit: number;
  readonly graceMs: number;
  readonly ignoreWarnings: boolean;
}

export interface ServiceCheck {
  readonly name: string;
  readonly type: "http" | "tcp" | "grpc" | "script";
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly path: string;
  readonly protocol: string;
  readonly port: string;
  readonly addressMode: string;
  readonly method: string;
  readonly body: string;
  readonly header: Readonly<Record<string, readonly string[]>>;
  readonly command: string;
  readonly args: readonly string[];
  readonly grpcService: string;
  readonly grpcUseTls: boolean;
  readonly tlsSkipVerify: boolean;
  readonly tlsServerName: string;
  readonly initialStatus: string;
  readonly successBeforePassing: number;
  readonly failuresBeforeCritical: number;
  readonly failuresBeforeWarning: number;
  readonly expose: boolean;
  readonly notes: string;
  readonly onUpdate: string;
  readonly task: string;
  readonly checkRestart: CheckRestart | null;
}

export interface Service {
  readonly name: string;
  readonly provider: "consul" | "nomad";
  readonly port: string;
  readonly address: string;
  readonly addressMode: string;
  readonly tags: readonly string[];
  readonly canaryTags: readonly string[];
  readonly meta: StringMap;
  readonly canaryMeta: StringMap;
  readonly taggedAddresses: StringMap;
  readonly onUpdate: string;
  readonly task: string;
  readonly enableTagOverride: boolean;
  readonly kind: string;
  readonly cluster: string;
  readonly weights: { readonly passing: number; readonly warning: number } | null;
  readonly identity: Identity | null;
  readonly connect: JsonMap | null;
  readonly checks: readonly ServiceCheck[];
  readonly checkRestart: CheckRestart | null;
}

export interface VolumeRequest {
  readonly name: string;
  readonly type: string;
  readonly source: string;
  readonly readOnly: boolean;
  readonly sticky: boolean;
  readonly accessMode: string;
  readonly attachmentMode: string;
  readonly perAlloc: boolean;
  readonly mountOptions: { readonly fsType: string; readonly mountFlags: readonly string[] } | null;
}

export interface Scaling {
  readonly name: string;
  readonly type: string;
  readonly enabled: boolean;
  readonly min: number;
  readonly max: number;
  readonly policy: JsonMap;
}

export interface EphemeralDisk {
  readonly sizeMiB: number;
  readonly sticky: boolean;
  readonly migrate: boolean;
}

export interface ConsulBlock {
  readonly namespace: string;
  readonly cluster: string;
  readonly partition: string;
}

export interface Device {
  readonly name: string;
  readonly count: number;
  readonly constraints: readonly Constraint[];
  readonly affinities: readonly Affinity[];
}

export interface Resources {
  readonly cpuMHz: number;
  readonly cores: number;
  readonly memoryMiB: number;
  /** 0 = not set; -1 = no limit. */
  readonly memoryMaxMiB: number;
  readonly diskMiB: number;
  readonly secretsMiB: number;
  readonly numa: { readonly affinity: "none" | "prefer" | "require"; readonly devices: readonly string[] } | null;
  readonly devices: readonly Device[];
}

export interface LogConfig {
  readonly maxFiles: number;
  readonly maxFileSizeMB: number;
  readonly disabled: boolean;
}

export interface Lifecycle {
  readonly hook: "prestart" | "poststart" | "poststop" | "postfail";
  readonly sidecar: boolean;
  /** Of poststop and postfail, "" of the others: after which end of the group's tasks it runs. */
  readonly on: "" | "success" | "failure" | "always";
  /** Of poststop and postfail: whether the allocation counts as failed when this task fails. */
  readonly mustSucceed: boolean;
}

/** What a task waits for in another one of its group. */
export type DependencyCondition = "started" | "healthy" | "succeeded";

export interface TaskSchedule {
  /** A cron expression. */
  readonly start: string;
  /** A time of day: "minute hour", or "second minute hour". */
  readonly end: string;
  /** "Local" is the node's own. */
  readonly timezone: string;
}

export interface Task {
  readonly name: string;
  readonly driver: string;
  readonly config: JsonMap;
  readonly user: string;
  readonly env: StringMap;
  readonly meta: StringMap;
  readonly killTimeoutMs: number;
  /** "" = the driver's default. */
  readonly killSignal: string;
  readonly shutdownDelayMs: number;
  readonly leader: boolean;
  readonly kind: string;
  readonly lifecycle: Lifecycle | null;
  /** Names of tasks of the group, and what must be true of each before this one starts. */
  readonly dependsOn: Readonly<Record<string, DependencyCondition>>;
  /** From its first start on, all attempts together; null = no limit. */
  readonly maxRunDurationMs: number | null;
  readonly resources: Resources;
  readonly logs: LogConfig;
  readonly restart: Restart;
  readonly constraints: readonly Constraint[];
  readonly affinities: readonly Affinity[];
  readonly artifacts: readonly Artifact[];
  readonly templates: readonly Template[];
  readonly services: readonly Service[];
  readonly volumeMounts: readonly VolumeMount[];
  readonly actions: readonly Action[];
  readonly identities: readonly Identity[];
  readonly secrets: readonly Secret[];
  readonly scalings: readonly Scaling[];
  readonly vault: Vault | null;
  readonly consul: ConsulBlock | null;
  readonly dispatchPayload: { readonly file: string } | null;
  readonly csiPlugin: {
    readonly id: string;
    readonly type: string;
    readonly mountDir: string;
    readonly healthTimeoutMs: number;
    readonly stagePublishBaseDir: string;
  } | null;
  /** The hours in which it runs, from each start to the next end; null = always. */
  readonly schedule: TaskSchedule | null;
}

export interface TaskGroup {
  readonly name: string;
  readonly count: number;
  /** null = no delay of its own. */
  readonly shutdownDelayMs: number | null;
  /** From the start of the first main task on; null = no limit. */
  readonly maxRunDurationMs: number | null;
  readonly meta: StringMap;
  readonly constraints: readonly Constraint[];
  readonly affinities: readonly Affinity[];
  readonly spreads: readonly Spread[];
  readonly restart: Restart;
  /** null for system and sysbatch jobs. */
  readonly reschedule: Reschedule | null;
  /** null for batch and sysbatch jobs. */
  readonly update: Update | null;
  /** null unless the job is a service. */
  readonly migrate: Migrate | null;
  readonly disconnect: Disconnect | null;
  /** What its tasks do once their machine has booted and no server was heard yet; "" = as `onBootOf` says. */
  readonly onBoot: "" | "start" | "wait";
  readonly ephemeralDisk: EphemeralDisk;
  readonly networks: readonly Network[];
  readonly services: readonly Service[];
  readonly volumes: readonly VolumeRequest[];
  readonly scaling: Scaling | null;
  readonly consul: ConsulBlock | null;
  readonly tasks: readonly Task[];
}

/** What a person writes, with every default filled in. */
export interface JobSpec {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly region: string;
  readonly type: JobType;
  readonly priority: number;
  readonly allAtOnce: boolean;
  readonly datacenters: readonly string[];
  readonly nodePool: string;
  readonly meta: StringMap;
  readonly constraints: readonly Constraint[];
  readonly affinities: readonly Affinity[];
  readonly spreads: readonly Spread[];
  readonly update: Update | null;
  readonly periodic: Periodic | null;
  readonly parameterized: Parameterized | null;
  /** null = no limit; of batch and sysbatch jobs alone. */
  readonly concurrency: Concurrency | null;
  readonly multiregion: Multiregion | null;
  readonly ui: JobUi | null;
  readonly groups: readonly TaskGroup[];
}

export interface VersionTag {
  readonly name: string;
  readonly description: string;
  readonly taggedAtMs: number;
}

/** One version of a registered job. Spec fields change only with a new version. */
export interface Job extends JobSpec {
  readonly parentId: string;
  readonly dispatched: boolean;
  /** Made by a node that fired its parent: where it runs is not the scheduler's to say. */
  readonly isFiredByNode?: true;
  readonly dispatchIdempotencyToken: string;
  /** Base64 of the dispatch payload, "" when there is none. */
  readonly payload: string;
  readonly stop: boolean;
  readonly stable: boolean;
  readonly status: JobStatus;
  readonly statusDescription: string;
  /** Absent where no concurrency key limits it. */
  readonly slot?: Slot;
  readonly version: number;
  readonly versionTag: VersionTag | null;
  readonly submittedAtMs: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
  /** Index of the last change of the spec (status changes leave it alone). */
  readonly jobModifyIndex: number;
}
