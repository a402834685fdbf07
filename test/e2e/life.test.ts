// The life of jobs on a real agent: run, status, logs, update, scale, revert, stop, and what the CLI says of it.

import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { NO_RETRY, programJob, shellJob } from "./jobs.ts";
import { inPlace, isAlive, root, until } from "./place.ts";

const MINUTE = 60_000;

test(
  "the sensor job runs, shows real values in its log, and stops without a trace",
  () =>
    inPlace(async (place) => {
      await place.start();
      const started = place.ok("run", "--detach", join(root, "jobs/sensor.toml"));
      expect(started).toContain("Evaluation ID");
      const alloc = await place.untilAlloc("sensor", "running");
      await until("three lines of log", async () => (await place.logs(alloc.ID, "read")).split("\n").length > 3);
      const lines = (await place.logs(alloc.ID, "read"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(lines[0].sequence).toBe(1);
      expect(lines[0].memory_total_kib).toBeGreaterThan(100_000);
      expect(lines[1].uptime_s).toBeGreaterThan(lines[0].uptime_s);
      expect(place.ok("logs", "--tail", "1", "sensor").trim().split("\n")).toHaveLength(1);
      expect(place.ok("status")).toMatch(/sensor\s+service\s+50\s+running/);
      expect(place.ok("status", "sensor")).toContain(alloc.ID.slice(0, 8));
      const pids = place.taskPids(alloc.ID);
      expect(pids.length).toBeGreaterThan(0);
      place.ok("stop", "sensor");
      await place.untilAlloc("sensor", "complete");
      expect(pids.filter(isAlive)).toEqual([]);
      expect(place.ok("logs", "--all", "sensor")).toContain('"sequence":1');
      place.ok("stop", "--purge", "sensor");
      expect(place.cli("status", "sensor").status).toBe(1);
    }),
  MINUTE,
);

test(
  "a batch job's output is complete and its exit code decides how it ended",
  () =>
    inPlace(async (place) => {
      await place.start();
      const good = place.run(shellJob({ id: "good", script: "echo out; echo err >&2" }), "--wait");
      expect(good.status).toBe(0);
      expect(place.ok("logs", "--all", "good")).toBe("out\n");
      expect(place.ok("logs", "--all", "--stderr", "good")).toBe("err\n");
      const bad = place.run(shellJob({ id: "bad", script: "exit 7", group: NO_RETRY }), "--wait");
      expect(bad.status).toBe(1);
      const alloc = await place.untilAlloc("bad", "failed");
      expect(JSON.stringify(alloc.TaskStates.main.Events)).toContain("Exit Code: 7");
      expect(place.ok("alloc", "status", alloc.ID.slice(0, 8))).toContain("Exit Code: 7");
      expect((await place.get("/v1/job/good")).Status).toBe("dead");
    }),
  MINUTE,
);

test(
  "a changed job replaces its tasks, an unchanged one does not, revert goes back",
  () =>
    inPlace(async (place) => {
      await place.start();
      const update = 'update = { min_healthy_time = "100ms", healthy_deadline = "20s" }';
      const job = (word: string) => shellJob({ id: "web", type: "service", script: `echo ${word}; exec sleep 1000`, group: `count = 2\n${update}` });
      expect(place.run(job("one")).status).toBe(0);
      const first = await place.get("/v1/job/web/allocations");
      expect(first).toHaveLength(2);
      expect(place.run(job("one")).status).toBe(0);
      expect(await place.get("/v1/job/web/allocations")).toHaveLength(2);
      expect((await place.get("/v1/job/web")).Version).toBe(0);
      expect(place.run(job("two"), "--detach").status).toBe(0);
      // One at a time (max_parallel 1), each new one healthy before the next old one goes.
      const running = async () =>
        (await place.get("/v1/job/web/allocations")).filter(
          (alloc: { ClientStatus: string; DesiredStatus: string }) => alloc.ClientStatus === "running" && alloc.DesiredStatus === "run",
        );
      await until(
        "both to be replaced",
        async () => (await running()).filter((alloc: { JobVersion: number }) => alloc.JobVersion === 1).length === 2,
      );
      place.ok("job", "revert", "web", "0");
      await until("both to be back", async () => (await running()).filter((alloc: { JobVersion: number }) => alloc.JobVersion === 2).length === 2);
      for (const alloc of await running()) expect(await place.logs(alloc.ID, "main")).toBe("one\n");
      expect(place.ok("job", "history", "web")).toMatch(/Version\s+= 2/);
      place.ok("job", "scale", "web", "g", "3");
      await until("three to run", async () => (await running()).length === 3);
      place.ok("job", "scale", "web", "g", "1");
      await until("one to run", async () => (await running()).length === 1);
      expect((await running())[0].Name).toBe("web.g[0]");
    }),
  MINUTE,
);

test(
  "a job that fits nowhere says why, and runs when room appears",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--client.cpu-total-compute", "1000", "--client.memory-total-mb", "1000"] });
      expect(
        place.run(
          programJob("filler", "/bin/sleep", ["1000"], { task: "resources.cpu = 900" }).replace("resources = { cpu = 10, memory = 10 }\n", ""),
        ).status,
      ).toBe(0);
      const blocked = place.run(
        programJob("waits", "/bin/sleep", ["1000"], { task: "resources.cpu = 500" }).replace("resources = { cpu = 10, memory = 10 }\n", ""),
        "--detach",
      );
      expect(blocked.status).toBe(0);
      await until("the job to be blocked", async () => (await place.get("/v1/evaluations?status=blocked")).length === 1);
      expect(place.ok("status", "waits")).toMatch(/cpu/);
      place.ok("stop", "filler");
      await place.untilAlloc("waits", "running");
      const arm = place.run(`${programJob("elsewhere", "/bin/true")}\n[[constraint]]\nattribute = "\${attr.cpu.arch}"\nvalue = "sparc"\n`);
      expect(arm.status).toBe(2);
      expect(`${arm.stdout}${arm.stderr}`).toContain("${attr.cpu.arch} = sparc");
    }),
  MINUTE,
);

