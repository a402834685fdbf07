// The rules of a job, on specs as the API sees them: values that a file's reader would have refused already come here too.

import { expect, test } from "bun:test";
import { canonicalizeJob } from "../../../internal/domain/job-model/defaults.ts";
import type { JobDraft } from "../../../internal/domain/job-model/job.ts";
import { jobIdProblem, nameProblem } from "../../../internal/domain/job-model/names.ts";
import { describePath } from "../../../internal/domain/job-model/paths.ts";
import { unsupportedFeatures } from "../../../internal/domain/job-model/unsupported.ts";
import { validateJob } from "../../../internal/domain/job-model/validate.ts";
import { jobWarnings } from "../../../internal/domain/job-model/warnings.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";

type GroupDraft = NonNullable<JobDraft["groups"]>[number];
type TaskDraft = NonNullable<GroupDraft["tasks"]>[number];

function job({ job = {}, group = {}, task = {} }: { job?: JobDraft; group?: GroupDraft; task?: TaskDraft }) {
  return canonicalizeJob({ id: "a", groups: [{ name: "g", tasks: [{ name: "t", driver: "raw_exec", ...task }], ...group }], ...job });
}

const many = (count: number) => Array.from({ length: count }, (_, index) => index);

/** [what breaks a rule, the job, where in words, part of the message] */
const tasks = (drafts: Readonly<Record<string, TaskDraft>>, own: JobDraft = { type: "batch" }) => ({
  job: own,
  group: { tasks: Object.entries(drafts).map(([name, draft]) => ({ name, driver: "x", ...draft })) },
});

