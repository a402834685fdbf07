// Runs that share a concurrency key take turns: never more at once than the limit, each in its turn, whoever ends what.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { admitWaiting, waitOf } from "../../internal/cluster/concurrency.ts";
import { type DispatchInput, dispatchJob } from "../../internal/cluster/dispatch.ts";
import { deregisterJob, evaluateJob } from "../../internal/cluster/jobs.ts";
import { nextOfJob } from "../../internal/cluster/outlook.ts";
import { forcePeriodic, takeFires } from "../../internal/cluster/periodic.ts";
import { resumeJob } from "../../internal/cluster/resume.ts";
import { isClientTerminal } from "../../internal/domain/alloc.ts";
import { concurrencyKeyOf } from "../../internal/domain/concurrency-key.ts";
import { EdgeError } from "../../internal/domain/errors.ts";
import type { Concurrency } from "../../internal/domain/job.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import { validateJob } from "../../internal/domain/job-model/validate.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, NOW_MS } from "../fixtures/model.ts";
import { refusal } from "../fixtures/refusal.ts";

const KNOWS = { "kernel.name": "linux", "edgectl.resume": "1" };
const SECOND = Math.floor(NOW_MS / 1000);

function form(concurrency: Partial<Concurrency>, own: JobDraft = {}) {
  return aSpec({ type: "batch", parameterized: { metaOptional: ["room"] }, concurrency, ...own }, { reschedule: { attempts: 0, unlimited: false } });
}

function aCluster(...specs: readonly ReturnType<typeof aSpec>[]): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1", { attributes: KNOWS }));
  for (const spec of specs) cluster.register(spec);
  return cluster;
}

function dispatch(cluster: Cluster, own: Partial<DispatchInput> = {}): string {
  const input: DispatchInput = { namespace: "default", id: "j", payload: "", meta: {}, idPrefix: "", idempotencyToken: "", priority: 0, ...own };
  const { childId } = cluster.do((view, context) => dispatchJob(view, input, context));
  cluster.settle();
  return childId;
}

function fire(cluster: Cluster, seconds: readonly number[], id = "j"): readonly string[] {
  const due = { run: seconds, hasSkipped: false, settledUntilS: seconds.at(-1) ?? 0 };
  const children = cluster.do((view, context) => takeFires(view, { namespace: "default", id, due }, context));
  cluster.settle();
  return children;
}

function end(cluster: Cluster, id: string, clientStatus: "complete" | "failed" = "complete"): void {
  for (const alloc of cluster.allocs(id)) if (!isClientTerminal(alloc)) cluster.report(alloc, { clientStatus });
  cluster.settle();
}

function stop(cluster: Cluster, id: string, purge = false): void {
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id, purge, evalPriority: 0 }, context));
  cluster.settle();
}

const isPlaced = (cluster: Cluster, id: string) => cluster.live(id).length > 0;
const placed = (cluster: Cluster, ids: readonly string[]) => ids.map((id) => isPlaced(cluster, id));

