// The drivers' contract, kept by docker on podman's engine: another program behind the same API.

import { after } from "node:test";
import { PodmanEngine } from "../support/podman-engine.ts";
import { dockerKit } from "./docker-kit.ts";
import { driverContract } from "./driver-cases.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const isThere = (await runtime.processes.run("podman", ["--version"])).code === 0;
const missing = !isThere ? "install the Debian packages podman and catatonit" : runtime.host.uid === 0 ? null : "run the tests as root";
if (missing !== null && process.env.EDGECTL_TEST_REQUIRE === "1") throw new Error(`EDGECTL_TEST_REQUIRE=1 and a real part is missing: ${missing}`);

const engine = new PodmanEngine();
const kit = dockerKit({ name: "podman", missing, endpoint: () => engine.endpoint });

// Not in a hook: one runtime gives those five seconds and no more.
if (missing === null) await engine.start();
after(async () => {
  kit.stop();
  await engine.close();
});

await driverContract(kit);
