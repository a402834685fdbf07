// A postgres:// URL in its parts. The password is taken out here and goes nowhere but to the server: no message of this
// file quotes what may be a piece of it.

import { EdgeError } from "../../domain/errors.ts";

export interface PostgresHost {
  /** A name or an address; a folder of sockets when it begins with "/". */
  readonly host: string;
  readonly port: number;
}

export type TlsMode = "disable" | "prefer" | "require" | "verify-full";

export interface PostgresTarget {
  /** Tried in turn until one takes writes. */
  readonly hosts: readonly PostgresHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tls: TlsMode;
  /** File of the certificates to trust; "" for those of the system. */
  readonly rootCertificates: string;
}

/** Throws `config` with what is wrong. `password` counts where the URL has none. */
export function parsePostgresUrl(url: string, password: string): PostgresTarget {
  const rest = url.replace(/^postgres(?:ql)?:\/\//, "");
  const at = rest.search(/[@/?]/);
  const hasLogin = rest[at] === "@";
  const place = hasLogin ? rest.slice(at + 1) : rest;
  if (/[@#]/.test(place)) throw refusal('has a "@" or "#" where none belongs', 'in a user name or password write "@" as %40, "/" as %2F, "#" as %23');
  const [, hosts = "", database = "", query = ""] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(place) ?? [];
  const [user = "", ...secret] = (hasLogin ? rest.slice(0, at) : "").split(":");
  const options = optionsOf(query);
  if (user === "") throw refusal("names no user", FORM);
  if (database === "") throw refusal("names no database", FORM);
  return {
    hosts: hostsOf(hosts, options.get("host") ?? ""),
    user: decoded(user, "user"),
    password: secret.length > 0 ? decoded(secret.join(":"), "password") : password,
    database: decoded(database, "database"),
    ...tlsOf(options),
  };
}

/** The store's name in messages and logs: everything but the password. */
export function titleOf(target: PostgresTarget): string {
  const hosts = target.hosts.map(hostTitle).join(",");
  return `postgres://${target.user}@${hosts}/${target.database}`;
}

export function hostTitle({ host, port }: PostgresHost): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

// --- internal ---

const FORM = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";
const OPTIONS = ["host", "sslmode", "sslrootcert", "target_session_attrs"];
const TLS_MODES: readonly TlsMode[] = ["disable", "prefer", "require", "verify-full"];
const PORT_DEFAULT = 5432;

function refusal(problem: string, hint: string): EdgeError {
  return new EdgeError("config", `the store's PostgreSQL URL ${problem}`, { hint });
}

function decoded(text: string, part: string): string {
  let plain: string;
  try {
    plain = decodeURIComponent(text);
  } catch {
    // The error would quote the text, which may be the password.
    throw refusal(`has a "%" in its ${part} that no two hexadecimal digits follow`, 'write "%" itself as %25');
  }
  if (plain.includes("\u0000")) throw refusal(`has a NUL in its ${part}`, "remove %00");
  return plain;
}

function optionsOf(query: string): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const pair of query === "" ? [] : query.split("&")) {
    const [name = "", ...value] = pair.split("=");
    if (name === "password" || name === "user") throw refusal(`has its ${name} among the options`, FORM);
    if (!OPTIONS.includes(name)) throw refusal(`has the unknown option "${name}"`, `known are ${OPTIONS.join(", ")}`);
    options.set(name, decoded(value.join("="), name));
  }
  const attributes = options.get("target_session_attrs") ?? "read-write";
  if (attributes !== "read-write" && attributes !== "primary" && attributes !== "any")
    throw refusal(`asks for target_session_attrs=${attributes}`, "edgectl writes, so it looks for the host that takes writes: read-write");
  return options;
}

function hostsOf(list: string, folder: string): readonly PostgresHost[] {
  if (list !== "" && folder !== "") throw refusal("names its host twice", "leave out the option host");
  const words = (list === "" ? folder : list).split(",");
  return words.map((word) => {
    const [, host = "", port = ""] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(decoded(word, "host")) ?? [];
    if (host === "") throw refusal("names no host", FORM);
    const number = port === "" ? PORT_DEFAULT : /^\d{1,5}$/.test(port) ? Number(port) : 0;
    if (number < 1 || number > 65_535) throw refusal(`has a port that is not between 1 and 65535 for host ${host}`, FORM);
    return { host: host.replace(/^\[(.*)\]$/, "$1"), port: number };
  });
}

function tlsOf(options: ReadonlyMap<string, string>): Pick<PostgresTarget, "tls" | "rootCertificates"> {
  const rootCertificates = options.get("sslrootcert") ?? "";
  const mode = options.get("sslmode") ?? (rootCertificates === "" ? "prefer" : "verify-full");
  const tls = TLS_MODES.find((known) => known === mode);
  if (tls === undefined) throw refusal(`asks for sslmode=${mode}`, `known are ${TLS_MODES.join(", ")}`);
  if (rootCertificates !== "" && tls !== "verify-full")
    throw refusal(`has sslrootcert with sslmode=${tls}, which checks no certificate`, "use sslmode=verify-full");
  return { tls, rootCertificates };
}
