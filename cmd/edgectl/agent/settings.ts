// Every setting of the agent in one table: its key in the file, its type, default and help. Flags and
// EDGECTL_* variables are derived from the key; flag wins over variable, variable over file.

import { parseDurationMs } from "../../../internal/domain/duration.ts";
import { EdgeError } from "../../../internal/domain/errors.ts";

export type SettingKind = "string" | "int" | "bool" | "list" | "map" | "tables" | "choice" | "duration";

export interface Setting {
  /** Dotted key in edgectl.toml, for instance `client.node_class`. */
  readonly key: string;
  readonly kind: SettingKind;
  readonly flags: readonly string[];
  readonly choices?: readonly string[];
  readonly help: string;
  /** Takes effect while the agent runs, when its settings are read anew. */
  readonly isReloadable?: true;
}

/** All others take a restart. */
const RELOADABLE: ReadonlySet<string> = new Set([
  "log_level",
  "join_token",
  "join_token_file",
  "client.meta",
  "client.node_class",
  "client.gc_max_allocs",
  "client.gc_max_age",
  "client.gc_disk_usage_threshold",
  "client.gc_inode_usage_threshold",
  "client.gc_interval",
  "client.gc_parallel_destroys",
  "client.enforce_ephemeral_disk",
  "client.reserved.cpu",
  "client.reserved.cores",
  "client.reserved.memory",
  "client.reserved.disk",
  "client.reserved.reserved_ports",
  "client.min_dynamic_port",
  "client.max_dynamic_port",
  "client.host_volume",
  "client.host_network",
  "client.device",
]);

const setting = (
  key: string,
  kind: SettingKind,
  help: string,
  more: { readonly flags?: readonly string[]; readonly choices?: readonly string[] } = {},
): Setting => ({
  ...(RELOADABLE.has(key) ? { isReloadable: true } : {}),
  key,
  kind,
  help,
  flags: [...(more.flags ?? []), key.replaceAll("_", "-")],
  ...(more.choices ? { choices: more.choices } : {}),
});