const BROKEN: readonly (readonly [string, Parameters<typeof job>[0], string, string])[] = [
  ["no id", { job: { id: "" } }, "id", "is required"],
  ["an id too long", { job: { id: "x".repeat(LIMITS.jobIdCharsMax + 1), name: "x" } }, "id", "jobIdCharsMax"],
  ["a newline in the id", { job: { id: "a\nb", name: "x" } }, "id", "spaces or newlines"],
  ["a NUL in the id", { job: { id: "a\u0000", name: "x" } }, "id", "control characters"],
  ["a namespace with a slash", { job: { namespace: "a/b" } }, "namespace", "letters, digits"],
  ["the pool that takes no jobs", { job: { nodePool: "all" } }, "node_pool", 'must not be "all"'],
  ["an empty datacenter", { job: { datacenters: ["dc1", ""] } }, "datacenters.#2", "a name or a pattern"],
  [
    "two groups of one name",
    {
      job: {
        groups: [
          { name: "g", tasks: [{ name: "t", driver: "x" }] },
          { name: "g", tasks: [{ name: "t", driver: "x" }] },
        ],
      },
    },
    'group "g" -> name',
    "two groups named",
  ],
  [
    "too many groups",
    { job: { groups: many(LIMITS.groupsPerJobMax + 1).map((n) => ({ name: `g${n}`, count: 0, tasks: [{ name: "t", driver: "x" }] })) } },
    "group",
    "groupsPerJobMax",
  ],
  [
    "counts that add up to too much",
    { job: { groups: [1, 2].map((n) => ({ name: `g${n}`, count: LIMITS.jobCountMax, tasks: [{ name: "t", driver: "x" }] })) } },
    "group",
    "jobCountMax",
  ],
  [
    "too many tasks",
    { group: { tasks: many(LIMITS.tasksPerGroupMax + 1).map((n) => ({ name: `t${n}`, driver: "x" })) } },
    'group "g" -> task',
    "tasksPerGroupMax",
  ],
  [
    "two tasks of one name",
    {
      group: {
        tasks: [
          { name: "t", driver: "x" },
          { name: "t", driver: "x" },
        ],
      },
    },
    'group "g" -> task "t" -> name',
    "two tasks named",
  ],
  [
    "two leaders",
    {
      group: {
        tasks: [
          { name: "t", driver: "x", leader: true },
          { name: "u", driver: "x", leader: true },
        ],
      },
    },
    'group "g" -> task "u" -> leader',
    "only one task",
  ],
  ["no main task", { task: { lifecycle: { hook: "poststop" } } }, 'group "g" -> task', "needs a main task"],
  ["a nameless group", { group: { name: "" } }, 'group "" -> name', "is required"],
  ["a group name with a backslash", { group: { name: "a\\b" } }, 'group "a\\b" -> name', "backslash"],
  ["a negative count", { group: { count: -1 } }, 'group "g" -> count', "at least 0"],
  ["a system job with a count", { job: { type: "system" }, group: { count: 2 } }, 'group "g" -> count', "per node"],
  [
    "a system job with affinities",
    { job: { type: "system", affinities: [{ attribute: "${attr.x}", value: "y" }] } },
    "affinity",
    "this one is system",
  ],
  [
    "a system group with spreads",
    { job: { type: "system" }, group: { spreads: [{ attribute: "${attr.x}" }] } },
    'group "g" -> spread',
    "this one is system",
  ],
  [
    "a system job with reschedule",
    { job: { type: "system" }, group: { reschedule: { attempts: 1 } } },
    'group "g" -> reschedule',
    "for service and batch",
  ],
  ["a batch job with update", { job: { type: "batch", update: { maxParallel: 1 } } }, "update", "this one is batch"],
  ["a batch group with update", { job: { type: "batch" }, group: { update: { maxParallel: 1 } } }, 'group "g" -> update', "this one is batch"],
  ["a batch group with migrate", { job: { type: "batch" }, group: { migrate: { maxParallel: 1 } } }, 'group "g" -> migrate', "for service jobs"],
  ["a service with a longest run", { group: { maxRunDurationMs: 1000 } }, 'group "g" -> max_run_duration', "for batch and sysbatch"],
  ["a longest run of nothing", { job: { type: "batch" }, group: { maxRunDurationMs: 0 } }, 'group "g" -> max_run_duration', "above 0"],
  ["a periodic job without times", { job: { type: "batch", periodic: {} } }, "periodic.crons", "needs `cron` or `crons`"],
  [
    "too many cron expressions",
    { job: { type: "batch", periodic: { crons: many(LIMITS.cronsPerJobMax + 1).map(() => "@daily") } } },
    "periodic.crons",
    "cronsPerJobMax",
  ],
  ["a parameterized system job", { job: { type: "system", parameterized: {} } }, "parameterized", "batch and sysbatch"],
  [
    "a meta key both required and optional",
    { job: { type: "batch", parameterized: { metaRequired: ["a"], metaOptional: ["b", "a"] } } },
    "parameterized.meta_optional.#2",
    "both required and optional",
  ],
  ["a link that runs script", { job: { ui: { links: [{ label: "x", url: "javascript:alert(1)" }] } } }, "ui.link.#1.url", "http://"],
  ["a description too long", { job: { ui: { description: "x".repeat(1001) } } }, "ui.description", "uiTextCharsMax"],
  [
    "healthy later than its deadline",
    { group: { update: { minHealthyTimeMs: 300_000 } } },
    'group "g" -> update.min_healthy_time',
    "below `healthy_deadline`",
  ],
  [
    "a healthy deadline beyond progress",
    { group: { update: { healthyDeadlineMs: 600_000 } } },
    'group "g" -> update.healthy_deadline',
    "below `progress_deadline`",
  ],
  ["auto_promote without canaries", { group: { update: { autoPromote: true } } }, 'group "g" -> update.auto_promote', "needs `canary`"],
  ["a reschedule that is too quick", { group: { reschedule: { delayMs: 1000 } } }, 'group "g" -> reschedule.delay', "at least 5s"],
  [
    "a reschedule that shrinks",
    { group: { reschedule: { delayMs: 60_000, maxDelayMs: 30_000 } } },
    'group "g" -> reschedule.max_delay',
    "must not be below",
  ],
  [
    "a limited and unlimited reschedule",
    { group: { reschedule: { attempts: 3, unlimited: true } } },
    'group "g" -> reschedule.attempts',
    "exclude each other",
  ],
  [
    "reschedules that do not fit their interval",
    { group: { reschedule: { attempts: 5, intervalMs: 60_000 } } },
    'group "g" -> reschedule.attempts',
    "do not fit",
  ],
  ["a limited reschedule without interval", { group: { reschedule: { attempts: 5 } } }, 'group "g" -> reschedule.interval', "at least 15s"],
  [
    "restarts that do not fit their interval",
    { task: { restart: { attempts: 3, delayMs: 10_000, intervalMs: 20_000 } } },
    'group "g" -> task "t" -> restart.attempts',
    "do not fit",
  ],
  ["delay mode without attempts", { task: { restart: { attempts: 0, mode: "delay" } } }, 'group "g" -> task "t" -> restart.mode', "above 0"],
  ["scaling beyond its most", { group: { count: 6, scaling: { min: 1, max: 5 } } }, 'group "g" -> scaling.max', "must not be above `max`"],
  ["scaling upside down", { group: { count: 6, scaling: { min: 6, max: 5 } } }, 'group "g" -> scaling.max', "must not be below `min`"],
  [
    "two ports of one name in two networks",
    { group: { networks: [{ ports: [{ label: "p" }] }, { ports: [{ label: "p" }] }] } },
    'group "g" -> network.#2.port "p"',
    "two ports named",
  ],
  ["a hostname without a bridge", { group: { networks: [{ hostname: "x" }] } }, 'group "g" -> network.#1.hostname', "bridge"],
  ["an environment variable without a name", { task: { env: { "": "x" } } }, 'group "g" -> task "t" -> env.', "no name of an environment variable"],
  ["an environment variable with an equals sign", { task: { env: { "A=B": "x" } } }, 'group "g" -> task "t" -> env.A=B', "no name"],
  ["an environment too large", { task: { env: { A: "x".repeat(LIMITS.envBytesMax) } } }, 'group "g" -> task "t" -> env', "envBytesMax"],
  ["a signal that is none", { task: { killSignal: "kill" } }, 'group "g" -> task "t" -> kill_signal', "such as"],
  [
    "memory_max below memory",
    { task: { resources: { memoryMiB: 100, memoryMaxMiB: 50 } } },
    'group "g" -> task "t" -> resources.memory_max',
    "must not be below",
  ],
  ["no cpu at all", { task: { resources: { cpuMHz: 0 } } }, 'group "g" -> task "t" -> resources.cpu', "at least 1"],
  [
    "secrets larger than memory",
    { task: { resources: { memoryMiB: 20, secretsMiB: 30 } } },
    'group "g" -> task "t" -> resources.secrets',
    "must not be above",
  ],
  [
    "no device at all",
    { task: { resources: { devices: [{ name: "gpu", count: 0 }] } } },
    'group "g" -> task "t" -> resources.device.#1.count',
    "must be above 0",
  ],
  [
    "fewer devices than none",
    { task: { resources: { devices: [{ name: "gpu", count: -1 }] } } },
    'group "g" -> task "t" -> resources.device.#1.count',
    "must be above 0",
  ],
  [
    "one and a half devices",
    { task: { resources: { devices: [{ name: "gpu", count: 1.5 }] } } },
    'group "g" -> task "t" -> resources.device.#1.count',
    "a whole number or a share below 1",
  ],
  [
    "a third of a device",
    { task: { resources: { devices: [{ name: "gpu", count: 1 / 3 }] } } },
    'group "g" -> task "t" -> resources.device.#1.count',
    "three decimals",
  ],
  [
    "a share too small",
    { task: { resources: { devices: [{ name: "gpu", count: 0.0001 }] } } },
    'group "g" -> task "t" -> resources.device.#1.count',
    "three decimals",
  ],
  ["a volume of nothing", { group: { volumes: [{ name: "v" }] } }, 'group "g" -> volume "v"', "needs a `source`"],
  [
    "a template with two sources",
    { task: { templates: [{ source: "a", data: "b", destination: "c" }] } },
    'group "g" -> task "t" -> template.#1',
    "either `source` or `data`",
  ],
  [
    "a check without interval",
    { group: { services: [{ provider: "nomad", port: "80", checks: [{ path: "/", timeoutMs: 1000 }] }] } },
    'group "g" -> service.#1.check.#1.interval',
    "at least 1s",
  ],
  ["a service name with spaces", { group: { services: [{ name: "a b" }] } }, 'group "g" -> service.#1.name', "letters, digits"],
  [
    "distinct_property with a count of none",
    { job: { constraints: [{ attribute: "${meta.r}", operator: "distinct_property", value: "0" }] } },
    "constraint.#1.value",
    "at least 1",
  ],
  [
    "is_set with a value",
    { job: { constraints: [{ attribute: "${meta.r}", operator: "is_set", value: "x" }] } },
    "constraint.#1.value",
    "takes no value",
  ],
  ["an affinity that must be distinct", { job: { affinities: [{ operator: "distinct_hosts" }] } }, "affinity.#1.operator", "no operator"],
  [
    "two spread targets of one value",
    { job: { spreads: [{ attribute: "${meta.r}", targets: [{ value: "a" }, { value: "a" }] }] } },
    "spread.#1.target",
    "two targets",
  ],
];

