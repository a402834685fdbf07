// The HTTP API by its wire: status codes and texts that clients rely on, blocking queries, filters, pages,
// and an independent client.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { testWith } from "../support/real-parts.ts";
import { inPlace, sleep, until } from "./place.ts";

const MINUTE = 60_000;
const UNKNOWN = "11111111-2222-3333-4444-555555555555";

function job(id: string, more: Readonly<Record<string, unknown>> = {}): unknown {
  return {
    Job: {
      ID: id,
      Type: "batch",
      TaskGroups: [
        {
          Name: "g",
          Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/sleep", args: ["1000"] }, Resources: { CPU: 10, MemoryMB: 10 } }],
        },
      ],
      ...more,
    },
  };
}

type Case = readonly [name: string, method: string, path: string, body: unknown, status: number, text: string | RegExp];

/** Asked of an empty server. */
const EMPTY: readonly Case[] = [
  ["an unknown path", "GET", "/v1/nothing", undefined, 404, /^$/],
  ["a wrong method", "DELETE", "/v1/jobs", undefined, 405, "Invalid method"],
  ["a wrong method on a job", "PATCH", "/v1/job/x", undefined, 405, "Invalid method"],
  ["a missing job", "GET", "/v1/job/x", undefined, 404, "job not found"],
  ["allocations of a missing job", "GET", "/v1/job/x/allocations", undefined, 200, "[]"],
  ["evaluations of a missing job", "GET", "/v1/job/x/evaluations", undefined, 200, "[]"],
  ["versions of a missing job", "GET", "/v1/job/x/versions", undefined, 404, "job versions not found"],
  ["deployment of a missing job", "GET", "/v1/job/x/deployment", undefined, 200, "null"],
  ["summary of a missing job", "GET", "/v1/job/x/summary", undefined, 404, "job not found"],
  ["scale of a missing job", "GET", "/v1/job/x/scale", undefined, 404, "job not found"],
  ["evaluate of a missing job", "PUT", "/v1/job/x/evaluate", {}, 500, "job not found"],
  ["periodic force of a missing job", "PUT", "/v1/job/x/periodic/force", undefined, 500, "job not found"],
  ["submission without a version", "GET", "/v1/job/x/submission", undefined, 400, /version/],
  ["deregister of a missing job", "DELETE", "/v1/job/x", undefined, 200, /"EvalID":""/],
  ["no job in the body", "PUT", "/v1/jobs", {}, 400, "Job must be specified"],
  ["a body that is no JSON", "PUT", "/v1/jobs", "{", 400, /no JSON/],
  ["a job without groups", "PUT", "/v1/jobs", { Job: { ID: "x" } }, 500, /^1 error occurred:\n\t\* /],
  ["an id unlike the path", "PUT", "/v1/job/y", job("x"), 400, "Job ID does not match name"],
  ["a plan with an id unlike the path", "PUT", "/v1/job/y/plan", job("x"), 400, "Job ID does not match"],
  [
    "enforcing an index on a missing job",
    "PUT",
    "/v1/jobs",
    { ...(job("x") as object), EnforceIndex: true, JobModifyIndex: 7 },
    500,
    "Enforcing job modify index 7: job does not exist",
  ],
  ["a namespace that does not exist", "PUT", "/v1/jobs", job("x", { Namespace: "nope" }), 500, /nonexistent namespace "nope"/],
  ["a node pool that does not exist", "PUT", "/v1/jobs", job("x", { NodePool: "nope" }), 500, /job "x" is in nonexistent node pool "nope"/],
  ["a missing node pool", "GET", "/v1/node/pool/nope", undefined, 404, "node pool not found"],
  ["an unknown algorithm", "PUT", "/v1/operator/scheduler/configuration", { SchedulerAlgorithm: "x" }, 400, "invalid scheduler algorithm: x"],
  ["a roll-out that there never was", "GET", "/v1/operator/upgrade", undefined, 200, "null"],
  ["a roll-out of nothing", "PUT", "/v1/operator/upgrade", {}, 400, /Programs must be a list of 1 to 8 \(fleetProgramsMax\)/],
  ["the end of no roll-out", "DELETE", "/v1/operator/upgrade", undefined, 404, "no roll-out over the fleet is under way"],
  ["a program with no sum", "PUT", "/v1/operator/upgrade/program/x", undefined, 400, '"x" is no SHA-256'],
  ["the queue of nothing", "GET", "/v1/evaluations/queue", undefined, 200, "[]"],
  ["a place for an unknown evaluation", "PUT", `/v1/evaluation/${UNKNOWN}/queue`, { Place: "first" }, 404, "eval not found"],
  ["a priority for a missing job", "PUT", "/v1/job/x/priority", { Priority: 60 }, 404, "job not found"],
  ["deleting evaluations while they are run", "DELETE", "/v1/evaluations", { EvalIDs: [UNKNOWN] }, 500, /^eval broker is enabled/],
  ["explaining a missing job", "GET", "/v1/explain/job/x", undefined, 404, "job not found"],
  ["an unknown region", "GET", "/v1/jobs?region=mars", undefined, 500, "No path to region"],
  ["a bad index", "GET", "/v1/jobs?index=x", undefined, 400, "Invalid index"],
  ["a bad wait", "GET", "/v1/jobs?wait=x", undefined, 400, "Invalid wait time"],
  ["a bad filter", "GET", "/v1/jobs?filter=((", undefined, 400, /failed to create result paginator/],
  ["a short node id", "GET", "/v1/node/nope", undefined, 500, /UUID must be 36 characters/],
  ["an unknown node", "GET", `/v1/node/${UNKNOWN}`, undefined, 404, "node not found"],
  ["a drain of an unknown node", "PUT", `/v1/node/${UNKNOWN}/drain`, { DrainSpec: { Deadline: 0 } }, 404, "node not found"],
  ["a drain of what is no id", "PUT", "/v1/node/nope/drain", { DrainSpec: null }, 500, /UUID must be 36 characters/],
  ["a drain that is no object", "PUT", `/v1/node/${UNKNOWN}/drain`, { DrainSpec: "1h" }, 400, 'field "DrainSpec" must be an object'],
  ["a drain of several years", "PUT", `/v1/node/${UNKNOWN}/drain`, { DrainSpec: { Deadline: 1e18 } }, 400, /drainDeadlineMsMax/],
  ["an evaluation of an unknown node", "PUT", `/v1/node/${UNKNOWN}/evaluate`, undefined, 404, "node not found"],
  ["a purge of an unknown node", "PUT", `/v1/node/${UNKNOWN}/purge`, undefined, 404, "node not found"],
  ["allocations of a node that is none", "GET", "/v1/node/nope/allocations", undefined, 200, "[]"],
  ["an odd prefix", "GET", "/v1/allocations?prefix=abc", undefined, 500, /even/],
  ["an unknown alloc", "GET", `/v1/allocation/${UNKNOWN}`, undefined, 404, "alloc not found"],
  ["a stop of an unknown alloc", "PUT", `/v1/allocation/${UNKNOWN}/stop`, undefined, 404, "alloc not found"],
  ["an unknown eval", "GET", `/v1/evaluation/${UNKNOWN}`, undefined, 404, "eval not found"],
  ["an unknown deployment", "GET", `/v1/deployment/${UNKNOWN}`, undefined, 404, "deployment not found"],
  ["a short deployment id", "GET", "/v1/deployment/nope", undefined, 500, /UUID must be 36 characters/],
  ["an odd prefix of deployments", "GET", "/v1/deployments?prefix=abc", undefined, 500, /even/],
  ["no services", "GET", "/v1/services", undefined, 200, "[]"],
  ["a service that nobody offers", "GET", "/v1/service/web", undefined, 200, "[]"],
  ["a choice that is none", "GET", "/v1/service/web?choose=two", undefined, 400, /choose/],
  ["a registration that is not there", "DELETE", "/v1/service/web/x", undefined, 404, "service registration not found"],
  ["a registration to read", "GET", "/v1/service/web/x", undefined, 405, "Invalid method"],
  ["services of a missing job", "GET", "/v1/job/x/services", undefined, 200, "[]"],
  ["services of a missing allocation", "GET", `/v1/allocation/${UNKNOWN}/services`, undefined, 404, "alloc not found"],
  ["checks of a missing allocation", "GET", `/v1/allocation/${UNKNOWN}/checks`, undefined, 404, "alloc not found"],
  ["checks of no allocation's node", "GET", `/v1/client/allocation/${UNKNOWN}/checks`, undefined, 404, /Unknown allocation/],
  ["no deployments", "GET", "/v1/deployments", undefined, 200, "[]"],
  ["deployments of a missing job", "GET", "/v1/job/x/deployments", undefined, 200, "[]"],
  ["allocations of an unknown deployment", "GET", `/v1/deployment/allocations/${UNKNOWN}`, undefined, 200, "[]"],
  ["promoting an unknown deployment", "PUT", `/v1/deployment/promote/${UNKNOWN}`, { DeploymentID: UNKNOWN, All: true }, 404, "deployment not found"],
  ["promoting with another id", "PUT", `/v1/deployment/promote/${UNKNOWN}`, { DeploymentID: "x", All: true }, 400, "Deployment ID does not match"],
  ["failing an unknown deployment", "PUT", `/v1/deployment/fail/${UNKNOWN}`, undefined, 404, "deployment not found"],
  ["reading what is a write", "GET", `/v1/deployment/pause/${UNKNOWN}`, undefined, 405, "Invalid method"],
  ["nothing known of deployments", "PUT", `/v1/deployment/shake/${UNKNOWN}`, undefined, 404, /^$/],
  ["a tag on a missing job", "PUT", "/v1/job/x/versions/good/tag", { Version: 0 }, 404, "job not found"],
  ["logs of an unknown alloc", "GET", `/v1/client/fs/logs/${UNKNOWN}?task=t&type=stdout`, undefined, 404, `Unknown allocation "${UNKNOWN}"`],
  ["the regions", "GET", "/v1/regions", undefined, 200, '["global"]'],
  ["metrics for Prometheus", "GET", "/v1/metrics?format=prometheus", undefined, 200, /^# HELP /],
];

test(
  "an empty server answers each mistake with Nomad's status and words",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const seen: unknown[] = [];
      const wanted: unknown[] = [];
      for (const [name, method, path, body, status, text] of EMPTY) {
        const reply = await place.request(method, path, body);
        const isText = typeof text === "string" ? reply.text === text : text.test(reply.text);
        seen.push([name, reply.status, isText ? "as expected" : reply.text]);
        wanted.push([name, status, "as expected"]);
      }
      expect(seen).toEqual(wanted);
      const list = await place.request("GET", "/v1/jobs");
      expect([list.headers.get("x-nomad-index"), list.headers.get("x-nomad-lastcontact"), list.headers.get("x-nomad-knownleader")]).toEqual([
        "0",
        "0",
        "true",
      ]);
      const miss = await place.request("GET", "/v1/job/x");
      expect(miss.headers.get("x-nomad-index")).toBe("0");
      expect(miss.headers.get("content-type")).toBe("text/plain; charset=utf-8");
      const twice = await fetch(`${place.agent.address}//v1//jobs?prefix=a`, { redirect: "manual" });
      expect([twice.status, twice.headers.get("location")]).toEqual([307, "/v1/jobs?prefix=a"]);
      expect(await place.get("/v1/jobs")).toEqual([]);
    }),
  MINUTE,
);

