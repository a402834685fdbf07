// Table of a task group: tasks that always run together on one node.

import type { EphemeralDisk, TaskGroup, VolumeRequest } from "../job.ts";
import { LIMITS } from "../limits.ts";
import { block, bool, choice, int, labelled, many, maybeDuration, maybeOne, one, stringMap, strings, text, type WireObject } from "./dsl.ts";
import { CONSUL, NETWORK, SERVICE } from "./network-and-services.ts";
import { AFFINITY, CONSTRAINT, SPREAD } from "./placement.ts";
import { DISCONNECT, dropZeroUpdate, MIGRATE, RESCHEDULE, RESTART, SCALING, UPDATE } from "./policies.ts";
import { TASK } from "./task.ts";

const EPHEMERAL_DISK = block<EphemeralDisk>("ephemeral_disk", {
  sizeMiB: int("Disk shared by the group's tasks, in MiB", 300, { min: 10 }),
  sticky: bool("What takes the place of an allocation goes to the same node if that has room, and has its data"),
  migrate: bool("Takes the data along to another node", false, { isCarriedOut: false }),
});

const VOLUME = block<VolumeRequest>("volume", {
  name: text("Name of the volume", { isRequired: true }),
  type: text("host or csi", { default: "host" }),
  source: text("Name of the volume, as the node's settings offer it"),
  readOnly: bool("Asks for read-only use"),
  sticky: bool("Keeps the same volume over updates", false, { isCarriedOut: false }),
  accessMode: text("Who may read and write", { isCarriedOut: false }),
  attachmentMode: text("file-system or block-device", { isCarriedOut: false }),
  perAlloc: bool("One volume for each allocation", false, { isCarriedOut: false }),
  mountOptions: maybeOne(
    block<NonNullable<VolumeRequest["mountOptions"]>>("mount_options", {
      fsType: text("File system", { wire: "FSType" }),
      mountFlags: strings("Mount flags"),
    }),
    "How it is mounted",
    { isCarriedOut: false },
  ),
});

export const TASK_GROUP = block<TaskGroup>(
  "group",
  {
    name: text("Name of the group", { isRequired: true }),
    count: int("How many allocations of it run", 1, { min: 0, max: LIMITS.jobCountMax }),
    shutdownDelayMs: maybeDuration("Time between leaving service discovery and the stop"),
    maxRunDurationMs: maybeDuration("Longest run of a batch group from the start of its first main task on: one that takes longer fails"),
    meta: stringMap("Free keys and values, seen by the tasks as NOMAD_META_<key>"),
    constraints: many(CONSTRAINT, "Where the group may run", { toml: "constraint" }),
    affinities: many(AFFINITY, "Where the group would better run", { toml: "affinity" }),
    spreads: many(SPREAD, "Over what the allocations are spread", { toml: "spread" }),
    restart: one(RESTART, "What happens on the same node when a task exits", { wire: "RestartPolicy" }),
    reschedule: maybeOne(RESCHEDULE, "What happens when restarts on one node ran out", { wire: "ReschedulePolicy" }),
    update: maybeOne(UPDATE, "How a new version replaces the old one"),
    migrate: maybeOne(MIGRATE, "How allocations leave a draining node"),
    disconnect: maybeOne(DISCONNECT, "What happens to allocations on a node that is cut off"),
    onBoot: choice(
      "After a boot: start, or wait for a server; unless given, wait with stop_on_client_after or a one-writer volume",
      ["", "start", "wait"],
      "",
    ),
    ephemeralDisk: one(EPHEMERAL_DISK, "Disk of the group's allocation directory"),
    networks: many(NETWORK, "Network and ports of the group", { toml: "network" }),
    services: many(SERVICE, "A service the group offers", { toml: "service" }),
    volumes: labelled(VOLUME, "name", "A folder that the node must offer, for tasks to mount", { toml: "volume" }),
    scaling: maybeOne(SCALING, "Between what counts the group may be scaled"),
    consul: maybeOne(CONSUL, "Access to Consul", { isCarriedOut: false }),
    tasks: labelled(TASK, "name", "A task of the group", { toml: "task", countLimit: "tasksPerGroupMax" }),
  },
  { fromWire: (wire) => listVolumes(dropZeroUpdate(wire)), toWire: mapVolumes },
);

// --- internal ---

/** The wire holds volumes by name. */
function listVolumes(wire: WireObject): WireObject {
  if (typeof wire.Volumes !== "object" || wire.Volumes === null || Array.isArray(wire.Volumes)) return wire;
  const volumes = Object.entries(wire.Volumes).map(([name, volume]) => ({ ...volume, Name: name }));
  return { ...wire, Volumes: volumes };
}

function mapVolumes({ OnBoot, ...out }: WireObject): WireObject {
  const volumes: readonly unknown[] = Array.isArray(out.Volumes) ? out.Volumes : [];
  const nameOf = (volume: unknown) => (typeof volume === "object" && volume !== null && "Name" in volume ? String(volume.Name) : "");
  return {
    ...out,
    // Only jobs that say it have a field that Nomad's have not.
    ...(OnBoot === "" || OnBoot === undefined ? {} : { OnBoot }),
    Volumes: volumes.length > 0 ? Object.fromEntries(volumes.map((volume) => [nameOf(volume), volume])) : null,
    StopAfterClientDisconnect: null,
    MaxClientDisconnect: null,
    PreventRescheduleOnLost: null,
  };
}
