// Commands on jobs: versions, enforced indexes, counts, purge, revert, scale, stability, and the job's status.

import { describe, expect, test } from "bun:test";
import { deregisterJob, evaluateJob, revertJob, type ScaleInput, scaleJob, setJobStability } from "../../internal/cluster/jobs.ts";
import type { JobSpec } from "../../internal/domain/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { type JobVersion, put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";
import { refusal } from "../fixtures/refusal.ts";

const SUBMISSION = { source: 'id = "j"', format: "toml", variables: "", variableFlags: {} };
const version = (text: string, own = {}): JobSpec => aSpec({ meta: { text }, ...own });

function aCluster(): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  return cluster;
}

/** The value without what says nothing: null, and empty lists, maps and texts. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const isEmpty = (one: unknown) => one === null || one === "" || (typeof one === "object" && Object.keys(one).length === 0);
  return Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (isEmpty(one) ? [] : [[key, withoutEmpty(one)]])));
}

function versions(cluster: Cluster): readonly number[] {
  return cluster.state.jobVersions("default", "j").map((row) => row.version);
}

function stop(cluster: Cluster, purge: boolean) {
  return cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge, evalPriority: 0 }, context));
}

function revert(cluster: Cluster, to: number, prior: number | null = null) {
  const input = { namespace: "default", id: "j", version: to, enforcePriorVersion: prior };
  return cluster.do((view, context) => revertJob(view, input, context));
}

describe("register", () => {
  test("makes version 0, an evaluation of the job's priority, and keeps the source", () => {
    const cluster = aCluster();
    const evalId = cluster.register(version("1", { priority: 70 }), { submission: SUBMISSION });
    expect(cluster.job()).toMatchObject({ version: 0, status: "pending", stop: false, stable: false, parentId: "" });
    const { createIndex, modifyIndex, jobModifyIndex } = cluster.job();
    expect([createIndex, modifyIndex, jobModifyIndex]).toEqual([2, 2, 2]);
    expect(cluster.state.evaluation(evalId)).toMatchObject({ priority: 70, triggeredBy: "job-register", status: "pending", jobModifyIndex: 2 });
    expect(cluster.state.submission("default", "j", 0)?.source).toBe('id = "j"');
  });

  test("of the same again makes an evaluation and no version", () => {
    const cluster = aCluster();
    cluster.register(version("1"));
    const before = cluster.job();
    expect(cluster.register(version("1"), { evalPriority: 90 })).not.toBe("");
    expect(cluster.job()).toMatchObject({ version: 0, jobModifyIndex: before.jobModifyIndex });
    expect([...cluster.state.evals()].map((one) => one.priority)).toEqual([50, 90]);
  });

  test("of what an older program stored, without the fields that came later, makes no version and restarts nothing", () => {
    const cluster = aCluster();
    const spec = version("1");
    cluster.start(spec);
    cluster.allHealthy();
    const [alloc] = cluster.live();
    const { status: _status, statusDescription: _description, ...stored } = cluster.job();
    const old = withoutEmpty(stored) as JobVersion; // as a program wrote it that knew fewer fields
    expect(Object.keys(old)).not.toContain("constraints");
    cluster.state.restoreRow("job_versions", old);
    cluster.start(spec);
    expect(cluster.job()).toMatchObject({ version: 0, periodic: null, constraints: [] });
    // Another count is a new version, in place.
    cluster.start(version("1", { groups: spec.groups.map((group) => ({ ...group, count: 2 })) }));
    expect(cluster.job().version).toBe(1);
    expect(cluster.live().map((one) => one.id)).toContain(alloc?.id ?? "none");
    expect(cluster.live()).toHaveLength(2);
  });

  test("of a change makes the next version and keeps the create index", () => {
    const cluster = aCluster();
    cluster.register(version("1"));
    const { createIndex } = cluster.job();
    cluster.register(version("2"));
    expect(cluster.job()).toMatchObject({ version: 1, createIndex, meta: { text: "2" } });
    expect(versions(cluster)).toEqual([1, 0]);
  });

  test("of a stopped job starts it, changed or not", () => {
    const cluster = aCluster();
    cluster.register(version("1"));
    stop(cluster, false);
    expect(cluster.job()).toMatchObject({ stop: true, version: 1, status: "pending" });
    cluster.register(version("1"));
    expect(cluster.job()).toMatchObject({ stop: false, version: 2 });
  });

  test("of a periodic or parameterized job makes no evaluation", () => {
    const cluster = aCluster();
    expect(cluster.register(aSpec({ type: "batch", periodic: { crons: ["@daily"] } }))).toBe("");
    expect(cluster.register(aSpec({ id: "k", type: "batch", parameterized: {} }))).toBe("");
    expect(cluster.job()).toMatchObject({ status: "running" });
    expect([...cluster.state.evals()]).toEqual([]);
  });

  test("keeps the counts that stand, where asked to, of groups that stand", () => {
    const tasks = [{ name: "t", driver: "raw_exec" }];
    const groups = (...counts: readonly number[]) => counts.map((count, at) => ({ name: `g${at}`, count, tasks }));
    const cluster = aCluster();
    cluster.register(aSpec({ groups: groups(5, 2) }));
    cluster.register(aSpec({ meta: { a: "1" }, groups: groups(1, 1, 3) }), { preserveCounts: true });
    expect(cluster.job().groups.map((group) => group.count)).toEqual([5, 2, 3]);
    cluster.register(aSpec({ meta: { a: "1" }, groups: groups(1, 1, 3) }));
    expect(cluster.job().groups.map((group) => group.count)).toEqual([1, 1, 3]);
  });

  test("refuses another type until the job is stopped", () => {
    const cluster = aCluster();
    cluster.register(aSpec());
    expect(refusal(() => cluster.register(aSpec({ type: "batch" })))).toContain("its type cannot change to batch");
    stop(cluster, false);
    cluster.register(aSpec({ type: "batch" }));
    expect(cluster.job().type).toBe("batch");
  });

  /** [job stands, index that is enforced, refusal byte for byte] */
  const ENFORCED: readonly (readonly [boolean, number, string])[] = [
    [false, 0, ""],
    [false, 7, "internal: Enforcing job modify index 7: job does not exist"],
    [true, 0, "internal: Enforcing job modify index 0: job already exists"],
    [true, 2, ""],
    [true, 3, "internal: Enforcing job modify index 3: job exists with conflicting job modify index: 2"],
  ];
  for (const [stands, enforceIndex, want] of ENFORCED) {
    test(`of ${stands ? "a job that stands" : "a new job"} with index ${enforceIndex} enforced ${want === "" ? "is done" : "is refused"}`, () => {
      const cluster = aCluster();
      if (stands) cluster.register(version("1"));
      const before = cluster.state.index;
      expect(refusal(() => cluster.register(version("2"), { enforceIndex }))).toBe(want);
      expect(cluster.state.index === before).toBe(want !== "");
    });
  }
});

