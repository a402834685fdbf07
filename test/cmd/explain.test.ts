// Explanations as people read them: what is asked about, the sentence that matters first, answers, scores, ends and logs.

import { describe, expect, test } from "bun:test";
import type { Explained } from "../../cmd/edgectl/cli/explain-text.ts";
import { edgectl, refusal } from "./fake-agent.ts";

const ALLOC = "a1110000-0000-4000-8000-000000000000";
const EVAL = "e1110000-0000-4000-8000-000000000000";
const stub = { ID: "web", ParentID: "", Namespace: "default" };
const exit = { Code: 3, Message: "Exit Code: 3", Meaning: "an error of the program's own", At: "2027-01-15T07:59:00Z" };
const task = { Name: "main", State: "dead", Failed: true, Restarts: 1, LastExit: exit, Reason: "Policy allows no restarts", NextStartAt: null };

const job: Explained = {
  Kind: "job",
  JobID: "web",
  Summary: ["2 of 2 have no place: memory on 3 nodes"],
  Groups: [
    {
      Name: "g",
      Count: 2,
      Running: 0,
      Starting: 0,
      Waiting: 2,
      Placement: {
        Nodes: 4,
        Fits: 1,
        Verdicts: [
          { Kind: "exhausted", Reason: "memory", Actual: "at most 212 MiB free", Wanted: "256 MiB", Fix: "", Count: 3, Nodes: ["a", "b"] },
          { Kind: "fits", Reason: "it fits", Actual: "", Wanted: "", Fix: "", Count: 1, Nodes: ["c"] },
        ],
        Fixes: [{ Text: "3 nodes would fit if memory were 212 MiB instead of 256", Nodes: 3 }],
        Best: [{ NodeID: "n", NodeName: "c", Score: 0.51234, Terms: { binpack: 0.51234 } }],
      },
    },
  ],
  Decisions: [{ Kind: "hold", Name: "web.g[1]", Reason: "another is not healthy yet", At: null }],
  LastFailure: { AllocID: ALLOC, NodeName: "c", Tasks: [task] },
  Next: [
    { What: "what failed is tried again", At: "2027-01-15T08:01:30.000Z" },
    { What: "it waits", At: null },
  ],
};

const routes = {
  "GET /v1/jobs": (query: URLSearchParams) => (query.get("prefix") === "web" ? [stub] : []),
  "GET /v1/allocations": (query: URLSearchParams) => (ALLOC.startsWith(query.get("prefix") ?? "-") ? [{ ID: ALLOC, Namespace: "default" }] : []),
  "GET /v1/evaluations": (query: URLSearchParams) => (EVAL.startsWith(query.get("prefix") ?? "-") ? [{ ID: EVAL, Namespace: "default" }] : []),
  "GET /v1/explain/job/web": job,
  [`GET /v1/client/fs/logs/${ALLOC}`]: (query: URLSearchParams) =>
    query.get("type") === "stderr" ? new Response("half a line\none\ntwo\n\u001b[31mthree\n") : refusal(404, "no such log"),
};

test("a job: sentence, answers, what helps, scores, its last failure with the log's end, what comes", async () => {
  const { out, status } = await edgectl(["explain", "--lines=2", "web"], { routes });
  expect(status).toBe(0);
  expect(out).toBe(`Job "web"
  2 of 2 have no place: memory on 3 nodes

Group "g"
Nodes  Answer  Has                   Wanted   Which
3      memory  at most 212 MiB free  256 MiB  a, b, ...
1      fits    -                     -        c
-> 3 nodes would fit if memory were 212 MiB instead of 256

Node  Score  binpack
c     0.512  0.512

What the scheduler would decide now
web.g[1]  hold  another is not healthy yet

Last failure: allocation a1110000 on c
main: dead, failed, restarts 1
  ended 1m ago: Exit Code: 3
  that is: an error of the program's own
  then: Policy allows no restarts

Last lines of main's stderr
  two
   [31mthree

Next
in 1m30s (2027-01-15T08:01:30.000Z): what failed is tried again
it waits
`);
});

describe("what is asked about", () => {
  test.each([
    ["an allocation", "a1", `/v1/explain/allocation/${ALLOC}`],
    ["an evaluation", "e111", `/v1/explain/evaluation/${EVAL}`],
    ["a job on one node", "web", "/v1/explain/job/web"],
  ])("%s", async (_name, word, path) => {
    const answer = { Kind: "evaluation", ID: EVAL, JobID: "web", Summary: ["it waits"], Next: [] };
    const ran = await edgectl(["explain", "--node", "kitchen", word], { routes: { ...routes, [`GET ${path}`]: answer } });
    expect([ran.status, ran.asked.at(-1)]).toEqual([0, `GET http://127.0.0.1:4646${path}?namespace=default&node=kitchen`]);
    expect(ran.out).toContain("Next\nnothing, unless something changes\n");
  });

  test("nothing of that name, several, or a wrong number of lines", async () => {
    expect((await edgectl(["explain", "nobody"], { routes })).error).toContain('no job, allocation or evaluation has the id "nobody"');
    const several = { ...routes, "GET /v1/allocations": [{ ID: ALLOC }, { ID: `${ALLOC.slice(0, -1)}1` }] };
    expect((await edgectl(["explain", "a1"], { routes: several })).error).toContain("is the beginning of several ids");
    expect((await edgectl(["explain", "--lines=many", "web"], { routes })).error).toContain('--lines "many" is no number from 0 to 1000');
    expect((await edgectl(["explain"], { routes })).error).toContain("is missing");
  });

  test("as JSON is the whole of it, with the log's lines; none of them when none are wanted", async () => {
    const whole = JSON.parse((await edgectl(["explain", "--json", "web"], { routes })).out);
    expect([whole.Kind, whole.Logs[0].Stream, whole.Logs[0].Lines.length]).toEqual(["job", "stderr", 4]);
    const quiet = await edgectl(["explain", "--json", "--lines=0", "web"], { routes });
    expect([JSON.parse(quiet.out).Logs, quiet.asked.some((line) => line.includes("/fs/logs/"))]).toEqual([[], false]);
  });
});
