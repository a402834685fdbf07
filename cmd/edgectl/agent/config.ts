// From command line, environment and file to one checked configuration of the agent.

import { parseServerUrl } from "../../../internal/api/region-codec.ts";
import type { ClientSettings } from "../../../internal/client/fingerprint/fingerprint.ts";
import type { NodeOffers } from "../../../internal/client/fingerprint/offers.ts";
import { GC_DEFAULTS, type GcSettings } from "../../../internal/cluster/gc-rules.ts";
import type { CollectSettings } from "../../../internal/device/collect.ts";
import { EdgeError } from "../../../internal/domain/errors.ts";
import { HEARTBEAT_DEFAULTS, type HeartbeatSettings } from "../../../internal/domain/heartbeat.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import { pathFrom } from "../../../internal/domain/paths.ts";
import type { DockerSettings } from "../../../internal/runner/drivers/docker/settings.ts";
import type { ExecSettings } from "../../../internal/runner/drivers/exec.ts";
import type { QemuSettings } from "../../../internal/runner/drivers/qemu/driver.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import type { SnapshotSettings } from "../../../internal/server/snapshot-loop.ts";
import { parseStoreUrl } from "../../../internal/store/open-store.ts";
import { checkAdvertise } from "./advertise.ts";
import { collectSettingsOf } from "./collect-settings.ts";
import { dockerSettingsOf } from "./docker-settings.ts";
import { execSettingsOf } from "./exec-settings.ts";
import { nodeOffersOf } from "./node-settings.ts";
import { pluginSettingsOf } from "./plugin-settings.ts";
import { qemuSettingsOf } from "./qemu-settings.ts";
import type { Setting, SettingValue, SettingValues } from "./settings.ts";
import { mergeSettings, parseSetting, SETTINGS, settingsOfFile, variableOf } from "./settings.ts";

export interface AgentConfig {
  /** What was said by flags, variables and files, and by which command line. */
  readonly said: SettingValues;
  readonly argv: readonly string[];
  readonly isServer: boolean;
  readonly isClient: boolean;
  readonly isDev: boolean;
  readonly dataDirectory: string;
  /** URL of the server's store; it may hold a password, so no message shows it. */
  readonly store: string;
  readonly bind: string;
  /** host or host:port for other servers, "" = where it listens. */
  readonly advertise: string;
  readonly port: number;
  readonly name: string;
  readonly region: string;
  /** URLs of servers of other regions, by name. */
  readonly regions: Readonly<Record<string, readonly string[]>>;
  readonly datacenter: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly logFormat: "text" | "json";
  readonly servers: readonly string[];
  readonly nodePool: string;
  readonly nodeClass: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly onAgentStop: "keep" | "stop";
  readonly isRawExecEnabled: boolean;
  /** Null = switched off. */
  readonly exec: ExecSettings | null;
  readonly isJavaEnabled: boolean;
  readonly docker: DockerSettings | null;
  readonly qemu: QemuSettings | null;
  readonly plugins: NonNullable<ClientSettings["plugins"]>;
  readonly cpuTotalMHz: number;
  readonly memoryTotalMiB: number;
  readonly offers: NodeOffers;
  readonly collect: CollectSettings;
  /** Bound of each stream of each task; 0 = as jobs say. */
  readonly maxLogMB: number;
  readonly isDiskEnforced: boolean;
  readonly gc: GcSettings;
  readonly heartbeats: HeartbeatSettings;
  /** `everyMs` 0 = the leader makes none by itself. */
  readonly snapshots: SnapshotSettings;
  /** Text of the public key that must have signed a program that takes this one's place; null = none is asked for. */
  readonly upgradeKey: string | null;
  /** Who may join that is not known yet. */
  readonly join: "open" | "token";
  /** What lets this node join, or the file that holds it; "" = none. It is shown to servers alone. */
  readonly joinToken: string;
  readonly joinTokenFile: string;
  /** Servers may hand this node another program. */
  readonly isUpgradeEnabled: boolean;
}

export interface ReadSettings {
  readonly argv: readonly string[];
  readonly values: SettingValues;
  readonly isDev: boolean;
}

