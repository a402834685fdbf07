// Bad days of containers: the agent is killed, the engine is killed, hangs, comes back; and nothing is lost, doubled or left.

import { expect } from "bun:test";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { dockerJob } from "../support/docker-jobs.ts";
import { containerOf, dockerTest, engineOfFile, eventsOf, nodeFlags, nodeOf, outputOf, start, untilHealth, withNode } from "./docker-place.ts";
import { inPlace, isAlive, type Place, sleep, until } from "./place.ts";

const engine = engineOfFile();

async function again(place: Place, flags: readonly string[] = []): Promise<void> {
  await place.agent.kill();
  await place.start({ dataDirectory: place.agent.dataDirectory, flags: nodeFlags(engine, flags) });
}

const logFile = (place: Place, allocId: string, stream: string) => join(place.agent.dataDirectory, "alloc", allocId, `alloc/logs/main.${stream}.0`);
const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

const LINES = 100_000;

dockerTest(
  "a hundred thousand lines on two streams, the agent killed eight times meanwhile: none is lost, none doubled, none out of order",
  () =>
    withNode(engine, [], async (place) => {
      const half = LINES / 2;
      // awk is quick enough to be ahead of any reader; the pauses let some kills fall between bursts.
      const script = `for part in 0 1 2 3 4; do seq $((part * ${half / 5} + 1)) $(((part + 1) * ${half / 5})) | while read -r n; do echo "out $n"; echo "err $n" >&2; done; sleep 0.3; done; echo done`;
      start(place, { id: "talker", script, memory: 64 });
      const alloc = await place.untilAlloc("talker", "running");
      const [out, err] = [logFile(place, alloc.ID, "stdout"), logFile(place, alloc.ID, "stderr")];
      let killsInTheMiddle = 0;
      for (let kill = 0; kill < 8; kill++) {
        const before = sizeOf(out);
        await until("more lines", () => sizeOf(out) > before, 5000).catch(() => undefined);
        await sleep(kill * 37);
        await again(place);
        const size = sizeOf(out);
        if (size > 0 && size < half * 8) killsInTheMiddle += 1;
      }
      await place.untilAlloc("talker", "complete", 60_000);
      expect(killsInTheMiddle).toBeGreaterThan(2);
      const want = (word: string) => Array.from({ length: half }, (_, n) => `${word} ${n + 1}`);
      expect(readFileSync(out, "utf8").split("\n")).toEqual([...want("out"), "done", ""]);
      expect(readFileSync(err, "utf8").split("\n")).toEqual([...want("err"), ""]);
    }),
  120_000,
);

dockerTest("lines without an end, long ones, and those of a task that starts again stay as they were", () =>
  withNode(engine, [], async (place) => {
    const script = "printf 'no end'; head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'ümläut ✓ '; echo; printf 'last'; exit 1";
    const restart = 'restart = { attempts = 1, interval = "1m", delay = "10ms", mode = "fail" }';
    start(place, { id: "odd", script, task: restart, config: { entrypoint: ["sh", "-c", script], command: "", args: [] } });
    const alloc = await place.untilAlloc("odd", "failed");
    const once = `no end${"x".repeat(100_000)}\nümläut ✓ \nlast`;
    expect(await place.logs(alloc.ID, "main")).toBe(once + once);
  }),
);

