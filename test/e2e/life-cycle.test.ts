// The life cycle of a group's tasks with real processes: waiting for each other, hooks after each end, limits of
// time, delays before a stop, and an agent that is killed in the middle of all of them.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NO_RETRY } from "./jobs.ts";
import { inPlace, type Place, root, until } from "./place.ts";

const MINUTE = 60_000;

/** A group of shell tasks: [name, script, lines of the task]. */
function groupJob(id: string, group: string, tasks: readonly (readonly [string, string, string?])[], type = "batch"): string {
  const bodies = tasks.map(
    ([name, script, lines = ""]) => `[group.g.task.${name}]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", ${JSON.stringify(script)}] }
resources = { cpu = 10, memory = 10 }
${lines}
`,
  );
  return `id = "${id}"\ntype = "${type}"\n[group.g]\n${group}\n${bodies.join("")}`;
}

const TELL = 'echo "$NOMAD_GROUP_OUTCOME|$NOMAD_FAILED_TASK|$NOMAD_EXIT_CODE|$NOMAD_EXIT_SIGNAL|$NOMAD_OOM_KILLED"';

async function restart(place: Place): Promise<void> {
  const { port, dataDirectory } = place.agent;
  await place.agent.kill();
  await place.start({ port, dataDirectory });
}

test(
  "the pipeline of the examples ends with its report, and its hook does not run",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.cli("run", "--wait", join(root, "jobs/pipeline.toml")).status).toBe(0);
      const alloc = await place.untilAlloc("pipeline", "complete");
      expect(await place.logs(alloc.ID, "report")).toBe("19 of 100\n");
      expect(alloc.TaskStates.tell).toMatchObject({ State: "dead", Failed: false });
      expect(alloc.TaskStates.report.Events.map((event: { DisplayMessage: string }) => event.DisplayMessage)).toContain(
        "Waits for clean (succeeded), count (succeeded)",
      );
    }),
  MINUTE,
);

test(
  "an agent killed in the middle of a pipeline goes on where it was, each task runs once, and hooks are told of the failure",
  () =>
    inPlace(async (place) => {
      await place.start();
      const note = "echo $NOMAD_TASK_NAME >> $NOMAD_ALLOC_DIR/data/ran";
      const gate = "while [ ! -e $NOMAD_ALLOC_DIR/data/go ]; do sleep 0.05; done";
      const job = groupJob("line", NO_RETRY, [
        ["a", note],
        ["b", `${note}; ${gate}`, 'depends_on = { a = "succeeded" }'],
        ["c", `${note}; exit 7`, 'depends_on = { b = "succeeded" }'],
        ["d", note, 'depends_on = { c = "succeeded" }'],
        ["bad", TELL, 'lifecycle = { hook = "postfail" }'],
        ["good", TELL, 'lifecycle = { hook = "poststop", on = "success" }'],
        ["always", `${TELL}; exit 3`, 'lifecycle = { hook = "poststop" }\ndepends_on = { bad = "succeeded" }'],
      ]);
      place.run(job, "--detach");
      const running = await place.untilAlloc("line", "running");
      const ran = join(place.agent.dataDirectory, "alloc", running.ID, "alloc/data/ran");
      const tasksThatRan = () => (existsSync(ran) ? readFileSync(ran, "utf8").trim().split("\n") : []);
      await until("b to run", () => tasksThatRan().includes("b"));
      await until("b to be told of", async () => (await place.get(`/v1/allocation/${running.ID}`)).TaskStates.b.State === "running");
      expect(place.ok("alloc", "status", running.ID)).toContain("Waits for: b (succeeded)");
      await restart(place);
      await Bun.write(join(place.agent.dataDirectory, "alloc", running.ID, "alloc/data/go"), "");
      const alloc = await place.untilAlloc("line", "failed");
      expect(tasksThatRan()).toEqual(["a", "b", "c"]);
      expect(await place.logs(alloc.ID, "bad")).toBe("failure|c|7|0|false\n");
      expect(await place.logs(alloc.ID, "always")).toBe("failure|c|7|0|false\n");
      for (const [task, failed] of [
        ["d", false],
        ["good", false],
        ["always", true],
      ] as const)
        expect([task, alloc.TaskStates[task].State, alloc.TaskStates[task].Failed]).toEqual([task, "dead", failed]);
      expect(alloc.TaskStates.good.StartedAt).toStartWith("0001-");
    }),
  MINUTE,
);

