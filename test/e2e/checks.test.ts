// Checks of services on a real agent: what they ask, what roll-outs wait for, what starts again, and that an agent's death
// changes nothing of it.

import { expect, test } from "bun:test";
import { testWith } from "../support/real-parts.ts";
import { NO_RETRY, shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

/** Whom the checks ask: its answer is the test's to choose. */
class Answerer {
  status = 200;
  body = "fine";
  readonly asked: { readonly method: string; readonly path: string; readonly who: string | null; readonly text: string }[] = [];
  readonly #server = Bun.serve({
    port: 0,
    hostname: "0.0.0.0",
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      this.asked.push({ method: request.method, path: pathname + search, who: request.headers.get("x-who"), text: await request.text() });
      if (pathname === "/moved") return Response.redirect("/health", 302);
      return new Response(this.body, { status: this.status });
    },
  });

  get port(): number {
    return this.#server.port ?? 0;
  }

  stop(): void {
    this.#server.stop(true);
  }
}

const service = (port: number, checks: string) =>
  `[[group.g.network]]\nport = { http = { static = ${port} } }\n[[group.g.service]]\nname = "web"\nprovider = "nomad"\nport = "http"\n${checks}`;
const check = (lines: string) => `[[group.g.service.check]]\ninterval = "1s"\ntimeout = "1s"\n${lines}\n`;

function withAnswerer(body: (place: Place, answerer: Answerer) => Promise<void>): Promise<void> {
  return inPlace(async (place) => {
    const answerer = new Answerer();
    place.onClose(() => answerer.stop());
    await place.start();
    await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
    await body(place, answerer);
  });
}