const LIFE_CYCLE: typeof BROKEN = [
  [
    "a task that waits for none",
    tasks({ a: {}, b: { dependsOn: { c: "started" } } }),
    'group "g" -> task "b" -> depends_on.c',
    'no task of the group "g"',
  ],
  ["an unknown condition", tasks({ a: {}, b: { dependsOn: { a: "fine" as never } } }), 'group "g" -> task "b" -> depends_on.a', '"fine" is none of'],
  ["a task that waits for itself", tasks({ a: { dependsOn: { a: "started" } } }), 'group "g" -> task "a" -> depends_on', '"a" waits for "a"'],
  [
    "a circle",
    tasks({
      start: {},
      a: { dependsOn: { start: "started", c: "succeeded" } },
      b: { dependsOn: { a: "started" } },
      c: { dependsOn: { b: "started" } },
    }),
    'group "g" -> task "a" -> depends_on',
    '"a" waits for "c" waits for "b" waits for "a"',
  ],
  [
    "a prestart that waits for a main task",
    tasks({ a: {}, b: { lifecycle: { hook: "prestart" }, dependsOn: { a: "started" } } }),
    'group "g" -> task "b" -> depends_on.a',
    "main tasks start later than prestart tasks",
  ],
  [
    "a poststop that waits for a main task",
    tasks({ a: {}, b: { lifecycle: { hook: "poststop" }, dependsOn: { a: "succeeded" } } }),
    'group "g" -> task "b" -> depends_on.a',
    "it can wait for its like only",
  ],
  ["success of what never ends", tasks({ a: {}, b: { dependsOn: { a: "succeeded" } } }, {}), 'group "g" -> task "b" -> depends_on.a', "for ever"],
  [
    "`on` of a prestart",
    tasks({ a: {}, b: { lifecycle: { hook: "prestart", on: "failure" } } }),
    'group "g" -> task "b" -> lifecycle.on',
    "poststop and postfail",
  ],
  [
    "a postfail on success",
    tasks({ a: {}, b: { lifecycle: { hook: "postfail", on: "success" } } }),
    'group "g" -> task "b" -> lifecycle.on',
    "poststop",
  ],
  [
    "a prestart that must succeed",
    tasks({ a: {}, b: { lifecycle: { hook: "prestart", mustSucceed: true } } }),
    'group "g" -> task "b" -> lifecycle.must_succeed',
    "always fails its group",
  ],
  ["a limit of nothing", tasks({ a: { maxRunDurationMs: 0 } }), 'group "g" -> task "a" -> max_run_duration', "above 0"],
  ["a limit of what runs on", tasks({ a: { maxRunDurationMs: 1 } }, {}), 'group "g" -> task "a" -> max_run_duration', "come to an end"],
];

