// Table of the job itself. The whole model hangs below JOB: reading, defaults, checks, wire, schema and docs walk it.

import type { Concurrency, JobSpec, JobUi, Keep, Migrate, Multiregion, MultiregionRegion, Parameterized, Periodic, Reschedule } from "../job.ts";
import { LIMITS } from "../limits.ts";
import {
  block,
  bool,
  choice,
  type Draft,
  duration,
  int,
  labelled,
  many,
  maybeInt,
  maybeOne,
  stringMap,
  strings,
  text,
  type WireObject,
} from "./dsl.ts";
import { TASK_GROUP } from "./group.ts";
import { AFFINITY, CONSTRAINT, SPREAD } from "./placement.ts";
import { dropZeroUpdate, MIGRATE, RESCHEDULE, UPDATE } from "./policies.ts";

/** A job as it can be written: the spec, and the policies that only pass into its groups. */
export interface JobSource extends JobSpec {
  readonly reschedule: Reschedule | null;
  readonly migrate: Migrate | null;
}

/** What every reader yields and `canonicalizeJob` takes. */
export type JobDraft = Draft<JobSource>;

const KEEP = block<Keep>("keep", {
  success: maybeInt("Ended children that succeeded and stay; by age alone unless given", { min: 0 }),
  failure: maybeInt("Ended children that failed and stay; by age alone unless given", { min: 0 }),
});

const PERIODIC = block<Periodic>(
  "periodic",
  {
    enabled: bool("Fires at all", true),
    crons: strings("Cron expressions of 5, 6 or 7 fields; the earliest next fire counts", { wire: "Specs" }),
    prohibitOverlap: bool("Skips a fire while an earlier one still runs"),
    timeZone: text("Time zone of the expressions", { default: "UTC" }),
    catchUp: choice("What happens to fires missed while nobody could fire them", ["none", "last", "all"], "last"),
    startDeadlineMs: duration("A fire missed longer ago than this is not caught up; 0: however long ago", 0),
    splayMs: duration("Each fire is delayed by a share of this, fixed for the job", 0),
    runOn: choice("Who fires it: the servers, or by itself the node that it is placed on, also without a server", ["server", "node"], "server"),
    onUnknown: choice("Where a node fires it: what becomes of a fire whose start nobody can prove after a crash", ["skip", "run"], "skip"),
    keep: maybeOne(KEEP, "How many of the ended runs stay, whatever their age"),
  },
  {
    shorthands: {
      cron: {
        doc: "One cron expression",
        expected: 'a cron expression, such as "*/5 * * * *"',
        schema: { type: "string" },
        apply: (value) => (typeof value === "string" ? { crons: [value] } : null),
      },
    },
    fromWire: joinCrons,
    toWire: splitCrons,
  },
);

const PARAMETERIZED = block<Parameterized>("parameterized", {
  payload: choice("Whether a dispatch brings a payload", ["optional", "required", "forbidden"], "optional"),
  metaRequired: strings("Meta keys a dispatch must bring"),
  metaOptional: strings("Meta keys a dispatch may bring"),
  keep: maybeOne(KEEP, "How many of the ended dispatches stay, whatever their age"),
});

const CONCURRENCY = block<Concurrency>("concurrency", {
  key: text("Runs of one key take turns, whatever their job; ${NOMAD_META_x} is a run's meta; the job's id unless given"),
  limit: int("How many of them run at once", 1, { min: 1, max: LIMITS.concurrencyLimitMax }),
  policy: choice("What becomes of one too many: it waits, it is left out, or the oldest ends for it", ["queue", "skip", "replace"], "queue"),
});

const REGION = block<MultiregionRegion>("region", {
  name: text("Name of the region", { isRequired: true }),
  count: int("Count of each group there", 0, { min: 0 }),
  datacenters: strings("Datacenters there"),
  nodePool: text("Node pool there"),
  meta: stringMap("Free keys and values"),
});

