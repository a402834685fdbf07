// Garbage collection on a real agent: by command, by age, and by what a job says it keeps.

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NO_RETRY, shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

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
