// The difference of two versions of a job, and that what it says a change forces is what the scheduler then does.

import { describe, expect, test } from "bun:test";
import type { JobSpec } from "../../internal/domain/job.ts";
import { jobDiff } from "../../internal/server/http/job-diff.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aJob, aNode, aSpec, type GroupDraft } from "../fixtures/model.ts";

// biome-ignore lint/suspicious/noExplicitAny: JSON of the wire, looked into by the tests
type Json = any;

const task = (own: object = {}) => ({ name: "t", driver: "raw_exec", config: { command: "/bin/a" }, ...own });
const group = (own: GroupDraft = {}, ownTask: object = {}): GroupDraft => ({ count: 2, tasks: [task(ownTask)], ...own });
const diffOf = (old: JobSpec | null, next: JobSpec, updates = {}): Json => jobDiff(old === null ? undefined : aJob(old), aJob(next), updates);
const fieldsOf = (diff: Json) => diff.Fields?.map((field: Json) => field.Name) ?? [];

describe("a job's difference", () => {
  test("of a new one is added, with its groups and tasks, each forced to be created", () => {
    const diff = diffOf(null, aSpec({}, group()));
    expect([diff.Type, diff.ID, diff.TaskGroups[0].Type]).toEqual(["Added", "j", "Added"]);
    expect(fieldsOf(diff)).toEqual(["AllAtOnce", "Dispatched", "Name", "Namespace", "NodePool", "Priority", "Region", "Stop", "Type"]);
    expect(diff.TaskGroups[0].Fields).toEqual([{ Type: "Added", Name: "Count", Old: "", New: "2", Annotations: ["forces create"] }]);
    expect(diff.TaskGroups[0].Tasks[0].Annotations).toEqual(["forces create"]);
  });

  test("of the same one is none, with its groups", () => {
    const diff = diffOf(aSpec({}, group()), aSpec({}, group()));
    expect([diff.Type, diff.Fields, diff.Objects, diff.TaskGroups[0].Type, diff.TaskGroups[0].Tasks[0].Type]).toEqual([
      "None",
      null,
      null,
      "None",
      "None",
    ]);
  });

  test("of a stopped one says that it starts again", () => {
    const diff = jobDiff(aJob(aSpec({}, group()), { stop: true }), aJob(aSpec({}, group())), {}) as Json;
    expect([diff.Type, diff.Fields]).toEqual(["Edited", [{ Type: "Edited", Name: "Stop", Old: "true", New: "false", Annotations: null }]]);
  });

  test.each([
    [2, 5, "forces create"],
    [5, 2, "forces destroy"],
  ])("of a count from %p to %p", (before, after, annotation) => {
    const diff = diffOf(aSpec({}, group({ count: before })), aSpec({}, group({ count: after })));
    expect(diff.TaskGroups[0].Fields).toEqual([
      { Type: "Edited", Name: "Count", Old: String(before), New: String(after), Annotations: [annotation] },
    ]);
  });

  test("of groups that came and went", () => {
    const old = aSpec({ groups: [{ name: "a", tasks: [task()] }] });
    const diff = diffOf(old, aSpec({ groups: [{ name: "b", tasks: [task()] }] }));
    expect(diff.TaskGroups.map((one: Json) => [one.Type, one.Name, one.Tasks[0].Annotations])).toEqual([
      ["Deleted", "a", ["forces destroy"]],
      ["Added", "b", ["forces create"]],
    ]);
  });

  test("has what happens to each group's allocations, what does not happen left out", () => {
    const counts = { ignore: 1, place: 2, migrate: 0, stop: 0, inPlaceUpdate: 0, destructiveUpdate: 3, canary: 1 };
    const diff = diffOf(aSpec({}, group()), aSpec({}, group()), { g: counts });
    expect(diff.TaskGroups[0].Updates).toEqual({ ignore: 1, create: 2, canary: 1, "create/destroy update": 3 });
  });
});

describe("what it says of a task is what the scheduler does", () => {
  const cases: readonly (readonly [string, object, "in-place" | "destructive"])[] = [
    ["config", { config: { command: "/bin/b" } }, "destructive"],
    ["env", { env: { A: "1" } }, "destructive"],
    ["meta", { meta: { A: "1" } }, "destructive"],
    ["user", { user: "nobody" }, "destructive"],
    ["resources", { resources: { memoryMiB: 333 } }, "destructive"],
    ["kill_timeout", { killTimeoutMs: 7000 }, "destructive"],
    ["logs", { logs: { maxFiles: 3 } }, "destructive"],
    ["restart", { restart: { attempts: 9 } }, "in-place"],
    ["a constraint", { constraints: [{ attribute: "${attr.kernel.name}", operator: "=", value: "linux" }] }, "in-place"],
    ["an affinity", { affinities: [{ attribute: "${attr.kernel.name}", operator: "=", value: "linux", weight: 50 }] }, "in-place"],
  ];

  test.each(cases)("%s", (_name, own, want) => {
    const before = aSpec({ type: "batch" }, group());
    const after = aSpec({ type: "batch" }, group({}, own));
    const [one] = diffOf(before, after).TaskGroups[0].Tasks;
    expect(one.Annotations).toEqual([want === "in-place" ? "forces in-place update" : "forces create/destroy update"]);
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    cluster.start(before);
    const evalId = cluster.register(after);
    const evaluation = cluster.state.evaluation(evalId);
    if (!evaluation) throw new Error("there is an evaluation");
    const counts = cluster.plan(evaluation).annotations.g;
    expect([counts?.inPlaceUpdate, counts?.destructiveUpdate]).toEqual(want === "in-place" ? [2, 0] : [0, 2]);
  });
});
