// Nodes and commands beside several servers: through a standby everything works as at the leader, and tasks go on
// whoever leads.

import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { shellJob } from "./jobs.ts";
import { executable, inPlace, type Place, until } from "./place.ts";
import { ask, isLeading, startPair, startServer, storeFlags, unplaceable, untilFollowing, untilLeading } from "./servers.ts";

const MINUTE = 60_000;
const COUNTING = 'i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.1; done';
const SLEEPING = 'echo start >> "$NOMAD_ALLOC_DIR/data/starts"; exec sleep 1000';

async function untilReady(place: Place, count: number): Promise<void> {
  await until(
    () => `${count} nodes to be ready\n${place.agent.log}`,
    async () => (await place.get("/v1/nodes")).filter((node: { Status: string }) => node.Status === "ready").length === count,
  );
}

test(
  "through a standby: a node joins, a job runs, its log is followed, its files are read, reads block",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      await place.start({ name: "node", flags: ["--client", "--servers", standby.address, "--name", "node"] });
      place.agent = standby;
      await untilReady(place, 1);
      place.run(shellJob({ id: "talk", type: "service", script: COUNTING }), "--detach");
      const alloc = await place.untilAlloc("talk", "running");
      const follower = spawn(executable, ["logs", "-f", "talk"], {
        env: { ...process.env, EDGECTL_ADDR: standby.address },
        stdio: ["ignore", "pipe", "inherit"],
      });
      place.onClose(() => follower.kill("SIGKILL"));
      let seen = "";
      follower.stdout.on("data", (chunk) => {
        seen += chunk;
      });
      await until("lines of the log", () => seen.includes("line 15\n"));
      expect(place.ok("alloc", "fs", alloc.ID.slice(0, 8), "alloc/logs/")).toContain("main.stdout.0");
      expect(place.ok("alloc", "status", alloc.ID.slice(0, 8))).toContain("running");
      // A read that blocks at the standby is answered by the change that it waits for.
      const index = Number((await place.request("GET", "/v1/jobs")).headers.get("X-Nomad-Index"));
      const blocked = ask(standby, "GET", `/v1/jobs?index=${index}&wait=30s`, undefined, 40_000);
      expect((await ask(leader, "PUT", "/v1/jobs", unplaceable("wakes")))?.status).toBe(200);
      expect((await blocked)?.text).toContain('"wakes"');
      place.ok("stop", "talk");
      await until("the follower to end", () => follower.exitCode === 0);
      const numbers = seen
        .trim()
        .split("\n")
        .map((line) => Number(line.slice("line ".length)));
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => at + 1));
    }),
  MINUTE,
);

test(
  "a leader that dies: reads that block at the standby are answered or fail, and do not hang",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      place.agent = standby;
      expect((await ask(standby, "PUT", "/v1/jobs", unplaceable("first")))?.status).toBe(200);
      const index = Number((await place.request("GET", "/v1/jobs")).headers.get("X-Nomad-Index"));
      const paths = [`/v1/jobs?index=${index}&wait=60s`, `/v1/jobs?stale&index=${index}&wait=60s`];
      const blocked = paths.map((path) => ask(standby, "GET", path, undefined, 20_000));
      await leader.kill();
      await untilLeading(standby);
      expect((await ask(standby, "PUT", "/v1/jobs", unplaceable("next")))?.status).toBe(200);
      const [plain, stale] = await Promise.all(blocked);
      for (const reply of [plain, stale]) expect([reply?.status, reply?.text.includes('"next"')]).toEqual([200, true]);
    }),
  MINUTE,
);

