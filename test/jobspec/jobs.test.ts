// The example jobs, the ones `edgectl init` writes, and what the schema and the docs say about them.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleJob } from "../../internal/jobspec/example-job.ts";
import { parseJobFile } from "../../internal/jobspec/parse-job-file.ts";
import { jobReference } from "../../internal/jobspec/reference.ts";
import { jobSchema } from "../../internal/jobspec/schema.ts";
import { formatProblems } from "../../internal/jobspec/source-problem.ts";

const FOLDER = new URL("../../jobs/", import.meta.url);

async function specOf(text: string, fileName: string) {
  const parsed = await parseJobFile(text, { fileName });
  if (parsed.kind === "problems") throw new Error(formatProblems(parsed.problems));
  expect(parsed.warnings).toEqual([]);
  return parsed.spec;
}

async function example(name: string) {
  return specOf(readFileSync(new URL(name, FOLDER), "utf8"), name);
}

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".toml"))) {
  test(`jobs/${name} parses without problems or warnings`, async () => {
    expect((await example(name)).groups.length).toBeGreaterThan(0);
  });
}

for (const kind of ["service", "batch", "periodic"] as const) {
  test(`the ${kind} job that init writes parses without problems or warnings`, async () => {
    const spec = await specOf(exampleJob(kind), "job.toml");
    expect([spec.type, spec.periodic !== null]).toEqual([kind === "service" ? "service" : "batch", kind === "periodic"]);
  });
}

test("the sensor job that measures with a BME280 is what its device runs", async () => {
  const spec = await example("bme280.toml");
  expect(spec).toMatchObject({ id: "measure-bme280", type: "batch", datacenters: ["rpi4"] });
  expect(spec.groups[0]).toMatchObject({
    name: "sensor-bme280",
    tasks: [
      {
        name: "run-bme280",
        driver: "raw_exec",
        resources: { cpuMHz: 100, memoryMiB: 50 },
        config: {
          command: "/usr/local/bin/bme280",
          args: [
            "run",
            "--filename=/opt/bme280/data/bme280.json",
            "--enable-filename-indexing",
            "--interval-seconds=1",
            "--total-duration-minutes=0",
            "--total-count=0",
          ],
        },
      },
    ],
  });
});

test("the schema knows the keys of the model and their short forms", () => {
  const schema = jobSchema();
  const defs = new Map(Object.entries(Object(schema.$defs)));
  const keysOf = (name: string) => Object.keys(Object(Object(defs.get(name)).properties));
  expect(Object.keys(Object(schema.properties))).toEqual(
    expect.arrayContaining(["id", "type", "periodic", "variables", "task", "group", "constraint"]),
  );
  expect(keysOf("task")).toEqual(expect.arrayContaining(["driver", "config", "resources", "kill_timeout", "dispatch_payload"]));
  expect(keysOf("constraint")).toEqual(expect.arrayContaining(["attribute", "operator", "value", "version", "distinct_hosts"]));
  expect(keysOf("periodic")).toEqual(expect.arrayContaining(["cron", "crons", "catch_up", "start_deadline", "splay"]));
  expect(keysOf("task")).not.toContain("name");
});

test("every reference in the schema leads somewhere", () => {
  const text = JSON.stringify(jobSchema());
  const defined = new Set(Object.keys(Object(jobSchema().$defs)));
  const used = [...text.matchAll(/"#\/\$defs\/([^"]+)"/g)].map((match) => match[1] ?? "");
  expect(used.filter((name) => !defined.has(name))).toEqual([]);
});

test("the reference names each key once per block, with the form it takes and whether it works", () => {
  const rows = jobReference();
  const names = rows.map((row) => `${row.form} ${row.key}`);
  expect(names.length).toBe(new Set(names).size);
  expect(rows.every((row) => row.doc !== "")).toBe(true);
  const row = (form: string, key: string) => rows.find((known) => known.form === form && known.key === key);
  expect(row("[group.NAME.network.port.NAME]", "static")).toMatchObject({ type: "integer", default: "0", isCarriedOut: true });
  expect(row("[group.NAME.task.NAME]", "kill_timeout")).toMatchObject({ default: '"5s"', isCarriedOut: true });
  expect(row("[[group.NAME.task.NAME.template]]", "data")?.isCarriedOut).toBe(false);
});

const SHELLS: readonly (readonly [string, ...string[]])[] = [["/bin/dash"], ["/bin/bash"], ["/bin/busybox", "sh"]];

/** One line of the sensor job's program, run with another directory for /sys/class. */
async function readSensor([shell, ...args]: readonly [string, ...string[]], sys: string): Promise<unknown> {
  const spec = await example("sensor.toml");
  const program = Object(spec.groups[0]?.tasks[0]?.config.args)[1];
  const once = String(program).replaceAll("/sys/class", sys).replace("  sleep 1\n", "  exit 0\n");
  const run = spawnSync(shell, [...args, "-c", once], { encoding: "utf8" });
  expect([run.stderr, run.status, run.stdout.split("\n").length]).toEqual(["", 0, 2]);
  return JSON.parse(run.stdout);
}

for (const shell of SHELLS) {
  test.skipIf(!existsSync(shell[0]))(`the sensor job under ${shell.join(" ")} prints what the machine has, and only that`, async () => {
    const sys = mkdtempSync(join(tmpdir(), "edgectl-sensor-"));
    try {
      const files: readonly (readonly [string, string])[] = [
        ["thermal/thermal_zone0/temp", "48312\n"],
        ["thermal/thermal_zone0/type", 'cpu "hot"\n'],
        ["thermal/thermal_zone1/temp", "-512\n"],
        ["thermal/thermal_zone2/temp", "broken\n"],
        ["hwmon/hwmon0/temp1_input", "0\n"],
        ["hwmon/hwmon0/name", "nvme\n"],
      ];
      for (const [path, text] of files) {
        mkdirSync(join(sys, path, ".."), { recursive: true });
        writeFileSync(join(sys, path), text);
      }
      expect(await readSensor(shell, sys)).toMatchObject({
        sequence: 1,
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        uptime_s: expect.any(Number),
        load_1m: expect.any(Number),
        memory_total_kib: expect.any(Number),
        disk_total_kib: expect.any(Number),
        temperatures_c: { thermal_zone0_cpu__hot_: 48.312, thermal_zone1: -0.512, hwmon0_nvme_temp1: 0 },
      });
      expect(JSON.stringify(await readSensor(shell, sys))).not.toContain("zone2");
      expect(Object.keys(Object(await readSensor(shell, join(sys, "none"))))).not.toContain("temperatures_c");
    } finally {
      rmSync(sys, { recursive: true });
    }
  });
}
