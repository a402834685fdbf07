// Which node fires a job, when next, and what it missed, as far as it has told.

import { expect, test } from "bun:test";
import { type Firing, firingsOf, firingText } from "../../internal/cluster/firings.ts";
import { applyFires } from "../../internal/cluster/node-fires.ts";
import { nextOfJob } from "../../internal/cluster/outlook.ts";
import type { FireReport } from "../../internal/domain/fires.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const MINUTE = 60_000;
const FIRING = { attributes: { "kernel.name": "linux", "edgectl.fires": "1" } };

function aCluster(own: JobDraft = {}): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1", FIRING), aNode("n2", FIRING));
  cluster.start(aSpec({ type: "batch", periodic: { crons: ["* * * * *"], runOn: "node" }, ...own }));
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "running" });
  return cluster;
}

function tell(cluster: Cluster, second: number, own: Partial<FireReport> = {}): void {
  const [firing] = cluster.live();
  const node = cluster.state.node(firing?.nodeId ?? "");
  const allocId = `run-${second}`;
  const report = { id: allocId, clientStatus: "complete", clientDescription: "", taskStates: {}, isHealthy: null, healthAtMs: 0 } as const;
  const key = { namespace: "default", jobId: "j", jobCreateIndex: cluster.job().createIndex, jobVersion: 0, scheduledAtS: second, isForced: false };
  const fire: FireReport = {
    ...key,
    status: "started",
    reason: "",
    firedAtMs: second * 1000,
    allocId,
    firingAllocId: firing?.id ?? "",
    report,
    ...own,
  };
  cluster.do((view, context) => applyFires(view, { nodeId: node?.id ?? "", incarnation: node?.incarnation ?? 1, fires: [fire] }, context));
}

const firings = (cluster: Cluster, nowMs: number) => firingsOf(cluster.state, cluster.job(), nowMs);
const only = (cluster: Cluster, nowMs: number): Firing => firings(cluster, nowMs)[0] as Firing; // one node was chosen

test("the next fire is that of the schedule after what the node has told", () => {
  const cluster = aCluster();
  const start = (Math.floor(cluster.nowMs / MINUTE) + 1) * MINUTE;
  expect(only(cluster, cluster.nowMs)).toMatchObject({ nextAtMs: start, last: null, givenUp: 0, skipped: 0, untoldSinceMs: null });
  tell(cluster, start / 1000);
  const told = only(cluster, start + 1000);
  expect(told).toMatchObject({ nextAtMs: start + MINUTE, givenUp: 0, untoldSinceMs: null });
  expect(told.last?.scheduledAtS).toBe(start / 1000);
  expect(firingText(told, (atMs) => `@${atMs}`)).toBe(`node ${told.nodeName} fires it by itself: it ran its fire of @${start}`);
  expect(nextOfJob(cluster.state, cluster.job(), start + 1000)).toEqual([
    { what: `node ${told.nodeName} fires it, with or without a server`, atMs: start + MINUTE },
  ]);
});

test("a node that tells nothing fires all the same: what it has not told is said, and when it fires next", () => {
  const cluster = aCluster();
  const start = (Math.floor(cluster.nowMs / MINUTE) + 1) * MINUTE;
  tell(cluster, start / 1000);
  const later = only(cluster, start + 60 * MINUTE + 20_000);
  expect(later).toMatchObject({ nextAtMs: start + 61 * MINUTE, untoldSinceMs: start + MINUTE });
  expect(firingText(later, (atMs) => `@${atMs}`)).toContain(`; of those since @${start + MINUTE} it has told nothing yet`);
});

test("what was left out, and what was given up without a record, is counted", () => {
  const cluster = aCluster();
  const start = (Math.floor(cluster.nowMs / MINUTE) + 1) * MINUTE;
  tell(cluster, start / 1000);
  tell(cluster, (start + 5 * MINUTE) / 1000);
  tell(cluster, (start + 6 * MINUTE) / 1000, { status: "skipped", reason: "why", report: null });
  const firing = only(cluster, start + 6 * MINUTE + 1000);
  expect(firing).toMatchObject({ givenUp: 4, skipped: 1, untoldSinceMs: null });
  expect(firingText(firing, (atMs) => `@${atMs}`)).toBe(
    `node ${firing.nodeName} fires it by itself: it left out its fire of @${start + 6 * MINUTE} (why); 4 were given up lately (catch_up)`,
  );
});

test("of a sysbatch each node fires; a job that is stopped, or that servers fire, has none", () => {
  const everywhere = aCluster({ type: "sysbatch" });
  expect(firings(everywhere, everywhere.nowMs).map((one) => one.nodeId)).toEqual(["n1", "n2"]);
  const byServer = aCluster({ periodic: { crons: ["* * * * *"] } });
  expect(firings(byServer, byServer.nowMs)).toEqual([]);
  expect(firingsOf(everywhere.state, { ...everywhere.job(), stop: true }, everywhere.nowMs)).toEqual([]);
});
