// run and stop against canned answers: what is told, once each, and the exit status.

import { describe, expect, test } from "bun:test";
import { type Goal, standingOf } from "../../cmd/edgectl/cli/standing.ts";
import type { AllocStub, WireJob } from "../../cmd/edgectl/cli/wire-types.ts";
import { edgectl, indexed, refusal } from "./fake-agent.ts";

const FILE = `id = "x"\n[task.x]\ndriver = "raw_exec"\nconfig = { command = "/bin/true" }\n`;
const files = { "/home/ada/x.toml": FILE, "/home/ada/batch.toml": FILE.replace('"x"\n', '"x"\ntype = "batch"\n') };

function alloc(more: Partial<AllocStub> = {}): AllocStub {
  return {
    ID: "a1110000-0000-0000-0000-000000000000",
    EvalID: "e",
    Name: "x.x[0]",
    Namespace: "default",
    NodeID: "n",
    NodeName: "pi",
    JobID: "x",
    JobVersion: 0,
    TaskGroup: "x",
    DesiredStatus: "run",
    DesiredDescription: "",
    ClientStatus: "pending",
    ClientDescription: "",
    TaskStates: null,
    DeploymentStatus: null,
    FollowupEvalID: "",
    NextAllocation: "",
    CreateIndex: 12,
    ModifyIndex: 12,
    CreateTime: 1,
    ModifyTime: 1,
    ...more,
  };
}

function job(more: Partial<WireJob> = {}): WireJob {
  const groups = [{ Name: "x", Count: 1, Update: { HealthCheck: "task_states" }, Tasks: [] }];
  return { ID: "x", Type: "service", Version: 0, Stop: false, TaskGroups: groups, ...more } as unknown as WireJob; // what standing looks at
}

function events(...types: readonly string[]) {
  const Events = types.map((Type, at) => ({ Type, Time: (1_800_000_000_000 + at) * 1e6, DisplayMessage: `about ${Type}` }));
  return { x: { State: "running", Failed: false, Restarts: 0, LastRestart: null, StartedAt: null, FinishedAt: null, Events } };
}

const evaluation = {
  ID: "e0000000-0000-0000-0000-000000000000",
  Namespace: "default",
  JobID: "x",
  Type: "service",
  TriggeredBy: "job-register",
  Status: "complete",
  StatusDescription: "",
  BlockedEval: "",
  FailedTGAllocs: null,
  CreateIndex: 10,
  ModifyIndex: 12,
  CreateTime: 1_800_000_000_000 * 1e6,
};

/** Of one canary that somebody has to promote. */
function deployment(group: Readonly<Record<string, unknown>> = {}) {
  const TaskGroups = {
    x: { AutoPromote: false, Promoted: false, DesiredCanaries: 1, DesiredTotal: 2, HealthyAllocs: 0, UnhealthyAllocs: 0, ...group },
  };
  return { ID: "d0000000-0000-0000-0000-000000000000", JobID: "x", JobVersion: 0, Status: "running", StatusDescription: "", TaskGroups };
}

/** Each look at the allocs gets the next answer, the last one for ever; a look that changes nothing keeps its index. */
function agent(looks: readonly (readonly AllocStub[])[], more: Readonly<Record<string, unknown>> = {}) {
  let look = 0;
  return {
    "PUT /v1/jobs": { EvalID: evaluation.ID, EvalCreateIndex: 10, JobModifyIndex: 10 },
    [`GET /v1/evaluation/${evaluation.ID}`]: evaluation,
    "GET /v1/job/x": job(),
    "GET /v1/job/x/deployments": [],
    "GET /v1/job/x/allocations": () => {
      const at = Math.min(look++, looks.length - 1);
      return indexed(20 + at, looks[at]);
    },
    ...more,
  };
}

