// Fires that a node decides by itself: what one runs, what a crash leaves of it, and what is kept of many.

import { expect, test } from "bun:test";
import { afterCrash, fireKeyOf, foldOldest, idOfHash, inOrder, type KeptFire, runOf } from "../../internal/device/fires.ts";
import type { FireReport } from "../../internal/domain/fires.ts";
import { canonicalizeJob } from "../../internal/domain/job-model/defaults.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { JobVersion } from "../../internal/domain/tables.ts";

const RESOURCES = { tasks: {}, cpuMHz: 10, memoryMiB: 10, diskMiB: 10, ports: [] };

function fire(second: number, more: Partial<FireReport> = {}): FireReport {
  return {
    namespace: "default",
    jobId: "reading",
    jobCreateIndex: 7,
    jobVersion: 2,
    scheduledAtS: second,
    isForced: false,
    status: "started",
    reason: "",
    firedAtMs: second * 1000,
    allocId: `alloc-${second}`,
    firingAllocId: "firing",
    report: null,
    ...more,
  };
}

test.each([
  ["a process was found", true, "skip", "take-up"],
  ["a process was found, and it may run twice", true, "run", "take-up"],
  ["nothing was found: it may have run", false, "skip", "skip"],
  ["nothing was found, and it may run twice", false, "run", "run"],
] as const)("after a crash: %s", (_name, isProven, onUnknown, want) => {
  expect(afterCrash(isProven, onUnknown)).toBe(want);
});

test("a fire is one run, told apart by job, life of the job, second and node", () => {
  const key = fireKeyOf(fire(1), "n1");
  expect(fireKeyOf(fire(1), "n1")).toBe(key);
  const others = [fire(2), fire(1, { jobId: "other" }), fire(1, { jobCreateIndex: 8 }), fire(1, { namespace: "x" })].map((one) =>
    fireKeyOf(one, "n1"),
  );
  expect(new Set([key, fireKeyOf(fire(1), "n2"), ...others]).size).toBe(6);
  expect(idOfHash("0123456789abcdef".repeat(4))).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("what is run is the child that the leader would have made, and no parent any more", () => {
  const spec = canonicalizeJob({ id: "reading", type: "batch", periodic: { crons: ["* * * * *"], runOn: "node" }, groups: [{ name: "g" }] });
  const { job, alloc } = runOf({ ...spec, version: 2, createIndex: 7 } as JobVersion, fire(60), RESOURCES);
  expect([job.id, job.name, job.parentId, job.periodic, job.isFiredByNode]).toEqual([
    "reading/periodic-60",
    "reading/periodic-60",
    "reading",
    null,
    true,
  ]);
  expect([alloc.id, alloc.name, alloc.jobId, alloc.resources, alloc.createdAtMs]).toEqual([
    "alloc-60",
    "reading/periodic-60.g[0]",
    "reading/periodic-60",
    RESOURCES,
    60_000,
  ]);
});

test("of too many fires the oldest that ended become one record that counts them; what still runs stays", () => {
  const kept = new Map<string, KeptFire>();
  const keep = (one: KeptFire) => kept.set(one.fire.allocId, one);
  const total = LIMITS.firesKeptOnNodeMax + 30;
  keep({ fire: fire(0), state: "started" });
  keep({ fire: fire(1, { jobId: "other" }), state: "done" });
  for (let second = 2; second < total; second++) {
    keep({ fire: fire(second), state: "done" });
    const folding = foldOldest(kept.values(), kept.size);
    if (!folding) continue;
    keep(folding.into);
    kept.delete(folding.dropped.fire.allocId);
  }
  expect(kept.size).toBe(LIMITS.firesKeptOnNodeMax);
  expect([kept.get("alloc-0")?.state, kept.get("alloc-1")?.fire.jobId]).toEqual(["started", "other"]);
  const [, , folded, next] = [...kept.values()];
  expect([folded?.count, folded?.fire.status, folded?.fire.report, folded?.fire.scheduledAtS]).toEqual([31, "skipped", null, 32]);
  expect(folded?.fire.reason).toContain("31 fires");
  expect([next?.count, next?.fire.scheduledAtS]).toEqual([undefined, 33]);
  // Each fire is accounted for once.
  expect([...kept.values()].reduce((sum, one) => sum + (one.count ?? 1), 0)).toBe(total);
});

test("of each job none is told before those that came before it; what somebody asked for, and other jobs, wait for nobody", () => {
  const kept: readonly KeptFire[] = [
    { fire: fire(1), state: "done" },
    { fire: fire(2), state: "claimed" },
    { fire: fire(3), state: "started" },
    { fire: fire(4, { isForced: true }), state: "started" },
    { fire: fire(5, { isForced: true }), state: "claimed" },
    { fire: fire(2, { jobId: "other" }), state: "started" },
    { fire: fire(6, { jobCreateIndex: 8 }), state: "done" },
  ];
  expect(inOrder(kept).map((one) => `${one.fire.jobId} ${one.fire.jobCreateIndex} ${one.fire.scheduledAtS}`)).toEqual([
    "reading 7 1",
    "reading 7 4",
    "other 7 2",
    "reading 8 6",
  ]);
  expect(inOrder(kept.map((one) => ({ ...one, state: "done" as const })))).toHaveLength(kept.length);
});