describe("queue", () => {
  test("has one too many wait, says for what, and begins them in the order in which they came", () => {
    const cluster = aCluster(form({ limit: 2 }));
    const ids = [dispatch(cluster), dispatch(cluster), dispatch(cluster), dispatch(cluster)] as const;
    expect(placed(cluster, ids)).toEqual([true, true, false, false]);
    expect(cluster.job(ids[3])).toMatchObject({ status: "pending", statusDescription: 'waits for concurrency key "j"' });
    expect(waitOf(cluster.state, cluster.job(ids[3]))).toBe(
      `waits for concurrency key "j": number 2 of 2, 2 of 2 run (${[ids[0], ids[1]].sort().join(", ")})`,
    );
    expect(nextOfJob(cluster.state, cluster.job("j"), NOW_MS)[0]?.what).toBe('2 of its runs wait their turn, for concurrency key "j"');
    expect(cluster.state.hasEvals("default", ids[2])).toBe(false);
    end(cluster, ids[1], "failed");
    expect(placed(cluster, ids)).toEqual([true, false, true, false]);
    expect(cluster.job(ids[2]).statusDescription).toBe("");
    stop(cluster, ids[0]);
    expect(placed(cluster, ids).at(-1)).toBe(false);
    end(cluster, ids[0]);
    expect(placed(cluster, ids)).toEqual([false, false, true, true]);
  });

  test("keys made of a run's meta are apart from each other, and jobs that name one key share it", () => {
    const own = form({ key: "heat-${NOMAD_META_room}" });
    const other = form({ key: "heat-${NOMAD_META_ROOM}" }, { id: "other" });
    const cluster = aCluster(own, other);
    const ids = [
      dispatch(cluster, { meta: { room: "a" } }),
      dispatch(cluster, { meta: { room: "b" } }),
      dispatch(cluster, { id: "other", meta: { room: "a" } }),
    ];
    expect(placed(cluster, ids)).toEqual([true, true, false]);
    end(cluster, ids[0] as string);
    expect(placed(cluster, ids)).toEqual([false, true, true]);
  });

  test("the first in the line is not overtaken by one whose job allows more at once", () => {
    const cluster = aCluster(form({ key: "k", limit: 1 }), form({ key: "k", limit: 3 }, { id: "wide" }));
    const first = dispatch(cluster);
    const second = dispatch(cluster);
    const wide = [dispatch(cluster, { id: "wide" }), dispatch(cluster, { id: "wide" })];
    expect(placed(cluster, [first, second, ...wide])).toEqual([true, false, false, false]);
    stop(cluster, second, true);
    expect(placed(cluster, wide)).toEqual([true, true]);
  });

  test("a purged run holds its place until nothing of it is left on its node", () => {
    const cluster = aCluster(form({}));
    const ids = [dispatch(cluster), dispatch(cluster)] as const;
    stop(cluster, ids[0], true);
    expect(isPlaced(cluster, ids[1])).toBe(false);
    end(cluster, ids[0]);
    expect(isPlaced(cluster, ids[1])).toBe(true);
  });

  test("a limit that the job's next version raises counts for those that wait", () => {
    const cluster = aCluster(form({}));
    const ids = [dispatch(cluster), dispatch(cluster), dispatch(cluster)];
    cluster.register(form({ limit: 3 }));
    cluster.settle();
    expect(placed(cluster, ids)).toEqual([true, true, true]);
  });

  test("a run that waits is placed by no other evaluation, and one that is begun again waits its turn", () => {
    const cluster = aCluster(form({}));
    const [first, second] = [dispatch(cluster), dispatch(cluster)];
    const evaluate = (id: string) => {
      cluster.do((view, context) => evaluateJob(view, { namespace: "default", id, forceReschedule: true }, context));
      cluster.settle();
    };
    evaluate(second);
    expect(isPlaced(cluster, second)).toBe(false);
    end(cluster, first, "failed");
    expect(isPlaced(cluster, second)).toBe(true);
    cluster.do((view, context) => resumeJob(view, { namespace: "default", id: first, allocId: "", group: "", isAnywhere: false }, context));
    cluster.settle();
    expect([isPlaced(cluster, first), cluster.job(first).status]).toEqual([false, "pending"]);
    end(cluster, second);
    expect([isPlaced(cluster, first), cluster.live(first)[0]?.resumes !== undefined]).toEqual([true, true]);
  });

  test("so many may wait and no more", () => {
    const cluster = aCluster(form({}));
    dispatch(cluster);
    const waiting = cluster.job(dispatch(cluster));
    const head = [...cluster.state.jobHeads()].find((one) => one.id === waiting.id);
    const { status: _s, statusDescription: _d, slot: _slot, ...version } = waiting;
    if (!head) throw new Error("it has a head");
    for (let at = 1; at < LIMITS.concurrencyQueueMax; at++)
      cluster.apply([
        { table: "job_versions", op: "put", row: { ...version, id: `j/x${at}`, createIndex: 0 } },
        { table: "jobs", op: "put", row: { ...head, id: `j/x${at}`, createIndex: 0 } },
      ]);
    expect(refusal(() => dispatch(cluster))).toBe('busy: the run was not made: concurrency key "j": 1000 runs wait already (concurrencyQueueMax)');
  });

  test("a job that runs itself waits as well", () => {
    const cluster = aCluster();
    for (const id of ["a", "b"]) cluster.start(aSpec({ id, type: "batch", concurrency: { key: "k" } }));
    expect(placed(cluster, ["a", "b"])).toEqual([true, false]);
    expect(refusal(() => cluster.register(aSpec({ id: "c", type: "batch", concurrency: { policy: "skip" } })))).toContain(
      'a concurrency policy "skip" is for periodic and parameterized jobs',
    );
    end(cluster, "a");
    expect(placed(cluster, ["a", "b"])).toEqual([false, true]);
  });
});

