// An engine behind TLS that knows its clients by their certificates: a task and commands beside it over such connections,
// and what is told where one side does not trust the other.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { dockerDriver } from "../../internal/runner/drivers/docker/driver.ts";
import type { DockerSettings } from "../../internal/runner/drivers/docker/settings.ts";
import type { DriverState } from "../../internal/runner/drivers/driver.ts";
import { makeCertificates } from "../support/certificates.ts";
import { DockerEngine } from "../support/docker-engine.ts";
import { freePort } from "../support/postgres.ts";
import { dockerKit, dockerParts } from "./docker-kit.ts";
import { Bench } from "./driver-bench.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const hasProgram = async (name: string, word: string) => (await runtime.processes.run(name, [word])).code === 0;
const isThere = (await hasProgram("dockerd", "--version")) && (await hasProgram("openssl", "version"));
const missing = !isThere ? "install the Debian packages docker.io and openssl" : runtime.host.uid === 0 ? null : "run the tests as root";
if (missing !== null && process.env.EDGECTL_TEST_REQUIRE === "1") throw new Error(`EDGECTL_TEST_REQUIRE=1 and a real part is missing: ${missing}`);
const skip = missing ?? false;

const engine = new DockerEngine();
let port = 0;
if (missing === null) {
  port = await freePort();
  makeCertificates(`${engine.folder}/own`, "127.0.0.1");
  makeCertificates(`${engine.folder}/other`, "127.0.0.1");
  const own = (name: string) => `${engine.folder}/own/${name}`;
  const files = ["--tlscacert", own("authority.pem"), "--tlscert", own("server.pem"), "--tlskey", own("server.key")];
  await engine.start(["--tlsverify", ...files, "-H", `tcp://127.0.0.1:${port}`]);
}
const tlsOf = (folder: string): DockerSettings["tls"] => ({
  certificatePath: `${engine.folder}/${folder}/server.pem`,
  keyPath: `${engine.folder}/${folder}/server.key`,
  authorityPath: `${engine.folder}/${folder}/authority.pem`,
});
const endpoint = () => `tcp://127.0.0.1:${port}`;
const kit = dockerKit({ name: "docker", missing, endpoint, settings: () => ({ tls: tlsOf("own") }) });
after(async () => {
  kit.stop();
  await engine.close();
});

test(
  "over TLS a task runs and is ended; a command beside it has its input to the end, its streams apart, its code, its terminal",
  { skip, timeout: 60_000 },
  () =>
    withFolder(runtime, async (folder) => {
      const bench = new Bench(runtime, folder, kit);
      const driver = await bench.agent();
      const handle = await bench.start("echo up; while :; do sleep 0.1; done", {}, driver);
      await bench.printed("up");
      const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
      const session = await handle.exec?.({ command: ["/bin/sh", "-c", "cat; echo end >&2; exit 7"], terminal: null });
      assert.ok(session);
      void session.write(bytes).then(() => session.endInput());
      const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
      for await (const piece of session.output) parts[piece.stream].push(piece.bytes);
      assert.deepEqual(Buffer.concat(parts.stdout), Buffer.from(bytes));
      assert.equal(String(Buffer.concat(parts.stderr)), "end\n");
      assert.equal(await session.exitCode(), 7);
      const screen = await handle.exec?.({ command: ["/bin/sh", "-c", "sleep 0.3; stty size"], terminal: { columns: 91, rows: 31 } });
      let text = "";
      for await (const piece of screen?.output ?? []) text += Buffer.from(piece.bytes).toString();
      assert.match(text, /31 91|not found/); // this image's busybox may lack stty
      assert.equal(handle.signal("SIGKILL"), true);
      assert.equal((await bench.exitOf(handle)).signal, 9);
      await bench.end();
    }),
);

/** [what, settings, the words of its health] */
const UNTRUSTED: readonly (readonly [string, (folder: string) => Partial<DockerSettings>, RegExp])[] = [
  [
    "whose authority is another",
    () => ({ tls: { ...tlsOf("own"), authorityPath: tlsOf("other").authorityPath } }),
    /does not answer: .*(?:verify|self.signed|certificate)/i,
  ],
  [
    "that no authority of the system's signed",
    () => ({ tls: { ...tlsOf("own"), authorityPath: "" } }),
    /does not answer: .*(?:verify|self.signed|certificate)/i,
  ],
  [
    "that does not know this node",
    () => ({ tls: { certificatePath: "", keyPath: "", authorityPath: tlsOf("own").authorityPath } }),
    /does not answer|certificate/i,
  ],
  ["that knows others", () => ({ tls: { ...tlsOf("other"), authorityPath: tlsOf("own").authorityPath } }), /does not answer|certificate/i],
  ["spoken to without TLS", () => ({}), /HTTP request to an HTTPS server|does not answer/],
  [
    "by a file that is not there",
    () => ({ tls: { ...tlsOf("own"), keyPath: "/nowhere/key.pem" } }),
    /client\.docker\.tls_key: there is no file \/nowhere\/key\.pem/,
  ],
  [
    "by a file of something else",
    () => ({ tls: { ...tlsOf("own"), certificatePath: "/etc/hosts" } }),
    /client\.docker\.tls_cert: \/etc\/hosts holds no PEM/,
  ],
];

for (const [what, settings, words] of UNTRUSTED)
  test(`an engine ${what} is no engine, and the node says why`, { skip, timeout: 30_000 }, () =>
    withFolder(runtime, async (folder) => {
      const driver = dockerDriver(dockerParts(runtime, folder, { endpoint: endpoint(), ...settings(folder) }));
      try {
        const state = await new Promise<DriverState>((resolve) => driver.watch?.(resolve));
        assert.equal(state.healthy, false);
        assert.match(state.description, words);
      } finally {
        driver.stop?.();
      }
    }),
  );
