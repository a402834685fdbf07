// Explanations on a real agent: jobs that run, wait, fail, fire, were paused or never ran, on all nodes or on one, and wrong
// questions.

import { expect, test } from "bun:test";
import { NO_RETRY, shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

async function oneNode(place: Place): Promise<{ readonly ID: string; readonly Name: string }> {
  await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
  return (await place.get("/v1/nodes"))[0];
}

/** Registers a job and waits until it was evaluated. */
async function register(place: Place, id: string, toml: string): Promise<void> {
  const done = place.run(toml, "--detach");
  if (done.status !== 0) throw new Error(done.stderr);
  const isPending = (one: { Status: string }) => one.Status === "pending";
  await until(`${id} to be evaluated`, async () => !(await place.get(`/v1/job/${id}/evaluations`)).some(isPending));
}

test(
  "why it runs nowhere: the value on the node, the value wanted, and the nearest change, which then helps",
  () =>
    inPlace(async (place) => {
      await place.start();
      const node = await oneNode(place);
      const { NodeResources: has } = await place.get(`/v1/node/${node.ID}`);
      const sized = (memory: number) =>
        shellJob({ id: "big", type: "service", script: "exec sleep 1000" }).replace("memory = 10", `memory = ${memory}`);
      await register(place, "big", sized(has.Memory.MemoryMB * 2));
      const text = place.ok("explain", "big");
      expect(text).toMatch(/1 of 1 has no place: memory \(it has \d+ MiB free of \d+, wanted \d+ MiB\)/);
      expect(text).toMatch(/number 1 of the queue, it waits for memory on 1 node/);
      const [, less] = /1 node would fit if memory were (\d+) MiB instead of/.exec(text) ?? [];
      await register(place, "big", sized(Number(less) + 1));
      expect((await place.get("/v1/explain/job/big")).Groups[0].Waiting).toBe(1);
      await register(place, "big", sized(Number(less)));
      await place.untilAlloc("big", "running");
      expect(place.ok("explain", "big")).toMatch(/1 of 1 run/);
      const arm = shellJob({ id: "arm", script: "true", top: 'constraint = [{ attribute = "${attr.cpu.arch}", value = "none-such" }]' });
      await register(place, "arm", arm);
      const [verdict] = (await place.get("/v1/explain/job/arm")).Groups[0].Placement.Verdicts;
      expect(verdict).toMatchObject({
        Kind: "filtered",
        Reason: "${attr.cpu.arch} = none-such",
        Wanted: "= none-such",
        Count: 1,
        Nodes: [node.Name],
      });
      expect(verdict.Actual).toMatch(/^(amd64|arm64)$/);
      // One node, by name, by id and by the id's beginning; and an evaluation that waits.
      for (const name of [node.Name, node.ID, node.ID.slice(0, 8)])
        expect(place.ok("explain", "--node", name, "arm")).toContain(`${node.Name} takes none: \${attr.cpu.arch} = none-such`);
      const [blocked] = await place.get("/v1/evaluations?status=blocked&job=arm");
      expect(place.ok("explain", blocked.ID)).toContain("1 of 1 has no place");
      expect((await place.get(`/v1/explain/evaluation/${blocked.ID}`)).Queue).toMatchObject({
        Position: 1,
        WaitsFor: ["${attr.cpu.arch} = none-such on 1 node"],
      });
      place.ok("node", "eligibility", "--disable", node.Name);
      await register(place, "late", shellJob({ id: "late", script: "true" }));
      // It would be as full as before: to make it eligible alone is no help, until the other one is gone.
      expect(place.ok("explain", "late")).not.toContain("would fit");
      expect(place.cli("stop", "--detach", "big").status).toBe(0);
      await place.untilAlloc("big", "complete");
      expect(place.ok("explain", "late")).toContain(`1 node (${node.Name}) would fit, if eligible: edgectl node eligibility --enable NODE`);
    }),
  MINUTE,
);

test(
  "why it ended: code and signal in words, last lines, what came of it and what comes",
  () =>
    inPlace(async (place) => {
      await place.start();
      await oneNode(place);
      await register(place, "crash", shellJob({ id: "crash", script: "echo first; echo 'cannot open the door' >&2; exit 3", group: NO_RETRY }));
      const crashed = await place.untilAlloc("crash", "failed");
      await until("its end to be settled", () => place.ok("explain", "crash").includes("has no reschedule attempts"));
      const text = place.ok("explain", "crash");
      expect(text).toContain("ended ");
      expect(text).toContain("Exit Code: 3");
      expect(text).toContain("then: Policy allows no restarts");
      expect(text).toContain("Last lines of main's stderr\n  cannot open the door\n");
      expect(text).toContain("Last lines of main's stdout\n  first\n");
      const ofAlloc = place.ok("explain", crashed.ID);
      expect(ofAlloc).toContain(`Allocation ${crashed.ID} of job "crash"`);
      expect(ofAlloc).toMatch(/it was placed on .*: the only node there was for it/);
      expect(ofAlloc).toContain("Next\nnothing by itself: edgectl job resume crash goes on with what failed");
      await register(place, "killed", shellJob({ id: "killed", script: "kill -SEGV $$", group: NO_RETRY }));
      await place.untilAlloc("killed", "failed");
      expect(place.ok("explain", "killed")).toContain("SIGSEGV: it touched memory that is not its own");
      await register(
        place,
        "again",
        shellJob({ id: "again", type: "service", script: "exit 1", task: 'restart = { attempts = 5, delay = "30s", interval = "10m" }' }),
      );
      await until("the restart", async () => ((await place.get("/v1/explain/job/again")).Next[0]?.What ?? "").includes("starts again"));
      const [step] = (await place.get("/v1/explain/job/again")).Next;
      expect(step.What).toBe('task "main" of again.g[0] starts again: Restart within policy');
      const inMs = Date.parse(step.At) - Date.now();
      expect(inMs > 0 && inMs < 60_000).toBe(true);
      const whole = JSON.parse(place.ok("explain", "--json", "crash"));
      expect([whole.LastFailure.Tasks[0].LastExit.Code, whole.Logs.length]).toEqual([3, 2]);
      // Who was told to stop did not fail.
      await register(place, "told", shellJob({ id: "told", type: "service", script: "exec sleep 1000" }));
      await place.untilAlloc("told", "running");
      place.ok("stop", "told");
      await place.untilAlloc("told", "complete");
      expect((await place.get("/v1/explain/job/told")).LastFailure).toBe(null);
    }),
  MINUTE,
);

test(
  "a periodic parent, a template, a stopped one, a system job on a node, one of a paused broker, and one that was purged",
  () =>
    inPlace(async (place) => {
      await place.start();
      const node = await oneNode(place);
      await register(place, "nightly", shellJob({ id: "nightly", script: "true", top: 'periodic = { crons = ["0 3 * * *"] }' }));
      expect(place.ok("explain", "nightly")).toMatch(/has not fired since it was registered\n\nNext\nin .* \(\d{4}-.*T03:00:00\.000Z\): it fires/);
      const slow = shellJob({ id: "slow", script: "exec sleep 1000", top: 'periodic = { crons = ["* * * * * * *"], prohibit_overlap = true }' });
      await register(place, "slow", slow);
      await until("a fire that was left out", () =>
        place.ok("explain", "slow").includes("was left out: an earlier run is still active (prohibit_overlap)"),
      );
      expect(place.ok("explain", "slow")).toMatch(/it fires, or not, if slow\/periodic-\d+ is still active then/);
      await register(place, "off", shellJob({ id: "off", script: "true", top: 'periodic = { crons = ["0 3 * * *"], enabled = false }' }));
      expect(place.ok("explain", "off")).toContain("its schedule is off: periodic.enabled is false");
      await register(place, "template", shellJob({ id: "template", script: "true", top: "[parameterized]" }));
      expect(place.ok("explain", "template")).toContain("it runs when it is dispatched: edgectl job dispatch template");
      await register(place, "sys", shellJob({ id: "sys", type: "system", script: "exec sleep 1000" }));
      await place.untilAlloc("sys", "running");
      expect(place.ok("explain", "--node", node.Name, "sys")).toContain("sys.g[0] is there (running)");
      expect(place.cli("stop", "--detach", "sys").status).toBe(0);
      expect(place.ok("explain", "sys")).toContain("the job is stopped");
      place.ok("operator", "scheduler", "set-config", "--pause-eval-broker");
      expect(place.run(shellJob({ id: "kept", script: "true" }), "--detach").status).toBe(0);
      expect(place.ok("explain", "kept")).toContain("the broker is paused: evaluations are kept and not run");
      const [evaluation] = await place.get("/v1/job/kept/evaluations");
      expect(place.cli("stop", "--purge", "--detach", "kept").status).toBe(0);
      expect((await place.get(`/v1/explain/evaluation/${evaluation.ID}`)).Summary[0]).toBe('the job "kept" is gone');
    }),
  MINUTE,
);

test(
  "wrong questions",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      await register(place, "w", shellJob({ id: "w", script: "true" }));
      expect(place.ok("explain", "w")).toContain("there are no nodes");
      const nobody = "00000000-0000-4000-8000-000000000000";
      for (const [method, path, status, text] of [
        ["GET", "/v1/explain/job/none", 404, "job not found"],
        ["GET", `/v1/explain/allocation/${nobody}`, 404, "alloc not found"],
        ["GET", `/v1/explain/evaluation/${nobody}`, 404, "eval not found"],
        ["GET", "/v1/explain/allocation/short", 500, "alloc lookup failed"],
        ["GET", "/v1/explain/node/x", 404, ""],
        ["GET", "/v1/explain/job/", 404, ""],
        ["GET", "/v1/explain/job/w?node=mars", 404, 'no node has the id or the name "mars"'],
        ["PUT", "/v1/explain/job/w", 405, "Invalid method"],
      ] as const) {
        const reply = await place.request(method, path);
        expect([path, reply.status, reply.text.slice(0, text.length)]).toEqual([path, status, text]);
      }
      const done = place.cli("explain", "--node", "mars", "w");
      expect([done.status, /no node has the id or the name "mars"/.test(done.stderr)]).toEqual([1, true]);
    }),
  MINUTE,
);