test(
  "ids with slashes, spaces in the query and CJK travel percent-encoded",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      for (const id of ["backup/nightly", "a:b?c&d", "温室"]) {
        expect((await place.request("PUT", "/v1/jobs", job(id))).status).toBe(200);
        const read = await place.get(`/v1/job/${encodeURIComponent(id)}`);
        expect(read.ID).toBe(id);
        expect((await place.get(`/v1/job/${encodeURIComponent(id)}/summary`)).JobID).toBe(id);
      }
    }),
  MINUTE,
);

test(
  "a blocking query waits for its own part of the state, wakes with it, and times out with the same index",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      await place.request("PUT", "/v1/jobs", job("one"));
      const first = await place.request("GET", "/v1/job/one");
      const index = Number(first.headers.get("x-nomad-index"));
      const began = performance.now();
      const unchanged = await place.request("GET", `/v1/job/one?index=${index}&wait=300ms`);
      expect(performance.now() - began).toBeGreaterThan(250);
      expect(Number(unchanged.headers.get("x-nomad-index"))).toBe(index);
      let isAnswered = false;
      const waiting = place.request("GET", `/v1/job/one?index=${index}&wait=20s`).then((reply) => {
        isAnswered = true;
        return reply;
      });
      await place.request("PUT", "/v1/jobs", job("other"));
      await sleep(200);
      expect(isAnswered).toBe(false);
      await place.request("PUT", "/v1/jobs", job("one", { Priority: 60 }));
      const woken = await waiting;
      expect(JSON.parse(woken.text).Priority).toBe(60);
      expect(Number(woken.headers.get("x-nomad-index"))).toBeGreaterThan(index);
    }),
  MINUTE,
);