describe("run", () => {
  test("tells each thing once and ends when the job is healthy", async () => {
    const started = alloc({ ClientStatus: "running", TaskStates: events("Received", "Started") });
    const healthy = { ...started, DeploymentStatus: { Healthy: true } };
    const ran = await edgectl(["run", "x.toml"], { files, routes: agent([[alloc()], [started], [started], [healthy]]) });
    expect(ran.status).toBe(0);
    expect(ran.out).toBe(`==> Monitoring evaluation "e0000000"
    Evaluation triggered by job-register of job "x"
    Evaluation "e0000000" finished with status "complete"
    Allocation "a1110000" created: group "x", node "pi"
    Allocation "a1110000" task "x": Started: about Started
    Allocation "a1110000" is healthy
==> job "x" is healthy: 1 allocation
`);
  });

  test("tells how the deployment gets on, and that canaries wait to be promoted", async () => {
    const healthy = alloc({ DeploymentStatus: { Healthy: true } });
    const looks = [deployment({ HealthyAllocs: 0 }), deployment({ HealthyAllocs: 1 }), deployment({ HealthyAllocs: 1 })];
    let look = 0;
    const routes = agent([[alloc()], [healthy]], { "GET /v1/job/x/deployments": () => [looks[Math.min(look++, 2)]] });
    const ran = await edgectl(["run", "x.toml"], { files, routes });
    expect(ran.out.split("\n").filter((line) => /eployment|canaries/.test(line))).toEqual([
      '    Deployment "d0000000" is running; x: 0 of 1 canaries healthy',
      '    Deployment "d0000000" is running; x: 1 of 1 canaries healthy',
      '==> the canaries of job "x" are healthy, and wait: edgectl deployment promote d0000000',
    ]);
    expect(ran.status).toBe(0);
  });

  test("a deployment that failed ends it with status 2, also where the version it went back to is healthy", async () => {
    const failed = { ...deployment(), Status: "failed", StatusDescription: "Failed due to progress deadline" };
    const newer = { ...deployment(), ID: "d1", JobVersion: 1, Status: "successful" };
    const healthy = alloc({ JobVersion: 1, DeploymentStatus: { Healthy: true } });
    const ran = await edgectl(["run", "x.toml"], { files, routes: agent([[healthy]], { "GET /v1/job/x/deployments": [newer, failed] }) });
    expect(ran.out).toContain("==> deployment d0000000 failed: Failed due to progress deadline\n");
    expect(ran.status).toBe(2);
  });

  test("reads block on the index instead of asking again and again", async () => {
    const ran = await edgectl(["run", "x.toml"], { files, routes: agent([[alloc()], [alloc({ DeploymentStatus: { Healthy: true } })]]) });
    const looks = ran.asked.filter((line) => line.includes("/allocations"));
    expect(looks[0]).not.toContain("index=");
    expect(looks[1]).toContain("index=20");
    expect(looks[1]).toContain("wait=10000ms");
  });

  test("what cannot be placed is explained, with status 2", async () => {
    const metric = {
      NodesEvaluated: 3,
      NodesInPool: 3,
      ConstraintFiltered: { "${attr.cpu.arch} = arm": 2 },
      NodesExhausted: 1,
      DimensionExhausted: { memory: 1 },
      CoalescedFailures: 1,
    };
    const failed = { ...evaluation, FailedTGAllocs: { x: metric }, BlockedEval: "b0000000-0" };
    const ran = await edgectl(["run", "x.toml"], { files, routes: agent([[]], { [`GET /v1/evaluation/${evaluation.ID}`]: failed }) });
    expect(ran.status).toBe(2);
    expect(ran.out).toContain('Task Group "x" (failed to place 2 allocations):');
    expect(ran.out).toContain('Constraint "${attr.cpu.arch} = arm": 2 nodes excluded by filter');
    expect(ran.out).toContain('Dimension "memory" exhausted on 1 node\n');
  });

  test("a job that is not healthy in time ends with status 2 and the reason", async () => {
    const ran = await edgectl(["run", "--timeout=25s", "x.toml"], { files, routes: agent([[alloc()]]) });
    expect(ran.status).toBe(2);
    expect(ran.out).toContain("0 of 1 allocations healthy after 25s");
    expect(ran.error).toContain("still waiting: 0 of 1 allocations healthy");
  });

  test("an unhealthy allocation ends it at once with status 2 and its last event", async () => {
    const unhealthy = alloc({
      ClientStatus: "failed",
      DeploymentStatus: { Healthy: false },
      TaskStates: events("Started", "Terminated", "Not Restarting"),
    });
    const ran = await edgectl(["run", "x.toml"], { files, routes: agent([[unhealthy]]) });
    expect(ran.status).toBe(2);
    expect(ran.out).toContain("==> allocation a1110000 is unhealthy: Terminated: about Terminated");
  });

  test("an agent that restarts meanwhile does not end it", async () => {
    let looks = 0;
    const allocations = () => {
      looks += 1;
      if (looks < 3) return refusal(500, "No cluster leader", { "X-Edgectl-Code": "no-leader" });
      return indexed(30, [alloc({ DeploymentStatus: { Healthy: true } })]);
    };
    const ran = await edgectl(["run", "x.toml"], { files, routes: agent([], { "GET /v1/job/x/allocations": allocations }) });
    expect([ran.status, ran.error]).toEqual([0, "Warning: the agent does not answer; trying on\n"]);
  });

  test("an unchanged job says that nothing had to change", async () => {
    const old = alloc({ CreateIndex: 3, ModifyIndex: 5, DeploymentStatus: { Healthy: true } });
    const ran = await edgectl(["run", "x.toml"], { files, routes: agent([[old]]) });
    expect([ran.status, ran.out.includes("Nothing had to change")]).toEqual([0, true]);
    expect(ran.out).not.toContain("created");
  });

  test("the file's text, variables and the enforced index go with the job", async () => {
    const source = `${FILE}count = "\${var.n}"\n[variables]\nn = "1"\n`
      .replace("[task.x]", 'meta = { n = "${var.n}" }\n[task.x]')
      .replace('count = "${var.n}"\n', "");
    const ran = await edgectl(["run", "-detach", "-check-index", "0", "-var", "n=5", "-preserve-counts", "-"], {
      input: source,
      routes: agent([[]]),
    });
    expect([ran.status, ran.error]).toEqual([0, ""]);
    const body = ran.bodies[0];
    expect(body).toMatchObject({ Job: { ID: "x", Meta: { n: "5" } }, EnforceIndex: true, JobModifyIndex: 0, PreserveCounts: true });
    expect(body).toMatchObject({ Submission: { Source: source, Format: "toml", VariableFlags: { n: "5" } } });
  });

  test("a periodic job returns at once with its next launch", async () => {
    const periodic = `${files["/home/ada/batch.toml"]}`.replace("[task.x]", 'periodic = { cron = "0 0 1 1 *" }\n[task.x]');
    const ran = await edgectl(["run", "-"], { input: periodic, routes: { "PUT /v1/jobs": { EvalID: "" } } });
    expect([ran.status, ran.error]).toEqual([0, ""]);
    expect(ran.out).toContain("Approximate next launch time: 2028-01-01T00:00:00Z");
  });

  const batch = { "GET /v1/job/x": job({ Type: "batch" }) };
  test("a batch job that runs is done, unless its end is awaited", async () => {
    const looks = [[alloc({ ClientStatus: "running" })], [alloc({ ClientStatus: "complete" })]];
    expect((await edgectl(["run", "batch.toml"], { files, routes: agent(looks, batch) })).out).toContain("is running: 1 allocation");
    expect((await edgectl(["run", "--wait", "batch.toml"], { files, routes: agent(looks, batch) })).out).toContain(
      "has ended: 1 allocation complete",
    );
  });

  test("a batch job that fails is status 1", async () => {
    const failed = alloc({ ClientStatus: "failed", TaskStates: events("Terminated") });
    expect((await edgectl(["run", "--wait", "batch.toml"], { files, routes: agent([[failed]], batch) })).status).toBe(1);
  });

  test("--json prints one document and nothing else", async () => {
    const ran = await edgectl(["run", "--json", "x.toml"], { files, routes: agent([[alloc({ DeploymentStatus: { Healthy: true } })]]) });
    expect(JSON.parse(ran.out)).toMatchObject({ JobID: "x", EvalID: evaluation.ID, ExitStatus: 0, Allocations: [{ NodeName: "pi" }] });
  });
});

