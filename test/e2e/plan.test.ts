// Plans on a real agent: what they say, that they change nothing, and that what they announced is what then happens.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

const web = (own: { readonly count?: number; readonly text?: string; readonly top?: string; readonly attempts?: number } = {}) =>
  shellJob({
    id: "web",
    type: "service",
    top: own.top ?? "",
    script: `echo ${own.text ?? "a"}; exec sleep 1000`,
    group: `count = ${own.count ?? 1}\nupdate = { min_healthy_time = "0s" }`,
    task: `restart = { attempts = ${own.attempts ?? 1} }`,
  });

async function indexOf(place: Place): Promise<number> {
  const reply = await place.request("GET", "/v1/operator/raft/configuration");
  return JSON.parse(reply.text).Index;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
async function planned(place: Place, job: string): Promise<any> {
  const done = place.cli("plan", "--json", place.write("planned.toml", job));
  if (done.status === 255) throw new Error(done.stderr);
  return JSON.parse(done.stdout);
}

test(
  "what a plan announces is what a run does; a plan itself changes nothing",
  () =>
    inPlace(async (place) => {
      await place.start();
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      const file = place.write("web.toml", web());
      const before = await indexOf(place);
      const first = place.cli("plan", file);
      expect([first.status, first.stderr]).toEqual([1, ""]);
      expect(first.stdout).toBe(
        `+ Job: "web"
+ Task Group: "g" (1 create)
  + Task: "main" (forces create)

Scheduler dry-run:
- All tasks successfully allocated.
- Group "g": 1 created.

Job Modify Index: 0
To run it only if nobody has changed it meanwhile:

  edgectl run --check-index 0 ${file}
`,
      );
      expect([await indexOf(place), await place.get("/v1/jobs"), await place.get("/v1/evaluations")]).toEqual([before, [], []]);
      expect(place.cli("run", "--check-index", "0", file).status).toBe(0);
      // Once more it is new to nobody.
      const again = place.cli("run", "--check-index", "0", file);
      expect([again.status, /Enforcing job modify index 0: job already exists/.test(again.stderr)]).toEqual([1, true]);
      const same = place.cli("plan", file);
      expect([same.status, same.stdout.split("\n")[0]?.trim()]).toEqual([0, 'Job: "web"']);
      const cases = [
        ["more of it", web({ count: 3 }), "(2 create, 1 in-place update)", '+/- Count: "1" => "3" (forces create)', { Place: 2, InPlaceUpdate: 1 }],
        ["another script", web({ text: "b" }), "(1 create/destroy update)", 'Task: "main" (forces create/destroy update)', { DestructiveUpdate: 1 }],
        ["another policy", web({ attempts: 5 }), "(1 in-place update)", 'Task: "main" (forces in-place update)', { InPlaceUpdate: 1 }],
        ["none of it", web({ count: 0 }), "(1 destroy)", '+/- Count: "1" => "0" (forces destroy)', { Stop: 1 }],
      ] as const;
      for (const [name, job, updates, line, counts] of cases) {
        const plan = place.cli("plan", place.write("next.toml", job));
        expect([name, plan.status]).toEqual([name, name === "another policy" ? 0 : 1]);
        expect(plan.stdout).toContain(updates);
        expect(plan.stdout).toContain(line);
        const json = await planned(place, job);
        const zero = { Ignore: 0, Place: 0, Migrate: 0, Stop: 0, InPlaceUpdate: 0, DestructiveUpdate: 0, Canary: 0, Preemptions: 0 };
        expect([name, json.Annotations.DesiredTGUpdates.g]).toEqual([name, { ...zero, ...counts }]);
      }
      // Carried out: the same allocation goes on in place, another one replaces it.
      const [one] = await place.get("/v1/job/web/allocations");
      expect(place.run(web({ attempts: 5 })).status).toBe(0);
      const [two] = await place.get("/v1/job/web/allocations");
      expect([two.ID, two.JobVersion, two.TaskStates.main.StartedAt]).toEqual([one.ID, 1, one.TaskStates.main.StartedAt]);
      expect(place.run(web({ attempts: 5, text: "b" })).status).toBe(0);
      const allocs = await place.get("/v1/job/web/allocations");
      expect(
        allocs.filter((alloc: { DesiredStatus: string }) => alloc.DesiredStatus === "run").map((alloc: { ID: string }) => alloc.ID),
      ).not.toContain(one.ID);
      // What plan says of it beforehand is what the allocation notes.
      const status = place.ok("alloc", "status", one.ID);
      expect(status).toMatch(/Scheduler Events\nTime +Decision +Reason\n\S+ +replace +its tasks run differently in the new version\n/);
      expect(status).toMatch(/ update-in-place +the new version changes nothing that its tasks see\n.+ place +the count is 1\n/);
    }),
  MINUTE,
);

test(
  "what does not fit, what fires later, what was stopped, and only what is asked for",
  () =>
    inPlace(async (place) => {
      await place.start();
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      const big = web().replace("cpu = 10,", "cpu = 900000,");
      const done = place.cli("plan", place.write("big.toml", big));
      expect(done.status).toBe(1);
      expect(done.stdout).toContain('- WARNING: Failed to place all allocations.\n  Task Group "g" (failed to place 1 allocation):\n');
      expect(done.stdout).toContain('Dimension "cpu" exhausted on 1 node');
      const json = await planned(place, big);
      expect([json.FailedTGAllocs.g.DimensionExhausted, json.CreatedEvals.length, json.CreatedEvals[0].Status]).toEqual([{ cpu: 1 }, 1, "blocked"]);
      const nightly = place.write("nightly.toml", shellJob({ id: "nightly", script: "true", top: 'periodic = { crons = ["0 3 * * *"] }' }));
      const fired = place.cli("plan", nightly);
      expect([fired.status, fired.stdout]).toEqual([
        1,
        expect.stringMatching(/- If submitted now, next periodic launch would be at \d{4}-\d\d-\d\dT03:00:00Z\./),
      ]);
      const bare = place.cli("plan", "-diff=false", "-verbose", "-policy-override", place.write("web.toml", web()));
      expect([bare.status, bare.stdout.includes("Job:"), /web\.g\[0\] +place +- +\w/.test(bare.stdout)]).toEqual([1, false, true]);
      expect(place.cli("plan", "--verbose", place.path("web.toml")).stdout).toContain("+ Driver: ");
      const colored = place.cli("plan", "--color", place.path("web.toml")).stdout;
      expect(colored).toContain('\u001b[32m+ \u001b[0m\u001b[1mJob: "web"\u001b[0m');
      expect(place.run(web(), "--detach").status).toBe(0);
      expect(place.cli("stop", "--detach", "web").status).toBe(0);
      const start = await planned(place, web());
      expect([start.Diff.Type, start.Diff.Fields]).toEqual([
        "Edited",
        [{ Type: "Edited", Name: "Stop", Old: "true", New: "false", Annotations: null }],
      ]);
      // Without the wish for a diff there is none.
      const wire = JSON.parse(place.ok("run", "--output", place.path("web.toml")));
      const reply = await place.request("PUT", "/v1/job/web/plan", wire);
      expect([reply.status, JSON.parse(reply.text).Diff]).toEqual([200, null]);
    }),
  MINUTE,
);

test(
  "who would have to go is named, counted, and goes; nobody while the switch is off",
  () =>
    inPlace(async (place) => {
      await place.start();
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      const [stub] = await place.get("/v1/nodes");
      const { CpuShares: cpu } = (await place.get(`/v1/node/${stub.ID}`)).NodeResources.Cpu;
      const sized = (id: string, priority: number) =>
        shellJob({ id, type: "service", top: `priority = ${priority}`, script: "exec sleep 1000" }).replace(
          "cpu = 10",
          `cpu = ${Math.floor(cpu * 0.6)}`,
        );
      expect(place.run(sized("low", 20), "--detach").status).toBe(0);
      const low = await place.untilAlloc("low", "running");
      const off = await planned(place, sized("high", 70));
      expect([off.FailedTGAllocs.g.DimensionExhausted, off.Annotations.PreemptedAllocs]).toEqual([{ cpu: 1 }, null]);
      place.ok("operator", "scheduler", "set-config", "--preempt-service-scheduler=true");
      const on = await planned(place, sized("high", 70));
      expect([on.FailedTGAllocs, on.Annotations.DesiredTGUpdates.g.Preemptions]).toEqual([null, 1]);
      expect(on.Annotations.PreemptedAllocs).toMatchObject([{ ID: low.ID, JobID: "low", JobType: "service", TaskGroup: "g" }]);
      const text = place.cli("plan", place.path("planned.toml")).stdout;
      expect(text).toContain('- Group "g": 1 created, 1 of other jobs preempted.');
      expect(text).toMatch(/Preemptions:\nAlloc ID +Job ID +Task Group +Node\n[0-9a-f]{8} +low +g/);
      expect((await place.get(`/v1/allocation/${low.ID}`)).DesiredStatus).toBe("run");
      expect(place.run(sized("high", 70), "--detach").status).toBe(0);
      await place.untilAlloc("high", "running");
      expect(place.ok("explain", low.ID)).toMatch(/it had to go for allocation [0-9a-f]{8} of higher priority/);
    }),
  MINUTE,
);

test(
  "wrong input is status 255 with what is wrong, and 4xx or 500 on the wire",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const file = place.write("web.toml", web());
      for (const [words, want] of [
        [["plan", "nowhere.toml"], /nowhere\.toml does not exist/],
        [["plan", place.write("bad.toml", "id = ")], /bad\.toml:1:/],
        [["plan", file, "more"], /unexpected argument "more"/],
        [["plan", "--no-such", file], /unknown option --no-such/],
        [["plan", "--address", "http://127.0.0.1:1", file], /no agent answers/],
      ] as const) {
        const done = place.cli(...words);
        expect([done.status, want.test(done.stderr) ? "told" : done.stderr]).toEqual([255, "told"]);
      }
      expect(place.run(web(), "--detach").status).toBe(0);
      const other = place.cli("plan", place.write("batch.toml", shellJob({ id: "web", script: "true" })));
      expect([other.status, /is of type service; its type cannot change to batch/.test(other.stderr)]).toEqual([255, true]);
      for (const [path, body, status, text] of [
        ["/v1/job/web/plan", {}, 400, "Job must be specified"],
        ["/v1/job/web/plan", { Job: { ID: "other" } }, 400, "Job ID does not match"],
        ["/v1/job/web/plan", { Job: { ID: "web", Type: "service" } }, 500, "1 error occurred:"],
      ] as const) {
        const reply = await place.request("PUT", path, body);
        expect([reply.status, reply.text.slice(0, text.length)]).toEqual([status, text]);
      }
    }),
  MINUTE,
);