const MULTIREGION = block<Multiregion>("multiregion", {
  strategy: maybeOne(
    block<NonNullable<Multiregion["strategy"]>>("strategy", {
      maxParallel: int("Regions at once", 0, { min: 0 }),
      onFailure: text("fail_all, fail_local or nothing"),
    }),
    "In which order regions follow",
  ),
  regions: labelled(REGION, "name", "A region the job runs in", { toml: "region" }),
});

const UI = block<JobUi>("ui", {
  description: text("Text shown beside the job", { charsLimit: "uiTextCharsMax" }),
  links: many(
    block<JobUi["links"][number]>("link", {
      label: text("Text of the link", { isRequired: true }),
      url: text("Its address", { isRequired: true }),
    }),
    "A link shown beside the job",
    { toml: "link" },
  ),
});

export const JOB = block<JobSource>(
  "job",
  {
    id: text("Id of the job; may contain /", { wire: "ID", isRequired: true }),
    name: text("Name of the job; the id unless given", { charsLimit: "jobIdCharsMax" }),
    namespace: text("Namespace of the job", { default: "default" }),
    region: text("Region of the job", { default: "global" }),
    type: choice("How the job is scheduled", ["service", "batch", "system", "sysbatch"], "service"),
    priority: int("Higher goes first", 50, { min: 1, max: LIMITS.jobPriorityMax }),
    allAtOnce: bool("Kept for Nomad's files: what one evaluation decides is always applied whole, or not at all"),
    datacenters: strings("Datacenters it may run in; * stands for any part", { default: ["*"] }),
    nodePool: text("Node pool it runs in", { default: "default" }),
    meta: stringMap("Free keys and values, seen by the tasks as NOMAD_META_<key>"),
    constraints: many(CONSTRAINT, "Where the job may run", { toml: "constraint" }),
    affinities: many(AFFINITY, "Where the job would better run", { toml: "affinity" }),
    spreads: many(SPREAD, "Over what the allocations are spread", { toml: "spread" }),
    update: maybeOne(UPDATE, "How a new version replaces the old one, for groups that do not say"),
    reschedule: maybeOne(RESCHEDULE, "What happens when restarts on one node ran out, for groups that do not say"),
    migrate: maybeOne(MIGRATE, "How allocations leave a draining node, for groups that do not say"),
    periodic: maybeOne(PERIODIC, "Runs the job at given times"),
    parameterized: maybeOne(PARAMETERIZED, "Makes the job a form that is filled in by each dispatch", { wire: "ParameterizedJob" }),
    concurrency: maybeOne(CONCURRENCY, "How many runs of it, or of all jobs that share its key, go on at once"),
    multiregion: maybeOne(MULTIREGION, "Runs the job in several regions", { isCarriedOut: false }),
    ui: maybeOne(UI, "What the web page shows beside the job", { wire: "UI" }),
    groups: labelled(TASK_GROUP, "name", "A group of tasks", { toml: "group", wire: "TaskGroups", countLimit: "groupsPerJobMax" }),
  },
  { fromWire: dropZeroUpdate, toWire: asNomads },
);

// --- internal ---

/** Only jobs that say it have a field that Nomad's have not. */
function asNomads({ Concurrency, ...out }: WireObject): WireObject {
  const more = Concurrency === null || Concurrency === undefined ? {} : { Concurrency };
  return { ...out, ...more, ConsulNamespace: "", VaultNamespace: "", NomadTokenID: "" };
}

/** One expression stands in Spec on the wire, several in Specs. */
function joinCrons(wire: WireObject): WireObject {
  const listed = Array.isArray(wire.Specs) && wire.Specs.length > 0 ? wire.Specs : null;
  const single = typeof wire.Spec === "string" && wire.Spec !== "" ? [wire.Spec] : null;
  return { ...wire, Specs: listed ?? single };
}

function splitCrons(out: WireObject): WireObject {
  const crons: readonly unknown[] = Array.isArray(out.Specs) ? out.Specs : [];
  const isSingle = crons.length === 1 && crons[0] !== "";
  return { ...out, Spec: isSingle ? crons[0] : "", Specs: isSingle || crons.length === 0 ? null : crons, SpecType: "cron" };
}