test("stop waits until the tasks are gone, also of a job that is purged", async () => {
  const killing = alloc({ ClientStatus: "running", DesiredStatus: "stop", TaskStates: events("Killing") });
  const routes = agent([[killing], [{ ...killing, ClientStatus: "complete" }]], {
    "GET /v1/jobs": [{ ID: "x", ParentID: "", Namespace: "default" }],
    "GET /v1/job/x": refusal(404, "job not found"),
    "DELETE /v1/job/x": { EvalID: evaluation.ID },
  });
  const ran = await edgectl(["stop", "-purge", "x"], { routes });
  expect(ran.asked.find((line) => line.startsWith("DELETE"))).toContain("purge=true");
  expect([ran.status, ran.out.split("\n").at(-2)]).toEqual([0, '==> job "x" has stopped']);
});

describe("plan", () => {
  const reply = (type: string, updates: Readonly<Record<string, number>> | null) => ({
    JobModifyIndex: 4,
    Diff: { Type: type, ID: "x", Fields: [{ Type: "Edited", Name: "Priority", Old: "50", New: "60" }], Objects: null, TaskGroups: [] },
    Annotations: { DesiredTGUpdates: updates === null ? {} : { x: updates } },
    FailedTGAllocs: null,
    NextPeriodicLaunch: "0001-01-01T00:00:00Z",
    Warnings: "",
  });
  const cases: readonly (readonly [string, ReturnType<typeof reply>, number])[] = [
    ["nothing differs", reply("None", { Ignore: 1 }), 0],
    ["a field differs, and all goes on in place", reply("Edited", { InPlaceUpdate: 1 }), 0],
    ["a field of a job that begins nothing by itself differs", reply("Edited", null), 1],
    ["the same job has to be placed again", reply("None", { Place: 1 }), 1],
  ];
  for (const [name, answer, status] of cases) {
    test(`${name}: status ${status}`, async () => {
      const ran = await edgectl(["plan", "x.toml"], { files, routes: { "PUT /v1/job/x/plan": answer } });
      expect(ran.status).toBe(status);
      expect(ran.out).toContain("edgectl run --check-index 4 x.toml");
      expect(ran.out).not.toContain("next periodic launch");
      expect(ran.out.includes('+/- Priority: "50" => "60"')).toBe(answer.Diff.Type === "Edited");
    });
  }
});

