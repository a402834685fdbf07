// The settings that say what a node offers and what it keeps for itself, from their texts and tables to checked values.

import type { HostNetworkSetting, NodeOffers } from "../../../internal/client/fingerprint/offers.ts";
import { NO_OFFERS } from "../../../internal/client/fingerprint/offers.ts";
import { parseRange } from "../../../internal/domain/address.ts";
import { EdgeError } from "../../../internal/domain/errors.ts";
import type { NodeHostVolume } from "../../../internal/domain/node.ts";
import { parseNumbers } from "../../../internal/domain/number-set.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import type { SettingValues } from "./settings.ts";

/** Throws `config` with the setting and what is wrong with it. */
export function nodeOffersOf(values: SettingValues, runtime: Runtime): NodeOffers {
  const number = (key: string, otherwise: number) => Number(values.get(key) ?? otherwise);
  const [portMin, portMax] = [number("client.min_dynamic_port", NO_OFFERS.portMin), number("client.max_dynamic_port", NO_OFFERS.portMax)];
  if (portMin < 1 || portMin > portMax || portMax > PORT_MAX)
    throw new EdgeError("config", `the dynamic ports ${portMin} to ${portMax} are no range between 1 and ${PORT_MAX}`, {
      hint: "set client.min_dynamic_port and client.max_dynamic_port",
    });
  const tables = (key: string) => Object.entries((values.get(key) as Readonly<Record<string, unknown>> | undefined) ?? {}); // of that kind by the settings table
  return {
    reserved: {
      cpuMHz: number("client.reserved.cpu", 0),
      memoryMiB: number("client.reserved.memory", 0),
      diskMiB: number("client.reserved.disk", 0),
      ports: numbers("client.reserved.reserved_ports", values.get("client.reserved.reserved_ports"), PORT_MAX),
      cores: numbers("client.reserved.cores", values.get("client.reserved.cores"), CORE_MAX),
    },
    portMin,
    portMax,
    hostVolumes: Object.fromEntries(
      tables("client.host_volume").map(([name, value]) => [named("client.host_volume", name), hostVolume(name, value, runtime)]),
    ),
    hostNetworks: Object.fromEntries(
      tables("client.host_network").map(([name, value]) => [named("client.host_network", name), hostNetwork(name, value)]),
    ),
    devices: devicesOf(tables("client.device")),
  };
}

// --- internal ---

const PORT_MAX = 65_535;
const CORE_MAX = 8191;

/** `data = "/srv/data"`, with ":ro" behind it for reading alone, or a table of path and read_only. */
function hostVolume(name: string, value: unknown, runtime: Runtime): NodeHostVolume {
  const where = `client.host_volume.${name}`;
  const short = typeof value === "string" ? { path: value.replace(/:ro$/, ""), read_only: value.endsWith(":ro") } : value;
  const table = new Table(where, short, ["path", "read_only"]);
  const path = table.text("path");
  if (!path.startsWith("/") || path.split("/").includes("..")) throw table.wrong("path", `must be the whole path of a folder, is "${path}"`);
  if (runtime.files.list(path) === null) throw table.wrong("path", `there is no folder ${path}`, "make it, or take the volume out of the settings");
  return { path, readOnly: table.truth("read_only") };
}

/** `lan = "10.0.0.0/8"` or `lan = "eth1"`, or a table of cidr, interface and reserved_ports. */
function hostNetwork(name: string, value: unknown): HostNetworkSetting {
  const short = typeof value === "string" ? (value.includes("/") ? { cidr: value } : { interface: value }) : value;
  const table = new Table(`client.host_network.${name}`, short, ["cidr", "interface", "reserved_ports"]);
  const [cidr, device] = [table.text("cidr"), table.text("interface")];
  if (cidr === "" && device === "") throw table.wrong("cidr", "say which addresses it has: cidr, interface, or both");
  if (cidr !== "" && parseRange(cidr) === null) throw table.wrong("cidr", `"${cidr}" is no range of addresses, such as 10.0.0.0/8 or fd00::/64`);
  return { cidr, interface: device, reservedPorts: table.numbers("reserved_ports", PORT_MAX) };
}

