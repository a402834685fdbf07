// What a person sees when something fails: the message, what to do next, the exit status.

import { describe, expect, test } from "bun:test";
import { describeFailure } from "../../cmd/edgectl/cli/failure.ts";
import { EdgeError } from "../../internal/domain/errors.ts";
import { edgectl, refusal } from "./fake-agent.ts";

const JOB = `id = "x"\ntype = "batch"\n[task.x]\ndriver = "raw_exec"\nconfig = { command = "/bin/true" }\n`;

describe("no agent answers", () => {
  const cases: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>, string, string])[] = [
    ["the default address", ["status"], {}, "no agent answers at http://127.0.0.1:4646", "edgectl agent --dev"],
    ["an option", ["status", "-address=http://a:1/"], {}, "no agent answers at http://a:1\n", "the address is from --address"],
    ["a leading option", ["--address", "http://a:1", "status"], {}, "no agent answers at http://a:1\n", "the address is from --address"],
    ["a variable", ["status"], { EDGECTL_ADDR: "http://b:2", NOMAD_ADDR: "http://c:3" }, "no agent answers at http://b:2\n", "EDGECTL_ADDR"],
    ["Nomad's variable", ["status"], { NOMAD_ADDR: "http://c:3" }, "no agent answers at http://c:3\n", "NOMAD_ADDR"],
  ];
  for (const [name, argv, env, message, hint] of cases) {
    test(`${name} is named, with what to type`, async () => {
      const ran = await edgectl(argv, { env });
      expect(ran.status).toBe(1);
      expect(ran.error).toContain(`Error: ${message}`);
      expect(ran.error).toContain(hint);
      expect(ran.out).toBe("");
    });
  }

  test("an address that is none is refused before anything is asked", async () => {
    const ran = await edgectl(["status"], { env: { EDGECTL_ADDR: "localhost:4646" } });
    expect(ran.error).toBe('Error: EDGECTL_ADDR: "localhost:4646" is no http or https address\nwrite it like http://127.0.0.1:4646\n');
  });

  test("plan has a status of its own for errors", async () => {
    expect((await edgectl(["plan", "x.toml"], { files: { "/home/ada/x.toml": JOB } })).status).toBe(255);
    expect((await edgectl(["plan", "missing.toml"])).status).toBe(255);
    expect((await edgectl(["plan", "--nonsense"])).status).toBe(255);
  });
});

describe("the agent refuses", () => {
  test("its words and its hint are shown, the hint decoded", async () => {
    const answer = refusal(404, "No path to node", {
      "X-Edgectl-Code": "no-path",
      "X-Edgectl-Hint": encodeURIComponent("the node is down – look there"),
    });
    const ran = await edgectl(["status"], { routes: { "GET /v1/jobs": answer } });
    expect(ran.error).toBe("Error: No path to node\nthe node is down – look there\n");
    expect(ran.status).toBe(1);
  });

  test("an answer that is no JSON is not taken for an agent", async () => {
    const ran = await edgectl(["status"], { routes: { "GET /v1/jobs": refusal(200, "<html>") } });
    expect(ran.error).toContain("what answers at http://127.0.0.1:4646 is no edgectl agent");
  });

  test("a stack is shown with --debug and never without", async () => {
    expect((await edgectl(["status"])).error).not.toContain("failure");
    expect((await edgectl(["status", "--debug"])).error).toContain("caused by: TypeError: connection refused");
  });
});

