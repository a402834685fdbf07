// Who the node is to a registry: the task's own words first, then the operator's docker config file, then credential helpers.

import { EdgeError } from "../../../domain/errors.ts";
import type { Files, Runtime } from "../../../runtime/runtime.ts";
import type { DockerConfig } from "./config.ts";
import { type DockerJson, parseObject } from "./engine-json.ts";
import type { ImageReference } from "./reference.ts";
import { askHelper } from "./stored-credentials.ts";

export interface AuthSources {
  readonly runtime: Runtime;
  /** A docker config.json; "" = none. */
  readonly configPath: string;
  /** Of the program that is asked last; "" = none. */
  readonly helper: string;
}

/** The value of the engine's X-Registry-Auth header; "" = nobody in particular. Throws where file or helper do not help. */
export async function registryAuth(config: Pick<DockerConfig, "auth">, reference: ImageReference, sources: AuthSources): Promise<string> {
  const { runtime, configPath } = sources;
  const { username, password, email, serverAddress } = config.auth;
  if (username !== "" || password !== "") return encode({ username, password, email, serveraddress: serverAddress || reference.registry });
  const keys = namesOf(reference.registry);
  const told = configPath === "" ? null : readConfig(runtime.files, configPath);
  for (const key of told === null ? [] : keys) {
    const entry = told?.at("auths").at(key);
    if (entry === undefined) continue;
    const token = entry.text("identitytoken");
    if (token !== "") return encode({ identitytoken: token, serveraddress: key });
    const [user = "", ...secret] = Buffer.from(entry.text("auth"), "base64").toString("utf8").split(":");
    if (user !== "") return encode({ username: user, password: secret.join(":"), serveraddress: key });
    if (entry.text("username") !== "") return encode({ username: entry.text("username"), password: entry.text("password"), serveraddress: key });
  }
  const own = keys.map((key) => told?.at("credHelpers").text(key) ?? "").find((name) => name !== "");
  for (const helper of new Set([own ?? "", told?.text("credsStore") ?? "", sources.helper])) {
    const server = keys[0] ?? reference.registry;
    const known = helper === "" ? null : await askHelper(runtime, helper, server);
    if (known === null) continue;
    if (known.username === "<token>") return encode({ identitytoken: known.secret, serveraddress: server });
    return encode({ username: known.username, password: known.secret, serveraddress: server });
  }
  return "";
}

// --- internal ---

function readConfig(files: Files, path: string): DockerJson {
  const text = files.readText(path);
  if (text === null) throw new EdgeError("not-found", `the file ${path} that client.docker.auth_config names does not exist`);
  return parseObject(text);
}

function encode(auth: Readonly<Record<string, string>>): string {
  // With its padding: without it engines take it for nobody, and say nothing.
  return Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** The names a docker config file may know a registry by. */
function namesOf(registry: string): readonly string[] {
  const hub = ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"];
  return registry === "docker.io"
    ? hub
    : [registry, `https://${registry}`, `http://${registry}`, `https://${registry}/v1/`, `https://${registry}/v2/`];
}
