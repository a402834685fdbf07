// Garbage collection on a real agent: by command, by age, and by what a job says it keeps.

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NO_RETRY, shellJob } from "./jobs.ts";
import { inPlace, type Place, sleep, until } from "./place.ts";

const MINUTE = 60_000;

async function idsOf(place: Place, path: string): Promise<readonly string[]> {
  return (await place.get(path)).map((row: { readonly ID: string }) => row.ID);
}

function folderOf(place: Place, allocId: string): string {
  return join(place.agent.dataDirectory, "alloc", allocId);
}

test(
  "system gc makes what has ended go, with its files, and leaves what runs",
  () =>
    inPlace(async (place) => {
      await place.start();
      expect(place.run(shellJob({ id: "over", script: "echo done" }), "--wait").status).toBe(0);
      expect(place.run(shellJob({ id: "wrong", script: "exit 3", group: NO_RETRY }), "--wait").status).toBe(1);
      expect(place.run(shellJob({ id: "stopped", type: "service", script: "exec sleep 1000" }), "--detach").status).toBe(0);
      expect(place.run(shellJob({ id: "runs", type: "service", script: "exec sleep 1000" }), "--detach").status).toBe(0);
      const ended = [
        await place.untilAlloc("over", "complete"),
        await place.untilAlloc("wrong", "failed"),
        await place.untilAlloc("stopped", "running"),
      ];
      const running = await place.untilAlloc("runs", "running");
      place.ok("stop", "stopped");
      await place.untilAlloc("stopped", "complete");
      for (const alloc of ended) expect(existsSync(folderOf(place, alloc.ID))).toBe(true);
      // By age alone nothing would go for an hour.
      expect(await idsOf(place, "/v1/jobs")).toEqual(["over", "runs", "stopped", "wrong"]);

      expect(place.ok("system", "gc")).toContain("collected");

      expect(await idsOf(place, "/v1/jobs")).toEqual(["runs"]);
      expect(await idsOf(place, "/v1/allocations")).toEqual([running.ID]);
      await until("the files of ended allocations to go", () => ended.every((alloc) => !existsSync(folderOf(place, alloc.ID))));
      expect(existsSync(folderOf(place, running.ID))).toBe(true);
      expect((await place.alloc("runs")).ClientStatus).toBe("running");
      expect(place.taskPids(running.ID).length).toBeGreaterThan(0);
      expect((await place.request("GET", "/v1/job/over")).status).toBe(404);
      expect((await place.get("/v1/evaluations")).every((evaluation: { readonly JobID: string }) => evaluation.JobID === "runs")).toBe(true);
      expect(JSON.parse(place.ok("system", "gc", "--json"))).toEqual({ Collected: true });

      // It is gone for good: another life of the agent, and of its node, knows nothing of it.
      await place.agent.kill();
      await place.start();
      expect(await idsOf(place, "/v1/jobs")).toEqual(["runs"]);
      await until("the running allocation to be taken up", async () => (await place.alloc("runs"))?.ClientStatus === "running");
    }),
  MINUTE,
);

test(
  "gc and summaries answer as in Nomad: no body, PUT or POST alone",
  () =>
    inPlace(async (place) => {
      await place.start();
      for (const path of ["/v1/system/gc", "/v1/system/reconcile/summaries"]) {
        for (const method of ["PUT", "POST"]) {
          const reply = await place.request(method, path);
          expect([reply.status, reply.text]).toEqual([200, ""]);
        }
        expect((await place.request("GET", path)).status).toBe(405);
      }
      expect(place.ok("system", "reconcile", "summaries")).toContain("summaries");
    }),
  MINUTE,
);

const SHORT = [
  ["eval_gc_threshold", "500ms"],
  ["batch_eval_gc_threshold", "500ms"],
  ["job_gc_threshold", "1s"],
  ["job_gc_interval", "300ms"],
] as const;

