// The job on the wire: every field of Nomad's own, and back without loss.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeJobSpec, encodeJob, encodeJobSpec } from "../../internal/api/job-codec.ts";
import type { Job, JobSpec } from "../../internal/domain/job.ts";
import { canonicalizeJob } from "../../internal/domain/job-model/defaults.ts";
import type { Block, Field } from "../../internal/domain/job-model/dsl.ts";
import { JOB, type JobDraft } from "../../internal/domain/job-model/job.ts";
import { describePath } from "../../internal/domain/job-model/paths.ts";
import { unsupportedFeatures } from "../../internal/domain/job-model/unsupported.ts";
import { validateJob } from "../../internal/domain/job-model/validate.ts";
import { jobWarnings } from "../../internal/domain/job-model/warnings.ts";

const DRAFT: JobDraft = { id: "a", groups: [{ name: "g", tasks: [{ name: "t", driver: "raw_exec" }] }] };

function jobOf(spec: JobSpec): Job {
  return {
    ...spec,
    parentId: "",
    dispatched: false,
    dispatchIdempotencyToken: "",
    payload: "",
    stop: false,
    stable: true,
    status: "running",
    statusDescription: "",
    version: 3,
    versionTag: null,
    submittedAtMs: 1_700_000_000_123,
    createIndex: 5,
    modifyIndex: 7,
    jobModifyIndex: 6,
  };
}

function decoded(wire: unknown): JobSpec {
  const result = decodeJobSpec(wire);
  if ("problems" in result) throw new Error(JSON.stringify(result.problems));
  return result.spec;
}

// --- property ---

/** Any value of a field, drawn from the table itself, so that a new field is tested as soon as it exists. */
function anyField(field: Field): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case "string":
      return field.oneOf ? fc.constantFrom(...field.oneOf) : fc.string({ maxLength: 8 });
    case "int":
      return fc.integer({ min: -1, max: 70_000 });
    case "number":
      return fc.constantFrom(1, 2, 7, 0.5, 0.001, 0.333);
    case "duration":
      return fc.oneof(
        fc.integer({ min: 0, max: 1e12 }),
        fc.integer({ min: 0, max: 1e6 }).map((us) => us / 1000),
      );
    case "bool":
      return fc.boolean();
    case "strings":
      return fc.array(fc.string({ maxLength: 5 }), { maxLength: 3 });
    case "stringMap":
      return fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), { maxKeys: 3, noNullPrototype: true });
    case "stringListMap":
      return fc.dictionary(fc.string({ maxLength: 5 }), fc.array(fc.string({ maxLength: 3 }), { maxLength: 2 }), {
        maxKeys: 2,
        noNullPrototype: true,
      });
    case "json":
      return fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3, noNullPrototype: true });
    case "block":
      return anyBlock(field.block);
    case "blocks":
      return field.label === undefined || field.key === "ports"
        ? fc.array(anyBlock(field.block), { maxLength: 2 })
        : fc.uniqueArray(anyBlock(field.block), {
            maxLength: 2,
            selector: (item) => new Map<string, unknown>(Object.entries(item)).get(field.label ?? "") ?? "",
          });
  }
}

function anyBlock(block: Block): fc.Arbitrary<object> {
  const fields = Object.fromEntries(block.fields.map((field) => [field.key, anyField(field)]));
  return fc.record(fields, { requiredKeys: [] });
}

/** Identities named "default" are kept apart on the wire, one at most, and an idle one counts as none. */
function isOnWire(spec: JobSpec): boolean {
  const tasks = spec.groups.flatMap((group) => group.tasks);
  return tasks.every((task) =>
    task.identities
      .filter((identity) => identity.name === "default")
      .every((identity, index) => index === 0 && (identity.env || identity.file || identity.ttlMs > 0)),
  );
}

test("any job comes back from the wire as it went, through JSON text too", () => {
  fc.assert(
    fc.property(anyBlock(JOB), (draft) => {
      // Drawn field by field from the table, so it is a draft of a job.
      const spec = canonicalizeJob(draft as JobDraft);
      fc.pre(isOnWire(spec));
      expect(decoded(JSON.parse(JSON.stringify(encodeJobSpec(spec))))).toEqual(spec);
    }),
    { numRuns: 300, seed: 7 },
  );
});

test("what comes back from the wire is canonical already", () => {
  const spec = decoded(encodeJobSpec(canonicalizeJob(DRAFT)));
  expect(canonicalizeJob(spec)).toEqual(spec);
});

// --- encoding ---

