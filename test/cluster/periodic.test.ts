// When periodic jobs fire: cron dialect, changes of the clock, missed fires, overlap, and each fire once.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseSchedule } from "../../internal/cluster/cron.ts";
import { deregisterJob } from "../../internal/cluster/jobs.ts";
import { forcePeriodic, takeFires } from "../../internal/cluster/periodic.ts";
import { type DueFires, dueFires, nextFireAtMs, splayOf } from "../../internal/domain/fires.ts";
import type { Periodic } from "../../internal/domain/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { cpuMsOf } from "../fixtures/cpu-time.ts";
import { aJob, aNode, aSpec } from "../fixtures/model.ts";

/** [crons, time zone, from, the next fires in UTC; "never" ends them] */
const NEXT: readonly (readonly [readonly string[], string, string, readonly string[]])[] = [
  // The clock goes forward over 02:30: it fires once, at the first instant after the gap.
  [["30 2 * * *"], "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]],
  [["30 2 * * *"], "America/New_York", "2026-03-07T12:00Z", ["2026-03-08T07:00Z", "2026-03-09T06:30Z"]],
  // The clock goes back over it: the first of the two counts.
  [["30 2 * * *"], "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]],
  [["30 1 * * *"], "America/New_York", "2026-10-31T12:00Z", ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]],
  // What fires within the day keeps its distance.
  [["0 * * * *"], "Europe/Berlin", "2026-10-24T23:30Z", ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z", "2026-10-25T03:00Z"]],
  [["*/30 * * * *"], "Europe/Berlin", "2026-03-29T00:00Z", ["2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z"]],

  [["0 0 L * *"], "UTC", "2026-01-15T00:00Z", ["2026-01-31T00:00Z", "2026-02-28T00:00Z"]],
  [["0 0 LW * *"], "UTC", "2026-01-15T00:00Z", ["2026-01-30T00:00Z", "2026-02-27T00:00Z"]],
  [["0 0 15W * *"], "UTC", "2026-02-01T00:00Z", ["2026-02-16T00:00Z", "2026-03-16T00:00Z"]],
  [["0 0 * * 5L"], "UTC", "2026-01-01T00:00Z", ["2026-01-30T00:00Z", "2026-02-27T00:00Z"]],
  [["0 0 * * mon#2"], "UTC", "2026-01-01T00:00Z", ["2026-01-12T00:00Z", "2026-02-09T00:00Z"]],
  // Day of month and day of week are alternatives.
  [["0 0 13 * 5"], "UTC", "2026-02-07T00:00Z", ["2026-02-13T00:00Z", "2026-02-20T00:00Z"]],
  [["0 0 * * 7"], "UTC", "2026-02-01T00:00Z", ["2026-02-08T00:00Z"]],

  // Five fields, six with a trailing year, seven with leading seconds and trailing year.
  [["0 12 1 1 *"], "UTC", "2026-02-01T00:00Z", ["2027-01-01T12:00Z"]],
  [["0 12 1 1 * 2030"], "UTC", "2026-02-01T00:00Z", ["2030-01-01T12:00Z", "never"]],
  [["15 0 12 1 1 ? 2030-2031"], "UTC", "2026-02-01T00:00Z", ["2030-01-01T12:00:15Z", "2031-01-01T12:00:15Z", "never"]],
  [["@hourly"], "UTC", "2026-02-01T00:00Z", ["2026-02-01T01:00Z"]],
  [["@weekly"], "UTC", "2026-02-01T00:00Z", ["2026-02-08T00:00Z"]],
  [["@yearly"], "UTC", "2026-02-01T00:00Z", ["2027-01-01T00:00Z"]],
  [["@secondly"], "UTC", "2026-02-01T00:00Z", ["2026-02-01T00:00:01Z"]],

  [["0 18 * * *", "0 6 * * *", "0 18 * * *"], "UTC", "2026-02-01T07:00Z", ["2026-02-01T18:00Z", "2026-02-02T06:00Z"]],
  [["0 0 29 2 *"], "UTC", "2026-02-01T00:00Z", ["2028-02-29T00:00Z"]],
  [["0 0 31 2 *"], "UTC", "2026-02-01T00:00Z", ["never"]],
];

describe("the next fires", () => {
  for (const [crons, timeZone, from, want] of NEXT) {
    test(`of ${crons.join(" and ")} in ${timeZone} after ${from}`, () => {
      const schedule = parseSchedule(crons, timeZone);
      let at = Date.parse(from);
      const found = want.map(() => {
        const next = schedule.nextAfter(at);
        at = next ?? at;
        return next === null ? "never" : new Date(next).toISOString();
      });
      expect(found).toEqual(want.map((text) => (text === "never" ? text : new Date(text).toISOString())));
    });
  }

  test("of what is no cron expression are an error that shows it", () => {
    for (const cron of ["nonsense", "@sometimes", "60 * * * *"]) expect(() => parseSchedule([cron], "UTC")).toThrow(cron);
    expect(() => parseSchedule(["* * * * *"], "Mars/Olympus").nextAfter(0)).toThrow();
  });
});

const T0 = Date.parse("2026-06-01T10:00:00Z");
const MINUTELY = parseSchedule(["* * * * *"], "UTC");

function periodicJob(own: Partial<Periodic> = {}, id = "j") {
  return aJob(aSpec({ id, type: "batch", periodic: { crons: ["* * * * *"], ...own } }));
}

/** Minutes after T0. */
function minutes(due: DueFires): readonly number[] {
  return due.run.map((second) => (second * 1000 - T0) / 60_000);
}

/** [what happened, catch_up, deadline in minutes, watermark and now in minutes after T0, minutes that run, given up, settled] */
const DUE: readonly (readonly [string, Periodic["catchUp"], number, readonly [number, number], readonly number[], boolean, number])[] = [
  ["nothing is due", "last", 0, [0, 0.9], [], false, 0],
  ["one is due on time", "none", 0, [0, 1], [1], false, 1],
  ["one is due, a little late", "none", 0, [0, 1.9], [1], false, 1],
  ["the clock jumped forward by an hour", "last", 0, [0, 60.5], [60], true, 60],
  ["the clock jumped forward and nothing is caught up", "none", 0, [0, 60.5], [], true, 60],
  ["the clock jumped forward by five minutes and all are caught up", "all", 0, [0, 5], [1, 2, 3, 4, 5], false, 5],
  ["all are caught up within the start deadline", "all", 3, [0, 10], [7, 8, 9, 10], true, 10],
  ["the last is older than the start deadline", "last", 0.25, [0, 10.5], [], true, 10],
  ["the clock jumped back", "last", 0, [60, 10], [], false, 60],
  ["the clock jumped back and came on again", "last", 0, [60, 60], [], false, 60],
  ["the clock is past the watermark again", "last", 0, [60, 61], [61], false, 61],
];

for (const [name, catchUp, deadline, [watermark, now], run, hasSkipped, settled] of DUE) {
  test(`when ${name}, catch_up ${catchUp} runs ${run.length === 0 ? "nothing" : run.join(", ")}`, () => {
    const job = periodicJob({ catchUp, startDeadlineMs: deadline * 60_000 });
    const due = dueFires(job, MINUTELY, T0 / 1000 + watermark * 60, T0 + now * 60_000);
    expect([minutes(due), due.hasSkipped, (due.settledUntilS * 1000 - T0) / 60_000]).toEqual([run, hasSkipped, settled]);
  });
}

test("a gap of years in a job of every second is bounded in fires and in time", async () => {
  const schedule = parseSchedule(["* * * * * * *"], "UTC");
  for (const [catchUp, count] of [
    ["all", LIMITS.catchUpFiresMax],
    ["last", 1],
    // Only the fire of this very second, which is on time.
    ["none", 1],
  ] as const) {
    const cpuMs = await cpuMsOf(() => {
      const due = dueFires(periodicJob({ catchUp }), schedule, 0, T0);
      expect(due.run).toHaveLength(count);
      expect(due.hasSkipped).toBe(true);
      expect(due.settledUntilS).toBe(T0 / 1000);
    });
    expect(cpuMs).toBeLessThan(1000);
  }
});

test("after a gap with catch_up none what was missed stays missed, and what is due now fires", () => {
  const schedule = parseSchedule(["0 * * * *"], "UTC");
  const hour = Math.ceil(T0 / 3_600_000) * 3600;
  expect(dueFires(periodicJob({ catchUp: "none" }), schedule, hour - 10 * 3600, hour * 1000 + 200).run).toEqual([hour]);
  expect(dueFires(periodicJob({ catchUp: "none" }), schedule, hour - 10 * 3600, hour * 1000 + 5000).run).toEqual([]);
});

test("a gap of years in a job of once a year finds the last fire, and all of them", () => {
  const schedule = parseSchedule(["@yearly"], "UTC");
  const since = Date.parse("2000-06-01T00:00Z") / 1000;
  expect(dueFires(periodicJob({ catchUp: "last" }), schedule, since, T0).run).toEqual([Date.parse("2026-01-01T00:00Z") / 1000]);
  expect(dueFires(periodicJob({ catchUp: "all" }), schedule, since, T0).run).toHaveLength(26);
});

test("a job that is disabled or stopped has nothing due and no next fire", () => {
  const disabled = periodicJob({ enabled: false });
  const stopped = { ...periodicJob(), stop: true };
  for (const job of [disabled, stopped]) {
    expect(dueFires(job, MINUTELY, T0 / 1000, T0 + 600_000).run).toEqual([]);
    expect(nextFireAtMs(job, MINUTELY, T0 / 1000)).toBeNull();
  }
});

test("a splay is the same at each fire, differs between jobs, and stays within its bound", () => {
  const splays = Array.from({ length: 200 }, (_, at) => splayOf(periodicJob({ splayMs: 60_000 }, `job-${at}`)));
  for (const splay of splays) expect(splay >= 0 && splay < 60_000 && Number.isInteger(splay)).toBe(true);
  expect(new Set(splays).size).toBeGreaterThan(150);
  const job = periodicJob({ splayMs: 60_000 }, "job-7");
  const splay = splayOf(job);
  expect(splayOf(job)).toBe(splay);
  expect(nextFireAtMs(job, MINUTELY, T0 / 1000)).toBe(T0 + 60_000 + splay);
  expect(dueFires(job, MINUTELY, T0 / 1000, T0 + 60_000 + splay - 1).run).toEqual([]);
  expect(minutes(dueFires(job, MINUTELY, T0 / 1000, T0 + 60_000 + splay))).toEqual([1]);
});

function aPeriodicCluster(own: Partial<Periodic> = {}): Cluster {
  const cluster = new Cluster();
  cluster.nowMs = T0;
  cluster.addNodes(aNode("n1"));
  cluster.register(aSpec({ type: "batch", periodic: { crons: ["* * * * *"], ...own } }));
  return cluster;
}

function fire(cluster: Cluster): readonly string[] {
  const job = cluster.job();
  const settled = cluster.state.watermark("default", "j", job.createIndex)?.settledUntilS ?? 0;
  const due = dueFires(job, MINUTELY, settled, cluster.nowMs);
  return cluster.do((view, context) => takeFires(view, { namespace: "default", id: "j", due }, context));
}

const childAt = (minute: number) => `j/periodic-${T0 / 1000 + minute * 60}`;

test("a fire makes a child that runs, a record, and a new watermark", () => {
  const cluster = aPeriodicCluster();
  expect(fire(cluster)).toEqual([]);
  cluster.nowMs = T0 + 60_500;
  expect(fire(cluster)).toEqual([childAt(1)]);
  const child = cluster.job(childAt(1));
  expect(child).toMatchObject({ parentId: "j", periodic: null, dispatched: false, name: childAt(1), version: 0, stop: false });
  expect([...cluster.state.childrenOf("default", "j")].map((head) => head.id)).toEqual([childAt(1)]);
  expect([...cluster.state.firesOfJob("default", "j")]).toMatchObject([{ status: "done", childId: childAt(1), scheduledAtS: T0 / 1000 + 60 }]);
  cluster.settle();
  expect(cluster.live(childAt(1))).toHaveLength(1);
  expect(fire(cluster)).toEqual([]);
});

test("prohibit_overlap skips a fire while a child lives, and says why", () => {
  const cluster = aPeriodicCluster({ prohibitOverlap: true });
  cluster.nowMs = T0 + 60_000;
  fire(cluster);
  cluster.settle();
  cluster.nowMs = T0 + 120_000;
  expect(fire(cluster)).toEqual([]);
  expect([...cluster.state.firesOfJob("default", "j")].at(-1)).toMatchObject({
    status: "skipped",
    reason: expect.stringContaining("prohibit_overlap"),
  });
  for (const alloc of cluster.live(childAt(1))) cluster.report(alloc, { clientStatus: "complete" });
  cluster.nowMs = T0 + 180_000;
  expect(fire(cluster)).toEqual([childAt(3)]);
});

test("caught up fires of a job that prohibits overlap run one", () => {
  const cluster = aPeriodicCluster({ prohibitOverlap: true, catchUp: "all" });
  cluster.nowMs = T0 + 5 * 60_000;
  expect(fire(cluster)).toEqual([childAt(1)]);
  expect([...cluster.state.firesOfJob("default", "j")].map((record) => record.status)).toEqual(["done", "skipped", "skipped", "skipped", "skipped"]);
});

test("a forced child does the fire of its second", () => {
  const cluster = aPeriodicCluster({ prohibitOverlap: true });
  cluster.nowMs = T0 + 60_000;
  expect(cluster.do((view, context) => forcePeriodic(view, { namespace: "default", id: "j" }, context)).childId).toBe(childAt(1));
  expect(fire(cluster)).toEqual([]);
  expect([...cluster.state.firesOfJob("default", "j")]).toMatchObject([{ status: "done", childId: childAt(1), reason: "" }]);
  // Forcing again in that second is another child, overlap or not.
  const again = cluster.do((view, context) => forcePeriodic(view, { namespace: "default", id: "j" }, context));
  expect(again.childId).toBe(`j/periodic-${T0 / 1000 + 61}`);
});

test("records of fires are trimmed, the watermark stays", () => {
  const cluster = aPeriodicCluster();
  for (let minute = 1; minute <= 60; minute++) {
    cluster.nowMs = T0 + minute * 60_000;
    fire(cluster);
  }
  expect([...cluster.state.firesOfJob("default", "j")].length).toBeLessThanOrEqual(51);
  expect(cluster.state.watermark("default", "j", cluster.job().createIndex)?.settledUntilS).toBe(T0 / 1000 + 3600);
});

test("a job registered again keeps its watermark; purged and registered anew it starts afresh", () => {
  const cluster = aPeriodicCluster();
  cluster.nowMs = T0 + 600_000;
  cluster.register(aSpec({ type: "batch", priority: 60, periodic: { crons: ["* * * * *"] } }));
  expect(fire(cluster)).toEqual([childAt(10)]);
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: true, evalPriority: 0 }, context));
  cluster.nowMs = T0 + 1_200_000;
  cluster.register(aSpec({ type: "batch", periodic: { crons: ["* * * * *"] } }));
  expect(fire(cluster)).toEqual([]);
  cluster.nowMs = T0 + 1_260_000;
  expect(fire(cluster)).toEqual([childAt(21)]);
});

test("however the clock moves, each fire is taken once, in order, and none from before the watermark", () => {
  const step = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 90 }) }, fc.integer({ min: -7200, max: 7200 }));
  fc.assert(
    fc.property(fc.constantFrom("none" as const, "last" as const, "all" as const), fc.array(step, { maxLength: 25 }), (catchUp, steps) => {
      const cluster = aPeriodicCluster({ catchUp });
      const taken: string[] = [];
      for (const seconds of steps) {
        cluster.nowMs += seconds * 1000;
        taken.push(...fire(cluster));
      }
      expect(new Set(taken).size).toBe(taken.length);
      expect([...taken].sort()).toEqual(taken);
      for (const child of taken) expect(Number(child.split("-")[1]) > T0 / 1000).toBe(true);
    }),
    { numRuns: 150, seed: 31 },
  );
});