describe("skip and replace", () => {
  const clock = (policy: Concurrency["policy"], limit = 1) =>
    aCluster(aSpec({ type: "batch", periodic: { crons: ["* * * * *"] }, concurrency: { policy, limit } }));

  test("skip leaves out a fire and notes why, and refuses a forced one and a dispatch", () => {
    const cluster = clock("skip", 2);
    const made = fire(cluster, [SECOND, SECOND + 60, SECOND + 120]);
    expect(made.length).toBe(2);
    const skipped = [...cluster.state.firesOfJob("default", "j")].filter(({ status }) => status === "skipped");
    expect(skipped.map(({ reason, childId }) => [reason, childId])).toEqual([['concurrency key "j": 2 of 2 run (policy "skip")', ""]]);
    const force = () => cluster.do((view, context) => forcePeriodic(view, { namespace: "default", id: "j" }, context));
    expect(refusal(force)).toBe('conflict: the run was not made: concurrency key "j": 2 of 2 run (policy "skip")');
    end(cluster, made[0] as string);
    expect(refusal(force)).toBe("");
  });

  test("replace ends the oldest, begins once that is gone, and of those that wait the newest stays", () => {
    const cluster = clock("replace");
    const [first = ""] = fire(cluster, [SECOND]);
    const [second = ""] = fire(cluster, [SECOND + 60]);
    expect([cluster.job(first).stop, isPlaced(cluster, second), cluster.job(second).status]).toEqual([true, false, "pending"]);
    const [third = ""] = fire(cluster, [SECOND + 120]);
    expect([cluster.job(second).stop, cluster.job(second).status, isPlaced(cluster, third)]).toEqual([true, "dead", false]);
    end(cluster, first);
    expect(placed(cluster, [first, second, third])).toEqual([false, false, true]);
  });

  test("of fires that were missed together the last one stays", () => {
    const cluster = clock("replace");
    const made = fire(cluster, [SECOND, SECOND + 60, SECOND + 120]);
    expect(made).toEqual([`j/periodic-${SECOND + 120}`]);
    expect(placed(cluster, made)).toEqual([true]);
  });
});

/** [what is wrong, the job, the problem] */
const PROBLEMS: readonly (readonly [string, JobDraft, string])[] = [
  ["a service", { type: "service", concurrency: {} }, "`concurrency` is for batch and sysbatch jobs, this one is service"],
  ["a limit of 0", { concurrency: { limit: 0 } }, "limit"],
  ["meta that no run has", { concurrency: { key: "${NOMAD_META_x}" } }, "asks for ${NOMAD_META_x}, which no run of the job has"],
  ["what is no meta", { concurrency: { key: "${node.unique.id}" } }, "only meta keys can stand there"],
  ["a key without end", { concurrency: { key: "k".repeat(256) } }, "255 characters at most (concurrencyKeyCharsMax)"],
  [
    "a key that its meta makes too long",
    { meta: { x: "x".repeat(300) }, concurrency: { key: "${NOMAD_META_x}" } },
    "has 300 characters with the job's meta",
  ],
  ["a key with a control character", { concurrency: { key: "a\u001fb" } }, "must not hold control characters"],
  [
    "a job that its node fires",
    { periodic: { crons: ["* * * * *"], runOn: "node" }, concurrency: {} },
    '`concurrency` and `run_on = "node"` exclude each other',
  ],
  ["two ways to forbid it", { periodic: { crons: ["* * * * *"], prohibitOverlap: true }, concurrency: {} }, "`prohibit_overlap` exclude each other"],
];

describe("refused by name:", () => {
  for (const [what, draft, text] of PROBLEMS)
    test(what, () => {
      const problems = validateJob(aSpec({ type: "batch", ...draft })).map((problem) => problem.message);
      expect(problems.join("\n")).toContain(text);
    });

  test("a dispatch whose meta makes too long a key", () => {
    const cluster = aCluster(form({ key: "${NOMAD_META_room}" }));
    expect(refusal(() => dispatch(cluster, { meta: { room: "x".repeat(300) } }))).toContain("has 300 characters with this meta");
    const clock = aCluster(form({ key: "${NOMAD_META_room}" }, { periodic: { crons: ["* * * * *"] } }));
    expect(refusal(() => dispatch(clock, { meta: { room: "x\u0001" } }))).toContain("no control characters");
  });
});