test(
  "lists filter, page and reverse",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      for (let at = 0; at < 7; at++)
        await place.request("PUT", "/v1/jobs", job(`j-${at}`, { Priority: 50 + at, Type: at % 2 === 0 ? "batch" : "service" }));
      const ids = async (path: string) => (await place.get(path)).map((stub: { ID: string }) => stub.ID);
      expect(await ids("/v1/jobs?prefix=j-3")).toEqual(["j-3"]);
      expect(await ids(`/v1/jobs?filter=${encodeURIComponent('Type == "service"')}`)).toEqual(["j-1", "j-3", "j-5"]);
      expect(await ids(`/v1/jobs?filter=${encodeURIComponent('ParentID == "" and Periodic is nil or Priority == 56')}`)).toEqual(["j-6"]);
      const page = await place.request("GET", "/v1/jobs?per_page=3");
      expect(JSON.parse(page.text).map((stub: { ID: string }) => stub.ID)).toEqual(["j-0", "j-1", "j-2"]);
      const token = page.headers.get("x-nomad-nexttoken");
      expect(token).toBe("j-3");
      expect(await ids(`/v1/jobs?per_page=3&next_token=${token}`)).toEqual(["j-3", "j-4", "j-5"]);
      const evals = await place.request("GET", "/v1/evaluations?per_page=2");
      expect(evals.headers.get("x-nomad-nexttoken")).toMatch(/^\d+\.[0-9a-f-]{36}$/);
    }),
  MINUTE,
);