test(
  "a task that takes too long is warned, ended and counts as a timeout, also when the agent is killed meanwhile",
  () =>
    inPlace(async (place) => {
      await place.start();
      const limit = `max_run_duration = "3s"\n${NO_RETRY}`;
      place.run(
        groupJob("slow", limit, [
          ["main", "sleep 1000"],
          ["last", TELL, 'lifecycle = { hook = "poststop" }'],
        ]),
        "--detach",
      );
      const own = groupJob("own", NO_RETRY, [["main", "trap '' TERM; sleep 1000", 'max_run_duration = "500ms"\nkill_timeout = "200ms"']]);
      place.run(own, "--detach");
      await place.untilAlloc("slow", "running");
      await restart(place);
      const alloc = await place.untilAlloc("slow", "failed");
      expect(alloc.ClientDescription).toBe("timeout: Ran longer than the group's max_run_duration of 3s");
      expect(await place.logs(alloc.ID, "last")).toMatch(/^timeout\|main\|/);
      const types = alloc.TaskStates.main.Events.map((event: { Type: string }) => event.Type);
      expect(types).toEqual(expect.arrayContaining(["Time Limit", "Timed Out", "Killing", "Killed"]));
      expect((await place.untilAlloc("own", "failed")).ClientDescription).toContain("its max_run_duration of 500ms");
    }),
  MINUTE,
);

test(
  "a stop waits for shutdown delays unless told otherwise, and a task between two attempts outlives the agent",
  () =>
    inPlace(async (place) => {
      await place.start();
      const delayed = (id: string, group: string, task: string) => groupJob(id, group, [["main", "exec sleep 1000", task]], "service");
      place.run(delayed("group", 'shutdown_delay = "1h"', ""), "--detach");
      place.run(delayed("task", "", 'shutdown_delay = "1h"'), "--detach");
      place.run(delayed("brief", 'shutdown_delay = "200ms"', 'shutdown_delay = "200ms"'), "--detach");
      const retry = 'restart = { attempts = 3, delay = "4s", interval = "1h", mode = "fail" }';
      place.run(
        groupJob("again", retry, [["main", "if [ -e $NOMAD_TASK_DIR/once ]; then exit 0; fi; touch $NOMAD_TASK_DIR/once; exit 1"]]),
        "--detach",
      );
      const allocs = Object.fromEntries(
        await Promise.all(["group", "task", "brief"].map(async (id) => [id, await place.untilAlloc(id, "running")] as const)),
      );
      const again = async () => (await place.get("/v1/job/again/allocations"))[0];
      await until("the first attempt to fail", async () => (await again())?.TaskStates?.main?.Restarts === 1);
      for (const id of ["group", "task", "brief"]) place.ok("stop", "--detach", id);
      const task = await place.untilAlloc("brief", "complete");
      expect(task.TaskStates.main.Events.map((event: { Type: string }) => event.Type)).toContain("Waiting for shutdown delay");
      await restart(place);
      for (const id of ["group", "task"] as const) {
        const alloc = await place.get(`/v1/allocation/${allocs[id].ID}`);
        if (id === "group") expect([id, alloc.ClientStatus]).toEqual([id, "running"]);
        place.ok("alloc", "stop", "--detach", "--no-shutdown-delay", alloc.ID);
        await place.untilAlloc(id, "complete");
      }
      const { Events } = (await place.untilAlloc("again", "complete")).TaskStates.main;
      const last = (type: string) => Events.findLast((event: { Type: string }) => event.Type === type);
      // What was left of its delay is waited out by the agent that came meanwhile.
      expect(last("Started").Time).toBeGreaterThanOrEqual(last("Restarting").Time + Number(last("Restarting").Details.start_delay));
    }),
  MINUTE,
);