test(
  "with short thresholds in the settings it happens by itself",
  () =>
    inPlace(async (place) => {
      const settings = place.write("agent.toml", `[server]\n${SHORT.map(([key, value]) => `${key} = "${value}"`).join("\n")}\n`);
      await place.start({ flags: ["--config", settings] });
      expect(place.run(shellJob({ id: "runs", type: "service", script: "exec sleep 1000" }), "--detach").status).toBe(0);
      const running = await place.untilAlloc("runs", "running");
      expect(place.run(shellJob({ id: "over", script: "echo done" }), "--detach").status).toBe(0);
      const ended = await place.untilAlloc("over", "complete");
      await until("the ended job to go", async () => (await place.request("GET", "/v1/job/over")).status === 404);
      await until("its files to go", () => !existsSync(folderOf(place, ended.ID)));
      expect(await idsOf(place, "/v1/allocations")).toEqual([running.ID]);

      // Restarted in place and moved: what was replaced goes, the one that runs stays, and nothing is placed beside it.
      place.ok("alloc", "stop", "--detach", running.ID);
      await until("the stopped allocation to go", async () => (await place.request("GET", `/v1/allocation/${running.ID}`)).status === 404);
      const [left, ...others] = await place.get("/v1/allocations");
      expect([left.JobID, left.ClientStatus, left.DesiredStatus, others]).toEqual(["runs", "running", "run", []]);

      // Then it sleeps: nothing is written any more while nothing happens.
      await until("the last look", async () => (await place.get("/v1/evaluations")).length === 1);
      const index = async () => (await place.request("GET", "/v1/evaluations")).headers.get("X-Nomad-Index");
      const before = await index();
      await sleep(1500);
      expect(await index()).toBe(before);
    }),
  MINUTE,
);

test("a threshold that is no duration is refused by name", () =>
  inPlace(async (place) => {
    const agent = await place.start({ flags: ["--server.job-gc-threshold", "soon"], isExpectedToFail: true });
    expect(await agent.ended()).toBe(1);
    expect(agent.log).toContain('--server.job-gc-threshold: "soon" is not a duration, such as 90s or 24h');
  }));

test(
  "of ended children as many stay as the job keeps, whatever their age; those that run stay too",
  () =>
    inPlace(async (place) => {
      await place.start({ env: { EDGECTL_SERVER_JOB_GC_INTERVAL: "200ms" } });
      const form = shellJob({
        id: "form",
        script: 'case "$NOMAD_META_how" in fail) exit 1;; run) exec sleep 1000;; esac',
        top: '[parameterized]\nmeta_optional = ["how"]\nkeep = { success = 2, failure = 1 }',
        group: NO_RETRY,
      });
      expect(place.run(form).status).toBe(0);
      const dispatch = async (how: string, status: string): Promise<string> => {
        const words = ["job", "dispatch", "--detach", "--json", "--meta", `how=${how}`, "form"];
        const id: string = JSON.parse(place.ok(...words)).DispatchedJobID;
        await until(`${id} to be ${status}`, async () => {
          const alloc = await place.alloc(id).catch(() => undefined); // it may have been collected already
          return alloc === undefined ? status !== "running" : alloc.ClientStatus === status;
        });
        return id;
      };
      const running = await dispatch("run", "running");
      const made: Record<"ok" | "fail", string[]> = { ok: [], fail: [] };
      for (let round = 0; round < 4; round++) {
        made.ok.push(await dispatch("ok", "complete"));
        made.fail.push(await dispatch("fail", "failed"));
      }
      const wanted = [running, ...made.ok.slice(-2), ...made.fail.slice(-1), "form"].sort();
      await until(
        () => `the older children to go: ${wanted}`,
        async () => JSON.stringify([...(await idsOf(place, "/v1/jobs"))].sort()) === JSON.stringify(wanted),
      );
      // By force, too, those that are kept stay.
      place.ok("system", "gc");
      expect([...(await idsOf(place, "/v1/jobs"))].sort()).toEqual(wanted);
      expect((await place.get("/v1/job/form/summary")).Children).toEqual({ Pending: 0, Running: 1, Dead: 3 });
      expect((await place.get("/v1/job/form")).ParameterizedJob.Keep).toEqual({ Success: 2, Failure: 1 });
    }),
  MINUTE,
);