describe("no server leads", () => {
  const unled = refusal(500, "No cluster leader", { "X-Edgectl-Code": "no-leader" });
  const own = () => new Response("[]", { headers: { "X-Edgectl-Device-View": encodeURIComponent("No server leads; this is pi's.") } });

  test("a read is answered by the agent's own node, which is said once, and asked at once from then on", async () => {
    const route = (query: URLSearchParams) => (query.has("device") ? own() : unled);
    const ran = await edgectl(["status", "ab"], {
      routes: { "GET /v1/jobs": route, "GET /v1/allocations": route, "GET /v1/evaluations": route, "GET /v1/nodes": route },
    });
    expect(ran.error.match(/No server leads; this is pi's\.\n/g)).toHaveLength(1);
    expect(ran.error).toContain('no job, allocation, evaluation or node has the id "ab"');
    expect(ran.asked.filter((line) => !line.includes("device"))).toHaveLength(1);
  });

  test("an agent that has no node, or does not know the question, refuses as before", async () => {
    for (const answer of [unled, new Response("[]")]) {
      const ran = await edgectl(["status"], { routes: { "GET /v1/jobs": (query: URLSearchParams) => (query.has("device") ? answer : unled) } });
      expect([ran.status, ran.error, ran.out]).toEqual([1, "Error: No cluster leader\n", ""]);
    }
  });
});

test("token, namespace and region go with every request", async () => {
  const ran = await edgectl(["status", "--region", "eu"], { routes: { "GET /v1/jobs": [] }, env: { NOMAD_NAMESPACE: "lab" } });
  expect(ran.asked).toEqual(["GET http://127.0.0.1:4646/v1/jobs?region=eu&namespace=lab"]);
});

describe("ids", () => {
  const stub = (id: string, parent = "") => ({ ID: id, ParentID: parent, Namespace: "default" });
  const alloc = (id: string) => ({ ID: id, Name: "x.x[0]", Namespace: "default", ClientStatus: "running" });

  test("an ambiguous prefix names what it may mean", async () => {
    const ran = await edgectl(["status", "we"], { routes: { "GET /v1/jobs": [stub("web"), stub("weather")] } });
    expect(ran.error).toBe('Error: "we" is the beginning of several jobs:\n  web\n  weather\ntype more of the id\n');
  });

  test("a job is not stopped by a prefix unless that is said", async () => {
    const routes = { "GET /v1/jobs": [stub("web")], "DELETE /v1/job/web": { EvalID: "" } };
    const refused = await edgectl(["stop", "we"], { routes });
    expect(refused.status).toBe(1);
    expect(refused.asked.some((line) => line.startsWith("DELETE"))).toBe(false);
    expect((await edgectl(["stop", "we", "-yes"], { routes })).status).toBe(0);
    expect((await edgectl(["stop", "web"], { routes })).status).toBe(0);
  });

  test("the children of a periodic job leave its prefix clear", async () => {
    const routes = { "GET /v1/jobs": [stub("tick"), stub("tick/periodic-1", "tick")], "DELETE /v1/job/tick": { EvalID: "" } };
    expect((await edgectl(["stop", "-y", "tic"], { routes })).status).toBe(0);
  });

  test("an odd number of digits is sent even and looked at here", async () => {
    const routes = { "GET /v1/allocations": [alloc("abcd0000-0000-0000-0000-000000000001"), alloc("abce0000-0000-0000-0000-000000000002")] };
    const ran = await edgectl(["alloc", "status", "abc"], { routes });
    expect(ran.asked[0]).toContain("prefix=ab");
    expect(ran.asked[0]).not.toContain("prefix=abc");
    expect(ran.error).toContain("several allocations");
    const one = await edgectl(["alloc", "stop", "-detach", "ABCDE"], { routes });
    expect(one.error).toContain('no allocation has the id "ABCDE"');
  });
});

test("init writes a job that validates, and never over a file", async () => {
  const written = await edgectl(["init"]);
  expect(written.status).toBe(0);
  const text = written.files.get("/home/ada/job.toml") ?? "";
  expect((await edgectl(["validate", "job.toml"], { files: { "/home/ada/job.toml": text } })).status).toBe(0);
  const again = await edgectl(["init"], { files: { "/home/ada/job.toml": "mine" } });
  expect([again.status, again.files.get("/home/ada/job.toml")]).toEqual([1, "mine"]);
});

test("validate names every problem with its place and asks no agent", async () => {
  const ran = await edgectl(["validate", "x.toml"], { files: { "/home/ada/x.toml": 'id = "x"\ntipe = "batch"\n[task.x]\ndriver = "raw_exec"\n' } });
  expect(ran.status).toBe(1);
  expect(ran.error).toContain("x.toml:2:1");
  expect(ran.error).toContain("command");
  expect(ran.asked).toEqual([]);
});

describe("-json on job files", () => {
  test("called as nomad it says what the input is", async () => {
    expect((await edgectl(["job", "validate", "-json", "x.toml"], { files: { "/home/ada/x.toml": JOB }, programName: "nomad" })).error).toContain(
      "this is not JSON",
    );
  });
  test("called as edgectl it says what the output is", async () => {
    const ran = await edgectl(["validate", "-json", "-"], { input: JOB });
    expect(JSON.parse(ran.out)).toMatchObject({ Valid: true, JobID: "x" });
  });
});

test("a fault of ours says so", () => {
  expect(describeFailure(new TypeError("x is not a function"), { isDebug: false }).text).toContain("this is a fault of edgectl");
  expect(describeFailure(new EdgeError("invalid", "no"), { isDebug: false }).text).toBe("Error: no\n");
});