function devicesOf(entries: readonly (readonly [string, unknown])[]): NodeOffers["devices"] {
  const devices = entries.map(([label, value]) => deviceOf(label, value));
  const names = devices.map(({ vendor, type, name }) => `${vendor}/${type}/${name}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new EdgeError("config", `client.device names the kind ${twice} twice`, { hint: "write all its ids in one table" });
  return devices;
}

/** `"nvidia/gpu/k80" = "GPU-1|GPU-2"`, or a table; what the table does not say of vendor, type and name its key may. */
function deviceOf(label: string, value: unknown): NodeOffers["devices"][number] {
  const table = new Table(`client.device.${label}`, typeof value === "string" ? { ids: value.split("|") } : value, [
    "vendor",
    "type",
    "name",
    "ids",
    "paths",
    "attributes",
  ]);
  const [vendor = "", type = "", ...rest] = label.split("/");
  const isWhole = rest.length > 0;
  const parts = {
    vendor: table.text("vendor") || (isWhole ? vendor : ""),
    type: table.text("type") || (isWhole ? type : ""),
    name: table.text("name") || (isWhole ? rest.join("/") : ""),
  };
  for (const [key, text] of Object.entries(parts)) {
    const allowed = key === "name" ? /^[^\s,]{1,128}$/ : /^[^\s,/]{1,128}$/;
    if (!allowed.test(text))
      throw table.wrong(key, text === "" ? `is missing: give it, or name the table "vendor/type/name"` : `"${text}" is no ${key} of a device`);
  }
  const [ids, paths] = [table.texts("ids"), table.texts("paths")];
  if (ids.length > 0 === paths.length > 0) throw table.wrong("ids", "give either ids or paths, one for each device");
  const all = [...ids, ...paths];
  const bad = all.find((id) => !/^[^\s,]{1,256}$/.test(id));
  if (bad !== undefined) throw table.wrong("ids", `"${bad}" is no id of a device: it must not be empty and have neither spaces nor commas`);
  if (new Set(all).size !== all.length) throw table.wrong("ids", "an id stands there twice");
  const relative = paths.find((path) => !path.startsWith("/"));
  if (relative !== undefined) throw table.wrong("paths", `"${relative}" is no whole path`);
  return { ...parts, ids: all, hasPaths: paths.length > 0, attributes: table.map("attributes") };
}

function named(setting: string, name: string): string {
  if (!/^[A-Za-z0-9][\w.-]{0,127}$/.test(name))
    throw new EdgeError("config", `${setting}: "${name}" is no name`, { hint: "letters, digits, dots, dashes and underscores" });
  return name;
}

function numbers(where: string, value: unknown, max: number): readonly number[] {
  if (value === undefined) return [];
  const found = parseNumbers(String(value), max);
  if (found === null)
    throw new EdgeError("config", `${where}: "${value}" is no set of numbers up to ${max}`, { hint: 'write it like "22,8000-8010"' });
  return found;
}

/** One table of a setting: its keys are known, and each is of its kind. */
class Table {
  readonly #where: string;
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(where: string, value: unknown, known: readonly string[]) {
    this.#where = where;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new EdgeError("config", `${where}: must be a table or a string`);
    this.#values = new Map<string, unknown>(Object.entries(value));
    const unknown = [...this.#values.keys()].find((key) => !known.includes(key));
    if (unknown !== undefined) throw new EdgeError("config", `${where}: unknown key "${unknown}"`, { hint: `known are ${known.join(", ")}` });
  }

  wrong(key: string, message: string, hint?: string): EdgeError {
    return new EdgeError("config", `${this.#where}.${key}: ${message}`, hint === undefined ? {} : { hint });
  }

  text(key: string): string {
    const value = this.#values.get(key) ?? "";
    if (typeof value !== "string") throw this.wrong(key, "must be a string");
    return value;
  }

  truth(key: string): boolean {
    const value = this.#values.get(key) ?? false;
    if (typeof value !== "boolean") throw this.wrong(key, "must be true or false");
    return value;
  }

  texts(key: string): readonly string[] {
    const value = this.#values.get(key) ?? [];
    if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) throw this.wrong(key, "must be a list of strings");
    return value;
  }

  numbers(key: string, max: number): readonly number[] {
    const value = this.#values.get(key);
    return numbers(`${this.#where}.${key}`, typeof value === "number" ? String(value) : this.text(key), max);
  }

  map(key: string): Readonly<Record<string, string>> {
    const value = this.#values.get(key) ?? {};
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.wrong(key, "must be a table");
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        if (!["string", "number", "boolean"].includes(typeof item)) throw this.wrong(`${key}.${name}`, "must be a string, a number, true or false");
        return [name, String(item)];
      }),
    );
  }
}
