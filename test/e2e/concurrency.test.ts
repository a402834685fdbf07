// Runs that take turns for their concurrency key, with real processes: never two at once, over kills of the agent and its server.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NO_RETRY } from "./jobs.ts";
import { inPlace, type Place, root, until } from "./place.ts";

const MINUTE = 60_000;

/** Each run notes its beginning and end, and fails where another one is there; it waits for the file go-NAME. */
function turnsJob(place: Place, top: string): string {
  const script = `trap 'echo "-$NOMAD_META_name" >> ${place.path("log")}; rmdir ${place.path("lock")}; exit 0' TERM
mkdir ${place.path("lock")} || exit 9; echo "+$NOMAD_META_name" >> ${place.path("log")}
while [ ! -e ${place.path("go")}-"$NOMAD_META_name" ]; do sleep 0.05; done
echo "-$NOMAD_META_name" >> ${place.path("log")}; rmdir ${place.path("lock")}`;
  return `id = "turns"
type = "batch"
${top}
[group.g]
${NO_RETRY}
[group.g.task.main]
driver = "raw_exec"
kill_signal = "SIGTERM"
config = { command = "/bin/sh", args = ["-c", ${JSON.stringify(script)}] }
resources = { cpu = 10, memory = 10 }
`;
}

const FORM = '[parameterized]\nmeta_required = ["name"]';
const logOf = (place: Place) => (existsSync(place.path("log")) ? readFileSync(place.path("log"), "utf8").trim().split("\n") : []);

function dispatch(place: Place, name: string): string {
  const done = place.cli("job", "dispatch", "--detach", "--json", "--meta", `name=${name}`, "turns");
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout).DispatchedJobID;
}

async function statusOf(place: Place, id: string): Promise<string> {
  return (await place.get(`/v1/job/${encodeURIComponent(id)}`)).Status;
}

test(
  "runs of one key wait their turn, are shown to, and have it in their order over kills of the agent and its server",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.ok("run", place.write("turns.toml", turnsJob(place, `${FORM}\n[concurrency]\nkey = "all"`)));
      const ids = ["a", "b", "c", "d"].map((name) => dispatch(place, name)) as [string, string, string, string];
      await until("the first to run", () => logOf(place).includes("+a"));
      expect(place.ok("status", ids[1])).toMatch(/Status += pending: waits for concurrency key "all"/);
      expect(place.ok("explain", ids[2])).toContain(`waits for concurrency key "all": number 2 of 3, 1 of 1 runs (${ids[0]})`);
      expect(place.ok("explain", "turns")).toContain("3 of its runs wait their turn");
      const told = place.ok("job", "dispatch", "--meta", "name=e", "turns");
      expect(told).toContain('It waits for concurrency key "all"');
      const [last = ""] = /turns\/dispatch-\S+/.exec(told) ?? [];
      place.ok("stop", "--purge", "--detach", ids[2]);
      const { port, dataDirectory } = place.agent;
      await place.agent.kill();
      await Bun.write(`${place.path("go")}-a`, "");
      await place.start({ port, dataDirectory });
      await until("the second to run", () => logOf(place).includes("+b"));
      place.ok("stop", "--detach", ids[3]);
      await place.agent.kill();
      await place.start({ port, dataDirectory });
      await Bun.write(`${place.path("go")}-b`, "");
      await Bun.write(`${place.path("go")}-e`, "");
      await until("the last to end", async () => (await statusOf(place, last)) === "dead");
      expect(logOf(place)).toEqual(["+a", "-a", "+b", "-b", "+e", "-e"]);
      expect((await place.alloc(last)).ClientStatus).toBe("complete");
      expect(await statusOf(place, ids[3])).toBe("dead");
    }),
  MINUTE,
);

test(
  "skip refuses one too many and notes what it left out; replace ends the oldest first",
  () =>
    inPlace(async (place) => {
      await place.start();
      const job = (top: string) => place.ok("run", "--detach", place.write("turns.toml", turnsJob(place, top)));
      job(`${FORM}\n[concurrency]\npolicy = "skip"`);
      dispatch(place, "a");
      await until("the first to run", () => logOf(place).includes("+a"));
      const refused = place.cli("job", "dispatch", "--meta", "name=b", "turns");
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('concurrency key "turns": 1 of 1 runs (policy "skip")')]);
      expect((await place.request("PUT", "/v1/job/turns/dispatch", { Meta: { name: "b" } })).status).toBe(409);
      job(`${FORM}\n[concurrency]\npolicy = "replace"`);
      const second = dispatch(place, "b");
      const third = dispatch(place, "c");
      await until("the newest to run", () => logOf(place).includes("+c"));
      // The second may have begun before the third came, and was ended for it then.
      expect([logOf(place).slice(0, 2), logOf(place).at(-1)]).toEqual([["+a", "-a"], "+c"]);
      expect((await place.get(`/v1/job/${encodeURIComponent(second)}`)).Stop).toBe(true);
      await Bun.write(`${place.path("go")}-c`, "");
      await until("it to end", async () => (await statusOf(place, third)) === "dead");
      const clock = turnsJob(place, '[periodic]\ncron = "* * * * * * *"\n[concurrency]\npolicy = "skip"').replace('id = "turns"', 'id = "clock"');
      place.ok("run", "--detach", place.write("clock.toml", clock));
      await until("a fire that was left out", async () =>
        (await place.get("/v1/explain/job/clock")).Fires.some((fire: { Status: string }) => fire.Status === "skipped"),
      );
      expect(place.ok("explain", "clock")).toContain('(policy "skip")');
      expect((await place.get("/v1/jobs?prefix=clock/periodic-")).length).toBe(1);
      expect(place.cli("job", "periodic", "force", "clock").stderr).toContain("the run was not made");
    }),
  MINUTE,
);

test(
  "the example has the runs of one camera take turns",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.ok("run", join(root, "jobs/turns.toml"));
      const ids = ["yard", "yard", "door"].map(
        (camera) => JSON.parse(place.ok("job", "dispatch", "--detach", "--json", "--meta", `camera=${camera}`, "turns")).DispatchedJobID,
      );
      expect((await place.get(`/v1/job/${encodeURIComponent(ids[1])}`)).StatusDescription).toBe('waits for concurrency key "camera-yard"');
      for (const id of ids) await place.untilAlloc(id, "complete");
      const [first, second] = await Promise.all(ids.slice(0, 2).map((id) => place.alloc(id)));
      expect(Date.parse(second.TaskStates.look.StartedAt)).toBeGreaterThanOrEqual(Date.parse(first.TaskStates.look.FinishedAt));
    }),
  MINUTE,
);
