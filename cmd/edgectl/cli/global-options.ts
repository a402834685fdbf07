// The options every command has, and the connection they and the environment name together.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

export const GLOBAL_OPTIONS = {
  address: { type: "string", description: "address of the agent (EDGECTL_ADDR; default http://127.0.0.1:4646)", valueHint: "URL" },
  namespace: { type: "string", description: "namespace (EDGECTL_NAMESPACE)", valueHint: "NAME" },
  region: { type: "string", description: "region (EDGECTL_REGION)", valueHint: "NAME" },
  token: { type: "string", description: "secret of an ACL token (EDGECTL_TOKEN)", valueHint: "SECRET" },
  "ca-cert": { type: "string", description: "PEM file of the CA to trust (EDGECTL_CACERT)", valueHint: "FILE" },
  "client-cert": { type: "string", description: "PEM file of a client certificate (EDGECTL_CLIENT_CERT)", valueHint: "FILE" },
  "client-key": { type: "string", description: "PEM file of its key (EDGECTL_CLIENT_KEY)", valueHint: "FILE" },
  debug: { type: "boolean", description: "show where an error came from" },
  color: { type: "boolean", description: "bold titles (default: only on a terminal)", alias: ["force-color"] },
} as const;

export interface Connection {
  /** Without a slash at its end. */
  readonly address: string;
  /** How the address was found, for messages. */
  readonly addressFrom: string;
  /** "" = the server's default. */
  readonly namespace: string;
  readonly region: string;
  readonly token: string;
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export const DEFAULT_ADDRESS = "http://127.0.0.1:4646";

type GlobalValues = Readonly<Record<string, string | boolean | undefined>>;

/** The option, else the EDGECTL_ variable, else its NOMAD_ twin. Throws `config` for an address that is none. */
export function connectionOf(runtime: Runtime, options: GlobalValues): Connection {
  const { env } = runtime.host;
  const pick = (option: string | boolean | undefined, name: string): readonly [string, string] => {
    if (typeof option === "string" && option !== "") return [option, "option"];
    for (const variable of [`EDGECTL_${name}`, `NOMAD_${name}`]) if (env[variable]) return [env[variable] ?? "", variable];
    return ["", ""];
  };
  const [given, from] = pick(options.address, "ADDR");
  const tls = {
    ...certificate(runtime, "ca", pick(options["ca-cert"], "CACERT")[0]),
    ...certificate(runtime, "cert", pick(options["client-cert"], "CLIENT_CERT")[0]),
    ...certificate(runtime, "key", pick(options["client-key"], "CLIENT_KEY")[0]),
  };
  return {
    address: given === "" ? DEFAULT_ADDRESS : checkAddress(given, from),
    addressFrom: given === "" ? "the default" : from === "option" ? "--address" : from,
    namespace: pick(options.namespace, "NAMESPACE")[0],
    region: pick(options.region, "REGION")[0],
    token: pick(options.token, "TOKEN")[0],
    tls,
  };
}

// --- internal ---

function checkAddress(text: string, from: string): string {
  const origin = from === "option" ? "--address" : from;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && ["http:", "https:"].includes(url.protocol)) return text.replace(/\/+$/, "");
  throw new EdgeError("config", `${origin}: "${text}" is no http or https address`, { hint: `write it like ${DEFAULT_ADDRESS}` });
}

function certificate(runtime: Runtime, name: "ca" | "cert" | "key", path: string): Record<string, string> {
  if (path === "") return {};
  const text = runtime.files.readText(path);
  if (text === null) throw new EdgeError("config", `the certificate file ${path} does not exist`);
  return { [name]: text };
}