test(
  "an unchanged registration keeps its index, an enforced index must match, a dispatch token is honoured",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const first = JSON.parse((await place.request("PUT", "/v1/jobs", job("same"))).text);
      const again = JSON.parse((await place.request("PUT", "/v1/jobs", job("same"))).text);
      expect(again.JobModifyIndex).toBe(first.JobModifyIndex);
      expect(again.EvalID).not.toBe(first.EvalID);
      const wrong = await place.request("PUT", "/v1/jobs", { ...(job("same") as object), EnforceIndex: true, JobModifyIndex: 999 });
      expect(wrong.text).toBe(`Enforcing job modify index 999: job exists with conflicting job modify index: ${first.JobModifyIndex}`);
      const parent = JSON.parse((await place.request("PUT", "/v1/jobs", job("parent", { ParameterizedJob: { Payload: "optional" } }))).text);
      expect(parent.EvalID).toBe("");
      const child = JSON.parse((await place.request("PUT", "/v1/job/parent/dispatch?idempotency_token=t1", {})).text);
      const twin = JSON.parse((await place.request("PUT", "/v1/job/parent/dispatch?idempotency_token=t1", {})).text);
      expect(twin.DispatchedJobID).toBe(child.DispatchedJobID);
    }),
  MINUTE,
);

