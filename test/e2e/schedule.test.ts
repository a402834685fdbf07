// Tasks with hours, with real processes: begun and ended by their node, without a server and over kills of its agent.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inPlace, type Place, root, until } from "./place.ts";

const MINUTE = 60_000;

/** Seconds, minute and hour of an instant so far from now, as cron says them. */
function clockIn(seconds: number): string {
  const at = new Date(Date.now() + seconds * 1000);
  return `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()}`;
}

/** Notes its beginnings and ends; its hours are from one to the other, both in seconds from now. */
function hoursJob(place: Place, id: string, from: number, to: number, type = "service"): string {
  const log = place.path(`log-${id}`);
  const script = `trap 'echo - >> ${log}; exit 0' TERM; echo + >> ${log}; while :; do sleep 0.05; done`;
  return `id = "${id}"
type = "${type}"
[task.main]
driver = "raw_exec"
kill_signal = "SIGTERM"
config = { command = "/bin/sh", args = ["-c", ${JSON.stringify(script)}] }
resources = { cpu = 10, memory = 10 }
schedule = { cron = { start = "${clockIn(from)} * * * *", end = "${clockIn(to)}", timezone = "UTC" } }
`;
}

const logOf = (place: Place, id: string) =>
  existsSync(place.path(`log-${id}`))
    ? readFileSync(place.path(`log-${id}`), "utf8")
        .trim()
        .split("\n")
        .join("")
    : "";

async function mainOf(place: Place, id: string) {
  return (await place.alloc(id))?.TaskStates?.main;
}

async function restart(place: Place): Promise<void> {
  const { port, dataDirectory } = place.agent;
  await place.agent.kill();
  await place.start({ port, dataDirectory });
}

test(
  "a task begins and ends with its hours, also those that pass while no agent is there, and neither counts as a failure",
  () =>
    inPlace(async (place) => {
      await place.start();
      const endsAtMs = Date.now() + 7000;
      place.run(hoursJob(place, "ends", -3600, 7), "--detach");
      place.run(hoursJob(place, "begins", 8, 7200, "batch"), "--detach");
      await until("the one whose hours it is to run", async () => (await mainOf(place, "ends"))?.State === "running");
      await until("the other to rest", async () => (await mainOf(place, "begins"))?.Paused === "scheduled_pause");
      expect((await place.alloc("begins")).ClientStatus).toBe("running");
      await place.agent.kill();
      await until("its hours to be over", () => Date.now() > endsAtMs + 500);
      expect(logOf(place, "ends")).toBe("+");
      await place.start({ port: place.agent.port, dataDirectory: place.agent.dataDirectory });
      await until("it to be ended", () => logOf(place, "ends") === "+-");
      await until("that to be told", async () => (await mainOf(place, "ends"))?.State === "pending");
      expect(await mainOf(place, "ends")).toMatchObject({ Failed: false, Restarts: 0, Paused: "scheduled_pause" });
      const alloc = await place.alloc("ends");
      expect(alloc.ClientStatus).toBe("running");
      const shown = place.ok("alloc", "status", alloc.ID);
      expect(shown).toContain("Schedule: scheduled_pause");
      expect(shown).toMatch(/Pausing +Outside its schedule: its next hours begin at \d{4}-/);
      await until("the other to begin", () => logOf(place, "begins") === "+");
      place.ok("stop", "ends");
      expect((await place.untilAlloc("ends", "complete")).TaskStates.main.Failed).toBe(false);
    }),
  MINUTE,
);

test(
  "somebody's word counts before the hours until it is taken back, over kills of the agent; a task that rests stays as it is",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(hoursJob(place, "shop", 7200, 10_800), "--detach");
      await until("it to rest", async () => (await mainOf(place, "shop"))?.Paused === "scheduled_pause");
      const { ID: id } = await place.alloc("shop");
      expect(place.ok("explain", "shop")).toContain("rests. Outside its schedule: its next hours begin at");
      const events = async () => (await mainOf(place, "shop")).Events.length;
      const before = await events();
      await restart(place);
      expect([await events(), logOf(place, "shop")]).toEqual([before, ""]);
      place.ok("alloc", "pause", "--state", "run", id);
      await until("it to run", () => logOf(place, "shop") === "+");
      await until("that to be told", async () => place.ok("alloc", "pause", "--status", id, "main") === "force_run\n");
      await restart(place);
      expect(logOf(place, "shop")).toBe("+");
      place.ok("alloc", "pause", id, "main");
      await until("it to be ended", () => logOf(place, "shop") === "+-");
      await until("that to be told", async () => (await mainOf(place, "shop")).Paused === "force_pause");
      place.ok("alloc", "pause", "--state", "scheduled", id);
      await until("its hours to count again", async () => (await mainOf(place, "shop")).Paused === "scheduled_pause");
      place.run(hoursJob(place, "shop", -3600, 7200), "--detach");
      await until("the hours of its next version to count, as it is", () => logOf(place, "shop") === "+-+");
      expect((await place.get("/v1/job/shop/allocations")).length).toBe(1);
      const put = (body: unknown) => place.request("PUT", `/v1/client/allocation/${id}/pause`, body);
      expect((await put({ Task: "main", ScheduleState: "sleep" })).status).toBe(400);
      expect(await put({ Task: "none", ScheduleState: "run" })).toMatchObject({ status: 404 });
      place.ok("stop", "shop");
      expect(await put({ Task: "main", ScheduleState: "run" })).toMatchObject({ status: 400 });
      place.run('id = "plain"\n[task.main]\ndriver = "raw_exec"\nconfig = { command = "/bin/sleep", args = ["1000"] }\n', "--detach");
      const plain = await place.untilAlloc("plain", "running");
      expect(place.cli("alloc", "pause", plain.ID).stderr).toContain("no task of the allocation has a schedule");
    }),
  MINUTE,
);

test(
  "a node without a server keeps the hours, and tells of it later",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const node = await place.start({ name: "node", flags: ["--client", "--servers", server.address] });
      place.agent = server;
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      place.run(hoursJob(place, "ends", -3600, 8), "--detach");
      await until("it to run", () => logOf(place, "ends") === "+");
      const { port, dataDirectory } = server;
      await server.kill();
      await until("the node to end it by itself", () => logOf(place, "ends") === "+-");
      await place.start({ name: "server", port, dataDirectory, flags: ["--server"] });
      await until("that to be told", async () => (await mainOf(place, "ends"))?.Paused === "scheduled_pause");
      expect((await place.alloc("ends")).ClientStatus).toBe("running");
      expect(node.process.exitCode).toBeNull();
    }),
  MINUTE,
);

test(
  "the example is accepted, and rests or runs by its hours",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.ok("run", "--detach", join(root, "jobs/open-hours.toml"));
      await until("it to run or to rest", async () => {
        const task = (await place.alloc("open-hours"))?.TaskStates?.counter;
        return task?.State === "running" || task?.Paused === "scheduled_pause";
      });
      const run = place.cli("run", "--detach", place.write("bad.toml", hoursJob(place, "bad", 0, 10).replace(/end = "[^"]*"/, 'end = "soon"')));
      expect([run.status, run.stderr]).toEqual([1, expect.stringContaining("`end` is a time of day")]);
    }),
  MINUTE,
);