describe("old versions", () => {
  const limit = LIMITS.jobVersionsTracked;

  test("go beyond the limit, with their sources", () => {
    const cluster = aCluster();
    for (let at = 0; at < 10; at++) cluster.register(version(String(at)), { submission: SUBMISSION });
    expect(limit).toBe(6);
    expect(versions(cluster)).toEqual([9, 8, 7, 6, 5, 4]);
    expect(cluster.state.submission("default", "j", 4)).toBeDefined();
    expect(cluster.state.submission("default", "j", 3)).toBeUndefined();
  });

  test("stay while they are tagged, the newest stable one, or run somewhere", () => {
    const cluster = aCluster();
    cluster.start(version("0"));
    const used = cluster.live()[0];
    for (let at = 1; at < 12; at++) {
      cluster.register(version(String(at)));
      const row = cluster.state.jobVersions("default", "j")[0];
      if (row && at === 2) cluster.apply([put("job_versions", { ...row, versionTag: { name: "keep", description: "", taggedAtMs: 1 } })]);
      if (at === 1 || at === 3) cluster.do((view) => setJobStability(view, { namespace: "default", id: "j", version: at, isStable: true }));
    }
    expect(used?.jobVersion).toBe(0);
    expect(versions(cluster)).toEqual([11, 10, 9, 8, 7, 6, 3, 2, 0]);
  });
});

describe("deregister", () => {
  test("of an unknown job is nothing", () => {
    expect(stop(aCluster(), true)).toEqual({ evalId: "", evalCreateIndex: 0, jobModifyIndex: 0 });
  });

  test("twice stops once", () => {
    const cluster = aCluster();
    cluster.start(version("1"));
    stop(cluster, false);
    expect(stop(cluster, false).evalId).not.toBe("");
    expect(cluster.job()).toMatchObject({ stop: true, version: 1 });
  });

  test("with purge leaves nothing but what an alloc still names", () => {
    const cluster = aCluster();
    cluster.start(version("1"));
    cluster.register(version("2"), { submission: SUBMISSION });
    stop(cluster, true);
    cluster.settle();
    const [alloc] = cluster.allocs();
    expect(cluster.state.job("default", "j")).toBeUndefined();
    expect(cluster.state.submission("default", "j", 1)).toBeUndefined();
    expect(cluster.state.jobVersion("default", "j", alloc?.jobCreateIndex ?? 0, 0)).toBeDefined();
    expect(cluster.state.jobVersion("default", "j", alloc?.jobCreateIndex ?? 0, 1)).toBeUndefined();
    expect(alloc).toMatchObject({ desiredStatus: "stop" });
    // The id is free, and the new job is another one.
    cluster.start(version("1"));
    expect(cluster.job()).toMatchObject({ version: 0 });
    expect(cluster.job().createIndex).not.toBe(alloc?.jobCreateIndex);
    expect(versions(cluster)).toEqual([0]);
  });
});