for (const [name, parts, where, message] of [...BROKEN, ...LIFE_CYCLE]) {
  test(`${name} breaks one rule`, () => {
    const spec = job(parts);
    const problems = validateJob(spec).map((problem) => [describePath(spec, problem.path), problem.message]);
    expect(problems).toEqual([[where, expect.stringContaining(message)]]);
  });
}

const GOOD: readonly (readonly [string, Parameters<typeof job>[0]])[] = [
  ["half a device", { task: { resources: { devices: [{ name: "gpu", count: 0.5 }] } } }],
  ["the least share of a device", { task: { resources: { devices: [{ name: "gpu", count: 0.001 }] } } }],
  ["nearly a device", { task: { resources: { devices: [{ name: "gpu", count: 0.999 }] } } }],
  ["two devices", { task: { resources: { devices: [{ name: "gpu", count: 2 }] } } }],
  ["a volume to read", { group: { volumes: [{ name: "v", source: "data", readOnly: true }] } }],
  ["an id with slashes", { job: { id: "backup/periodic-1700000000" } }],
  ["an id in another script", { job: { id: "传感器" } }],
  ["a name of dots apart", { group: { name: "v1.2.3" } }],
  [
    "a prestart task beside a main task",
    {
      group: {
        tasks: [
          { name: "a", driver: "x", lifecycle: { hook: "prestart", sidecar: true } },
          { name: "b", driver: "x" },
        ],
      },
    },
  ],
  [
    "a static port on two host networks",
    {
      group: {
        networks: [
          {
            ports: [
              { label: "a", static: 80 },
              { label: "b", static: 80, hostNetwork: "public" },
            ],
          },
        ],
      },
    },
  ],
  [
    "a static port twice with leave to collide",
    {
      group: {
        networks: [
          {
            ports: [
              { label: "a", static: 80 },
              { label: "b", static: 80, ignoreCollision: true },
            ],
          },
        ],
      },
    },
  ],
  ["a deployment that fails at once", { group: { update: { progressDeadlineMs: 0 } } }],
  ["a reschedule that is off", { group: { reschedule: { attempts: 0, unlimited: false, delayMs: 0 } } }],
  ["memory without a limit", { task: { resources: { memoryMaxMiB: -1 } } }],
  ["a regular expression with Go's flags in front", { job: { constraints: [{ attribute: "${attr.x}", operator: "regexp", value: "(?i)^arm" }] } }],
  ["a pessimistic version constraint", { job: { constraints: [{ attribute: "${attr.x}", operator: "version", value: "~> 1.2, != 1.2.5-rc1" }] } }],
  ["a service name with a reference", { group: { services: [{ name: "${NOMAD_JOB_NAME}-web", provider: "nomad" }] } }],
];