/** Throws `config` with what is wrong and where. */
export async function readAgentConfig(runtime: Runtime, argv: readonly string[]): Promise<AgentConfig> {
  return configOf(runtime, await readSettings(runtime, argv));
}

/** Each setting by itself is right; whether all are together is not looked at. Throws `config`. */
export async function readSettings(runtime: Runtime, argv: readonly string[]): Promise<ReadSettings> {
  const { flags, configPaths, isDev } = await parseFlags(argv);
  const files = await Promise.all(configPaths.map((path) => readFile(runtime, path)));
  return { argv, values: mergeSettings(flags, variables(runtime), ...files.reverse()), isDev };
}

/** `known`: the data directory of the agent that runs already. Throws `config` where the settings do not go together. */
export function configOf(runtime: Runtime, { argv, values, isDev }: ReadSettings, known?: string): AgentConfig {
  const text = (key: string, otherwise: string) => String(values.get(key) ?? otherwise);
  // Tasks and helpers of the agent are started elsewhere.
  const absolute = (key: string, otherwise: string) => pathFrom(runtime.host.cwd, text(key, otherwise));
  const number = (key: string, otherwise: number) => Number(values.get(key) ?? otherwise);
  const [server, client] = [values.get("server.enabled"), values.get("client.enabled")];
  const isUnsaid = server !== true && client !== true;
  const dataDirectory = known ?? (isDev ? runtime.files.temporaryDirectory("edgectl-dev-") : absolute("data_dir", defaultDataDirectory(runtime)));
  const bind = text("bind", "127.0.0.1");
  if (!isLoopback(bind) && values.get("insecure") !== true)
    throw new EdgeError("config", `refusing to listen on ${bind}: without TLS and ACLs anyone who reaches it could run programs here`, {
      hint: "add --insecure if the network is trusted, or bind to 127.0.0.1",
    });
  const region = text("region", "global");
  const advertise = text("advertise", "");
  checkAdvertise(advertise);
  const port = number("port", 4646);
  if (port > 65_535) throw new EdgeError("config", `port ${port} is not between 0 and 65535`);
  const store = text("store", "") || `sqlite:${dataDirectory}/server/state.db`;
  if (parseStoreUrl(store).kind !== "sqlite" && advertise === "" && isWildcard(bind) && values.get("server.enabled") !== false)
    throw new EdgeError("config", `servers on other machines cannot reach this one at ${bind}`, {
      hint: "say where they can: advertise = HOST, or --advertise HOST",
    });
  const isServer = isUnsaid ? server !== false : server === true;
  const isClient = isUnsaid ? client !== false : client === true;
  if (text("join_token", "") !== "" && text("join_token_file", "") !== "")
    throw new EdgeError("config", "join_token and join_token_file are both set", { hint: "keep one of them; the file is harder to leak" });
  if (!isServer && !isClient) throw new EdgeError("config", "server.enabled and client.enabled are both false: there is nothing to do");
  return {
    said: values,
    argv,
    isServer,
    isClient,
    isDev,
    dataDirectory,
    store,
    bind,
    advertise,
    port,
    name: text("name", runtime.files.readText("/proc/sys/kernel/hostname")?.trim() || "edgectl"),
    region,
    regions: regionsOf((values.get("server.regions") as Readonly<Record<string, string>> | undefined) ?? {}, region), // a checked map
    datacenter: text("datacenter", "dc1"),
    logLevel: text("log_level", "info") as AgentConfig["logLevel"], // a checked choice
    logFormat: text("log_format", "text") as AgentConfig["logFormat"], // a checked choice
    servers: (values.get("client.servers") as readonly string[] | undefined) ?? [], // a checked list
    nodePool: text("client.node_pool", "default"),
    nodeClass: text("client.node_class", ""),
    meta: (values.get("client.meta") as Readonly<Record<string, string>> | undefined) ?? {}, // a checked map
    onAgentStop: isDev ? "stop" : (text("client.on_agent_stop", "keep") as AgentConfig["onAgentStop"]), // a checked choice
    isRawExecEnabled: values.get("client.raw_exec") !== false,
    exec: execSettingsOf(values),
    isJavaEnabled: values.get("client.java") !== false,
    docker: dockerSettingsOf(values),
    qemu: qemuSettingsOf(values),
    plugins: pluginSettingsOf(values, runtime, dataDirectory),
    cpuTotalMHz: number("client.cpu_total_compute", 0),
    memoryTotalMiB: number("client.memory_total_mb", 0),
    offers: nodeOffersOf(values, runtime),
    collect: collectSettingsOf(values),
    maxLogMB: number("client.max_log_mb", 0),
    isDiskEnforced: values.get("client.enforce_ephemeral_disk") === true,
    gc: gcSettings(number),
    heartbeats: heartbeatSettings(number),
    snapshots: snapshotSettings(number, absolute("server.snapshot.dir", `${dataDirectory}/server/snapshots`)),
    isUpgradeEnabled: values.get("client.upgrade.enabled") === true,
    upgradeKey: upgradeKeyOf(runtime, text("upgrade.key", "")),
    join: text("server.join", "open") as AgentConfig["join"], // a checked choice
    joinToken: text("join_token", "").trim(),
    joinTokenFile: text("join_token_file", "") === "" ? "" : absolute("join_token_file", ""),
  };
}

