// What happens next, and how tasks ended: read from what is stored, each with its instant.

import { describe, expect, test } from "bun:test";
import { missedFireAtMs, nextOfAlloc, nextOfJob } from "../../internal/cluster/outlook.ts";
import { setScheduler } from "../../internal/cluster/settings.ts";
import { accountsOf } from "../../internal/cluster/task-account.ts";
import type { Alloc, TaskEvent } from "../../internal/domain/alloc.ts";
import { SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { put } from "../../internal/domain/tables.ts";
import { exitMeaning } from "../../internal/domain/task-exit.ts";
import { EVENT } from "../../internal/runner/task-events.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, aTaskState } from "../fixtures/model.ts";

const next = (cluster: Cluster, id = "j") => nextOfJob(cluster.state, cluster.job(id), cluster.nowMs);
const whats = (cluster: Cluster, id = "j") => next(cluster, id).map((step) => step.what);
const HOUR = 3_600_000;

describe("next for a job", () => {
  test.each([
    ["the next fire", { enabled: true, crons: ["0 * * * *"] }, "it fires"],
    ["a schedule that is off", { enabled: false, crons: ["0 * * * *"] }, "it does not fire: periodic.enabled is false"],
    ["a schedule that is over", { enabled: true, crons: ["0 0 1 1 * 2001"] }, "it never fires again: its schedule has no instant to come"],
  ] as const)("that is periodic: %s", (_name, periodic, want) => {
    const cluster = new Cluster();
    cluster.start(aSpec({ type: "batch", periodic: { ...periodic, crons: [...periodic.crons] } }));
    const [step] = next(cluster);
    expect(step?.what).toBe(want);
    expect(step?.atMs).toBe(want === "it fires" ? (Math.floor(cluster.nowMs / HOUR) + 1) * HOUR : null);
  });

  test("that missed a fire says which, until a later one was taken", () => {
    const cluster = new Cluster();
    cluster.start(aSpec({ type: "batch", periodic: { enabled: true, crons: ["0 * * * *"] } }));
    const job = cluster.job();
    expect(missedFireAtMs(cluster.state, job)).toBeNull();
    const hour = (Math.floor(cluster.nowMs / HOUR) + 1) * HOUR;
    const settle = (untilMs: number) => {
      const before = cluster.state.watermark("default", "j", job.createIndex);
      if (before) cluster.apply([put("watermarks", { ...before, settledUntilS: untilMs / 1000 })]);
    };
    settle(hour + 2 * HOUR);
    expect(missedFireAtMs(cluster.state, job)).toBe(hour + 2 * HOUR);
    const fire = { namespace: "default", jobId: "j", jobCreateIndex: job.createIndex, scheduledAtS: (hour + 3 * HOUR) / 1000 } as const;
    settle(hour + 3 * HOUR);
    cluster.apply([put("fires", { ...fire, status: "done", childId: "c", reason: "", firedAtMs: 0, createIndex: 0, modifyIndex: 0 })]);
    expect(missedFireAtMs(cluster.state, job)).toBeNull();
  });

  test("that is dispatched, or stopped", () => {
    const cluster = new Cluster();
    cluster.start(aSpec({ type: "batch", parameterized: {} }));
    expect(whats(cluster)).toEqual(["it runs when it is dispatched: edgectl job dispatch j"]);
    const [version] = cluster.state.jobVersions("default", "j");
    if (version) cluster.apply([put("job_versions", { ...version, stop: true })]);
    expect(whats(cluster)).toEqual(["nothing: it is stopped, until it is run or started again"]);
  });

  test("that waits for room, or for the end of a pause", () => {
    const cluster = new Cluster();
    cluster.start(aSpec());
    expect(whats(cluster)).toContain(
      "what has no place is tried again when room appears: number 1 of the queue, it waits for a ready node in its node pool",
    );
    cluster.do((view) => setScheduler(view, { value: { ...SCHEDULER_DEFAULTS, pauseEvalBroker: true }, enforceIndex: null }));
    cluster.register(aSpec({ id: "k" }));
    expect(whats(cluster, "k")).toContain("it is evaluated (job-register): the broker is paused");
  });

  test("that failed and is tried again elsewhere, at its instant", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    cluster.start(
      aSpec({ type: "batch" }, { reschedule: { attempts: 3, unlimited: false, delayMs: 90_000, delayFunction: "constant", intervalMs: HOUR } }),
    );
    const [alloc] = cluster.live();
    if (!alloc) throw new Error("it was placed");
    cluster.report(alloc, { clientStatus: "failed", taskStates: { t: aTaskState({ state: "dead", failed: true, finishedAtMs: cluster.nowMs }) } });
    cluster.settle();
    expect(next(cluster)).toEqual([{ what: "what failed is tried again", atMs: cluster.nowMs + 90_000 }]);
    const ended = cluster.state.alloc(alloc.id);
    if (!ended) throw new Error("it is kept");
    expect(nextOfAlloc(cluster.state, ended)).toEqual([
      { what: "it is tried again on a node that the scheduler chooses", atMs: cluster.nowMs + 90_000 },
    ]);
  });

  test("whose deployment has a deadline, or waits for a person", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    cluster.start(aSpec({ type: "service" }));
    const [step] = next(cluster);
    expect(step?.what).toBe('the deployment fails, unless another allocation of group "g" is healthy by then (progress_deadline)');
    expect(step?.atMs).toBe(cluster.nowMs + 600_000);
    const [deployment] = [...cluster.state.deploymentsOfJob("default", "j")];
    if (!deployment) throw new Error("there is one");
    cluster.apply([put("deployments", { ...deployment, status: "paused" })]);
    expect(whats(cluster)).toEqual([`its deployment stands still: edgectl deployment resume ${deployment.id.slice(0, 8)}`]);
  });

  test("whose node is drained", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    cluster.start(aSpec({ type: "batch" }));
    const drain = { startedAtMs: cluster.nowMs, deadlineAtMs: cluster.nowMs + HOUR, isForced: false, ignoresSystemJobs: false, deadlineMs: HOUR };
    cluster.addNodes(aNode("n1", { drain, eligibility: "ineligible" }));
    expect(next(cluster)).toEqual([{ what: "j.g[0] leaves node name-n1, which is drained, at the latest", atMs: cluster.nowMs + HOUR }]);
  });
});