for (const [name, parts] of GOOD) {
  test(`${name} breaks no rule`, () => {
    expect(validateJob(job(parts))).toEqual([]);
  });
}

test("values as long as a request cost no time and are cut in the message", () => {
  const long = 200_000;
  for (const value of [`${"1.".repeat(long)}!`, `${" ".repeat(long)}! x`, `>= ${"1".repeat(long)}!`]) {
    const problems = validateJob(
      job({
        job: { constraints: [{ attribute: "${attr.x}", operator: "version", value }] },
        group: { services: [{ name: "${".repeat(long), provider: "nomad" }] },
      }),
    );
    expect(problems).toHaveLength(2);
    expect(problems.every((problem) => problem.message.length <= LIMITS.problemCharsMax + 1)).toBe(true);
  }
});

test("a name is refused for what could move a path, and for its length", () => {
  for (const name of ["", "a/b", "a\\b", "a\u0000b", "a\nb", "..", ".", "a..b", "x".repeat(LIMITS.nameCharsMax + 1)])
    expect(nameProblem(name)).not.toBeNull();
  for (const name of ["a", "a.b", "a b", "ä", "-", "x".repeat(LIMITS.nameCharsMax)]) expect(nameProblem(name)).toBeNull();
});

test("an id is refused for climbing, spaces and control characters, not for slashes", () => {
  for (const id of ["", "a b", "a\tb", "a\nb", "a\u0000", "../a", "a/../b", "a/.", "a/.."]) expect(jobIdProblem(id)).not.toBeNull();
  for (const id of ["a", "a/b", "a..b", "a:b?c&d", "x".repeat(LIMITS.jobIdCharsMax)]) expect(jobIdProblem(id)).toBeNull();
});