test(
  "nodes that know both servers move when the leader dies: the same processes, no second start, and new work comes",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      await place.start({ name: "node", flags: ["--client", "--servers", `${leader.address},${standby.address}`, "--name", "node"] });
      place.agent = leader;
      await untilReady(place, 1);
      place.run(shellJob({ id: "steady", type: "service", script: SLEEPING }), "--detach");
      const alloc = await place.untilAlloc("steady", "running");
      const pids = place.taskPids(alloc.ID).sort();
      expect(pids.length).toBeGreaterThan(0);
      await leader.kill();
      place.agent = standby;
      await untilLeading(standby);
      place.run(shellJob({ id: "later", type: "service", script: SLEEPING }), "--detach");
      const later = await place.untilAlloc("later", "running", 30_000);
      expect(place.taskPids(alloc.ID).sort()).toEqual(pids);
      const again = await place.get(`/v1/allocation/${alloc.ID}`);
      expect([again.ClientStatus, again.TaskStates.main.Restarts]).toEqual(["running", 0]);
      for (const id of [alloc.ID, later.ID]) expect(place.ok("alloc", "fs", id, "alloc/data/starts")).toBe("start\n");
      place.ok("stop", "--detach", "steady");
      await until("the task to end", () => place.taskPids(alloc.ID).length === 0);
    }),
  MINUTE,
);

test(
  "an agent that is server and node runs tasks while its server stands by, and goes on when it comes to lead",
  () =>
    inPlace(async (place) => {
      const leader = await startServer(place, "one");
      const both = await place.start({ name: "two", flags: [...storeFlags(place), "--name", "two"] });
      await untilFollowing(both, leader);
      await untilReady(place, 1);
      await until("its node to have joined", async () => (await place.get("/v1/agent/health", both)).client.ok);
      place.run(shellJob({ id: "steady", type: "service", script: SLEEPING }), "--detach");
      const alloc = await place.untilAlloc("steady", "running");
      const pids = place.taskPids(alloc.ID).sort();
      await leader.kill();
      await untilLeading(both);
      await until("its node to have joined again", async () => (await ask(both, "GET", "/v1/agent/health"))?.status === 200);
      place.run(shellJob({ id: "later", type: "service", script: SLEEPING }), "--detach");
      await place.untilAlloc("later", "running");
      expect(place.taskPids(alloc.ID).sort()).toEqual(pids);
      // And back: the other server comes again, and takes over while this one's node runs on.
      const again = await startServer(place, "one");
      await untilFollowing(again, both);
      place.ok("operator", "transfer-leadership");
      await untilLeading(again);
      await until("its node at the other server", async () => (await ask(both, "GET", "/v1/agent/health"))?.status === 200);
      place.run(shellJob({ id: "last", type: "service", script: SLEEPING }), "--detach");
      await place.untilAlloc("last", "running");
      expect([place.taskPids(alloc.ID).sort(), await isLeading(both)]).toEqual([pids, false]);
    }),
  2 * MINUTE,
);

test(
  "a log that is followed through a standby goes on over the death of the leader, byte for byte",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      const third = await startServer(place, "three");
      await untilFollowing(third, leader);
      await place.start({ name: "node", flags: ["--client", "--servers", `${standby.address},${third.address}`, "--name", "node"] });
      place.agent = third;
      await untilReady(place, 1);
      place.run(shellJob({ id: "tail", script: "i=0; while [ $i -lt 80 ]; do i=$((i + 1)); echo $i; sleep 0.05; done" }), "--detach");
      await place.untilAlloc("tail", "running");
      const follower = spawn(executable, ["logs", "-f", "tail"], {
        env: { ...process.env, EDGECTL_ADDR: third.address },
        stdio: ["ignore", "pipe", "inherit"],
      });
      place.onClose(() => follower.kill("SIGKILL"));
      let seen = "";
      follower.stdout.on("data", (chunk) => {
        seen += chunk;
      });
      await until("some lines", () => seen.includes("5\n"));
      await leader.kill();
      await until(
        () => `all lines, got ${JSON.stringify(seen.slice(-40))}`,
        () => seen.endsWith("80\n"),
        30_000,
      );
      expect(seen).toBe(Array.from({ length: 80 }, (_, at) => `${at + 1}\n`).join(""));
    }),
  MINUTE,
);