test("a registered job carries what the server adds", () => {
  const wire = encodeJob(jobOf(canonicalizeJob(DRAFT)));
  expect(wire).toMatchObject({
    ID: "a",
    Status: "running",
    Version: 3,
    Stable: true,
    Stop: false,
    CreateIndex: 5,
    ModifyIndex: 7,
    JobModifyIndex: 6,
    Payload: null,
    VersionTag: null,
  });
});

test("the submit time is printed as exact nanoseconds", () => {
  const text = JSON.stringify(encodeJob(jobOf(canonicalizeJob(DRAFT))));
  expect(text).toContain('"SubmitTime":1700000000123000000,');
});

test("the payload and the version's tag are carried", () => {
  const job = { ...jobOf(canonicalizeJob(DRAFT)), payload: "aGk=", versionTag: { name: "v1", description: "d", taggedAtMs: 5 } };
  expect(encodeJob(job)).toMatchObject({ Payload: "aGk=", VersionTag: { Name: "v1", Description: "d", TaggedTime: 5_000_000 } });
});

/** Go's field names of each object, as clients decode them. */
const GO_FIELDS: readonly (readonly [string, readonly (string | number)[], string])[] = [
  [
    "job",
    [],
    "AllAtOnce Affinities Constraints ConsulNamespace CreateIndex Datacenters DispatchIdempotencyToken Dispatched ID JobModifyIndex Meta Migrate ModifyIndex Multiregion Name Namespace NodePool NomadTokenID ParameterizedJob ParentID Payload Periodic Priority Region Reschedule Spreads Stable Status StatusDescription Stop SubmitTime TaskGroups Type UI Update VaultNamespace Version VersionTag",
  ],
  [
    "group",
    ["TaskGroups", 0],
    "Affinities Constraints Consul Count Disconnect EphemeralDisk MaxClientDisconnect MaxRunDuration Meta Migrate Name Networks PreventRescheduleOnLost ReschedulePolicy RestartPolicy Scaling Services ShutdownDelay Spreads StopAfterClientDisconnect Tasks Update Volumes",
  ],
  [
    "task",
    ["TaskGroups", 0, "Tasks", 0],
    "Actions Affinities Artifacts CSIPluginConfig Config Constraints Consul DispatchPayload Driver Env Identities Identity KillSignal KillTimeout Kind Leader Lifecycle LogConfig Meta Name Resources RestartPolicy ScalingPolicies Schedule Secrets Services ShutdownDelay Templates User Vault VolumeMounts DependsOn MaxRunDuration",
  ],
  ["resources", ["TaskGroups", 0, "Tasks", 0, "Resources"], "CPU Cores Devices DiskMB IOPS MemoryMB MemoryMaxMB NUMA Networks SecretsMB"],
  ["network", ["TaskGroups", 0, "Networks", 0], "CIDR CNI DNS Device DynamicPorts Hostname IP MBits Mode ReservedPorts"],
  ["port", ["TaskGroups", 0, "Networks", 0, "DynamicPorts", 0], "HostNetwork IgnoreCollision Label To Value"],
  ["restart", ["TaskGroups", 0, "RestartPolicy"], "Attempts Delay Interval Mode RenderTemplates"],
  ["reschedule", ["TaskGroups", 0, "ReschedulePolicy"], "Attempts Delay DelayFunction Interval MaxDelay Unlimited"],
  [
    "update",
    ["TaskGroups", 0, "Update"],
    "AutoPromote AutoRevert Canary HealthCheck HealthyDeadline MaxParallel MinHealthyTime ProgressDeadline Stagger",
  ],
  ["disk", ["TaskGroups", 0, "EphemeralDisk"], "Migrate SizeMB Sticky"],
  ["logs", ["TaskGroups", 0, "Tasks", 0, "LogConfig"], "Disabled MaxFileSizeMB MaxFiles"],
  ["constraint", ["Constraints", 0], "LTarget Operand RTarget"],
  ["affinity", ["Affinities", 0], "LTarget Operand RTarget Weight"],
  ["spread", ["Spreads", 0], "Attribute SpreadTarget Weight"],
  ["spread target", ["Spreads", 0, "SpreadTarget", 0], "Percent Value"],
  [
    "template",
    ["TaskGroups", 0, "Tasks", 0, "Templates", 0],
    "ChangeMode ChangeScript ChangeSignal DestPath EmbeddedTmpl Envvars ErrMissingKey Gid LeftDelim Once Perms RightDelim SourcePath Splay Uid Wait",
  ],
  [
    "artifact",
    ["TaskGroups", 0, "Tasks", 0, "Artifacts", 0],
    "Chown GetterHeaders GetterInsecure GetterMode GetterOptions GetterSource RelativeDest",
  ],
  ["schedule", ["TaskGroups", 0, "Tasks", 0, "Schedule", "Cron"], "End Start Timezone"],
];

