// Drains on real agents: services move one after the other, batch jobs may finish until the deadline, system jobs stop
// last; the monitor tells of it, and a change of leader does not matter.

import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { shellJob } from "./jobs.ts";
import { type Agent, executable, inPlace, type Place, sleep, until } from "./place.ts";
import { startPair, untilLeading } from "./servers.ts";

const MINUTE = 60_000;
const SLEEPING = "exec sleep 1000";
/** Healthy after a second, both in a roll-out and while moving. */
const QUICK = `update = { min_healthy_time = "1s", healthy_deadline = "30s", progress_deadline = "1m" }
migrate = { min_healthy_time = "1s", healthy_deadline = "30s" }`;

interface Stub {
  readonly ID: string;
  readonly Name: string;
  readonly Status: string;
  readonly SchedulingEligibility: string;
}

interface AllocStub {
  readonly ID: string;
  readonly NodeName: string;
  readonly ClientStatus: string;
  readonly DesiredStatus: string;
}

async function startNode(place: Place, name: string, servers: readonly Agent[]): Promise<Agent> {
  const before = place.agent;
  const node = await place.start({ name, flags: ["--client", "--servers", servers.map((server) => server.address).join(","), "--name", name] });
  place.agent = before;
  await until(`node ${name} to be ready`, async () => (await nodes(place)).some((stub) => stub.Name === name && stub.Status === "ready"));
  return node;
}

function nodes(place: Place): Promise<readonly Stub[]> {
  return place.get("/v1/nodes");
}

async function node(place: Place, name: string) {
  const stub = (await nodes(place)).find((one) => one.Name === name);
  return place.get(`/v1/node/${stub?.ID}`);
}

/** Where the job's allocs run. */
async function placesOf(place: Place, job: string): Promise<readonly string[]> {
  const allocs: readonly AllocStub[] = await place.get(`/v1/job/${job}/allocations`);
  return allocs
    .filter((alloc) => alloc.ClientStatus === "running" && alloc.DesiredStatus === "run")
    .map((alloc) => alloc.NodeName)
    .sort();
}

async function untilPlaces(place: Place, job: string, want: readonly string[], timeoutMs = 30_000): Promise<void> {
  let last: readonly string[] = [];
  await until(
    () => `${job} to run on ${want}, it does on ${last}\n${place.agent.log.slice(-1500)}`,
    async () => {
      last = await placesOf(place, job);
      return String(last) === String(want);
    },
    timeoutMs,
  );
}

test(
  "a node is emptied: a service moves, a batch job finishes, a system job stops last, and the monitor tells each step",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      await startNode(place, "old", [server]);
      place.run(shellJob({ id: "web", type: "service", script: SLEEPING, group: `count = 2\n${QUICK}` }), "--detach");
      place.run(shellJob({ id: "report", script: "sleep 6" }), "--detach");
      place.run(shellJob({ id: "agentd", type: "system", script: SLEEPING }), "--detach");
      await untilPlaces(place, "web", ["old", "old"]);
      await untilPlaces(place, "report", ["old"]);
      await startNode(place, "new", [server]);
      await untilPlaces(place, "agentd", ["new", "old"]);
      let least = 2;
      const monitor = spawn(executable, ["node", "drain", "-enable", "-m", "new disk", "old"], {
        env: { ...process.env, EDGECTL_ADDR: server.address },
        stdio: ["ignore", "pipe", "inherit"],
      });
      place.onClose(() => monitor.kill("SIGKILL"));
      let told = "";
      monitor.stdout.on("data", (chunk) => {
        told += chunk;
      });
      await until(
        () => `the drain to end\n${told}\n${server.log.slice(-2000)}`,
        async () => {
          least = Math.min(least, (await placesOf(place, "web")).length);
          return monitor.exitCode !== null;
        },
        45_000,
      );
      expect(monitor.exitCode).toBe(0);
      // One moved at a time: the other went on serving.
      expect(least).toBe(1);
      expect(await placesOf(place, "web")).toEqual(["new", "new"]);
      expect(await placesOf(place, "agentd")).toEqual(["new"]);
      // The batch job had its end, and was not begun again elsewhere.
      const reports: readonly AllocStub[] = await place.get("/v1/job/report/allocations");
      expect(reports.map((alloc) => [alloc.NodeName, alloc.ClientStatus])).toEqual([["old", "complete"]]);
      const old = await node(place, "old");
      expect([old.DrainStrategy, old.SchedulingEligibility, old.LastDrain.Status, old.LastDrain.Meta]).toEqual([
        null,
        "ineligible",
        "complete",
        { message: "new disk" },
      ]);
      expect(old.Events.map((event: { Message: string }) => event.Message)).toContain("Node drain complete");
      for (const line of ["Monitoring node", "marked for migration", "status running -> complete", "Drain complete for node"])
        expect(told).toContain(line);
      const agentdAt = told.lastIndexOf('of job "agentd" marked');
      expect(agentdAt).toBeGreaterThan(told.lastIndexOf('of job "report" status'));
      expect(place.ok("node", "status", "old")).toContain("last one complete");
      // Made eligible again, it gets what is for every node.
      place.ok("node", "eligibility", "-enable", "old");
      await untilPlaces(place, "agentd", ["new", "old"]);
    }),
  2 * MINUTE,
);