test("a job with thousands of breaches names a bounded number", () => {
  const spec = job({ job: { datacenters: many(5000).map(() => " ") } });
  expect(validateJob(spec)).toHaveLength(LIMITS.problemsPerJobMax);
});

/** [what is asked for, the job, where in words] */
const UNSUPPORTED: readonly (readonly [string, Parameters<typeof job>[0], string])[] = [
  ["several regions", { job: { multiregion: { regions: [{ name: "x" }] } } }, "multiregion"],
  ["a service in a mesh", { group: { services: [{ connect: { native: true } }] } }, 'group "g" -> service.#1.connect'],
  ["an address inside the group", { group: { services: [{ addressMode: "alloc" }] } }, 'group "g" -> service.#1.address_mode'],
  ["volumes of a storage plugin", { group: { volumes: [{ name: "v", source: "s", type: "csi" }] } }, 'group "g" -> volume "v" -> type'],
  ["a volume each", { group: { volumes: [{ name: "v", source: "s", perAlloc: true }] } }, 'group "g" -> volume "v" -> per_alloc'],
  ["a volume for ever", { group: { volumes: [{ name: "v", source: "s", sticky: true }] } }, 'group "g" -> volume "v" -> sticky'],
  ["who writes a volume", { group: { volumes: [{ name: "v", source: "s", accessMode: "x" }] } }, 'group "g" -> volume "v" -> access_mode'],
  [
    "how a volume is attached",
    { group: { volumes: [{ name: "v", source: "s", attachmentMode: "x" }] } },
    'group "g" -> volume "v" -> attachment_mode',
  ],
  ["how a volume is mounted", { group: { volumes: [{ name: "v", source: "s", mountOptions: {} }] } }, 'group "g" -> volume "v" -> mount_options'],
  ["consul of a group", { group: { consul: {} } }, 'group "g" -> consul'],
  ["bridge mode", { group: { networks: [{ mode: "bridge" }] } }, 'group "g" -> network.#1.mode'],
  ["an interface of the host", { group: { networks: [{ device: "eth1" }] } }, 'group "g" -> network.#1.device'],
  ["a range of the host's addresses", { group: { networks: [{ cidr: "10.0.0.0/8" }] } }, 'group "g" -> network.#1.cidr'],
  ["CNI mode", { group: { networks: [{ mode: "cni/x" }] } }, 'group "g" -> network.#1.mode'],
  ["a group's resolver", { group: { networks: [{ dns: { servers: ["1.1.1.1"] } }] } }, 'group "g" -> network.#1.dns'],
  ["CNI arguments", { group: { networks: [{ cniArgs: { a: "b" } }] } }, 'group "g" -> network.#1.cni.args'],
  ["vertical scaling of a group", { group: { scaling: { type: "vertical_cpu", min: 1, max: 2 } } }, 'group "g" -> scaling.type'],
  ["scaling of a task", { task: { scalings: [{ name: "cpu" }] } }, 'group "g" -> task "t" -> scaling'],
  ["artifacts", { task: { artifacts: [{ source: "x" }] } }, 'group "g" -> task "t" -> artifact'],
  ["templates", { task: { templates: [{ data: "x", destination: "y" }] } }, 'group "g" -> task "t" -> template'],
  [
    "grpc checks",
    { task: { services: [{ port: "80", checks: [{ type: "grpc", intervalMs: 1000, timeoutMs: 1000 }] }] } },
    'group "g" -> task "t" -> service.#1.check.#1.type',
  ],
  ["identities", { task: { identities: [{ env: true }] } }, 'group "g" -> task "t" -> identity'],
  ["secrets", { task: { secrets: [{ name: "x" }] } }, 'group "g" -> task "t" -> secret'],
  ["vault", { task: { vault: {} } }, 'group "g" -> task "t" -> vault'],
  ["consul of a task", { task: { consul: {} } }, 'group "g" -> task "t" -> consul'],
  ["storage plugins", { task: { csiPlugin: { id: "x" } } }, 'group "g" -> task "t" -> csi_plugin'],
  ["NUMA", { task: { resources: { numa: { affinity: "require" } } } }, 'group "g" -> task "t" -> resources.numa'],
];

