// Table of a task: what runs, with what, and how it is stopped.

import type { Device, Lifecycle, LogConfig, Resources, Task, TaskSchedule } from "../job.ts";
import type { Action, VolumeMount } from "../job-inputs.ts";
import {
  block,
  bool,
  choice,
  decimal,
  duration,
  int,
  json,
  labelled,
  many,
  maybeDuration,
  maybeOne,
  one,
  stringMap,
  strings,
  text,
  type WireObject,
} from "./dsl.ts";
import { CONSUL, IDENTITY, SERVICE } from "./network-and-services.ts";
import { AFFINITY, CONSTRAINT } from "./placement.ts";
import { RESTART, SCALING } from "./policies.ts";
import { ARTIFACT, SECRET, TEMPLATE, VAULT } from "./task-inputs.ts";

const DEVICE = block<Device>("device", {
  name: text("vendor/type/name, vendor/type or type", { isRequired: true }),
  count: decimal("How many devices; below 1 a share of one device, such as 0.5, which others may share too", 1),
  constraints: many(CONSTRAINT, "Requirement on the device", { toml: "constraint" }),
  affinities: many(AFFINITY, "Preference among devices", { toml: "affinity" }),
});

const RESOURCES = block<Resources>(
  "resources",
  {
    cpuMHz: int("CPU in MHz; give either cpu or cores", 100, { wire: "CPU", min: 0 }),
    cores: int("Whole CPU cores for this task alone", 0, { min: 0 }),
    memoryMiB: int("Memory in MiB", 300, { min: 10 }),
    memoryMaxMiB: int("Memory in MiB the task may use when the node has it free; -1: no limit", 0, { min: -1 }),
    diskMiB: int("Kept for old files; use ephemeral_disk", 0, { min: 0 }),
    secretsMiB: int("Size of the secrets directory in MiB", 0, { min: 0 }),
    numa: maybeOne(
      block<NonNullable<Resources["numa"]>>("numa", {
        affinity: choice("How strictly cores come from one NUMA node", ["none", "prefer", "require"], "none"),
        devices: strings("Devices on the same NUMA node"),
      }),
      "NUMA placement",
      { wire: "NUMA" },
    ),
    devices: many(DEVICE, "A device the task needs", { toml: "device" }),
  },
  { toWire: (out) => ({ ...out, IOPS: 0, Networks: null }) },
);

const LOGS = block<LogConfig>("logs", {
  maxFiles: int("Log files kept per stream", 10, { min: 1 }),
  maxFileSizeMB: int("Size of one log file in MB", 10, { min: 1 }),
  disabled: bool("Keeps no logs"),
});

const LIFECYCLE = block<Lifecycle>("lifecycle", {
  hook: choice(
    "When the task runs: before the main tasks, after their start, after their end, or after the group failed",
    ["prestart", "poststart", "poststop", "postfail"],
    "prestart",
  ),
  sidecar: bool("Runs as long as the main tasks do"),
  on: choice("After which end a poststop or postfail runs; a timeout is a failure", ["", "success", "failure", "always"], ""),
  mustSucceed: bool("The allocation counts as failed when this poststop or postfail fails"),
});

const VOLUME_MOUNT = block<VolumeMount>("volume_mount", {
  volume: text("Name of a volume of the group", { isRequired: true }),
  destination: text("Where it appears in the task; raw_exec: a link at this place in the task's folder"),
  readOnly: bool("Mounts it read-only"),
  propagationMode: text("private, host-to-task or bidirectional", { default: "private" }),
  selinuxLabel: text("SELinux label: z or Z", { wire: "SELinuxLabel" }),
});

const ACTION = block<Action>("action", {
  name: text("Name of the action", { isRequired: true }),
  command: text("Program to run in the task; ${...} in it and its arguments is replaced as in the config of the task", { isRequired: true }),
  args: strings("Its arguments"),
});