/** Every setting with its flag, variable and key, for --help and the docs. */
export function settingsHelp(): string {
  const rows = SETTINGS.map((setting) => [`--${setting.flags[0] ?? ""}`, variableOf(setting), setting.key, setting.help] as const);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column as 0] ?? "").length)));
  return rows
    .map((row) => `  ${row[0].padEnd(widths[0] ?? 0)}  ${row[1].padEnd(widths[1] ?? 0)}  ${row[2].padEnd(widths[2] ?? 0)}  ${row[3]}`)
    .join("\n");
}

export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || address.startsWith("127.");
}

// --- internal ---

async function parseFlags(
  argv: readonly string[],
): Promise<{ readonly flags: SettingValues; readonly configPaths: readonly string[]; readonly isDev: boolean }> {
  const flags = new Map<string, SettingValue>();
  const configPaths: string[] = [];
  let isDev = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const match = /^--?([A-Za-z0-9][\w.-]*)(?:=(.*))?$/s.exec(word);
    if (!match) throw new EdgeError("config", `unexpected argument "${word}"`, { hint: "edgectl agent --help lists every flag" });
    const name = match[1] ?? "";
    if (name === "dev") {
      isDev = true;
      continue;
    }
    const setting = SETTINGS.find((candidate) => candidate.flags.includes(name));
    if (!setting && name !== "config") throw await unknownFlag(name);
    const isSwitch = setting?.kind === "bool";
    const value = match[2] ?? (isSwitch ? "true" : argv[++at]);
    if (value === undefined) throw new EdgeError("config", `--${name} needs a value`);
    if (!setting) configPaths.push(value);
    else flags.set(setting.key, joined(setting, flags.get(setting.key), parseSetting(setting, value, `--${name}`)));
  }
  return { flags, configPaths, isDev };
}

/** Lists and maps may be given again; the last of anything else counts. */
function joined(setting: Setting, before: SettingValue | undefined, next: SettingValue): SettingValue {
  if (before === undefined) return next;
  if (setting.kind === "list") return [...(before as readonly string[]), ...(next as readonly string[])]; // of that kind by parseSetting
  return setting.kind === "map" || setting.kind === "tables" ? { ...(before as object), ...(next as Readonly<Record<string, string>>) } : next; // as above
}

async function unknownFlag(name: string): Promise<EdgeError> {
  const { nearest } = await import("../../../internal/jobspec/nearest.ts");
  const near = nearest(name, ["dev", "config", ...SETTINGS.flatMap((setting) => setting.flags)]);
  return new EdgeError("config", `unknown flag --${name}`, { hint: near ? `did you mean --${near}?` : "edgectl agent --help lists every flag" });
}

function variables(runtime: Runtime): SettingValues {
  const values = new Map<string, SettingValue>();
  for (const setting of SETTINGS) {
    const text = runtime.host.env[variableOf(setting)];
    if (text !== undefined && text !== "") values.set(setting.key, parseSetting(setting, text, variableOf(setting)));
  }
  return values;
}

