// Days on which the machine misbehaves: each ends in a clear sentence, with nothing lost and nothing overwritten.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { inPlace, type Place, sleep, until } from "./place.ts";

const MINUTE = 60_000;

function mount(place: Place, ...args: readonly string[]): void {
  const done = spawnSync("mount", args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`mount ${args.join(" ")}: ${done.stderr}`);
  const target = args.at(-1) ?? "";
  place.onClose(() => spawnSync("umount", ["-l", target]));
}

test(
  "a second agent on the same data directory is refused, and the first goes on",
  () =>
    inPlace(async (place) => {
      const first = await place.start();
      const second = await place.start({ name: "second", dataDirectory: first.dataDirectory, isExpectedToFail: true });
      expect(await second.ended()).toBe(1);
      expect(second.log).toContain(`another agent (pid ${first.process.pid}) already uses the data directory`);
      place.agent = first;
      expect((await place.get("/v1/agent/health")).server.ok).toBe(true);
    }),
  MINUTE,
);

test(
  "a port in use is named, and nothing is left behind",
  () =>
    inPlace(async (place) => {
      const first = await place.start();
      const second = await place.start({ name: "second", port: first.port, isExpectedToFail: true });
      expect(await second.ended()).toBe(1);
      expect(second.log).toContain(`port ${first.port} on 127.0.0.1 is already in use`);
      expect(existsSync(`${second.dataDirectory}/lock`)).toBe(false);
      expect(existsSync(`${second.dataDirectory}/server/state.db`)).toBe(false);
    }),
  MINUTE,
);

test(
  "a damaged state file is refused with the way back, and not touched",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      place.run(shellJob({ id: "kept", script: "true" }), "--wait");
      expect(await agent.stop()).toBe(0);
      const file = `${agent.dataDirectory}/server/state.db`;
      copyFileSync(file, place.path("good.db"));
      const bytes = readFileSync(file);
      bytes.fill(0x5a, 4096 + 100, Math.min(bytes.length, 40_000));
      writeFileSync(file, bytes);
      const broken = await place.start({ dataDirectory: agent.dataDirectory, isExpectedToFail: true });
      expect(await broken.ended()).toBe(1);
      expect(broken.log).toContain(`the state file ${file} is damaged`);
      expect(broken.log).toContain("operator snapshot restore --offline");
      expect(readFileSync(file).equals(bytes)).toBe(true);
      writeFileSync(file, "not a database at all, but long enough to be taken for one ".repeat(100));
      const foreign = await place.start({ dataDirectory: agent.dataDirectory, isExpectedToFail: true });
      expect(await foreign.ended()).toBe(1);
      expect(foreign.log).toContain("is damaged");
      copyFileSync(place.path("good.db"), file);
      await place.start({ dataDirectory: agent.dataDirectory });
      expect((await place.get("/v1/job/kept")).ID).toBe("kept");
    }),
  MINUTE,
);

testWith(
  ["root"],
  "a read-only data directory is told at start",
  () =>
    inPlace(async (place) => {
      mkdirSync(place.path("ro"));
      mount(place, "--bind", place.path("ro"), place.path("ro"));
      mount(place, "-o", "remount,ro,bind", place.path("ro"));
      const agent = await place.start({ dataDirectory: place.path("ro"), isExpectedToFail: true });
      expect(await agent.ended()).toBe(1);
      expect(agent.log).toMatch(/data directory .*ro cannot be written: .*read-only/i);
    }),
  MINUTE,
);