describe("revert", () => {
  test("makes the old spec and its source the newest version", () => {
    const cluster = aCluster();
    cluster.register(version("1"), { submission: SUBMISSION });
    cluster.register(version("2"), { submission: { ...SUBMISSION, source: "second" } });
    expect(revert(cluster, 0, 1).evalId).not.toBe("");
    expect(cluster.job()).toMatchObject({ version: 2, meta: { text: "1" } });
    expect(cluster.state.submission("default", "j", 2)?.source).toBe('id = "j"');
  });

  test("starts a stopped job", () => {
    const cluster = aCluster();
    cluster.register(version("1"));
    stop(cluster, false);
    revert(cluster, 0);
    expect(cluster.job()).toMatchObject({ version: 2, stop: false });
  });

  /** [version to revert to, prior version that is enforced, refusal] */
  const REFUSED: readonly (readonly [number, number | null, string])[] = [
    [1, null, "invalid-job: can't revert to current version"],
    [0, 10, "invalid-job: Current job has version 1; enforcing version 10"],
    [7, null, 'not-found: job "j" in namespace "default" at version 7 not found'],
  ];
  for (const [to, prior, want] of REFUSED) {
    test(`to version ${to}${prior === null ? "" : ` enforcing ${prior}`} is refused`, () => {
      const cluster = aCluster();
      cluster.register(version("1"));
      cluster.register(version("2"));
      expect(refusal(() => revert(cluster, to, prior))).toBe(want);
    });
  }

  test("of an unknown job is refused", () => {
    expect(refusal(() => revert(aCluster(), 0))).toBe("not-found: job not found");
  });
});

describe("scale", () => {
  const scale = (cluster: Cluster, own: Partial<ScaleInput>) => {
    const input: ScaleInput = {
      namespace: "default",
      id: "j",
      group: "g",
      count: null,
      message: "",
      isError: false,
      meta: {},
      enforceIndex: null,
      ...own,
    };
    return cluster.do((view, context) => scaleJob(view, input, context));
  };

  test("a stopped job stays stopped, with the new count for when it is started again", () => {
    const cluster = aCluster();
    cluster.register(version("1"));
    stop(cluster, false);
    scale(cluster, { count: 4 });
    expect([cluster.job().stop, cluster.job().groups[0]?.count]).toEqual([true, 4]);
  });

  test("sets the count as a new version and records the event", () => {
    const cluster = aCluster();
    cluster.register(aSpec({}, { count: 2 }));
    const { evalId } = scale(cluster, { count: 4, message: "more" });
    expect(cluster.job()).toMatchObject({ version: 1, groups: [{ count: 4 }] });
    expect(cluster.state.evaluation(evalId)?.triggeredBy).toBe("job-scaling");
    expect(cluster.state.scalingEvents("default", "j")?.groups.g).toMatchObject([
      { count: 4, previousCount: 2, message: "more", isError: false, evalId },
    ]);
  });

  test("without a count only records", () => {
    const cluster = aCluster();
    cluster.register(aSpec());
    const before = cluster.job();
    expect(scale(cluster, { isError: true, message: "broken" })).toEqual({ evalId: "", evalCreateIndex: 0, jobModifyIndex: before.jobModifyIndex });
    expect(cluster.job().version).toBe(0);
    expect(cluster.state.scalingEvents("default", "j")?.groups.g).toMatchObject([{ count: null, isError: true, message: "broken" }]);
  });

  test("keeps the newest events, up to the limit", () => {
    const cluster = aCluster();
    cluster.register(aSpec());
    for (let at = 0; at < LIMITS.scalingEventsPerGroupMax + 5; at++) scale(cluster, { message: String(at) });
    const events = cluster.state.scalingEvents("default", "j")?.groups.g ?? [];
    expect(events).toHaveLength(LIMITS.scalingEventsPerGroupMax);
    expect(events[0]?.message).toBe("24");
  });

  const REFUSED: readonly (readonly [Partial<ScaleInput>, string])[] = [
    [{ group: "x", count: 1 }, 'invalid: task group "x" specified for scaling does not exist in job'],
    [{ group: "", count: 1 }, 'invalid: task group "" specified for scaling does not exist in job'],
    [{ id: "unknown", count: 1 }, "not-found: job not found"],
    [{ count: -1 }, "invalid: scaling action count must not be negative"],
    [{ count: 1.5 }, "invalid: scaling action count must not be negative"],
    [{ count: 1, isError: true }, "invalid: scaling action should not contain count if error is true"],
    [{ count: 0 }, "invalid: group count was less than scaling policy minimum: 0 < 1"],
    [{ count: 6 }, "invalid: group count was greater than scaling policy maximum: 6 > 5"],
    [{ count: LIMITS.jobCountMax + 1 }, `invalid: count ${LIMITS.jobCountMax + 1} is over the limit of ${LIMITS.jobCountMax} (jobCountMax)`],
    [{ count: 2, enforceIndex: 99 }, "internal: Enforcing job modify index 99: job exists with conflicting job modify index: 2"],
  ];
  for (const [own, want] of REFUSED) {
    test(`with ${JSON.stringify(own)} is refused and changes nothing`, () => {
      const cluster = aCluster();
      cluster.register(aSpec({}, { count: 2, scaling: { min: 1, max: 5 } }));
      const before = cluster.state.index;
      expect(refusal(() => scale(cluster, own))).toBe(want);
      expect(cluster.state.index).toBe(before);
    });
  }
});