for (const [name, parts, where] of UNSUPPORTED) {
  test(`${name}: refused by name, because edgectl does not carry it out yet`, () => {
    const spec = job(parts);
    const problems = unsupportedFeatures(spec).map((problem) => [describePath(spec, problem.path), problem.message]);
    expect(problems).toEqual([[where, expect.stringContaining("not carried out by edgectl yet")]]);
  });
}

test("what edgectl carries out is not refused", () => {
  const spec = job({
    job: {
      update: { maxParallel: 2, healthCheck: "task_states" },
      migrate: { maxParallel: 2 },
      spreads: [{ attribute: "${meta.r}" }],
      affinities: [{ attribute: "${meta.r}", value: "x" }],
    },
    group: {
      networks: [{ mode: "host", ports: [{ label: "http" }] }, { mode: "none" }],
      scaling: { min: 1, max: 3 },
      ephemeralDisk: { sizeMiB: 500, sticky: true },
      tasks: [
        { name: "a", driver: "x", lifecycle: { hook: "prestart" }, user: "nobody" },
        { name: "b", driver: "x", lifecycle: { hook: "poststop" } },
        { name: "c", driver: "x", leader: true, resources: { cores: 1, numa: { affinity: "none" } }, dispatchPayload: { file: "x" } },
      ],
    },
  });
  expect(unsupportedFeatures(spec)).toEqual([]);
});

/** [what is probably not meant, the job, part of the warning] */
const WARNED: readonly (readonly [string, Parameters<typeof job>[0], string])[] = [
  [
    "a cron expression whose first field may be meant as seconds",
    { job: { type: "batch", periodic: { crons: ["*/2 * * * * *"] } } },
    "seconds need seven",
  ],
  ["a kill timeout beyond the node's limit", { task: { killTimeoutMs: 60_000 } }, 'group "g" -> task "t": `kill_timeout` (1m0s) is cut to 30s'],
  ["a service of consul", { group: { services: [{}] } }, "is treated as one with"],
  ["a required payload nobody receives", { job: { type: "batch", parameterized: { payload: "required" } } }, "no task has `dispatch_payload`"],
  ["a payload file without dispatch", { task: { dispatchPayload: { file: "x" } } }, "has no effect on a job that is not parameterized"],
  ["spread of a sysbatch job", { job: { type: "sysbatch", spreads: [{ attribute: "${meta.r}" }] } }, "no effect on a sysbatch job"],
];

for (const [name, parts, warning] of WARNED) {
  test(`${name} is a warning`, () => {
    expect(jobWarnings(job(parts))).toEqual([expect.stringContaining(warning)]);
  });
}