testWith(
  ["root"],
  "a full disk refuses writes with a clear error, serves reads, and recovers when there is room",
  () =>
    inPlace(async (place) => {
      mkdirSync(place.path("small"));
      mount(place, "-t", "tmpfs", "-o", "size=6m", "tmpfs", place.path("small"));
      await place.start({ dataDirectory: place.path("small/data"), flags: ["--server"] });
      const job = (id: string) => ({
        Job: { ID: id, Type: "batch", TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" } }] }] },
      });
      expect((await place.request("PUT", "/v1/jobs", job("before"))).status).toBe(200);
      spawnSync("dd", ["if=/dev/zero", `of=${place.path("small/filler")}`, "bs=4k"], { stdio: "ignore" });
      let refused = await place.request("PUT", "/v1/jobs", job("during-0"));
      for (let at = 1; refused.status === 200 && at < 50; at++) refused = await place.request("PUT", "/v1/jobs", job(`during-${at}`));
      expect(refused.status).toBe(500);
      expect(refused.text).toContain("disk is full");
      await until("reads to go on", async () => (await place.request("GET", "/v1/job/before")).status === 200);
      const again = await place.request("PUT", "/v1/jobs", job("during-again"));
      expect(again.status).toBe(500);
      spawnSync("rm", [place.path("small/filler")]);
      await until("writes to work again", async () => (await place.request("PUT", "/v1/jobs", job("after"))).status === 200, 20_000);
      const ids = (await place.get("/v1/jobs")).map((stub: { ID: string }) => stub.ID);
      expect(ids).toContain("before");
      expect(ids).toContain("after");
      expect(ids).not.toContain("during-again");
    }),
  MINUTE,
);

testWith(
  ["faketime"],
  "a clock that steps back an hour fires nothing twice and restarts nothing; one from 1970 holds its fires",
  () =>
    inPlace(async (place) => {
      const clock = place.write("clock", "+0");
      const preload = spawnSync("sh", ["-c", "ls /usr/lib/*/faketime/libfaketime.so.1"], { encoding: "utf8" }).stdout.trim();
      const env = { LD_PRELOAD: preload, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
      await place.start({ env });
      place.run(shellJob({ id: "steady", type: "service", script: "exec sleep 1000" }), "--detach");
      const alloc = await place.untilAlloc("steady", "running");
      const pids = place.taskPids(alloc.ID);
      place.run(shellJob({ id: "tick", script: "true", top: 'periodic = { cron = "* * * * * * *" }' }));
      const children = async () => (await place.get("/v1/jobs?prefix=tick/periodic-")).map((job: { ID: string }) => job.ID) as string[];
      await until("two fires", async () => (await children()).length >= 2);
      writeFileSync(clock, "-3600");
      await sleep(1500);
      const before = await children();
      await sleep(2500);
      expect(await children()).toEqual(before);
      expect(place.taskPids(alloc.ID)).toEqual(pids);
      expect((await place.alloc("steady")).ClientStatus).toBe("running");
      expect((await place.get("/v1/nodes"))[0].Status).toBe("ready");
      writeFileSync(clock, "+0");
      await until("fires to go on", async () => (await children()).length > before.length);
      // A jump forward of a day is one gap, not 86,400 fires.
      const count = (await children()).length;
      writeFileSync(clock, "+86400");
      await sleep(2500);
      expect((await children()).length - count).toBeLessThan(8);
    }),
  MINUTE,
);

testWith(
  ["faketime"],
  "a device that wakes in 1970 holds its fires until the clock is plausible",
  () =>
    inPlace(async (place) => {
      const clock = place.write("clock", "@1970-01-01 00:01:00");
      const preload = spawnSync("sh", ["-c", "ls /usr/lib/*/faketime/libfaketime.so.1"], { encoding: "utf8" }).stdout.trim();
      await place.start({ env: { LD_PRELOAD: preload, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" } });
      place.run(shellJob({ id: "tick", script: "true", top: 'periodic = { cron = "* * * * * * *" }' }));
      await sleep(3000);
      expect(await place.get("/v1/jobs?prefix=tick/periodic-")).toEqual([]);
      expect(place.agent.log).toContain("the clock is not plausible yet");
      writeFileSync(clock, "+0");
      await until("fires to begin", async () => (await place.get("/v1/jobs?prefix=tick/periodic-")).length >= 1);
      expect((await place.get("/v1/jobs?prefix=tick/periodic-")).length).toBeLessThan(5);
    }),
  MINUTE,
);

test(
  "a stop by SIGTERM releases the lease and leaves tasks running; on_agent_stop = stop ends them",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      place.run(shellJob({ id: "stays", type: "service", script: "exec sleep 1000" }), "--detach");
      const alloc = await place.untilAlloc("stays", "running");
      const pids = place.taskPids(alloc.ID);
      expect(await agent.stop("SIGTERM")).toBe(0);
      expect(place.taskPids(alloc.ID)).toEqual(pids);
      expect(existsSync(`${agent.dataDirectory}/lock`)).toBe(false);
      expect(statSync(`${agent.dataDirectory}/server/state.db`).size).toBeGreaterThan(8192);
      const again = await place.start({ dataDirectory: agent.dataDirectory, flags: ["--client.on-agent-stop", "stop"] });
      await until("the task to be taken up", async () => (await place.get("/v1/agent/health")).client.ok);
      expect(place.taskPids(alloc.ID)).toEqual(pids);
      expect(await again.stop("SIGINT")).toBe(0);
      expect(place.taskPids(alloc.ID)).toEqual([]);
    }),
  MINUTE,
);

test(
  "that an agent was stopped and its tasks run on without it stands in its node's history",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const node = await place.start({ name: "node", flags: ["--client", "--servers", server.address, "--name", "pi"] });
      place.agent = server;
      await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      place.run(shellJob({ id: "stays", type: "service", script: "exec sleep 1000" }), "--detach");
      await place.untilAlloc("stays", "running");
      expect(await node.stop("SIGTERM")).toBe(0);
      const told = /Agent stopped: its tasks run on without supervision until it is back \(1 allocation\)/;
      await until("it to be told", () => told.test(place.ok("node", "status", "pi")));
    }),
  MINUTE,
);