dockerTest("an ended engine log that was rotated is copied whole; what the engine no longer had is said to be missing", () =>
  withNode(engine, [], async (place) => {
    const script = "sleep 1; seq 1 400000 | sed 's/$/ a line with some more text in it/'; sleep 1";
    const logging = { logging: { type: "json-file", config: { "max-size": "4m", "max-file": "20" } } };
    start(place, { id: "turner", script, config: { ...logging } });
    // All of it is written and turned over while no agent looks: the next one has it to copy at once.
    const alloc = await place.untilAlloc("turner", "running");
    await place.agent.kill();
    await until("its end", () => engine.docker("inspect", "--format", "{{.State.Status}}", containerOf(alloc)).trim() === "exited", 40_000);
    await place.start({ dataDirectory: place.agent.dataDirectory, flags: nodeFlags(engine) });
    await place.untilAlloc("turner", "complete", 40_000);
    const lines = readFileSync(logFile(place, alloc.ID, "stdout"), "utf8").split("\n");
    expect(lines.length).toBe(400_001);
    expect(lines[399_999]).toBe("400000 a line with some more text in it");
    const few = { logging: { type: "json-file", config: { "max-size": "100k", "max-file": "2" } } };
    start(place, { id: "waster", type: "service", script: `echo first; sleep 2; ${script}; sleep 300`, config: few, task: 'kill_timeout = "100ms"' });
    const waster = await place.untilAlloc("waster", "running");
    await sleep(500);
    await place.agent.kill();
    await until("all of it to be written", () => engine.docker("logs", "--tail", "1", containerOf(waster)).includes("400000 a line"), 40_000);
    await place.start({ dataDirectory: place.agent.dataDirectory, flags: nodeFlags(engine) });
    await until("the warning", () => /more than the engine keeps/.test(place.agent.log), 10_000);
    const kept = logFile(place, waster.ID, "stdout");
    await until("what the engine still had", () => readFileSync(kept, "utf8").includes("400000 a line"), 10_000);
  }),
);

dockerTest("an agent that comes back finds its containers by what it noted, and how those ended that did meanwhile", () =>
  withNode(engine, [], async (place) => {
    start(place, { id: "stays", type: "service", script: "echo here; sleep 300", task: 'kill_timeout = "100ms"' });
    start(place, { id: "leaves", script: "sleep 2; echo left; exit 9" });
    const stays = await place.untilAlloc("stays", "running");
    await place.untilAlloc("leaves", "running");
    const before = engine.docker("ps", "--quiet", "--no-trunc", "--filter", `name=${containerOf(stays)}`);
    await place.agent.kill();
    await sleep(2500);
    await place.start({ dataDirectory: place.agent.dataDirectory, flags: nodeFlags(engine) });
    const leaves = await place.untilAlloc("leaves", "failed");
    expect(eventsOf(leaves).join("\n")).toContain("Exit Code: 9");
    expect(await place.logs(leaves.ID, "main")).toBe("left\n");
    const after = await place.untilAlloc("stays", "running");
    expect(after.ID).toBe(stays.ID);
    expect(after.TaskStates.main.Restarts).toBe(0);
    expect(engine.docker("ps", "--quiet", "--no-trunc", "--filter", `name=${containerOf(stays)}`)).toBe(before);
    place.ok("stop", "--detach", "stays");
    await place.untilAlloc("stays", "complete");
    await until("no container left", () => engine.containers().length === 0);
  }),
);

dockerTest("an engine that is killed: the node says so, its tasks are reported as they are, and go on when it is back", () =>
  withNode(engine, [], async (place) => {
    start(place, {
      id: "through",
      type: "service",
      script: "echo begun; sleep 300",
      // Ends as soon as it is asked: the engine waits for it when it comes back.
      config: { init: true },
      task: 'kill_timeout = "100ms"\nrestart = { attempts = 3, interval = "5m", delay = "1s", mode = "fail" }',
    });
    const alloc = await place.untilAlloc("through", "running");
    const pid = Number(engine.docker("inspect", "--format", "{{.State.Pid}}", containerOf(alloc)));
    await engine.stop("SIGKILL");
    await untilHealth(place, false);
    expect((await nodeOf(place)).Drivers.docker.HealthDescription).toMatch(/does not answer|closed the connection|no socket/);
    // Nothing is claimed to have ended that has not.
    await sleep(1500);
    expect(isAlive(pid)).toBe(true);
    expect((await place.alloc("through")).ClientStatus).toBe("running");
    const held = place.run(dockerJob({ id: "later", script: "echo later" }), "--detach");
    expect(held.status).toBe(0);
    await engine.start();
    await untilHealth(place, true);
    // This engine ends what it finds running; the task's end is the engine's word, and its policy starts it again.
    await until("the task to run again", async () => {
      const now = await place.alloc("through");
      return (
        now.ClientStatus === "running" &&
        engine.containers().includes(containerOf(alloc)) &&
        eventsOf(now).filter((text) => /Task started/.test(text)).length === 2
      );
    });
    expect(eventsOf(await place.alloc("through")).join("\n")).toMatch(/Exit Code: (?:137|255|143|0)/);
    await place.untilAlloc("later", "complete");
    expect(await outputOf(place, { id: "after", script: "echo after" })).toBe("after\n");
  }),
);