export const TASK = block<Task>(
  "task",
  {
    name: text("Name of the task", { isRequired: true }),
    driver: text("What runs the task, such as raw_exec", { isRequired: true }),
    config: json("The driver's own settings, such as command and args"),
    user: text("User the task runs as"),
    env: stringMap("Environment variables"),
    meta: stringMap("Free keys and values, seen by the task as NOMAD_META_<key>"),
    killTimeoutMs: duration("Time between the stop signal and SIGKILL", 5000),
    killSignal: text("Stop signal instead of the driver's own"),
    shutdownDelayMs: duration("Time between leaving service discovery and the stop signal", 0),
    leader: bool("When this task ends, the group's other tasks are stopped"),
    kind: text("Set by tools for service mesh tasks", { isCarriedOut: false }),
    lifecycle: maybeOne(LIFECYCLE, "When the task runs relative to the main tasks"),
    dependsOn: stringMap('Tasks of the group it waits for: { db = "started", "healthy" or "succeeded" }, or a list of those to be started', {
      listMeans: "started",
    }),
    maxRunDurationMs: maybeDuration("Longest run, all attempts together: a task that takes longer fails"),
    resources: one(RESOURCES, "What the task needs"),
    logs: one(LOGS, "How much of its output is kept", { wire: "LogConfig" }),
    restart: one(RESTART, "What happens on this node when the task exits; the group's unless given", { wire: "RestartPolicy" }),
    constraints: many(CONSTRAINT, "Where the group may run", { toml: "constraint" }),
    affinities: many(AFFINITY, "Where the group would better run", { toml: "affinity" }),
    artifacts: many(ARTIFACT, "Something to fetch before the task starts", { toml: "artifact", isCarriedOut: false }),
    templates: many(TEMPLATE, "A file rendered before the task starts", { toml: "template", isCarriedOut: false }),
    services: many(SERVICE, "A service the task offers", { toml: "service" }),
    volumeMounts: many(VOLUME_MOUNT, "Where a volume of the group appears", { toml: "volume_mount" }),
    actions: labelled(ACTION, "name", "A command to run in the task on demand", { toml: "action" }),
    identities: many(IDENTITY, "A signed identity of the task", { toml: "identity", isCarriedOut: false }),
    secrets: labelled(SECRET, "name", "A secret read before the task starts", { toml: "secret", isCarriedOut: false }),
    scalings: labelled(SCALING, "name", "Scaling of the task's resources", { toml: "scaling", wire: "ScalingPolicies" }),
    vault: maybeOne(VAULT, "Access to Vault", { isCarriedOut: false }),
    consul: maybeOne(CONSUL, "Access to Consul", { isCarriedOut: false }),
    dispatchPayload: maybeOne(
      block<NonNullable<Task["dispatchPayload"]>>("dispatch_payload", {
        file: text("File below the task's local directory that receives the payload", { isRequired: true }),
      }),
      "Where the payload of a dispatched job is written",
    ),
    csiPlugin: maybeOne(
      block<NonNullable<Task["csiPlugin"]>>("csi_plugin", {
        id: text("Id of the plugin", { wire: "ID", isRequired: true }),
        type: text("node, controller or monolith"),
        mountDir: text("Directory of the plugin's socket", { default: "/csi" }),
        healthTimeoutMs: duration("Time until it must be healthy", 30_000),
        stagePublishBaseDir: text("Directory of staged volumes"),
      }),
      "Makes the task a storage plugin",
      { wire: "CSIPluginConfig", isCarriedOut: false },
    ),
    schedule: maybeOne(
      block<TaskSchedule>("schedule", {
        start: text("When the task may run from, as a cron expression", { toml: "cron.start", wire: "Cron.Start" }),
        end: text('When it rests, as minute and hour of any day: "0 16"; or as second, minute and hour', { toml: "cron.end", wire: "Cron.End" }),
        timezone: text("Time zone of both; Local is the node's", { toml: "cron.timezone", wire: "Cron.Timezone", default: "Local" }),
      }),
      "Hours in which the task runs; its node begins and ends it, also without a server",
    ),
  },
  { fromWire: joinIdentities, toWire: splitIdentities },
);

// --- internal ---

/** The wire keeps the identity named "default" apart; one that gives the task nothing counts as not written. */
function joinIdentities(wire: WireObject): WireObject {
  const listed = Array.isArray(wire.Identities) ? wire.Identities : [];
  const own = wire.Identity;
  if (typeof own !== "object" || own === null) return { ...wire, Identities: listed };
  const isIdle = !("Env" in own && own.Env) && !("File" in own && own.File) && !("TTL" in own && own.TTL);
  return { ...wire, Identities: isIdle ? listed : [own, ...listed] };
}

function splitIdentities(out: WireObject): WireObject {
  const listed: readonly unknown[] = Array.isArray(out.Identities) ? out.Identities : [];
  const isDefault = (identity: unknown) => typeof identity === "object" && identity !== null && "Name" in identity && identity.Name === "default";
  const others = listed.filter((identity) => !isDefault(identity));
  return { ...out, Identity: listed.find(isDefault) ?? null, Identities: others.length > 0 ? others : null };
}