describe("how far a job is", () => {
  const healthy = { DeploymentStatus: { Healthy: true } };
  const other = "b2220000-0000-0000-0000-000000000000";
  const twoGroups = job({ TaskGroups: [...job().TaskGroups, { Name: "y", Count: 1, Tasks: [] }] });
  const cases: readonly (readonly [string, WireJob, readonly AllocStub[], Goal, string])[] = [
    ["an alloc of the old version does not count", job({ Version: 1 }), [alloc(healthy)], "settled", "waiting"],
    ["one group's allocs do not stand for another's", twoGroups, [alloc(healthy), alloc({ ...healthy, ID: other })], "settled", "waiting"],
    [
      "without a judge of health, running is enough",
      twoGroups,
      [alloc(healthy), alloc({ ID: other, TaskGroup: "y", ClientStatus: "running" })],
      "settled",
      "reached",
    ],
    [
      "a replaced alloc does not count",
      job(),
      [alloc({ DeploymentStatus: { Healthy: false }, NextAllocation: other }), alloc({ ...healthy, ID: other })],
      "settled",
      "reached",
    ],
    ["a system job counts what was placed", job({ Type: "system" }), [alloc(healthy), alloc({ ...healthy, ID: other })], "settled", "reached"],
    ["a system job that is nowhere waits", job({ Type: "system" }), [], "settled", "waiting"],
    [
      "a failure that will be placed again is no end",
      job({ Type: "batch" }),
      [alloc({ ClientStatus: "failed", FollowupEvalID: "f" })],
      "ended",
      "waiting",
    ],
    ["a failure without another try is one", job({ Type: "batch" }), [alloc({ ClientStatus: "failed" })], "ended", "failed"],
    ["lost work has stopped", job(), [alloc({ ClientStatus: "lost" })], "stopped", "reached"],
    ["work that still runs has not", job(), [alloc({ ClientStatus: "running", DesiredStatus: "stop" })], "stopped", "waiting"],
  ];
  for (const [name, subject, allocs, goal, kind] of cases) test(name, () => expect(standingOf(subject, allocs, goal).kind).toBe(kind as "waiting"));
});
