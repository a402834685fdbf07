// Tasks that misbehave: each is told in words, contained and cleaned up.

import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testWith } from "../support/real-parts.ts";
import { NO_RETRY, programJob, shellJob } from "./jobs.ts";
import { inPlace, isAlive, type Place, pidsWith, sleep, until } from "./place.ts";

const MINUTE = 60_000;

async function eventsOf(place: Place, job: string): Promise<string> {
  const alloc = await place.alloc(job);
  return JSON.stringify(alloc?.TaskStates?.main?.Events?.map((event: { DisplayMessage: string }) => event.DisplayMessage) ?? []);
}

test(
  "a missing program, a folder and a file without the execute bit are named",
  () =>
    inPlace(async (place) => {
      await place.start();
      writeFileSync(place.path("plain"), "#!/bin/sh\n");
      mkdirSync(place.path("folder"));
      place.run(programJob("missing", "/nowhere/bme280", [], { group: NO_RETRY }), "--detach");
      place.run(programJob("plain", place.path("plain"), [], { group: NO_RETRY }), "--detach");
      place.run(programJob("folder", place.path("folder"), [], { group: NO_RETRY }), "--detach");
      for (const job of ["missing", "plain", "folder"]) await place.untilAlloc(job, "failed");
      expect(await eventsOf(place, "missing")).toContain('the program \\"/nowhere/bme280\\" was not found on this node');
      expect(await eventsOf(place, "plain")).toContain("is not executable (chmod +x ");
      expect(await eventsOf(place, "folder")).toContain("is a folder, not a program");
      expect(place.ok("status", "missing")).toContain("not found");
    }),
  MINUTE,
);

test(
  "a task that exits at once is restarted by its policy, then fails with the reason",
  () =>
    inPlace(async (place) => {
      await place.start();
      const restart = 'restart = { attempts = 2, delay = "50ms", interval = "1m", mode = "fail" }\nreschedule = { attempts = 0, unlimited = false }';
      place.run(shellJob({ id: "quick", script: "echo ran; exit 3", group: restart }), "--detach");
      const alloc = await place.untilAlloc("quick", "failed");
      expect(alloc.TaskStates.main.Restarts).toBe(2);
      expect(await eventsOf(place, "quick")).toContain('Exceeded allowed attempts 2 in interval 1m0s and mode is \\"fail\\"');
      expect(await place.logs(alloc.ID, "main")).toBe("ran\nran\nran\n");
      const attempts = join(place.agent.dataDirectory, "alloc", alloc.ID, ".control/main");
      await until("the files of the newest attempt alone", () => readdirSync(attempts).join() === "3");
    }),
  MINUTE,
);

test(
  "a task that floods its log keeps no more than its node allows, whatever its job says, and its newest lines",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--client.max-log-mb", "1"] });
      place.run(shellJob({ id: "flood", type: "service", script: "seq 1 900000; echo the last one; exec sleep 1000" }), "--detach");
      const alloc = await place.untilAlloc("flood", "running");
      const log = join(place.agent.dataDirectory, "alloc", alloc.ID, "alloc/logs/main.stdout.0");
      await until("all of it", () => (statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 6_000_000);
      await until("what it takes of the disk to be within the bound", () => statSync(log).blocks * 512 <= 1_100_000);
      const kept = await place.logs(alloc.ID, "main");
      expect(kept.length).toBeLessThanOrEqual(1_000_000);
      expect(kept).toEndWith("900000\nthe last one\n");
    }),
  MINUTE,
);

test(
  "a task that ignores SIGTERM and SIGINT is killed after its timeout",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(
        shellJob({ id: "deaf", type: "service", script: "trap '' TERM INT; while :; do sleep 0.1; done", task: 'kill_timeout = "1s"' }),
        "--detach",
      );
      const alloc = await place.untilAlloc("deaf", "running");
      await until("the task's shell", () => place.taskPids(alloc.ID).length > 0);
      await sleep(300);
      const began = performance.now();
      place.ok("stop", "deaf");
      await place.untilAlloc("deaf", "complete");
      expect(performance.now() - began).toBeGreaterThan(900);
      expect(place.taskPids(alloc.ID)).toEqual([]);
      expect(await eventsOf(place, "deaf")).toContain("SIGKILL");
    }),
  MINUTE,
);

test(
  "SIGINT reaches the task itself, which ends by its own means",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(
        shellJob({ id: "polite", type: "service", script: "trap 'echo bye; exit 0' INT; echo up; while :; do sleep 0.05; done" }),
        "--detach",
      );
      const alloc = await place.untilAlloc("polite", "running");
      await until("the trap to be set", async () => (await place.logs(alloc.ID, "main")).includes("up"));
      place.ok("stop", "polite");
      await place.untilAlloc("polite", "complete");
      expect(await place.logs(alloc.ID, "main")).toContain("bye");
      expect(await eventsOf(place, "polite")).toContain("Exit Code: 0");
    }),
  MINUTE,
);