describe("a task's account", () => {
  const T = 1_000_000;
  const account = (state: "pending" | "running" | "dead", ...events: TaskEvent[]) =>
    accountsOf({ taskStates: { t: aTaskState({ state, events }) } })[0];

  test("of one that starts again says why, and when", () => {
    const exit = { code: 1, signal: 0, isOom: false };
    const found = account("pending", EVENT.started(T), EVENT.terminated(T + 5, exit), EVENT.restarting(T + 6, 15_000, "Restart within policy"));
    expect(found).toMatchObject({
      exit: { code: 1, atMs: T + 5, message: "Exit Code: 1" },
      reason: "Restart within policy",
      nextStartAtMs: T + 15_006,
    });
    // Once it runs the end before stays told, and the start is no more to come.
    const later = account("running", EVENT.terminated(T + 5, exit), EVENT.restarting(T + 6, 15_000, "Restart within policy"), EVENT.started(T + 9));
    expect(later).toMatchObject({ exit: { code: 1 }, reason: "Restart within policy", nextStartAtMs: null });
  });

  test("of one that does not start again, or never could", () => {
    expect(
      account("dead", EVENT.terminated(T, { code: 3, signal: 0, isOom: false }), EVENT.notRestarting(T, "Policy allows no restarts"))?.reason,
    ).toBe("Policy allows no restarts");
    expect(account("dead", EVENT.setupFailure(T, "no such user"))).toMatchObject({ exit: null, reason: "no such user" });
    expect(account("running", EVENT.started(T))).toMatchObject({ exit: null, reason: "" });
  });

  test.each([
    [{ code: 0, signal: 0, isOom: false }, "it ended well"],
    [{ code: 1, signal: 0, isOom: false }, "a general error: its log says more"],
    [{ code: 42, signal: 0, isOom: false }, "an error of the program's own: its log says more"],
    [{ code: 127, signal: 0, isOom: false }, "the program, or one that it runs, was not found"],
    [{ code: 143, signal: 0, isOom: false }, "SIGTERM: it was asked to end"],
    [
      { code: 137, signal: 9, isOom: true },
      "the kernel ended it for using more memory than it may: give it more (resources.memory), or let it use less",
    ],
    [{ code: 139, signal: 11, isOom: false }, "SIGSEGV: it touched memory that is not its own: a bug of the program or of a library"],
    [{ code: 163, signal: 35, isOom: false }, "signal 35: it was ended by a signal"],
    [{ code: null, signal: 0, isOom: false }, "its exit status is unknown: the machine or the agent ended before it was written"],
  ])("%j means %s", (exit, meaning) => {
    expect(exitMeaning(exit)).toBe(meaning);
  });

  test("keeps an unknown exit status unknown", () => {
    const found = account("dead", EVENT.terminated(T, { code: null, signal: 0, isOom: false }));
    expect([found?.exit?.code, found?.exit?.meaning]).toEqual([null, exitMeaning({ code: null, signal: 0, isOom: false })]);
  });
});

test("an allocation that another took the place of has nothing to come", () => {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  cluster.start(aSpec({ type: "batch" }));
  const [alloc] = cluster.live();
  const of = (own: Partial<Alloc>) => nextOfAlloc(cluster.state, { ...(alloc as Alloc), ...own }).map((step) => step.what);
  expect(of({ clientStatus: "failed", nextAlloc: "abcdefgh-1" })).toEqual(["nothing: abcdefgh took its place"]);
  expect(of({ clientStatus: "complete" })).toEqual(["nothing: it has ended"]);
  expect(of({ desiredStatus: "stop" })).toEqual(["it ends: it was told to stop"]);
});
