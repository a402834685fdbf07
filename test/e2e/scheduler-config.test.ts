// The scheduler's config on a real agent: its wire format, its switches carried out, and what outlives every server.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { inPlace, until } from "./place.ts";
import { ask, startPair, startServer, unplaceable, untilFollowing } from "./servers.ts";

const MINUTE = 60_000;
const PATH = "/v1/operator/scheduler/configuration";

test(
  "it is read and set in Nomad's format, from its index or in any case, and refuses what it does not know",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const first = await place.get(PATH);
      expect(first.SchedulerConfig).toEqual({
        SchedulerAlgorithm: "binpack",
        PreemptionConfig: {
          SystemSchedulerEnabled: true,
          SysBatchSchedulerEnabled: false,
          BatchSchedulerEnabled: false,
          ServiceSchedulerEnabled: false,
        },
        MemoryOversubscriptionEnabled: false,
        RejectJobRegistration: false,
        PauseEvalBroker: false,
        NodeLimitForFeasibilityChecks: 0,
        CreateIndex: 0,
        ModifyIndex: 0,
      });
      const set = await place.request("PUT", `${PATH}?cas=0`, { SchedulerAlgorithm: "spread", MemoryOversubscriptionEnabled: true });
      const { Updated, Index } = JSON.parse(set.text);
      expect([set.status, Updated, Index > 0, set.headers.get("X-Nomad-Index")]).toEqual([200, true, true, String(Index)]);
      const second = await place.get(PATH);
      // As in Nomad the whole config is replaced: what is left out is off.
      expect(second.SchedulerConfig).toMatchObject({
        SchedulerAlgorithm: "spread",
        PreemptionConfig: { SystemSchedulerEnabled: false },
        MemoryOversubscriptionEnabled: true,
        ModifyIndex: Index,
      });
      const late = await place.request("PUT", `${PATH}?cas=0`, { SchedulerAlgorithm: "binpack" });
      expect([late.status, JSON.parse(late.text).Updated]).toEqual([200, false]);
      for (const [path, body, want] of [
        [PATH, { SchedulerAlgorithm: "random" }, "invalid scheduler algorithm: random"],
        [PATH, { PauseEvalBroker: "yes" }, 'field "PauseEvalBroker" must be true or false'],
        [PATH, { PreemptionConfig: [] }, 'field "PreemptionConfig" must be an object'],
        [`${PATH}?cas=x`, {}, 'Error parsing cas value: "x" is no whole number'],
        [PATH, "{", "the request body is no JSON"],
      ] as const) {
        const refused = await place.request("PUT", path, body);
        expect([refused.status, refused.text.slice(0, want.length)]).toEqual([400, want]);
      }
      expect((await place.request("DELETE", PATH)).status).toBe(405);
      expect((await place.get(PATH)).SchedulerConfig.SchedulerAlgorithm).toBe("spread");
    }),
  MINUTE,
);

