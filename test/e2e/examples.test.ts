// Every file in jobs/ runs: the sensor readers with stand-ins bound over their paths, the rest as they are.

import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testWith } from "../support/real-parts.ts";
import { inPlace, root, until } from "./place.ts";

const MINUTE = 60_000;
const example = (name: string) => join(root, "jobs", `${name}.toml`);

/** Writes a JSON line a second to --filename, as the readers of the real sensors do. */
const STAND_IN = `#!/bin/sh
for word in "$@"; do case $word in --filename=*) file=\${word#--filename=} ;; esac; done
echo "$0 $*" > "$file.arguments"
n=0
while :; do n=$((n + 1)); echo "{\\"n\\":$n}" >> "$file"; sleep 0.1; done
`;

testWith(
  ["root", "unshare"],
  "bme280 and pa1010d, the jobs that started this project, run on a node of datacenter rpi4 and write their files",
  () =>
    inPlace(async (place) => {
      mkdirSync(place.path("bin"));
      mkdirSync(place.path("opt/bme280/data"), { recursive: true });
      mkdirSync(place.path("opt/pa1010d/data"), { recursive: true });
      for (const name of ["bme280", "pa1010d"]) {
        writeFileSync(place.path(`bin/${name}`), STAND_IN);
        chmodSync(place.path(`bin/${name}`), 0o755);
      }
      const bind = `mount --bind ${place.path("bin")} /usr/local/bin && mount --bind ${place.path("opt")} /opt && exec "$@"`;
      await place.start({ wrapper: ["unshare", "--mount", "sh", "-c", bind, "sh"], flags: ["--dc", "rpi4"] });
      for (const [file, id] of [
        ["bme280", "measure-bme280"],
        ["pa1010d", "measure-pa1010d"],
      ] as const) {
        expect(place.cli("run", "--detach", example(file)).status).toBe(0);
        await place.untilAlloc(id, "running");
        const written = place.path(`opt/${file}/data/${file}.json`);
        await until(`lines of ${file}`, () => existsSync(written) && readFileSync(written, "utf8").split("\n").length > 3);
        expect(readFileSync(`${written}.arguments`, "utf8")).toContain(
          `/usr/local/bin/${file} run --filename=/opt/${file}/data/${file}.json --enable-filename-indexing --interval-seconds=1`,
        );
        place.ok("stop", id);
        await place.untilAlloc(id, "complete");
      }
    }),
  MINUTE,
);

test(
  "on a node of another datacenter bme280 is accepted, not placed, and says why",
  () =>
    inPlace(async (place) => {
      await place.start();
      const done = place.cli("run", example("bme280"));
      expect(done.status).toBe(2);
      expect(`${done.stdout}${done.stderr}`).toMatch(/rpi4/);
    }),
  MINUTE,
);

testWith(
  ["busybox"],
  "web-service is found by its name, serves a folder of the machine, and is healthy by its check",
  () =>
    inPlace(async (place) => {
      mkdirSync(place.path("pages"));
      writeFileSync(place.path("pages/index.html"), "the page\n");
      await place.start({ flags: ["--host-volume", `pages=${place.path("pages")}`] });
      place.ok("run", "--detach", example("web-service"));
      await until("the service", async () => (await place.get("/v1/service/pages")).length === 1);
      const [{ Address, Port, AllocID }] = await place.get("/v1/service/pages");
      expect(await (await fetch(`http://${Address}:${Port}/index.html`)).text()).toBe("the page\n");
      await until("its check to pass", () => / index +healthiness +success /.test(place.ok("alloc", "checks", AllocID)));
    }),
  MINUTE,
);

test(
  "periodic, dispatch, system and variables run as their files say",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.ok("run", example("periodic"));
      place.ok("run", "--detach", example("system"));
      place.ok("run", "--detach", example("variables"));
      place.ok("run", example("dispatch"));
      const jobs = (await place.get("/v1/jobs")).map((job: { ID: string; Type: string; Periodic: boolean; ParameterizedJob: boolean }) => job);
      const parameterized = jobs.find((job: { ParameterizedJob: boolean }) => job.ParameterizedJob);
      place.cliWith({ input: "soil is dry\n" }, "job", "dispatch", "--detach", "--meta", "who=world", parameterized.ID, "-");
      await until("the dispatched job", async () => (await place.get(`/v1/jobs?prefix=${parameterized.ID}/dispatch-`)).length === 1);
      const [child] = await place.get(`/v1/jobs?prefix=${parameterized.ID}/dispatch-`);
      const greeting = await place.untilAlloc(child.ID, "complete");
      expect(await place.logs(greeting.ID, "greet")).toBe("hello world, you sent:\nsoil is dry\n");
      const system = jobs.find((job: { Type: string }) => job.Type === "system");
      await place.untilAlloc(system.ID, "running");
      const periodic = jobs.find((job: { Periodic: boolean }) => job.Periodic);
      await until("two fires", async () => (await place.get(`/v1/jobs?prefix=${periodic.ID}/periodic-`)).length >= 2);
      place.ok("run", example("reading"));
      // Its node runs it, asked through the server.
      place.ok("job", "periodic", "force", "reading");
      const [forced] = await place.get("/v1/jobs?prefix=reading/periodic-");
      expect(await place.logs((await place.untilAlloc(forced.ID, "complete")).ID, "read")).toMatch(/^\d+\.\d+\n$/);
    }),
  MINUTE,
);