test(
  "at the deadline everything left is stopped; with --force at once; a drain that is ended leaves the rest alone",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      await startNode(place, "old", [server]);
      const long = (id: string) => place.run(shellJob({ id, script: SLEEPING }), "--detach");
      long("first");
      await untilPlaces(place, "first", ["old"]);
      await startNode(place, "new", [server]);
      // Ended before its deadline: nothing happens to the batch job.
      place.ok("node", "drain", "-enable", "-detach", "-deadline", "1h", "old");
      expect(place.ok("node", "status")).toMatch(/old\s+<none>\s+true\s+ineligible/);
      const refused = place.cli("node", "eligibility", "-enable", "old");
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("while it is draining")]);
      place.ok("node", "drain", "-disable", "-keep-ineligible", "old");
      expect([(await node(place, "old")).LastDrain.Status, await placesOf(place, "first")]).toEqual(["canceled", ["old"]]);
      const began = Date.now();
      const done = place.cli("node", "drain", "-enable", "-deadline", "4s", "-ignore-system", "old");
      expect([done.status, done.stdout]).toEqual([0, expect.stringContaining("Drain complete")]);
      expect(Date.now() - began).toBeGreaterThan(3500);
      await untilPlaces(place, "first", ["new"]);
      place.ok("node", "drain", "-disable", "old");
      expect((await node(place, "old")).SchedulingEligibility).toBe("eligible");
      place.ok("node", "drain", "-enable", "-force", "-yes", (await node(place, "new")).ID.slice(0, 8));
      await untilPlaces(place, "first", ["old"]);
      expect((await node(place, "new")).LastDrain.Status).toBe("complete");
    }),
  2 * MINUTE,
);

test(
  "a drain goes on under the next leader, with the deadline it had",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      place.agent = standby;
      await startNode(place, "old", [leader, standby]);
      place.run(shellJob({ id: "long", script: SLEEPING }), "--detach");
      await untilPlaces(place, "long", ["old"]);
      await startNode(place, "new", [leader, standby]);
      place.ok("node", "drain", "-enable", "-detach", "-deadline", "12s", "old");
      const before = await node(place, "old");
      await leader.kill();
      await untilLeading(standby);
      const after = await node(place, "old");
      expect(after.DrainStrategy).toEqual(before.DrainStrategy);
      await untilPlaces(place, "long", ["new"], 40_000);
      await until("the drain to be complete", async () => (await node(place, "old")).LastDrain.Status === "complete");
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(before.DrainStrategy.ForceDeadline));
      await sleep(500);
      expect(await placesOf(place, "long")).toEqual(["new"]);
    }),
  2 * MINUTE,
);