test(
  "the command merges what is named into what stands; jobs are let in again when the switch is off",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const scheduler = (...words: string[]) => place.cli("operator", "scheduler", ...words);
      expect(scheduler("set-config", "-scheduler-algorithm=spread", "-reject-job-registration").stdout).toBe("Scheduler configuration updated!\n");
      expect(scheduler("set-config", "--preempt-service-scheduler=true").status).toBe(0);
      expect(scheduler("get-config").stdout.split("\n").slice(0, 6)).toEqual([
        "Scheduler Algorithm           = spread",
        "Memory Oversubscription       = false",
        "Reject Job Registration       = true",
        "Pause Eval Broker             = false",
        "Preemption System Scheduler   = true",
        "Preemption Service Scheduler  = true",
      ]);
      const refused = place.run(shellJob({ id: "a", script: "true" }), "--detach");
      expect([refused.status, /Job registration, dispatch, and scale are disabled/.test(refused.stderr)]).toEqual([1, true]);
      expect((await place.request("PUT", "/v1/jobs", unplaceable("a"))).status).toBe(403);
      expect(await place.get("/v1/jobs")).toEqual([]);
      // Looking is not letting in.
      expect(place.cli("plan", place.write("plan.toml", shellJob({ id: "a", script: "true" }))).status).toBe(1);
      expect(scheduler("set-config", "-reject-job-registration=false").status).toBe(0);
      expect(place.run(shellJob({ id: "a", script: "true" }), "--detach").status).toBe(0);
      for (const [words, want] of [
        [["set-config", "--check-index", "1"], /check-index 1 does not match the current one/],
        [["set-config", "--pause-eval-broker=perhaps"], /--pause-eval-broker "perhaps" is neither true nor false/],
        [["set-config", "--scheduler-algorithm=random"], /invalid scheduler algorithm: random/],
        [["set-config", "--check-index", "x"], /--check-index "x" is no whole number/],
      ] as const) {
        const done = scheduler(...words);
        expect([done.status, want.test(done.stderr) ? "told" : done.stderr]).toEqual([1, "told"]);
      }
    }),
  MINUTE,
);

test(
  "while the broker is paused evaluations are kept, also over a restart; then they run",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      place.ok("operator", "scheduler", "set-config", "--pause-eval-broker");
      expect(place.run(shellJob({ id: "kept", script: "true" }), "--detach").status).toBe(0);
      await agent.kill();
      await place.start({ dataDirectory: agent.dataDirectory, port: agent.port });
      expect(place.run(shellJob({ id: "kept-too", script: "true" }), "--detach").status).toBe(0);
      const statuses = async () => (await place.get("/v1/evaluations")).map((one: { Status: string }) => one.Status);
      expect(await statuses()).toEqual(["pending", "pending"]);
      place.ok("operator", "scheduler", "set-config", "--pause-eval-broker=false");
      for (const id of ["kept", "kept-too"]) await place.untilAlloc(id, "complete");
    }),
  MINUTE,
);

test(
  "scheduler, autopilot and joined regions are known to every server, and outlive the end of all of them",
  () =>
    inPlace(async (place) => {
      const east = await place.start({ name: "east", flags: ["--server", "--region", "east"] });
      const [one, two] = await startPair(place);
      place.agent = two;
      place.ok("server", "join", `east=${east.address}`);
      place.ok("operator", "scheduler", "set-config", "--scheduler-algorithm=spread");
      const autopilot = "/v1/operator/autopilot/configuration";
      expect((await ask(two, "PUT", autopilot, { MinQuorum: 2, LastContactThreshold: "7s" }))?.text).toBe("true");
      expect((await ask(two, "PUT", `${autopilot}?cas=1`, { MinQuorum: 3 }))?.text).toBe("false");
      const isKnown = async (agent: typeof one) => {
        const regions = (await ask(agent, "GET", "/v1/regions"))?.text;
        const scheduler = JSON.parse((await ask(agent, "GET", PATH))?.text ?? "{}").SchedulerConfig;
        const rules = JSON.parse((await ask(agent, "GET", autopilot))?.text ?? "{}");
        const isSet = scheduler?.SchedulerAlgorithm === "spread" && rules.MinQuorum === 2 && rules.LastContactThreshold === "7s";
        return regions === '["east","global"]' && isSet;
      };
      for (const agent of [one, two]) await until(`${agent.port} to know`, () => isKnown(agent));
      // Both are gone at once, with all they have in memory.
      await Promise.all([one.kill(), two.kill()]);
      const again = await startServer(place, "one");
      expect(await isKnown(again)).toBe(true);
      const other = await startServer(place, "two");
      await untilFollowing(other, again);
      await until("the other to know", () => isKnown(other));
      expect((await ask(again, "GET", "/v1/jobs?region=east"))?.text).toBe("[]");
    }),
  MINUTE,
);