test(
  "a body over the limit is refused and nothing is stored",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const big = await place.request("PUT", "/v1/jobs", job("big", { Meta: { blob: "x".repeat(5_000_000) } }));
      expect(big.status).toBe(413);
      expect(await place.get("/v1/jobs")).toEqual([]);
    }),
  MINUTE,
);

const PYTHON_CLIENT = `
import sys, time, nomad
n = nomad.Nomad(host="127.0.0.1", port=int(sys.argv[1]), timeout=30)
job = {"Job": {"ID": "from-python", "Type": "service", "Datacenters": ["dc1"], "TaskGroups": [{"Name": "g", "Tasks": [
  {"Name": "t", "Driver": "raw_exec", "Config": {"command": "/bin/sh", "args": ["-c", "echo hello python; exec sleep 1000"]}, "Resources": {"CPU": 10, "MemoryMB": 10}}]}]}}
registered = n.job.register_job("from-python", job)
assert registered["EvalID"], registered
index = 0
for _ in range(50):
    reply = n.jobs.request(params={"index": index, "wait": "5s"}, method="get")
    index = int(reply.headers["X-Nomad-Index"])
    if any(j["ID"] == "from-python" and j["Status"] == "running" for j in reply.json()):
        break
allocs = n.job.get_allocations("from-python")
assert len(allocs) == 1, allocs
for _ in range(100):
    alloc = n.allocation.get_allocation(allocs[0]["ID"])
    if alloc["ClientStatus"] == "running":
        break
    time.sleep(0.1)
assert alloc["Job"]["TaskGroups"][0]["Tasks"][0]["Name"] == "t"
for _ in range(50):
    log = n.client.stream_logs.stream(alloc["ID"], "t", "stdout", plain=True) if hasattr(n.client, "stream_logs") else n.client.cat.read_file(alloc["ID"], "/alloc/logs/t.stdout.0")
    if "hello python" in str(log):
        break
    time.sleep(0.1)
assert "hello python" in str(log), log
try:
    n.job.get_job("missing")
    raise SystemExit("a missing job was found")
except nomad.api.exceptions.URLNotFoundNomadException:
    pass
stopped = n.job.deregister_job("from-python")
for _ in range(100):
    if n.allocation.get_allocation(alloc["ID"])["ClientStatus"] == "complete":
        break
    time.sleep(0.1)
else:
    raise SystemExit("the job did not stop")
print("python-nomad is content")
`;

testWith(
  ["python"],
  "python-nomad registers a job, blocks on an index, reads an alloc and its logs, stops the job",
  () =>
    inPlace(async (place) => {
      const venv = place.path("venv");
      const made = spawnSync("sh", ["-c", `python3 -m venv ${venv} && ${venv}/bin/pip install -q python-nomad==2.1.0`], {
        encoding: "utf8",
        timeout: 120_000,
      });
      if (made.status !== 0) throw new Error(`python-nomad could not be installed: ${made.stderr}`);
      await place.start();
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      const script = place.write("client.py", PYTHON_CLIENT);
      const done = spawnSync(`${venv}/bin/python`, [script, String(place.agent.port)], { encoding: "utf8", timeout: 60_000 });
      expect(`${done.stdout}${done.stderr}`).toContain("python-nomad is content");
    }),
  3 * MINUTE,
);
