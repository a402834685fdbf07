// Who the node is to a registry: the task's own words first, then the operator's docker config file.

import { EdgeError } from "../../../domain/errors.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { DockerConfig } from "./config.ts";
import { parseObject } from "./engine-json.ts";
import type { ImageReference } from "./reference.ts";

/** The value of the engine's X-Registry-Auth header; "" = nobody in particular. Throws where the file does not help. */
export function registryAuth(config: Pick<DockerConfig, "auth">, reference: ImageReference, files: Files, configPath: string): string {
  const { username, password, email, serverAddress } = config.auth;
  if (username !== "" || password !== "") return encode({ username, password, email, serveraddress: serverAddress || reference.registry });
  if (configPath === "") return "";
  const text = files.readText(configPath);
  if (text === null) throw new EdgeError("not-found", `the file ${configPath} that client.docker.auth_config names does not exist`);
  const told = parseObject(text);
  const keys = namesOf(reference.registry);
  const helper = keys.map((key) => told.at("credHelpers").text(key)).find((name) => name !== "") || told.text("credsStore");
  for (const key of keys) {
    const entry = told.at("auths").at(key);
    const token = entry.text("identitytoken");
    if (token !== "") return encode({ identitytoken: token, serveraddress: key });
    const [user = "", ...secret] = Buffer.from(entry.text("auth"), "base64").toString("utf8").split(":");
    if (user !== "") return encode({ username: user, password: secret.join(":"), serveraddress: key });
    if (entry.text("username") !== "") return encode({ username: entry.text("username"), password: entry.text("password"), serveraddress: key });
  }
  if (helper !== "" && helper !== undefined)
    throw new EdgeError("unsupported", `${configPath} leaves ${reference.registry} to the credential helper "${helper}", which is not asked`, {
      hint: 'put the registry into its "auths"',
    });
  return "";
}

// --- internal ---

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