function run(place: Place, toml: string): void {
  const done = place.run(toml, "--detach");
  expect([done.status, done.stderr]).toEqual([0, expect.not.stringContaining("rror")]);
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API
async function checksOf(place: Place, job: string): Promise<Record<string, any>> {
  const alloc = await place.alloc(job);
  if (!alloc) return {};
  const found: readonly { readonly Check: string }[] = Object.values(await place.get(`/v1/allocation/${alloc.ID}/checks`));
  return Object.fromEntries(found.map((one) => [one.Check, one]));
}

const statuses = async (place: Place, job: string) =>
  Object.fromEntries(Object.entries(await checksOf(place, job)).map(([name, one]) => [name, one.Status]));

test(
  "a roll-out waits for its checks; each asks as its job says, and is shown with what it was answered, also over an agent's death",
  () =>
    withAnswerer(async (place, answerer) => {
      answerer.status = 503;
      answerer.body = "not yet\nreally";
      const update = 'update = { min_healthy_time = "0s", healthy_deadline = "5m", progress_deadline = "10m" }';
      const checks =
        check(
          'name = "asks"\ntype = "http"\npath = "/health?x=1"\nmethod = "POST"\nbody = "${NOMAD_ALLOC_INDEX}"\nheader = { X-Who = ["${NOMAD_JOB_ID}"] }',
        ) +
        check('name = "moved"\ntype = "http"\npath = "/moved"') +
        check('name = "port"\ntype = "tcp"') +
        check('name = "nobody"\ntype = "tcp"\nport = "1"\non_update = "ignore"');
      run(place, shellJob({ id: "web", type: "service", script: "exec sleep 600", group: `${update}\n${service(answerer.port, checks)}` }));
      await until("all were made", async () => {
        const now = await statuses(place, "web");
        return now.asks === "failure" && now.moved === "failure" && now.port === "success" && now.nobody === "failure";
      });
      expect(answerer.asked.find((one) => one.method === "POST")).toEqual({ method: "POST", path: "/health?x=1", who: "web", text: "0" });
      const alloc = await place.untilAlloc("web", "running");
      expect(alloc.DeploymentStatus?.Healthy ?? null).toBe(null);
      const live: readonly { readonly Check: string }[] = Object.values(await place.get(`/v1/client/allocation/${alloc.ID}/checks`));
      expect(live.find((one) => one.Check === "asks")).toMatchObject({
        Group: "web.g[0]",
        Mode: "healthiness",
        Output: "not yet\nreally",
        Service: "web",
        Task: "",
        Status: "failure",
        StatusCode: 503,
      });
      expect(live.find((one) => one.Check === "nobody")).toMatchObject({ Mode: "readiness", Status: "failure" });
      expect(place.ok("alloc", "checks", alloc.ID)).toMatch(/web +\(group\) +asks +healthiness +failure .*not yet\.\.\./);

      answerer.status = 200;
      await until("the deployment", async () => (await place.get("/v1/job/web/deployment"))?.Status === "successful");
      await place.agent.kill();
      await place.start({ port: place.agent.port, dataDirectory: place.agent.dataDirectory });
      const before = answerer.asked.length;
      await until("it asks again", () => answerer.asked.length > before);
      const after = await place.alloc("web");
      expect([after?.ID, after?.TaskStates.main.Restarts]).toEqual([alloc.ID, 0]);
      expect(await statuses(place, "web")).toEqual({ asks: "success", moved: "success", port: "success", nobody: "failure" });
      expect(place.ok("alloc", "status", alloc.ID)).toContain("Service Checks");
      place.ok("stop", "web");
      await place.untilAlloc("web", "complete");
      const asked = answerer.asked.length;
      await Bun.sleep(1500);
      expect(answerer.asked.length).toBe(asked);
    }),
  MINUTE,
);

test(
  "a task whose check fails too often starts again by its restart policy, and fails beyond it",
  () =>
    withAnswerer(async (place, answerer) => {
      answerer.status = 500;
      const restart =
        'restart = { attempts = 1, delay = "100ms", interval = "10m", mode = "fail" }\nreschedule = { attempts = 0, unlimited = false }';
      const checks = check('name = "up"\ntype = "http"\npath = "/health"\ncheck_restart = { limit = 2, grace = "0s" }');
      const script = "trap 'exit 0' TERM INT; while :; do sleep 0.1; done";
      run(place, shellJob({ id: "sick", type: "batch", script, group: `${restart}\n${service(answerer.port, checks)}` }));
      const alloc = await place.untilAlloc("sick", "failed", 30_000);
      const { Restarts, Failed, Events } = alloc.TaskStates.main;
      expect([Restarts, Failed]).toEqual([1, true]);
      const messages = Events.map((event: { readonly DisplayMessage: string }) => event.DisplayMessage);
      expect(messages).toContain('Healthcheck: check "up" of service "web" failed 2 times in a row');
      expect(messages.at(-1)).toContain("Exceeded allowed attempts 1");
    }),
  MINUTE,
);

testWith(
  ["root", "unshare", "nsenter"],
  "a script check is a command in its task: 0 passes, 1 warns, anything else fails, as does one that takes too long",
  () =>
    inPlace(async (place) => {
      await place.start();
      await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      const script = (name: string, text: string, more = "") =>
        `[[group.g.service.check]]\nname = "${name}"\ntype = "script"\ntask = "main"\ncommand = "/bin/sh"\nargs = ["-c", ${JSON.stringify(text)}]\n` +
        `interval = "1s"\ntimeout = "1s"\n${more}\n`;
      const scripts =
        script("well", 'test "$NOMAD_TASK_NAME" = main && echo in task ${NOMAD_TASK_NAME}') +
        script("warns", "echo low; exit 1") +
        script("fails", "echo broken >&2; exit 2") +
        script("hangs", "sleep 600");
      for (const driver of ["raw_exec", "exec"]) {
        const toml = shellJob({ id: driver, type: "service", script: "exec sleep 600", group: `[[group.g.service]]\nname = "web"\n${scripts}` });
        run(place, toml.replace('driver = "raw_exec"', `driver = "${driver}"`));
        const settled = { well: "success", warns: "warning", fails: "failure", hangs: "failure" };
        await until(`the checks of ${driver}`, async () => Bun.deepEquals(await statuses(place, driver), settled));
        const found = await checksOf(place, driver);
        expect([found.well.Output, found.warns.Output, found.fails.Output]).toEqual(["in task main\n", "low\n", "broken\n"]);
        expect(found.hangs.Output).toBe("the script did not end in time");
        place.ok("stop", driver);
        await place.untilAlloc(driver, "complete");
      }
    }),
  MINUTE,
);

test(
  "checks that cannot be made as they are written are refused where they stand",
  () =>
    inPlace(async (place) => {
      await place.start();
      const refused: readonly (readonly [string, string])[] = [
        ['[[group.g.service]]\nname = "a"\n[[group.g.service.check]]\ntype = "tcp"\ntimeout = "1s"', "`interval` of a check must be at least 1s"],
        [`[[group.g.service]]\nname = "a"\n${check('type = "tcp"')}`, "a tcp check needs a `port`"],
        [`[[group.g.service]]\nname = "a"\nport = "htp"\n${check('type = "tcp"')}`, 'no port "htp" (it has none)'],
        [`[[group.g.service]]\nname = "a"\nport = "80"\n${check('type = "http"')}`, "an http check needs `path`"],
        [`[[group.g.service]]\nname = "a"\nport = "80"\n${check('type = "grpc"')}`, "grpc checks are not carried out by edgectl yet"],
        [`[[group.g.service]]\nname = "a"\n${check('type = "script"\ncommand = "x"')}`, "a script check of a group's service needs `task`"],
      ];
      for (const [group, want] of refused) {
        const done = place.run(shellJob({ id: "bad", script: "true", group: `${NO_RETRY}\n${group}` }));
        expect([done.status, done.stderr]).toEqual([1, expect.stringContaining(want)]);
      }
    }),
  MINUTE,
);