test(
  "what a task forks and leaves behind is ended with it",
  () =>
    inPlace(async (place) => {
      // A number of this run alone: what another run left behind is not this one's.
      const seconds = 100_000 + (process.pid % 100_000);
      await place.start();
      place.run(
        shellJob({ id: "forks", script: `setsid sleep ${seconds} & env -i sleep ${seconds} & sleep ${seconds} & exit 0`, group: NO_RETRY }),
        "--detach",
      );
      const alloc = await place.untilAlloc("forks", "complete");
      await until("no process of the task to be left", () => place.taskPids(alloc.ID).length === 0);
      expect(pidsWith(`EDGECTL_TASK_TOKEN=${alloc.ID}`)).toEqual([]);
      const sleepers = readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .filter((pid) => commandLine(pid) === `sleep ${seconds}`);
      expect(sleepers).toEqual([]);
    }),
  MINUTE,
);

function commandLine(pid: string): string {
  try {
    return require("node:fs").readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

test(
  "a task that floods its log is bounded, keeps running, and loses whole lines only at the head",
  () =>
    inPlace(async (place) => {
      await place.start();
      const logs = "logs = { max_files = 2, max_file_size = 5 }";
      place.run(
        shellJob({ id: "flood", type: "service", script: "exec yes 0123456789012345678901234567890123456789012345678901234567890123", task: logs }),
        "--detach",
      );
      const alloc = await place.untilAlloc("flood", "running");
      const file = join(place.agent.dataDirectory, "alloc", alloc.ID, "alloc/logs/main.stdout.0");
      await until("300 MB to have been written", () => statSync(file).size > 300_000_000, 40_000);
      place.ok("alloc", "signal", "-s", "SIGSTOP", alloc.ID);
      await until("the head to be punched out", () => statSync(file).blocks * 512 < 11_000_000, 15_000);
      const kept = await place.logs(alloc.ID, "main");
      expect(kept.length).toBeGreaterThan(1_000_000);
      expect(kept.slice(0, 65)).toBe("0123456789012345678901234567890123456789012345678901234567890123\n");
      expect((await place.get("/v1/agent/health")).client.ok).toBe(true);
      place.ok("alloc", "signal", "-s", "SIGCONT", alloc.ID);
      place.ok("stop", "flood");
      await place.untilAlloc("flood", "complete");
      expect(isAlive(place.agent.process.pid ?? 0)).toBe(true);
    }),
  2 * MINUTE,
);

testWith(
  ["root"],
  "an out-of-memory kill is told apart from other kills",
  () =>
    inPlace(async (place) => {
      await place.start();
      // A plain raw_exec task has no limit of its own: one is set on its group from outside, as a kernel under pressure would.
      place.run(
        shellJob({ id: "hungry", script: "while [ ! -e go ]; do sleep 0.05; done; a=x; while :; do a=$a$a; done", group: NO_RETRY }),
        "--detach",
      );
      const alloc = await place.untilAlloc("hungry", "running");
      const group = `/sys/fs/cgroup/memory/edgectl.slice/${alloc.ID}.main`;
      const v2 = `/sys/fs/cgroup/edgectl.slice/${alloc.ID}.main`;
      const limit = statQuietly(group) ? join(group, "memory.limit_in_bytes") : join(v2, "memory.max");
      writeFileSync(limit, String(20 * 1024 * 1024));
      writeFileSync(join(place.agent.dataDirectory, "alloc", alloc.ID, "main", "go"), "");
      await place.untilAlloc("hungry", "failed", 30_000);
      expect(await eventsOf(place, "hungry")).toContain("OOM Killed");
      place.run(shellJob({ id: "shot", script: "kill -9 $$", group: NO_RETRY }), "--detach");
      await place.untilAlloc("shot", "failed");
      expect(await eventsOf(place, "shot")).toContain("Signal: 9 (SIGKILL)");
      expect(await eventsOf(place, "shot")).not.toContain("OOM");
    }),
  MINUTE,
);

function statQuietly(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // that hierarchy is not mounted here
  }
}

test(
  "prestart runs first, a failing prestart fails the group, poststop runs last",
  () =>
    inPlace(async (place) => {
      await place.start();
      const task = (name: string, script: string, more = "") =>
        `[group.g.task.${name}]\ndriver = "raw_exec"\nconfig = { command = "/bin/sh", args = ["-c", ${JSON.stringify(script)}] }\nresources = { cpu = 10, memory = 10 }\n${more}\n`;
      const note = (word: string) => `echo ${word} >> "$NOMAD_ALLOC_DIR/data/order"`;
      const order = `id = "order"\ntype = "batch"\n[group.g]\n${task("last", note("poststop"), 'lifecycle = { hook = "poststop" }')}${task("main", note("main"))}${task("first", `sleep 0.2; ${note("prestart")}`, 'lifecycle = { hook = "prestart" }')}`;
      place.run(order, "--detach");
      const alloc = await place.untilAlloc("order", "complete");
      expect((await place.request("GET", `/v1/client/fs/cat/${alloc.ID}?path=alloc/data/order`)).text).toBe("prestart\nmain\npoststop\n");
      const broken = `id = "broken"\ntype = "batch"\n[group.g]\n${NO_RETRY}\n${task("main", "echo never")}${task("first", "exit 1", 'lifecycle = { hook = "prestart" }')}`;
      place.run(broken, "--detach");
      const failed = await place.untilAlloc("broken", "failed");
      expect(failed.TaskStates.main.StartedAt).toBe("0001-01-01T00:00:00Z");
    }),
  MINUTE,
);
