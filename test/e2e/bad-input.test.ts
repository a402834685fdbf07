// Job files that are wrong: a clear error each, with its place, and nothing stored.

import { expect, test } from "bun:test";
import { NO_RETRY, programJob, shellJob } from "./jobs.ts";
import { inPlace } from "./place.ts";

const MINUTE = 60_000;

const good = programJob("good", "/bin/true");

type Case = readonly [name: string, text: string, says: RegExp];

const CASES: readonly Case[] = [
  ["malformed TOML", 'id = "x"\ntype = \n', /job\.toml:2:\d+/],
  [
    "an unknown key, with the nearest one",
    `${good}\n[group.h]\ncuont = 2\n[group.h.task.t]\ndriver = "raw_exec"\nconfig = { command = "/bin/true" }\n`,
    /job\.toml:\d+:\d+[\s\S]*cuont[\s\S]*count/,
  ],
  ["a wrong type", good.replace("cpu = 10", 'cpu = "much"'), /job\.toml:\d+:\d+[\s\S]*cpu/],
  ["an impossible value", good.replace("memory = 10", "memory = -5"), /memory/],
  ["an unknown job type", good.replace('type = "batch"', 'type = "deamon"'), /type[\s\S]*(service|batch)/],
  ["a driver config without its command", good.replace('command = "/bin/true", ', ""), /command/],
  ["an unknown driver config key", good.replace('command = "/bin/true"', 'command = "/bin/true", comand = "x"'), /comand/],
  ["a group name with a slash", good.replaceAll("group.g", 'group."a/b"'), /a\/b/],
  ["a group name that climbs", good.replaceAll("group.g", 'group.".."'), /\.\./],
  ["a task name with a newline", good.replaceAll("task.main", 'task."a\\nb"'), /name/],
  ["a task name that climbs", good.replaceAll("task.main", 'task."../../etc"'), /name|slash/],
  ["a job id with a space", good.replace('id = "good"', 'id = "a b"'), /space/],
  ["a bad cron", shellJob({ id: "x", script: "true", top: 'periodic = { cron = "61 * * * *" }' }), /cron/],
  ["an unknown time zone", shellJob({ id: "x", script: "true", top: 'periodic = { cron = "* * * * *", time_zone = "Mars/Base" }' }), /Mars\/Base/],
  ["periodic on a service", shellJob({ id: "x", type: "service", script: "true", top: 'periodic = { cron = "* * * * *" }' }), /periodic/],
  [
    "restart attempts that do not fit their interval",
    shellJob({ id: "x", script: "true", group: 'restart = { attempts = 100, delay = "1m", interval = "10m", mode = "fail" }' }),
    /restart/,
  ],
  ["a block that edgectl does not carry out yet", `${good}\n[[group.g.task.main.artifact]]\nsource = "https://example.com/x"\n`, /artifact/],
  ["an undeclared variable", good.replace("/bin/true", "${var.nope}"), /nope/],
  ["no group at all", 'id = "x"\n', /group|task/],
  ["HCL", 'job "x" {\n  type = "batch"\n}\n', /HCL[\s\S]*json|json[\s\S]*HCL/i],
];

test(
  "each wrong file is refused by run and by validate with its place, and nothing is stored",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      for (const [name, text, says] of CASES) {
        const file = place.write("job.toml", text);
        for (const command of ["run", "validate"]) {
          const done = place.cli(command, file);
          const said = `${done.stdout}${done.stderr}`;
          expect([name, command, done.status, says.test(said) ? "as expected" : said]).toEqual([name, command, 1, "as expected"]);
          expect(said).not.toMatch(/\n\s+at .*\(/);
        }
      }
      expect(await place.get("/v1/jobs")).toEqual([]);
    }),
  2 * MINUTE,
);

test(
  "all errors of a file come at once",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const file = place.write(
        "job.toml",
        `id = "a b"\ntyp = "batch"\n[group.g]\ncount = -1\n[group.g.task.t]\ndriver = "raw_exec"\nconfig = { }\nresources = { cpu = "x" }\n`,
      );
      const said = place.cli("validate", file);
      expect(said.status).toBe(1);
      for (const place_ of [":1:", ":2:", ":4:", ":8:"]) expect(`${said.stdout}${said.stderr}`).toContain(`job.toml${place_}`);
    }),
  MINUTE,
);

test(
  "a job file of a megabyte is refused by its size, one just below is read",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const big = place.cli("run", place.write("big.toml", `${good}# ${"x".repeat(1_100_000)}\n`));
      expect(big.status).toBe(1);
      expect(big.stderr).toMatch(/jobFileBytesMax|larger than/);
      const comment = `${"# a comment line of fifty characters, all told...\n".repeat(18_000)}`;
      expect(place.cli("validate", place.write("nearly.toml", good + comment)).status).toBe(0);
      expect(await place.get("/v1/jobs")).toEqual([]);
    }),
  MINUTE,
);

test(
  "a slash is legal in a job id, and only there",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(shellJob({ id: "team/nightly", script: "echo hi", group: NO_RETRY }), "--wait").status).toBe(0);
      expect(place.ok("logs", "--all", "team/nightly")).toBe("hi\n");
      expect(place.ok("status", "team/nightly")).toContain("team/nightly");
    }),
  MINUTE,
);

test(
  "paths from users never leave the alloc's folder, and secrets are not read",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(
        shellJob({
          id: "files",
          type: "service",
          script: 'ln -s /etc "$NOMAD_ALLOC_DIR/data/out"; echo s > "$NOMAD_SECRETS_DIR/s"; echo ok > "$NOMAD_ALLOC_DIR/data/in"; exec sleep 1000',
        }),
        "--detach",
      );
      const alloc = await place.untilAlloc("files", "running");
      const cat = (path: string) => place.request("GET", `/v1/client/fs/cat/${alloc.ID}?path=${encodeURIComponent(path)}`);
      for (let tries = 0; tries < 100 && (await cat("alloc/data/in")).text !== "ok\n"; tries++) await new Promise((done) => setTimeout(done, 20));
      expect((await cat("alloc/data/in")).text).toBe("ok\n");
      for (const path of ["../../../etc/passwd", "/../../etc/passwd", "alloc/data/out/passwd", "main/secrets/s", ".control/main/1/pid"]) {
        const reply = await cat(path);
        expect([path, reply.text.includes("root:"), reply.text === "s\n"]).toEqual([path, false, false]);
        expect([path, reply.text]).toEqual([path, expect.stringMatching(/escapes|prohibited|not exist/)]);
      }
    }),
  MINUTE,
);