export const SETTINGS: readonly Setting[] = [
  setting("data_dir", "string", "where state, allocations and the node key live"),
  setting("bind", "string", "address to listen on (default 127.0.0.1)", { flags: ["bind-addr"] }),
  setting("advertise", "string", "host or host:port that other servers are told (default: where it listens; 127.0.0.1 for 0.0.0.0)"),
  setting("port", "int", "HTTP port (default 4646)"),
  setting("name", "string", "name of this node and server (default: the host name)", { flags: ["node"] }),
  setting("region", "string", "region (default global)"),
  setting("datacenter", "string", "datacenter (default dc1)", { flags: ["dc"] }),
  setting("log_level", "choice", "debug, info, warn or error (default info)", { choices: ["debug", "info", "warn", "error"] }),
  setting("log_format", "choice", "text or json (default text)", { choices: ["text", "json"] }),
  setting("insecure", "bool", "allow listening off loopback although TLS and ACLs are not set up"),
  setting("store", "string", "where a server keeps its state: sqlite:PATH or postgres://USER@HOST/DATABASE (default: a file in the data directory)", {
    flags: ["server.store"],
  }),
  setting("join_token", "string", "what `edgectl node token create` gave for this device: shown to a server once, until it has admitted the node", {
    flags: ["client-intro-token"],
  }),
  setting("join_token_file", "string", "a file that holds the same, read when it is needed: other users do not see it in a list of processes"),
  setting("upgrade.key", "string", "a minisign public key: programs that it did not sign do not take this one's place (default: none is asked for)"),
  setting("server.enabled", "bool", "be a server", { flags: ["server"] }),
  setting("server.join", "choice", "who may join that is not known yet: open = any node, token = those that show a join token (default open)", {
    choices: ["open", "token"],
  }),
  setting("server.regions", "map", "servers of other regions, REGION=URL; several of one region as URL|URL", { flags: ["regions"] }),
  setting("server.eval_gc_threshold", "duration", "age at which ended evaluations and their allocations go (default 1h)"),
  setting("server.batch_eval_gc_threshold", "duration", "the same for those of batch jobs that stay (default 24h)"),
  setting("server.job_gc_threshold", "duration", "age at which ended jobs go, with all they have (default 4h)"),
  setting("server.job_gc_interval", "duration", "shortest time between two looks for what may go (default 5m)"),
  setting("server.node_gc_threshold", "duration", "time after which a node that is down goes (default 24h)"),
  setting("server.deployment_gc_threshold", "duration", "age at which deployments that ended go (default 1h)"),
  setting("server.min_heartbeat_ttl", "duration", "how long a node may be silent at least; it speaks twice in that time (default 10s)"),
  setting("server.heartbeat_grace", "duration", "how much longer it is waited for before it counts as disconnected or down (default 10s)"),
  setting("server.max_heartbeats_per_second", "int", "of all nodes together: beyond it each of them speaks less often (default 50)"),
  setting("server.snapshot.every", "duration", "how often the leader writes a snapshot, where something changed since the last (default 0: never)"),
  setting("server.snapshot.keep", "int", "how many of them stay (default 24)"),
  setting("server.snapshot.dir", "string", "where they are written (default: server/snapshots in the data directory)"),
  setting("client.enabled", "bool", "be a node that runs tasks", { flags: ["client"] }),
  setting("client.servers", "list", "servers to join, URLs separated by commas", { flags: ["servers"] }),
  setting("client.node_pool", "string", "pool of this node (default default)", { flags: ["node-pool"] }),
  setting("client.node_class", "string", "class of this node", { flags: ["node-class"] }),
  setting("client.meta", "map", "meta of this node, k=v, may be given again", { flags: ["meta"] }),
  setting("client.on_agent_stop", "choice", "what becomes of tasks when the agent stops: keep or stop (default keep)", { choices: ["keep", "stop"] }),
  setting("client.gc_max_allocs", "int", "ended allocations whose files stay, the newest ones (default 50)"),
  setting("client.gc_max_age", "duration", "age beyond which they go in any case (default 0: none)"),
  setting("client.gc_disk_usage_threshold", "int", "percent of the disk in use above which the oldest of them go (default 80)"),
  setting("client.gc_inode_usage_threshold", "int", "the same of its inodes (default 70)"),
  setting("client.gc_interval", "duration", "time between two looks while there are such allocations (default 1m)"),
  setting("client.gc_parallel_destroys", "int", "how many are removed at a time (default 2)"),
  setting("client.max_log_mb", "int", "most that a stream of a task keeps on this node, in MB, whatever its job says (default 0: as the job says)"),
  setting("client.enforce_ephemeral_disk", "bool", "end tasks whose allocation's files take more than its ephemeral_disk.size (default false)"),
  setting(
    "client.upgrade.enabled",
    "bool",
    "let servers hand this node another program, which then runs as its agent; see upgrade.key (default false)",
  ),
  setting("client.raw_exec", "bool", "allow tasks without isolation (default true)"),
  setting("client.exec", "bool", "allow tasks in namespaces of their own, with read access to the system's folders (default true)"),
  setting("client.exec_allow_caps", "list", "capabilities that exec tasks may have or ask for (default: those of Nomad's exec)"),
  setting("client.exec_gc_image_delay", "duration", "how long an image that was unpacked for exec tasks stays unused (default 25h)"),
  setting("client.dynamic_user_min", "int", "first of the users that exec tasks without a user of their own run as (default 80000)"),
  setting("client.dynamic_user_max", "int", "last of these users (default 89999)"),
  setting("client.java", "bool", "run jars and classes where exec can and a JVM is found (default true)"),
  setting("client.docker.enabled", "bool", "run tasks in containers where an engine is found (default true)"),
  setting("client.docker.endpoint", "string", "the engine: unix:///PATH or tcp://HOST:PORT (default: docker's socket, then podman's)"),
  setting("client.docker.tls_cert", "string", "a certificate in PEM by which an engine at tcp:// knows this node"),
  setting("client.docker.tls_key", "string", "its key in PEM"),
  setting("client.docker.tls_ca", "string", "who signed the engine's certificate, in PEM; each of the three switches TLS on (default: the system's)"),
  setting("client.docker.auth_config", "string", "a docker config.json whose auths, credHelpers and credsStore are used for pulls"),
  setting("client.docker.auth_helper", "string", "a program docker-credential-NAME on the agent's PATH that is asked for passwords: its NAME"),
  setting("client.docker.pull_timeout", "duration", "longest pull of an image (default 5m)"),
  setting("client.docker.volumes", "bool", "let containers mount folders of this machine, and use volume drivers (default false)"),
  setting("client.docker.allow_privileged", "bool", "allow privileged containers, and all that amounts to it (default false)"),
  setting("client.docker.allow_caps", "list", "capabilities that containers may have or ask for; all = any (default: Nomad's)"),
  setting("client.docker.allow_runtimes", "list", "runtimes that containers may ask for (default runc, crun, nvidia)"),
  setting(
    "client.docker.allow_host_modes",
    "list",
    "namespaces of this machine that containers may share: pid, ipc, uts, userns, cgroup (default none)",
  ),
  setting("client.docker.pids_limit", "int", "processes a container may have, unless its job says (default 0: no limit)"),
  setting("client.docker.gc_image", "bool", "remove images that were fetched for tasks and are used no more (default true)"),
  setting("client.docker.gc_image_delay", "duration", "how long they stay unused (default 25h, so that a nightly job finds its image)"),
  setting("client.docker.gc_container", "bool", "remove containers that have ended (default true)"),
  setting("client.docker.gc_dangling", "bool", "remove containers of this node that no task knows (default true)"),
  setting("client.docker.gc_dangling_period", "duration", "time between two looks for them (default 5m)"),
  setting("client.docker.gc_dangling_grace", "duration", "age below which they are left alone (default 5m)"),
  setting("client.qemu.enabled", "bool", "run virtual machines where an emulator is found (default true)"),
  setting("client.qemu.image_paths", "list", "folders that images may lie in, beside the allocation's own"),
  setting(
    "client.qemu.args_allowlist",
    "list",
    "options that jobs may pass to the emulator, such as -smp (default: any; none where client.raw_exec is false)",
  ),
  setting("client.qemu.emulators_allowlist", "list", "emulators that jobs may name, or their paths (default: qemu-system-* and qemu-kvm)"),
  setting("plugin_dir", "string", "folder whose executables are drivers, each by its file's name (default: plugins in the data directory)"),
  setting("plugin", "tables", "what each of these drivers is told when it starts: NAME=TEXT, or a table of any keys"),
  setting("client.cpu_total_compute", "int", "MHz this node has, instead of what is found"),
  setting("client.memory_total_mb", "int", "MiB this node has, instead of what is found"),
  setting("client.reserved.cpu", "int", "MHz of this node that tasks do not get"),
  setting("client.reserved.cores", "string", 'cores that tasks do not get for themselves, such as "0,2-3"; they count as MHz too'),
  setting("client.reserved.memory", "int", "MiB of memory that tasks do not get"),
  setting("client.reserved.disk", "int", "MiB of disk that tasks do not get"),
  setting("client.reserved.reserved_ports", "string", 'ports that tasks do not get at any address, such as "22,8000-8010"'),
  setting("client.min_dynamic_port", "int", "lowest port that the scheduler chooses (default 20000)"),
  setting("client.max_dynamic_port", "int", "highest port that the scheduler chooses (default 32000)"),
  setting("client.host_volume", "tables", "folders that jobs may ask for by name: NAME=PATH or NAME=PATH:ro; as tables: path, read_only", {
    flags: ["host-volume"],
  }),
  setting(
    "client.host_network",
    "tables",
    "addresses that ports may be bound to by name: NAME=CIDR or NAME=INTERFACE; as tables: cidr, interface, reserved_ports",
    { flags: ["host-network"] },
  ),
  setting(
    "client.device",
    "tables",
    "devices that tasks may ask for: VENDOR/TYPE/NAME=ID|ID; as tables: vendor, type, name, ids or paths, attributes",
    { flags: ["device"] },
  ),
];