test(
  "system and sysbatch jobs run once on every eligible node",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      for (const name of ["north", "south"]) await place.start({ name, flags: ["--client", "--servers", server.address, "--name", name] });
      place.agent = server;
      await until("two nodes", async () => (await place.get("/v1/nodes")).length === 2);
      expect(place.run(shellJob({ id: "everywhere", type: "system", script: "exec sleep 1000" }), "--detach").status).toBe(0);
      expect(place.run(shellJob({ id: "once", type: "sysbatch", script: "echo done" }), "--detach").status).toBe(0);
      await until(
        "both nodes to run it",
        async () =>
          (await place.get("/v1/job/everywhere/allocations")).filter((alloc: { ClientStatus: string }) => alloc.ClientStatus === "running").length ===
          2,
      );
      await until(
        "both to have ended",
        async () =>
          (await place.get("/v1/job/once/allocations")).filter((alloc: { ClientStatus: string }) => alloc.ClientStatus === "complete").length === 2,
      );
      await place.start({ name: "east", flags: ["--client", "--servers", server.address, "--name", "east"] });
      place.agent = server;
      await until(
        "the new node to run it too",
        async () =>
          (await place.get("/v1/job/everywhere/allocations")).filter((alloc: { ClientStatus: string }) => alloc.ClientStatus === "running").length ===
          3,
      );
      expect(place.ok("node", "status")).toMatch(/north[\s\S]*south|south[\s\S]*north/);
    }),
  MINUTE,
);

test(
  "a periodic job fires, its children are recorded, overlap is prohibited",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.ok("run", place.write("tick.toml", shellJob({ id: "tick", script: "echo tock", top: 'periodic = { cron = "* * * * * * *" }' })));
      await until(
        "two children to have ended",
        async () => (await place.get("/v1/jobs?prefix=tick/periodic-")).filter((job: { Status: string }) => job.Status === "dead").length >= 2,
      );
      expect(place.ok("status", "tick")).toContain("tick/periodic-");
      place.ok("job", "periodic", "force", "tick");
      place.ok("stop", "tick");
      place.ok(
        "run",
        place.write(
          "slow.toml",
          shellJob({ id: "slow", script: "sleep 100", top: 'periodic = { cron = "* * * * * * *", prohibit_overlap = true }' }),
        ),
      );
      await until("a child", async () => (await place.get("/v1/jobs?prefix=slow/periodic-")).length >= 1);
      await new Promise((done) => setTimeout(done, 2500));
      expect(await place.get("/v1/jobs?prefix=slow/periodic-")).toHaveLength(1);
    }),
  MINUTE,
);

test(
  "a parameterized job takes payload and meta, and refuses what it does not know",
  () =>
    inPlace(async (place) => {
      await place.start();
      const job = shellJob({
        id: "greet",
        script: 'cat "$NOMAD_TASK_DIR/who.txt"; echo " $NOMAD_META_greeting"',
        top: 'parameterized = { payload = "required", meta_required = ["greeting"] }',
        task: 'dispatch_payload = { file = "who.txt" }',
      });
      place.ok("run", place.write("greet.toml", job));
      place.write("payload", "world");
      const out = place.ok("job", "dispatch", "--meta", "greeting=hello", "greet", place.path("payload"));
      const child = /greet\/dispatch-\S+/.exec(out)?.[0] ?? "";
      await place.untilAlloc(child, "complete");
      expect(place.ok("logs", "--all", child)).toBe("world hello\n");
      const refused = place.cli("job", "dispatch", "greet", place.path("payload"));
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain("Dispatch did not provide required meta keys: [greeting]");
    }),
  MINUTE,
);

test(
  "a node keeps the files of the newest fifty ended allocations and removes older ones",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.ok("run", place.write("many.toml", shellJob({ id: "many", script: "echo $NOMAD_ALLOC_ID", top: "parameterized = { }" })));
      const children: string[] = [];
      for (let at = 0; at < 60; at++) children.push(JSON.parse((await place.request("PUT", "/v1/job/many/dispatch", {})).text).DispatchedJobID);
      for (const child of children) await place.untilAlloc(child, "complete", 40_000);
      const folder = `${place.agent.dataDirectory}/alloc`;
      await until(
        () => `fifty folders, there are ${readdirSync(folder).length}`,
        () => readdirSync(folder).length <= 51,
      );
      const newest = await place.alloc(children.at(-1) ?? "");
      expect(await place.logs(newest.ID, "main")).toBe(`${newest.ID}\n`);
    }),
  MINUTE,
);
