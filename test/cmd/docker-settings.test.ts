// Settings of container engines that do not go together are told before an agent starts.

import { expect, test } from "bun:test";
import { dockerSettingsOf } from "../../cmd/edgectl/agent/docker-settings.ts";

/** [what, keys below client.docker, words; null = it is fine] */
const SETTINGS: readonly (readonly [string, Readonly<Record<string, string>>, string | null])[] = [
  ["TLS at a port", { endpoint: "tcp://10.0.0.2:2376", tls_cert: "/c", tls_key: "/k", tls_ca: "/a" }, null],
  ["an authority alone", { endpoint: "tcp://10.0.0.2:2376", tls_ca: "/a" }, null],
  ["a certificate without its key", { endpoint: "tcp://10.0.0.2:2376", tls_cert: "/c" }, "belong together"],
  ["a key without its certificate", { endpoint: "tcp://10.0.0.2:2376", tls_key: "/k" }, "belong together"],
  ["TLS at a socket", { endpoint: "unix:///run/docker.sock", tls_ca: "/a" }, 'not at "unix:///run/docker.sock"'],
  ["TLS nowhere", { tls_ca: "/a" }, "for an engine at a port"],
];

for (const [what, keys, words] of SETTINGS)
  test(`${what}: ${words ?? "fine"}`, () => {
    const values = new Map(Object.entries(keys).map(([key, value]) => [`client.docker.${key}`, value]));
    const read = () => dockerSettingsOf(values);
    if (words === null) expect(read()?.tls.authorityPath).toBe("/a");
    else expect(read).toThrow(words);
  });