/** Tables by name, or the short text that stands for one. */
export type SettingTables = Readonly<Record<string, unknown>>;
export type SettingValue = string | number | boolean | readonly string[] | Readonly<Record<string, string>> | SettingTables;
export type SettingValues = ReadonlyMap<string, SettingValue>;

/** The variable of a setting: `client.on_agent_stop` is EDGECTL_CLIENT_ON_AGENT_STOP. */
export function variableOf(setting: Setting): string {
  return `EDGECTL_${setting.key.toUpperCase().replaceAll(".", "_")}`;
}

/** The typed value of a setting's text from a flag or a variable. Throws `config` with where it came from. */
export function parseSetting(setting: Setting, text: string, origin: string): SettingValue {
  const refuse = (expected: string): never => {
    throw new EdgeError("config", `${origin}: "${text}" is not ${expected}`);
  };
  switch (setting.kind) {
    case "string":
      return text;
    case "int":
      return /^\d{1,15}$/.test(text) ? Number(text) : refuse("a whole number");
    case "duration": {
      const ms = parseDurationMs(text);
      return ms !== null && ms >= 0 ? ms : refuse("a duration, such as 90s or 24h");
    }
    case "bool":
      return text === "true" || text === "1" || text === "" ? true : text === "false" || text === "0" ? false : refuse("true or false");
    case "list":
      return text
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    case "map":
    case "tables":
      return parsePairs(text) ?? refuse("k=v");
    case "choice":
      return setting.choices?.includes(text) ? text : refuse(`one of ${setting.choices?.join(", ")}`);
  }
}