async function readFile(runtime: Runtime, path: string): Promise<SettingValues> {
  const text = runtime.files.readText(path);
  if (text === null) throw new EdgeError("config", `the config file ${path} does not exist`);
  const { parse } = await import("@ltd/j-toml");
  const { nearest } = await import("../../../internal/jobspec/nearest.ts");
  try {
    return settingsOfFile(parse(text, { bigint: false }) as Readonly<Record<string, unknown>>, path, nearest);
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    throw new EdgeError("config", `${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Read at the start: a key that is missing must not turn into no key at all. */
function upgradeKeyOf(runtime: Runtime, path: string): string | null {
  if (path === "") return null;
  const key = runtime.files.readText(path);
  if (key === null) throw new EdgeError("config", `upgrade.key: there is no file ${path}`);
  return key;
}

function snapshotSettings(number: (key: string, otherwise: number) => number, folder: string): SnapshotSettings {
  const everyMs = number("server.snapshot.every", 0);
  const keep = number("server.snapshot.keep", 24);
  if (everyMs > 0 && everyMs < 1000)
    throw new EdgeError("config", "server.snapshot.every is shorter than a second", { hint: "1h is a good choice, 0 turns it off" });
  if (keep < 1) throw new EdgeError("config", "server.snapshot.keep must be at least 1", { hint: 'server.snapshot.every = "0" turns snapshots off' });
  return { everyMs, keep, folder };
}

function gcSettings(number: (key: string, otherwise: number) => number): GcSettings {
  return {
    evalMs: number("server.eval_gc_threshold", GC_DEFAULTS.evalMs),
    batchEvalMs: number("server.batch_eval_gc_threshold", GC_DEFAULTS.batchEvalMs),
    jobMs: number("server.job_gc_threshold", GC_DEFAULTS.jobMs),
    intervalMs: number("server.job_gc_interval", GC_DEFAULTS.intervalMs),
    nodeMs: number("server.node_gc_threshold", GC_DEFAULTS.nodeMs),
    deploymentMs: number("server.deployment_gc_threshold", GC_DEFAULTS.deploymentMs),
  };
}

function heartbeatSettings(number: (key: string, otherwise: number) => number): HeartbeatSettings {
  const ttlMsMin = number("server.min_heartbeat_ttl", HEARTBEAT_DEFAULTS.ttlMsMin);
  const graceMs = number("server.heartbeat_grace", HEARTBEAT_DEFAULTS.graceMs);
  const perSecond = number("server.max_heartbeats_per_second", HEARTBEAT_DEFAULTS.perSecond);
  if (ttlMsMin < 1000 || ttlMsMin > LIMITS.heartbeatTtlMsMax)
    throw new EdgeError("config", "server.min_heartbeat_ttl must be between 1s and 1h (heartbeatTtlMsMax)", {
      hint: "5m is a good choice on links that cost",
    });
  if (graceMs < 0 || graceMs > LIMITS.heartbeatTtlMsMax)
    throw new EdgeError("config", "server.heartbeat_grace must be between 0 and 1h (heartbeatTtlMsMax)");
  if (perSecond < 1) throw new EdgeError("config", "server.max_heartbeats_per_second must be at least 1");
  return { ttlMsMin, graceMs, perSecond };
}

function defaultDataDirectory(runtime: Runtime): string {
  return runtime.host.uid === 0 ? "/var/lib/edgectl" : `${runtime.host.homeDirectory}/.local/share/edgectl`;
}

function regionsOf(said: Readonly<Record<string, string>>, own: string): Readonly<Record<string, readonly string[]>> {
  const entries = Object.entries(said).map(([name, text]) => {
    if (name === own)
      throw new EdgeError("config", `server.regions names "${own}", which is this server's own region`, {
        hint: "two regions cannot share a name: set region = NAME",
      });
    const urls = text.split("|").map((one) => parseServerUrl(one.trim()));
    if (urls.some((url) => url === null))
      throw new EdgeError("config", `server.regions: "${text}" is no address of region "${name}"`, { hint: "write it like http://10.1.0.5:4646" });
    return [name, urls.filter((url) => url !== null)] as const;
  });
  return Object.fromEntries(entries);
}

function isWildcard(address: string): boolean {
  return address === "0.0.0.0" || address === "::";
}
