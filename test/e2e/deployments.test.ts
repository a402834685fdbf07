// Roll-outs on a real agent with real tasks: rolling, canaries, going back, holding, deadlines, and an agent that is killed.

import { expect, test } from "bun:test";
import { inPlace, isAlive, type Place, until } from "./place.ts";

const MINUTE = 60_000;

interface Version {
  readonly text: string;
  readonly count?: number;
  readonly update?: string;
  readonly type?: string;
  /** It never becomes healthy: what comes before its task does not end. */
  readonly isStuck?: true;
}

/** A service that writes its version and sleeps; healthy after a moment. */
function web({ text, count = 3, update = "", type = "service", isStuck }: Version): string {
  const deadlines = `min_healthy_time = "200ms", healthy_deadline = "3s", progress_deadline = "6s"`;
  const prestart = `[group.g.task.before]
driver = "raw_exec"
config = { command = "/bin/sleep", args = ["1000"] }
resources = { cpu = 10, memory = 10 }
lifecycle = { hook = "prestart" }
`;
  return `id = "web"
type = "${type}"
[group.g]
${type === "system" ? "" : `count = ${count}`}
update = { ${deadlines}${update === "" ? "" : `, ${update}`} }
${isStuck ? prestart : ""}
[group.g.task.main]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", "echo ${text}; exec sleep 1000"] }
resources = { cpu = 10, memory = 10 }
env = { VERSION = "${text}" }
`;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
function latest(place: Place): Promise<any> {
  return place.get("/v1/job/web/deployment");
}

async function untilStatus(place: Place, status: string, version: number): Promise<void> {
  await until(
    `the deployment of version ${version} to be ${status}`,
    async () => {
      const deployment = await latest(place);
      return deployment?.Status === status && deployment.JobVersion === version;
    },
    30_000,
  );
}

/** How many live allocs each version has. */
async function living(place: Place): Promise<Readonly<Record<number, number>>> {
  const counts: Record<number, number> = {};
  for (const alloc of await place.get("/v1/job/web/allocations"))
    if (alloc.DesiredStatus === "run" && ["pending", "running"].includes(alloc.ClientStatus))
      counts[alloc.JobVersion] = (counts[alloc.JobVersion] ?? 0) + 1;
  return counts;
}

test(
  "a rolling update goes one by one, is told as it goes, and makes the version stable",
  () =>
    inPlace(async (place) => {
      await place.start();
      const first = place.run(web({ text: "one" }));
      expect(first.status).toBe(0);
      expect(first.stdout).toMatch(/Deployment "[0-9a-f]{8}" is running; g: \d of 3 healthy/);
      const second = place.run(web({ text: "two" }));
      expect([second.status, second.stdout]).toEqual([0, expect.stringContaining('job "web" is healthy: 3 allocations')]);
      await untilStatus(place, "successful", 1);
      expect(await living(place)).toEqual({ 1: 3 });
      const allocs = await place.get("/v1/job/web/allocations");
      const healthyAt = allocs
        .filter((alloc: { JobVersion: number }) => alloc.JobVersion === 1)
        .map((alloc: { DeploymentStatus: { Timestamp: string } }) => Date.parse(alloc.DeploymentStatus.Timestamp))
        .sort();
      // max_parallel is 1: each waited for the one before it.
      for (const at of [1, 2]) expect(healthyAt[at] - healthyAt[at - 1]).toBeGreaterThanOrEqual(200);
      expect(place.ok("status", "web")).toMatch(/Latest Deployment[\s\S]*Status\s+= successful[\s\S]*g\s+false\s+3\s+3\s+3\s+0/);
      expect(JSON.parse(place.ok("job", "history", "--json", "web")).map((version: { Stable: boolean }) => version.Stable)).toEqual([true, true]);
      const list = place.ok("deployment", "list");
      expect(list).toMatch(/web\s+1\s+successful\s+Deployment completed successfully/);
      expect(JSON.parse(place.ok("job", "deployments", "--json", "web"))).toHaveLength(2);
    }),
  MINUTE,
);

test(
  "canaries run beside the old ones until they are promoted by hand",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(web({ text: "one" })).status).toBe(0);
      const ran = place.run(web({ text: "two", update: "canary = 1" }));
      expect([ran.status, ran.stdout]).toEqual([0, expect.stringContaining("edgectl deployment promote")]);
      expect(await living(place)).toEqual({ 0: 3, 1: 1 });
      const { ID: id } = await latest(place);
      const watched = place.cli("deployment", "status", "--monitor", id.slice(0, 8));
      expect([watched.status, watched.stdout]).toEqual([2, expect.stringContaining("requires manual promotion")]);
      expect(place.ok("deployment", "promote", id.slice(0, 8))).toContain('job "web" is healthy');
      await untilStatus(place, "successful", 1);
      expect(await living(place)).toEqual({ 1: 3 });
      const again = place.cli("deployment", "promote", id);
      expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("can't promote terminal deployment")]);
    }),
  MINUTE,
);

test(
  "a version that never becomes healthy fails at its deadline, and auto_revert goes back to the one that was",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(web({ text: "good" })).status).toBe(0);
      await untilStatus(place, "successful", 0);
      const bad = place.run(web({ text: "bad", update: "auto_revert = true", isStuck: true }));
      expect(bad.status).toBe(2);
      await untilStatus(place, "successful", 2);
      const [, failed] = await place.get("/v1/job/web/deployments");
      expect([failed.Status, failed.StatusDescription]).toEqual(["failed", "Failed due to progress deadline - rolling back to job version 0"]);
      const job = await place.get("/v1/job/web");
      expect([job.Version, job.Stable, job.TaskGroups[0].Tasks[0].Env.VERSION]).toEqual([2, true, "good"]);
      expect(await living(place)).toEqual({ 2: 3 });
    }),
  MINUTE,
);

