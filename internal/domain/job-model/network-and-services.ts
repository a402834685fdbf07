// Table of a group's network with its ports, and of services with their checks.

import type { CheckRestart, ConsulBlock, Network, Port, Service, ServiceCheck } from "../job.ts";
import type { Identity } from "../job-inputs.ts";
import {
  block,
  bool,
  choice,
  duration,
  int,
  labelled,
  many,
  maybeJson,
  maybeOne,
  stringListMap,
  stringMap,
  strings,
  text,
  type WireObject,
} from "./dsl.ts";

const PORT = block<Port>("port", {
  label: text("Name of the port", { isRequired: true }),
  static: int("Fixed port on the host; 0 lets the scheduler choose", 0, { min: 0, max: 65_535, wire: "Value" }),
  to: int("Port inside the task's network; -1: the same as the host's", 0, { min: -1, max: 65_535 }),
  hostNetwork: text("Host network the port is bound on", { default: "default" }),
  ignoreCollision: bool("Lets two groups of one node use the same static port"),
});

export const NETWORK = block<Network>(
  "network",
  {
    mode: text("host, none, bridge or cni/<name>", { default: "host" }),
    hostname: text("Host name inside the group's network", { isCarriedOut: false }),
    device: text("Host interface to use; host_network of a port says it by name", { isCarriedOut: false }),
    cidr: text("Range of host addresses to use; host_network of a port says it by name", { wire: "CIDR", isCarriedOut: false }),
    mbits: int("Kept for old files, without effect", 0, { wire: "MBits" }),
    dns: maybeOne(
      block<NonNullable<Network["dns"]>>("dns", {
        servers: strings("Name servers"),
        searches: strings("Search domains"),
        options: strings("Resolver options"),
      }),
      "Resolver of the group's network",
      { wire: "DNS", isCarriedOut: false },
    ),
    cniArgs: stringMap("Arguments for the CNI plugin", { toml: "cni.args", wire: "CNI.Args", isCarriedOut: false }),
    ports: labelled(PORT, "label", "A port the group needs", { toml: "port" }),
  },
  { fromWire: joinPorts, toWire: splitPorts },
);

const CHECK_RESTART = block<CheckRestart>("check_restart", {
  limit: int("Failed checks in a row before the task restarts; 0: never", 0, { min: 0 }),
  graceMs: duration("Time after a start in which checks do not count", 1000),
  ignoreWarnings: bool("Takes a warning for passing"),
});

const CHECK = block<ServiceCheck>("check", {
  name: text("Name of the check"),
  type: choice("How it is checked", ["http", "tcp", "grpc", "script"], "http"),
  intervalMs: duration("Time between two checks", 0),
  timeoutMs: duration("Time after which a check has failed", 0),
  path: text("Path of an http check"),
  protocol: text("http or https"),
  port: text("Label of the port, or its number", { wire: "PortLabel", isLoose: true }),
  addressMode: text("Which address is checked"),
  method: text("HTTP method"),
  body: text("HTTP body"),
  header: stringListMap("HTTP headers"),
  command: text("Program of a script check"),
  args: strings("Its arguments"),
  grpcService: text("gRPC service", { wire: "GRPCService" }),
  grpcUseTls: bool("gRPC over TLS", false, { wire: "GRPCUseTLS" }),
  tlsSkipVerify: bool("Takes any certificate", false, { wire: "TLSSkipVerify" }),
  tlsServerName: text("Name expected in the certificate", { wire: "TLSServerName" }),
  initialStatus: text("Status before the first check"),
  successBeforePassing: int("Passes in a row before it counts as passing", 0, { min: 0 }),
  failuresBeforeCritical: int("Failures in a row before it counts as critical", 0, { min: 0 }),
  failuresBeforeWarning: int("Failures in a row before it counts as a warning", 0, { min: 0 }),
  expose: bool("Opens the path through the sidecar", false, { isCarriedOut: false }),
  notes: text("Free text", { charsLimit: "checkNotesCharsMax" }),
  onUpdate: text("What a failing check means during an update"),
  task: text("Task a script check runs in", { wire: "TaskName" }),
  checkRestart: maybeOne(CHECK_RESTART, "Restart of a task that fails its checks"),
});

export const IDENTITY = block<Identity>("identity", {
  name: text("Name of the identity", { default: "default" }),
  aud: strings("Audience of the token", { wire: "Audience" }),
  env: bool("Gives the token in NOMAD_TOKEN"),
  file: bool("Writes the token to a file in secrets/"),
  filepath: text("Where the file goes"),
  ttlMs: duration("How long a token lives", 0, { wire: "TTL" }),
  changeMode: text("What happens when the token changes"),
  changeSignal: text("Signal sent when it changes"),
  serviceName: text("Service the identity is for"),
  extraClaims: stringMap("More claims of the token"),
});

export const CONSUL = block<ConsulBlock>("consul", {
  namespace: text("Consul namespace"),
  cluster: text("Consul cluster"),
  partition: text("Consul partition"),
});

export const SERVICE = block<Service>("service", {
  name: text("Name; <job>-<group>[-<task>] unless given"),
  provider: choice("Where the service is registered; consul counts as nomad, there is none here", ["consul", "nomad"], "consul"),
  port: text("Label of the port, or its number", { wire: "PortLabel", isLoose: true }),
  address: text("Address to register instead of the node's"),
  addressMode: text("Which address is registered", { default: "auto" }),
  tags: strings("Tags"),
  canaryTags: strings("Tags of canaries"),
  meta: stringMap("Free keys and values"),
  canaryMeta: stringMap("The same for canaries"),
  taggedAddresses: stringMap("More addresses, by tag", { isCarriedOut: false }),
  onUpdate: text("What a failing check means during an update", { default: "require_healthy" }),
  task: text("Task the service belongs to", { wire: "TaskName" }),
  enableTagOverride: bool("Lets others change the tags"),
  kind: text("Kind of the service"),
  cluster: text("Consul cluster"),
  weights: maybeOne(
    block<NonNullable<Service["weights"]>>("weights", {
      passing: int("Weight while passing", 1, { min: 1 }),
      warning: int("Weight while warning", 1, { min: 1 }),
    }),
    "Weights in DNS answers",
  ),
  identity: maybeOne(IDENTITY, "Identity of the service", { isCarriedOut: false }),
  connect: maybeJson("Consul service mesh", { isCarriedOut: false }),
  checks: many(CHECK, "A health check", { toml: "check" }),
  checkRestart: maybeOne(CHECK_RESTART, "Restart of a task that fails its checks"),
});

// --- internal ---

/** The wire keeps fixed and chosen ports apart. */
function joinPorts(wire: WireObject): WireObject {
  return { ...wire, Ports: [...listOf(wire.ReservedPorts), ...listOf(wire.DynamicPorts)] };
}

function splitPorts(out: WireObject): WireObject {
  const { Ports, CNI, ...rest } = out;
  const ports = listOf(Ports);
  const isFixed = (port: unknown) => typeof port === "object" && port !== null && "Value" in port && port.Value !== 0;
  const fixed = ports.filter(isFixed);
  const chosen = ports.filter((port) => !isFixed(port));
  const hasArgs = typeof CNI === "object" && CNI !== null && "Args" in CNI && CNI.Args !== null;
  return {
    ...rest,
    IP: "",
    CNI: hasArgs ? CNI : null,
    ReservedPorts: fixed.length > 0 ? fixed : null,
    DynamicPorts: chosen.length > 0 ? chosen : null,
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