/** Values of the config file's tables. Unknown keys are refused with the nearest name. */
export function settingsOfFile(
  tables: Readonly<Record<string, unknown>>,
  fileName: string,
  nearest: (word: string, known: readonly string[]) => string | undefined,
): SettingValues {
  const values = new Map<string, SettingValue>();
  for (const [key, value] of flatten(tables)) {
    const found = SETTINGS.find((candidate) => candidate.key === key);
    if (!found) {
      const near = nearest(
        key,
        SETTINGS.map((candidate) => candidate.key),
      );
      throw new EdgeError("config", `${fileName}: unknown setting "${key}"`, {
        hint: near ? `did you mean "${near}"?` : "edgectl agent --help lists every setting",
      });
    }
    values.set(key, checkType(found, value, `${fileName}: ${key}`));
  }
  return values;
}

/** Layers, strongest first, to one set. Maps are merged key by key. */
export function mergeSettings(...layers: readonly SettingValues[]): SettingValues {
  const merged = new Map<string, SettingValue>();
  for (const [key, value] of [...layers].reverse().flatMap((layer) => [...layer])) {
    const before = merged.get(key);
    merged.set(key, isMap(before) && isMap(value) ? { ...before, ...value } : value);
  }
  return merged;
}

// --- internal ---

function isMap(value: SettingValue | undefined): value is SettingTables {
  return typeof value === "object" && !Array.isArray(value);
}

function parsePairs(text: string): Readonly<Record<string, string>> | null {
  const pairs = text.split(",").map((pair) => pair.split("="));
  if (pairs.some(([key, ...rest]) => !key || rest.length === 0)) return null;
  return Object.fromEntries(pairs.map(([key = "", ...rest]) => [key.trim(), rest.join("=")]));
}

function* flatten(tables: Readonly<Record<string, unknown>>, prefix = ""): Iterable<readonly [string, unknown]> {
  for (const [key, value] of Object.entries(tables)) {
    const full = prefix + key;
    const isMap = SETTINGS.some((candidate) => candidate.key === full && (candidate.kind === "map" || candidate.kind === "tables"));
    if (typeof value === "object" && value !== null && !Array.isArray(value) && !isMap)
      yield* flatten(value as Readonly<Record<string, unknown>>, `${full}.`);
    else yield [full, value];
  }
}

function checkType(setting: Setting, value: unknown, origin: string): SettingValue {
  if (setting.kind === "list" && Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  if (setting.kind === "map" && typeof value === "object" && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, String(entry)]));
  // What stands in each table is looked at where all settings are known.
  if (setting.kind === "tables" && typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  if (setting.kind === "int" && (typeof value === "number" || typeof value === "bigint")) return parseSetting(setting, String(value), origin);
  if (setting.kind === "bool" && typeof value === "boolean") return value;
  if (typeof value === "string" && ["string", "choice", "duration"].includes(setting.kind)) return parseSetting(setting, value, origin);
  throw new EdgeError("config", `${origin}: must be ${KIND_WORDS[setting.kind]}`);
}

const KIND_WORDS: Readonly<Record<SettingKind, string>> = {
  string: "a string",
  int: "a whole number",
  bool: "true or false",
  list: "a list of strings",
  map: "a table of strings",
  tables: "tables by name",
  choice: "a string",
  duration: "a duration in quotes",
};