const FULL: JobDraft = {
  id: "a",
  constraints: [{ attribute: "${attr.x}", value: "y" }],
  affinities: [{ attribute: "${attr.x}", value: "y" }],
  spreads: [{ attribute: "${attr.x}", targets: [{ value: "y", percent: 5 }] }],
  groups: [
    {
      name: "g",
      networks: [{ ports: [{ label: "p" }] }],
      tasks: [{ name: "t", driver: "x", templates: [{ data: "x" }], artifacts: [{ source: "x" }], schedule: { start: "x" } }],
    },
  ],
};

for (const [name, path, fields] of GO_FIELDS) {
  test(`the ${name} on the wire has exactly Nomad's fields`, () => {
    const wire = path.reduce<unknown>((value, part) => Object(value)[part], encodeJob(jobOf(canonicalizeJob(FULL))));
    expect(Object.keys(Object(wire)).sort().join(" ")).toBe(fields.split(" ").sort().join(" "));
  });
}

test("durations are nanoseconds, empty lists and maps null, absent blocks null", () => {
  const wire = encodeJobSpec(canonicalizeJob(DRAFT));
  expect(wire).toMatchObject({ Meta: null, Constraints: null, Periodic: null, Update: null, Datacenters: ["*"] });
  expect(wire.TaskGroups).toMatchObject([{ ShutdownDelay: null, Volumes: null, Tasks: [{ KillTimeout: 5_000_000_000, Env: null, Config: null }] }]);
});

test("fixed and chosen ports are kept apart", () => {
  const spec = canonicalizeJob({ id: "a", groups: [{ name: "g", networks: [{ ports: [{ label: "a" }, { label: "b", static: 80, to: 8080 }] }] }] });
  expect(encodeJobSpec(spec).TaskGroups).toMatchObject([
    { Networks: [{ ReservedPorts: [{ Label: "b", Value: 80, To: 8080, HostNetwork: "default" }], DynamicPorts: [{ Label: "a", Value: 0 }] }] },
  ]);
});

test("one cron expression stands in Spec, several in Specs", () => {
  const periodic = (crons: readonly string[]) => encodeJobSpec(canonicalizeJob({ ...DRAFT, type: "batch", periodic: { crons } })).Periodic;
  expect(periodic(["@daily"])).toMatchObject({
    Enabled: true,
    Spec: "@daily",
    Specs: null,
    SpecType: "cron",
    ProhibitOverlap: false,
    TimeZone: "UTC",
  });
  expect(periodic(["@daily", "@hourly"])).toMatchObject({ Spec: "", Specs: ["@daily", "@hourly"], CatchUp: "last" });
});

test("volumes stand by name", () => {
  const spec = canonicalizeJob({ id: "a", groups: [{ name: "g", volumes: [{ name: "v", source: "s" }] }] });
  expect(encodeJobSpec(spec).TaskGroups).toMatchObject([{ Volumes: { v: { Name: "v", Type: "host", Source: "s", ReadOnly: false } } }]);
});

// --- decoding ---

/** [what is tolerated, the wire, part of the spec] */
const TOLERATED: readonly (readonly [string, object, object])[] = [
  ["nothing but an id", { ID: "a" }, { id: "a", name: "a", type: "service", groups: [] }],
  [
    "null everywhere",
    { ID: "a", Name: null, Type: null, Datacenters: null, Meta: null, TaskGroups: null, Periodic: null, Update: null },
    { name: "a", type: "service", update: null },
  ],
  [
    "empty texts where a default exists",
    { ID: "a", Name: "", Region: "", Namespace: "", NodePool: "", Type: "" },
    { name: "a", region: "global", namespace: "default", nodePool: "default", type: "service" },
  ],
  ["fields nobody knows", { ID: "a", Nonsense: 5, Status: "dead", SubmitTime: 5 }, { id: "a" }],
  [
    "an update of zeros in a batch job",
    { ID: "a", Type: "batch", Update: { Stagger: 0, MaxParallel: 0, HealthCheck: "", MinHealthyTime: 0, AutoRevert: false } },
    { update: null },
  ],
  [
    "other spellings of operators",
    {
      ID: "a",
      Constraints: [
        { LTarget: "${attr.x}", RTarget: "y", Operand: "==" },
        { LTarget: "${attr.x}", RTarget: "y", Operand: "" },
      ],
    },
    { constraints: [{ operator: "=" }, { operator: "=" }] },
  ],
  ["several crons", { ID: "a", Type: "batch", Periodic: { Specs: ["@daily"], Spec: "" } }, { periodic: { crons: ["@daily"], enabled: true } }],
  [
    "one cron",
    { ID: "a", Type: "batch", Periodic: { Spec: "@daily", SpecType: "cron", CatchUp: "none" } },
    { periodic: { crons: ["@daily"], catchUp: "none" } },
  ],
];