test("a key without meta is the job's id", () => {
  expect(concurrencyKeyOf(form({ key: "${NOMAD_META_room}" }), {})).toBe("j");
  expect(concurrencyKeyOf(form({ key: "a-${NOMAD_META_room}-${ NOMAD_META_ROOM }" }), { room: "1" })).toBe("a-1-1");
});

type Step =
  | { readonly kind: "dispatch" | "fire" | "force" }
  | { readonly kind: "end" | "fail" | "stop" | "purge" | "again"; readonly at: number }
  | { readonly kind: "lead" };

const STEPS: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom("dispatch", "fire", "force") }) as fc.Arbitrary<Step>,
  fc.record({ kind: fc.constantFrom("end", "fail", "stop", "purge", "again"), at: fc.nat(20) }) as fc.Arbitrary<Step>,
  fc.constant({ kind: "lead" } as const),
);

/** A leader that comes later: nothing but the rows is there, and each key that somebody waits for is looked at. */
function nextLeader(cluster: Cluster): Cluster {
  const next = new Cluster();
  next.takeOver(cluster);
  for (const { namespace, slot } of next.state.jobHeads())
    if (slot?.state === "waits") next.do((view, context) => admitWaiting(view, { namespace, key: slot.key }, context));
  next.settle();
  return next;
}

describe("over drawn fires, dispatches, ends, stops, purges, second tries and changes of the leader", () => {
  for (const policy of ["queue", "skip", "replace"] as const)
    test(`policy ${policy} never has more runs than its limit, and none waits while there is room`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 3 }), fc.array(STEPS, { maxLength: 40 }), (limit, steps) => {
          const concurrency = { key: "k", limit, policy };
          const periodic = aSpec(
            { id: "p", type: "batch", periodic: { crons: ["* * * * *"] }, concurrency },
            { reschedule: { attempts: 0, unlimited: false } },
          );
          let cluster = aCluster(form(concurrency), periodic);
          const runs: string[] = [];
          let second = SECOND;
          const attempt = (make: () => string | undefined) => {
            try {
              const id = make();
              if (id !== undefined) runs.push(id);
            } catch (error) {
              if (!(error instanceof EdgeError) || policy !== "skip") throw error;
            }
          };
          for (const step of steps) {
            const id = "at" in step && runs.length > 0 ? (runs[step.at % runs.length] as string) : "";
            second += 60;
            cluster.nowMs = second * 1000;
            if (step.kind === "dispatch") attempt(() => dispatch(cluster));
            else if (step.kind === "fire") attempt(() => fire(cluster, [second], "p")[0]);
            else if (step.kind === "force")
              attempt(() => cluster.do((view, context) => forcePeriodic(view, { namespace: "default", id: "p" }, context)).childId);
            else if (step.kind === "lead") cluster = nextLeader(cluster);
            else if (id === "") continue;
            else if (step.kind === "end") end(cluster, id);
            else if (step.kind === "fail") end(cluster, id, "failed");
            else if (step.kind === "again") {
              if (cluster.state.job("default", id)?.stop === false)
                cluster.do((view, context) => evaluateJob(view, { namespace: "default", id, forceReschedule: true }, context));
            } else stop(cluster, id, step.kind === "purge");
            cluster.settle();
            const open = new Set([...cluster.state.allocs()].filter((alloc) => !isClientTerminal(alloc)).map((alloc) => alloc.jobId));
            expect(open.size).toBeLessThanOrEqual(limit);
            const waiting = runs.filter((run) => cluster.state.job("default", run)?.slot?.state === "waits" && !cluster.job(run).stop);
            if (waiting.length > 0) expect(open.size).toBe(limit);
          }
          // Nobody starves: once each that runs is ended, all had their turn.
          for (let round = 0; round <= runs.length; round++) for (const run of runs) end(cluster, run);
          for (const run of runs) expect(cluster.state.job("default", run)?.status ?? "dead").toBe("dead");
        }),
        { numRuns: 150 },
      );
    });
});
