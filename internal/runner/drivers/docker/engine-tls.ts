// The files that prove who node and engine are to each other, read anew for each connection: they are replaced while an agent runs.

import { messageOf } from "../../../domain/errors.ts";
import type { Files } from "../../../runtime/runtime.ts";
import type { StreamTls } from "../../../runtime/stream-socket.ts";
import type { DockerSettings } from "./settings.ts";

/** Null = the engine is reached without TLS; a sentence = a file that cannot be read. */
export function engineTls(files: Files, { certificatePath, keyPath, authorityPath }: DockerSettings["tls"]): StreamTls | string | null {
  if (certificatePath === "" && keyPath === "" && authorityPath === "") return null;
  const texts = new Map<string, string>();
  for (const [setting, path] of [
    ["tls_cert", certificatePath],
    ["tls_key", keyPath],
    ["tls_ca", authorityPath],
  ] as const) {
    if (path === "") continue;
    const text = readPem(files, path);
    if (!text.includes("-----BEGIN ")) return `client.docker.${setting}: ${text === "" ? `there is no file ${path}` : `${path} ${text}`}`;
    texts.set(setting, text);
  }
  const [certificate, key] = [texts.get("tls_cert"), texts.get("tls_key")];
  return { authorities: texts.get("tls_ca") ?? null, identity: certificate === undefined || key === undefined ? null : { certificate, key } };
}

// --- internal ---

/** "" = it is not there; without a PEM's beginning: what is wrong with it. */
function readPem(files: Files, path: string): string {
  try {
    const text = files.readText(path);
    if (text === null) return "";
    return text.includes("-----BEGIN ") ? text : "holds no PEM";
  } catch (error) {
    return `cannot be read: ${messageOf(error)}`;
  }
}