for (const [name, wire, want] of TOLERATED) {
  test(`decoding takes ${name}`, () => {
    expect(decoded(wire)).toMatchObject(want);
  });
}

test("durations may be nanoseconds or text, small fractions included", () => {
  const delay = (value: unknown) =>
    decoded({ ID: "a", TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", KillTimeout: value }] }] }).groups[0]?.tasks[0]?.killTimeoutMs;
  expect([delay(7_000_000_000), delay("7s"), delay(1_500_000), delay(0)]).toEqual([7000, 7000, 1.5, 0]);
});

test("an identity that gives the task nothing, which Nomad adds to every task, counts as not written", () => {
  const identities = (wire: object) =>
    decoded({ ID: "a", TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", ...wire }] }] }).groups[0]?.tasks[0]?.identities;
  expect(identities({ Identity: { Name: "default", Audience: ["nomadproject.io"], Env: false, File: false } })).toEqual([]);
  expect(identities({ Identity: { Name: "default", Env: true }, Identities: [{ Name: "v" }] })?.map((identity) => identity.name)).toEqual([
    "default",
    "v",
  ]);
});

/** [what is wrong, the wire, where in words, part of the message] */
const WRONG: readonly (readonly [string, unknown, string, string])[] = [
  ["nothing", null, "", "must be a table"],
  ["a list", [], "", "must be a table"],
  ["a number for the id", { ID: 5 }, "id", "must be a string"],
  ["text for a count", { ID: "a", TaskGroups: [{ Name: "g", Count: "3" }] }, 'group "g" -> count', "must be a whole number"],
  ["a job type that does not exist", { ID: "a", Type: "servce" }, "type", "must be one of"],
  ["a fraction of a priority", { ID: "a", Priority: 1.5 }, "priority", "must be a whole number"],
  ["a fraction of a nanosecond", { ID: "a", TaskGroups: [{ Name: "g", ShutdownDelay: 1.5 }] }, 'group "g" -> shutdown_delay', "must be a duration"],
  ["an object for a list", { ID: "a", TaskGroups: {} }, "group", "must be a list of tables"],
  ["a list of lists", { ID: "a", TaskGroups: [[]] }, 'group ""', "must be a table"],
  ["a number among texts", { ID: "a", Datacenters: ["dc1", 5] }, "datacenters.#2", "must be a string"],
];

for (const [name, wire, where, message] of WRONG) {
  test(`decoding refuses ${name} and says where`, () => {
    const result = decodeJobSpec(wire);
    const problems = "problems" in result ? result.problems : [];
    const spec = canonicalizeJob({ id: "a", groups: [{ name: where.includes('"g"') ? "g" : "" }] });
    expect(problems.map((problem) => [describePath(spec, problem.path), problem.message])).toEqual([[where, expect.stringContaining(message)]]);
  });
}

test("all wrong values of a job are named at once", () => {
  const result = decodeJobSpec({ ID: 5, Priority: "x", TaskGroups: [{ Count: "3" }] });
  expect("problems" in result && result.problems.length).toBe(3);
});

test("whatever JSON comes in, reading, checking and naming never throw", () => {
  const keys = [
    "ID",
    "TaskGroups",
    "Tasks",
    "Name",
    "Networks",
    "Volumes",
    "Update",
    "Periodic",
    "Specs",
    "Identity",
    "Constraints",
    "Resources",
    "Config",
    "Type",
  ];
  const { anything } = fc.letrec((tie) => ({
    anything: fc.oneof(
      { depthSize: "small" },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie("anything"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie("anything"), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), anything, { maxKeys: 8 }), (wire) => {
      const result = decodeJobSpec(wire);
      if ("problems" in result) return;
      const problems = [...validateJob(result.spec), ...unsupportedFeatures(result.spec)];
      for (const problem of problems) describePath(result.spec, problem.path);
      jobWarnings(result.spec);
    }),
    { numRuns: 2000, seed: 3 },
  );
});