dockerTest("an engine that lets containers live while it is away: the task runs on, and its output with it", async () => {
  await engine.stop();
  await engine.start(["--live-restore"]);
  await withNode(engine, [], async (place) => {
    start(place, {
      id: "lives",
      type: "service",
      script: "n=0; while :; do n=$((n + 1)); echo $n; sleep 0.05; done",
      task: 'kill_timeout = "100ms"',
    });
    const alloc = await place.untilAlloc("lives", "running");
    expect((await nodeOf(place)).Attributes["driver.docker.live_restore"]).toBe("true");
    await engine.stop("SIGKILL");
    await untilHealth(place, false);
    await sleep(1000);
    await again(place);
    await engine.start(["--live-restore"]);
    await untilHealth(place, true);
    await sleep(1500);
    const now = await place.untilAlloc("lives", "running");
    expect(now.TaskStates.main.Restarts).toBe(0);
    expect(now.ID).toBe(alloc.ID);
    place.ok("stop", "--detach", "lives");
    await place.untilAlloc("lives", "complete");
    const lines = (await place.logs(alloc.ID, "main")).trim().split("\n");
    expect(lines.length).toBeGreaterThan(40);
    expect(lines).toEqual(lines.map((_, at) => String(at + 1)));
  });
  await engine.stop();
  await engine.start();
});

dockerTest("without its engine a task is still ended when it must be", () =>
  withNode(engine, [], async (place) => {
    start(place, { id: "orphan", type: "service", script: "echo begun; sleep 300", task: 'kill_timeout = "500ms"' });
    const alloc = await place.untilAlloc("orphan", "running");
    const pid = Number(engine.docker("inspect", "--format", "{{.State.Pid}}", containerOf(alloc)));
    await engine.stop("SIGKILL");
    await untilHealth(place, false);
    place.ok("stop", "--detach", "orphan");
    await until("the process to end", () => !isAlive(pid), 10_000);
    await engine.start();
    await place.untilAlloc("orphan", "complete");
  }),
);

dockerTest("containers that no task knows any more go after their grace; those of others are left alone", () =>
  inPlace(async (place) => {
    const flags = ["--client.docker.gc-dangling-period", "1s", "--client.docker.gc-dangling-grace", "8s"];
    await place.start({ flags: nodeFlags(engine, flags) });
    await untilHealth(place, true);
    start(place, { id: "known", type: "service", script: "sleep 300", task: 'kill_timeout = "100ms"' });
    const known = await place.untilAlloc("known", "running");
    const node = (await nodeOf(place)).ID;
    engine.docker("run", "--detach", "--name", "stray", "--label", `edgectl.node_id=${node}`, "busybox:test", "sleep", "300");
    engine.docker("run", "--detach", "--name", "stranger", "--label", "edgectl.node_id=another", "busybox:test", "sleep", "300");
    engine.docker("run", "--detach", "--name", "private", "busybox:test", "sleep", "300");
    await sleep(1500);
    expect(engine.containers()).toContain("stray");
    await until("the stray to go", () => !engine.containers().includes("stray"), 15_000);
    expect(engine.containers()).toContain(containerOf(known));
    // A journal that is lost, its allocations with it: what ran is a stray now.
    await place.agent.kill();
    rmSync(join(place.agent.dataDirectory, "client/client.journal"));
    rmSync(join(place.agent.dataDirectory, "alloc"), { recursive: true });
    rmSync(join(place.agent.dataDirectory, "server"), { recursive: true });
    await place.start({ dataDirectory: place.agent.dataDirectory, flags: nodeFlags(engine, flags) });
    await until("the lost task's container to go", () => !engine.containers().includes(containerOf(known)), 15_000);
    expect(engine.containers()).toEqual(expect.arrayContaining(["stranger", "private"]));
    engine.docker("rm", "--force", "stranger", "private");
  }),
);
