// The queue on a real agent: what waits has its turn in the order that an operator sees and changes.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

async function roomForOne(place: Place): Promise<(id: string) => void> {
  await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
  const [stub] = await place.get("/v1/nodes");
  const node = await place.get(`/v1/node/${stub.ID}`);
  const cpu = Math.floor((node.NodeResources.Cpu.CpuShares - (node.ReservedResources?.Cpu?.CpuShares ?? 0)) * 0.6);
  return (id) => {
    const toml = shellJob({ id, type: "service", script: "exec sleep 1000" }).replace("cpu = 10,", `cpu = ${cpu},`);
    const done = place.run(toml, "--detach");
    if (done.status !== 0) throw new Error(done.stderr);
  };
}

test(
  "what waits is shown with its reason, and gets room in the order that priority and moves make",
  () =>
    inPlace(async (place) => {
      await place.start();
      const start = await roomForOne(place);
      const rows = () =>
        place
          .ok("eval", "list", "--blocked")
          .split("\n")
          .slice(1, -1)
          .map((line) => line.split(/ {2,}/));
      const blocked = async (job: string) => (await place.get(`/v1/evaluations?status=blocked&job=${job}`))[0]?.ID;
      expect(place.ok("eval", "list", "--blocked")).toBe("Nothing waits\n");
      start("a");
      await place.untilAlloc("a", "running");
      for (const id of ["b", "c", "d"]) {
        start(id);
        await until(`${id} to wait`, async () => (await blocked(id)) !== undefined);
      }
      expect(rows().map((row) => [row[0], row[2], row[3], row[4], row.at(-1)])).toEqual([
        ["1", "b", "50", "1", "cpu on 1 node"],
        ["2", "c", "50", "1", "cpu on 1 node"],
        ["3", "d", "50", "1", "cpu on 1 node"],
      ]);
      expect(place.ok("job", "priority", "d", "80")).toBe('job "d" has priority 80 now\n');
      await until("d to be before the others", () => rows()[0]?.[2] === "d");
      expect(place.ok("eval", "queue", "--first", await blocked("c"))).toMatch(/of job "c" is the first of the queue now/);
      expect(rows().map((row) => [row[0], row[2], row[3]])).toEqual([
        ["1 (moved)", "c", "50"],
        ["2", "d", "80"],
        ["3", "b", "50"],
      ]);
      const status = place.ok("eval", "status", await blocked("d"));
      expect(status).toMatch(/Queue\nPosition {4}= 2\nWaits Since = .*\nWaits For {3}= cpu on 1 node/);
      // What runs is not touched by its new priority.
      const before = await place.alloc("a");
      expect(place.cli("job", "priority", "a", "10").status).toBe(0);
      await until("the new version", async () => (await place.alloc("a")).Job.Priority === 10);
      const after = await place.alloc("a");
      expect([after.ID, after.ClientStatus, after.TaskStates.main.Restarts, after.TaskStates.main.StartedAt]).toEqual([
        before.ID,
        "running",
        0,
        before.TaskStates.main.StartedAt,
      ]);
      for (const [ended, next] of [
        ["a", "c"],
        ["c", "d"],
        ["d", "b"],
      ] as const) {
        expect(place.cli("stop", "--detach", ended).status).toBe(0);
        await place.untilAlloc(next, "running");
      }
      expect(rows()).toEqual([]);
    }),
  MINUTE,
);

test(
  "evaluations are deleted only while the broker is paused; wrong words are told",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      expect(place.run(shellJob({ id: "w", script: "true" }), "--detach").status).toBe(0);
      await until("it to wait", async () => (await place.get("/v1/evaluations?status=blocked")).length === 1);
      const [{ ID: id }] = await place.get("/v1/evaluations?status=blocked");
      const nobody = "00000000-0000-4000-8000-000000000000";
      const wrong = [
        ["DELETE", "/v1/evaluations", { EvalIDs: [id] }, 500, "eval broker is enabled; eval broker must be paused to delete evals"],
        ["DELETE", "/v1/evaluations", {}, 400, "evals must be deleted by either ID or filter"],
        ["DELETE", "/v1/evaluations", { EvalIDs: [id], Filter: "x" }, 400, "evals cannot be deleted by both ID and filter"],
        ["DELETE", "/v1/evaluations", { EvalIDs: id }, 400, 'field "EvalIDs" must be a list of ids'],
        ["PUT", `/v1/evaluation/${id}/queue`, { Place: "middle" }, 400, 'Place "middle" is neither first nor last'],
        ["PUT", `/v1/evaluation/${nobody}/queue`, { Place: "first" }, 404, "eval not found"],
        ["PUT", "/v1/job/w/priority", {}, 400, "Priority must be specified"],
        ["PUT", "/v1/job/w/priority", { Priority: 200 }, 400, "job priority must be between [1, 100]"],
        ["PUT", "/v1/job/none/priority", { Priority: 20 }, 404, "job not found"],
        ["PUT", "/v1/evaluations", {}, 405, "Invalid method"],
      ] as const;
      for (const [method, path, body, status, text] of wrong) {
        const reply = await place.request(method, path, body);
        expect([path, reply.status, reply.text]).toEqual([path, status, text]);
      }
      for (const [words, want] of [
        [["job", "priority", "w", "high"], /the priority "high" is no whole number/],
        [["job", "priority", "none", "5"], /no job has the id "none"/],
        [["eval", "queue", id], /say either --first or --last/],
        [["eval", "delete"], /say either an EVAL or --filter/],
        [["eval", "delete", id], /must be paused to delete evals/],
      ] as const) {
        const done = place.cli(...words);
        expect([done.status, want.test(done.stderr) ? "told" : done.stderr]).toEqual([1, "told"]);
      }
      place.ok("operator", "scheduler", "set-config", "--pause-eval-broker");
      expect((await place.request("DELETE", "/v1/evaluations", { EvalIDs: [nobody] })).status).toBe(404);
      expect(place.ok("eval", "list", "--blocked")).toContain("the broker is paused");
      expect(place.ok("eval", "delete", id)).toBe("Successfully deleted 1 evaluation\n");
      expect(place.ok("eval", "delete", "--filter", 'JobID == "w"')).toBe("Successfully deleted 1 evaluation\n");
      expect(await place.get("/v1/evaluations")).toEqual([]);
    }),
  MINUTE,
);