describe("evaluate", () => {
  test("makes an evaluation; of what makes none it is refused", () => {
    const cluster = aCluster();
    cluster.register(aSpec());
    cluster.register(aSpec({ id: "p", type: "batch", periodic: { crons: ["@daily"] } }));
    cluster.register(aSpec({ id: "q", type: "batch", parameterized: {} }));
    const evaluate = (id: string) => cluster.do((view, context) => evaluateJob(view, { namespace: "default", id, forceReschedule: false }, context));
    expect(evaluate("j").evalId).not.toBe("");
    expect(refusal(() => evaluate("p"))).toBe("invalid-job: can't evaluate periodic job");
    expect(refusal(() => evaluate("q"))).toBe("invalid-job: can't evaluate parameterized job");
    expect(refusal(() => evaluate("x"))).toBe("internal: job not found");
  });
});

describe("the status of a job", () => {
  test("follows its allocs and evaluations", () => {
    const cluster = aCluster();
    cluster.register(aSpec({ type: "batch" }));
    expect(cluster.job().status).toBe("pending");
    cluster.settle();
    expect(cluster.job().status).toBe("running");
    const [alloc] = cluster.live();
    if (alloc) cluster.report(alloc, { clientStatus: "complete" });
    expect(cluster.job().status).toBe("dead");
  });

  test("is running while a stopped job's alloc still runs, then dead", () => {
    const cluster = aCluster();
    cluster.start(aSpec());
    const [alloc] = cluster.live();
    if (alloc) cluster.report(alloc, { clientStatus: "running" });
    stop(cluster, false);
    cluster.settle();
    expect(cluster.job().status).toBe("running");
    if (alloc) cluster.report(alloc, { clientStatus: "complete" });
    expect(cluster.job().status).toBe("dead");
  });

  test("is pending while nothing of it fits, and while a failed alloc waits for its successor", () => {
    const cluster = new Cluster();
    cluster.start(aSpec());
    expect(cluster.job().status).toBe("pending");
    cluster.addNodes(aNode("n1"));
    cluster.unblock();
    const [alloc] = cluster.live();
    if (alloc) cluster.report(alloc, { clientStatus: "failed" });
    cluster.settle();
    expect(cluster.job().status).toBe("pending");
  });

  test("of a system job without nodes is running, until it is stopped", () => {
    const cluster = new Cluster();
    cluster.start(aSpec({ type: "system" }));
    expect(cluster.job().status).toBe("running");
    stop(cluster, false);
    cluster.settle();
    expect(cluster.job().status).toBe("dead");
  });

  test("of a parent of others is running until it is stopped", () => {
    const cluster = new Cluster();
    cluster.register(aSpec({ type: "batch", parameterized: {} }));
    expect(cluster.job().status).toBe("running");
    stop(cluster, false);
    expect(cluster.job().status).toBe("dead");
  });

  test("of another job of the same name from before a purge does not count", () => {
    const cluster = aCluster();
    cluster.start(aSpec({ type: "batch" }));
    stop(cluster, true);
    cluster.settle();
    cluster.register(aSpec({ type: "batch" }));
    expect(cluster.job().status).toBe("pending");
  });
});
