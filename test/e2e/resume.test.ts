// A batch job that failed goes on where it stopped: with its data, over a killed agent, each task that succeeded run once.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NO_RETRY } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

/** a, b, c, d one after the other: c fails until `ready` exists, then waits for `go`. Each notes that it ran; d also what it found. */
function lineJob(place: Place): string {
  const note = "echo $NOMAD_TASK_NAME >> $NOMAD_ALLOC_DIR/data/ran";
  const scripts: readonly (readonly [string, string])[] = [
    ["a", `${note}; echo kept > $NOMAD_TASK_DIR/own`],
    ["b", note],
    ["c", `${note}; [ -e ${place.path("ready")} ] || exit 3; while [ ! -e ${place.path("go")} ]; do sleep 0.05; done`],
    ["d", `${note}; cat $NOMAD_ALLOC_DIR/data/ran; cat $NOMAD_ALLOC_DIR/../a/local/own; echo $NOMAD_RESUMED_ALLOC_ID`],
    ["last", "echo $NOMAD_GROUP_OUTCOME"],
  ];
  const tasks = scripts.map(([name, script], at) => {
    const before = scripts[at - 1]?.[0];
    const order = name === "last" ? 'lifecycle = { hook = "poststop" }' : before ? `depends_on = { ${before} = "succeeded" }` : "";
    return `[group.g.task.${name}]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", ${JSON.stringify(script)}] }
resources = { cpu = 10, memory = 10 }
${order}
`;
  });
  return `id = "line"\ntype = "batch"\n[group.g]\n${NO_RETRY}\n${tasks.join("")}`;
}

const ranOf = (place: Place, allocId: string) => join(place.agent.dataDirectory, "alloc", allocId, "alloc/data/ran");

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API
async function successorOf(place: Place, allocId: string): Promise<any> {
  let next = "";
  await until("the one that goes on", async () => {
    next = (await place.get(`/v1/allocation/${allocId}`)).NextAllocation;
    return next !== "";
  });
  return place.get(`/v1/allocation/${next}`);
}

test(
  "a resume runs what failed and what never ran, once, with the data of what was done, over a kill of the agent and its server",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(lineJob(place), "--detach");
      const failed = await place.untilAlloc("line", "failed");
      await until("the end to be judged", async () => (await place.get("/v1/job/line")).Status === "dead");
      expect(place.ok("explain", "line")).toContain("edgectl job resume line");
      await Bun.write(place.path("ready"), "");
      place.ok("job", "resume", "--detach", "line");
      const { ID: id } = await successorOf(place, failed.ID);
      await until("c to run again", async () => (await place.get(`/v1/allocation/${id}`)).TaskStates.c?.State === "running");
      const again = place.cli("job", "resume", "line");
      expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('nothing of job "line" has failed: it runs')]);
      const { port, dataDirectory } = place.agent;
      await place.agent.kill();
      await place.start({ port, dataDirectory });
      await Bun.write(place.path("go"), "");
      await until("the end", async () => (await place.get(`/v1/allocation/${id}`)).ClientStatus === "complete");
      const done = await place.get(`/v1/allocation/${id}`);
      expect(readFileSync(ranOf(place, id), "utf8")).toBe("a\nb\nc\nc\nd\n");
      expect(await place.logs(id, "d")).toBe(`a\nb\nc\nc\nd\nkept\n${failed.ID}\n`);
      expect(await place.logs(id, "last")).toBe("success\n");
      expect(existsSync(ranOf(place, failed.ID))).toBe(false);
      expect(done.Resumes).toEqual({ AllocID: failed.ID, TakesData: true, DoneTasks: ["a", "b"] });
      expect(done.TaskStates.a).toMatchObject({ State: "dead", Failed: false, StartedAt: failed.TaskStates.a.StartedAt });
      expect(place.ok("alloc", "status", id)).toContain(`Done in allocation ${failed.ID.slice(0, 8)}, not run again`);
      expect(place.cli("job", "resume", "line").stderr).toContain("there is nothing to resume");
    }),
  MINUTE,
);

test(
  "without its data it goes on anywhere, and what is gone from the node is said to be gone",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(lineJob(place), "--detach");
      const failed = await place.untilAlloc("line", "failed");
      await Bun.write(place.path("ready"), "");
      await Bun.write(place.path("go"), "");
      place.ok("node", "eligibility", "--disable", "-self");
      const refused = place.cli("job", "resume", "--alloc", failed.ID, "line");
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/takes no work, it is ineligible[\s\S]*--anywhere/)]);
      place.ok("node", "eligibility", "--enable", "-self");
      const moved = join(place.agent.dataDirectory, "alloc", failed.ID);
      await Bun.$`mv ${moved} ${place.path("away")}`.quiet();
      place.ok("job", "resume", "--detach", "line");
      const second = await successorOf(place, failed.ID);
      await until("its failure", async () => (await place.get(`/v1/allocation/${second.ID}`)).ClientStatus === "failed");
      expect(place.ok("alloc", "status", second.ID)).toContain(`the data of allocation ${failed.ID.slice(0, 8)}`);
      place.ok("job", "resume", "--detach", "--anywhere", "line");
      const third = await successorOf(place, second.ID);
      await until("d to have run", async () => (await place.get(`/v1/allocation/${third.ID}`)).TaskStates.d?.State === "dead");
      expect(readFileSync(ranOf(place, third.ID), "utf8")).toBe("c\nd\n");
    }),
  MINUTE,
);

test("what asks to resume is checked", () =>
  inPlace(async (place) => {
    await place.start();
    const put = (id: string, body: unknown) => place.request("PUT", `/v1/job/${id}/resume`, body);
    expect((await put("none", {})).status).toBe(404);
    place.run('id = "s"\n[task.main]\ndriver = "raw_exec"\nconfig = { command = "/bin/sleep", args = ["1000"] }\n', "--detach");
    expect(await put("s", {})).toMatchObject({ status: 400, text: expect.stringContaining("only batch and sysbatch jobs are resumed") });
    expect(await put("s", { JobID: "other" })).toMatchObject({ status: 400, text: "Job ID does not match" });
    expect((await put("s", "{")).status).toBe(400);
    expect((await place.request("GET", "/v1/job/s/resume")).status).toBe(405);
  }));