test(
  "without auto_revert a failed deployment leaves the old ones alone, and can be gone back from by hand, by tag too",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(web({ text: "good" })).status).toBe(0);
      place.ok("job", "tag", "apply", "--name", "fine", "--description", "it worked", "web");
      expect(place.run(web({ text: "bad", isStuck: true })).status).toBe(2);
      await untilStatus(place, "failed", 1);
      expect(await living(place)).toEqual({ 0: 2, 1: 1 });
      const history = place.ok("job", "history", "-p", "web");
      expect(history).toContain("Tag Name        = fine");
      expect(history).toMatch(/Env\[VERSION\].*"good" => "bad"/);
      expect(place.ok("job", "revert", "web", "fine")).toContain('job "web" is healthy: 3 allocations');
      await untilStatus(place, "successful", 2);
      expect(await living(place)).toEqual({ 2: 3 });
      place.ok("job", "tag", "unset", "--name", "fine", "web");
      expect(place.ok("job", "history", "web")).not.toContain("fine");
    }),
  MINUTE,
);

test(
  "a paused deployment stands still, a resumed one goes on, a stopped job starts again as it was",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(web({ text: "one" })).status).toBe(0);
      expect(place.run(web({ text: "two" }), "--detach").status).toBe(0);
      const { ID: id } = await latest(place);
      place.ok("deployment", "pause", id);
      await Bun.sleep(2000);
      const held = await living(place);
      expect((held[0] ?? 0) + (held[1] ?? 0)).toBe(3);
      expect(held[0] ?? 0).toBeGreaterThan(0);
      await Bun.sleep(1000);
      expect(await living(place)).toEqual(held);
      expect(place.ok("deployment", "resume", id)).toContain('job "web" is healthy');
      await untilStatus(place, "successful", 1);
      place.ok("stop", "web");
      expect(place.ok("job", "start", "web")).toContain('job "web" is healthy');
      expect((await place.get("/v1/job/web")).Version).toBe(3);
    }),
  MINUTE,
);

test(
  "a system job has a deployment, and its canary takes the place of what ran on the node",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(web({ text: "one", type: "system" })).status).toBe(0);
      await untilStatus(place, "successful", 0);
      place.run(web({ text: "two", type: "system", update: "canary = 50" }));
      const deployment = await latest(place);
      expect(deployment.TaskGroups.g).toMatchObject({ DesiredCanaries: 1, DesiredTotal: 1, Promoted: false, PlacedAllocs: 1 });
      expect(await living(place)).toEqual({ 1: 1 });
      expect(place.ok("job", "promote", "web")).toContain('job "web" is healthy');
      await untilStatus(place, "successful", 1);
    }),
  MINUTE,
);

test(
  "health said by hand over HTTP ends a deployment well; a reader that blocks sees each count",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(web({ text: "one", count: 2, update: 'health_check = "manual"' }), "--detach").status).toBe(0);
      await place.untilAlloc("web", "running");
      const { ID: id } = await latest(place);
      const allocs = await place.get(`/v1/deployment/allocations/${id}`);
      expect(allocs.map((alloc: { DeploymentStatus: unknown }) => alloc.DeploymentStatus)).toEqual([null, null]);
      const before = await place.request("GET", `/v1/deployment/${id}`);
      expect(JSON.parse(before.text).TaskGroups.g).toMatchObject({ PlacedAllocs: 2, HealthyAllocs: 0, DesiredTotal: 2 });
      const blocked = place.request("GET", `/v1/deployment/${id}?index=${before.headers.get("x-nomad-index")}&wait=20s`);
      const say = (healthy: readonly string[]) =>
        place.request("PUT", `/v1/deployment/allocation-health/${id}`, { DeploymentID: id, HealthyAllocationIDs: healthy });
      expect((await say([allocs[0].ID])).status).toBe(200);
      expect(JSON.parse((await blocked).text).TaskGroups.g.HealthyAllocs).toBe(1);
      expect((await say(["nope"])).text).toBe('unknown alloc "nope"');
      expect((await say([allocs[1].ID])).status).toBe(200);
      await untilStatus(place, "successful", 0);
      const late = await say([allocs[1].ID]);
      expect([late.status, late.text]).toEqual([500, "can't set health of allocations for a terminal deployment"]);
      expect(await place.get(`/v1/deployments?prefix=${id.slice(0, 8)}&filter=${encodeURIComponent('Status == "successful"')}`)).toHaveLength(1);
    }),
  MINUTE,
);

test(
  "an agent that is killed in the middle of a roll-out goes on with it, and starts nothing twice",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      expect(place.run(web({ text: "one", count: 4 })).status).toBe(0);
      await untilStatus(place, "successful", 0);
      const before = (await place.get("/v1/job/web/allocations")).map((alloc: { ID: string }) => [alloc.ID, place.taskPids(alloc.ID)] as const);
      expect(place.run(web({ text: "two", count: 4 }), "--detach").status).toBe(0);
      await until("half of it to be rolled out", async () => ((await living(place))[1] ?? 0) >= 2);
      await agent.kill();
      await place.start({ port: agent.port });
      await untilStatus(place, "successful", 1);
      expect(await living(place)).toEqual({ 1: 4 });
      await until("the old tasks to end", () =>
        Promise.resolve(before.every(([, pids]: readonly [string, readonly number[]]) => !pids.some(isAlive))),
      );
      const allocs = await place.get("/v1/job/web/allocations");
      expect(allocs.filter((alloc: { JobVersion: number }) => alloc.JobVersion === 1)).toHaveLength(4);
      expect(await place.get("/v1/job/web/deployments")).toHaveLength(2);
    }),
  MINUTE,
);
