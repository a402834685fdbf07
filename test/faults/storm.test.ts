// Three servers over one file and five nodes in networks of their own, while processes are killed and paused, links cut
// and the disk filled up: what was acknowledged is there afterwards, and what runs is what is wanted, once.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { inPlace, type Place, sleep } from "../e2e/place.ts";
import { Prng } from "../sim/prng.ts";
import { testWith } from "../support/real-parts.ts";
import { call } from "./calls.ts";
import { Cluster, Program, storeFlags, withCluster } from "./cluster.ts";
import { differences, dispatchProblems, doubleStarts, lostOperations, type ShownAlloc, type ShownJob } from "./compare.ts";
import { indexProblems } from "./history.ts";
import { Network } from "./namespaces.ts";
import { taskProcesses } from "./processes.ts";
import { SmallDisk } from "./small-disk.ts";
import { drawFaults, FAULT_KINDS, type Stage, Storm } from "./storm.ts";
import { SYSTEM_JOB, Workload } from "./workload.ts";

const SECONDS = Number(process.env.FAULT_SECONDS || 45);
const SEED = process.env.SEED || String(Date.now() % 1_000_000);
const SERVERS = 3;
const NODES = 5;
/** Absent nodes count as down after 20 s, evaluations and connections come back with growing pauses. */
const CONVERGENCE_MS = 90_000;

function build(place: Place): Stage {
  const network = new Network({ servers: SERVERS, nodes: NODES });
  place.onClose(() => network.close());
  // A journal may grow to 64 MB before it is folded at work.
  const disk = new SmallDisk(place.path("disk"), 96);
  place.onClose(() => disk.close());
  const at = (length: number) => Array.from({ length }, (_, index) => index);
  const servers = at(SERVERS).map(
    (index) => new Program(place, { name: `server-${index}`, host: network.serverAddress(index), flags: storeFlags(disk.folder) }),
  );
  const join = servers.map((server) => server.address).join(",");
  const size = ["--client.cpu-total-compute", "4000", "--client.memory-total-mb", "4000"];
  const nodes = at(NODES).map(
    (index) =>
      new Program(place, { name: `node-${index}`, host: "", flags: ["--client", "--servers", join, ...size], wrapper: network.wrapper(index) }),
  );
  return { cluster: new Cluster({ servers, nodes }), network, disk };
}

async function untilReady(cluster: Cluster): Promise<void> {
  const leader = await cluster.untilLeader(30_000);
  await until("every node to be ready", 30_000, async () => {
    const found = await get(leader, "/v1/nodes");
    return found.filter((node: { Status: string }) => node.Status === "ready").length === NODES ? [] : [found];
  });
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into below
async function get(server: Program, path: string): Promise<any> {
  const answer = await call(server.address, { method: "GET", path });
  if (answer.outcome !== "done") throw new Error(`GET ${path}: ${answer.text}`);
  return answer.body;
}

/** Waits until nothing is left of what `look` finds; what it may not ask yet is left too. */
async function until(what: string, timeoutMs: number, look: () => Promise<readonly unknown[]>): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const left = await look().catch((error: unknown) => [String(error)]);
    if (left.length === 0) return;
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}:\n${left.map((one) => JSON.stringify(one)).join("\n")}`);
    await sleep(250);
  }
}

async function shownJobs(leader: Program): Promise<ShownJob[]> {
  const stubs: { readonly ID: string; readonly ParameterizedJob: boolean }[] = await get(leader, "/v1/jobs?per_page=1000");
  const jobs = await Promise.all(stubs.filter((stub) => !stub.ParameterizedJob).map((stub) => get(leader, `/v1/job/${encodeURIComponent(stub.ID)}`)));
  return jobs.map((job) => {
    const count: number = job.TaskGroups[0].Count;
    return { id: job.ID, state: { step: Number(job.Meta?.step), count, isStopped: job.Stop }, count: job.ID === SYSTEM_JOB ? NODES : count };
  });
}

testWith(
  ["root", "ip", "nsenter"],
  `after ${SECONDS} s of faults nothing acknowledged is lost, and what runs is what is wanted, once (SEED=${SEED})`,
  () =>
    inPlace(async (place) => {
      console.log(`storm: SEED=${SEED} FAULT_SECONDS=${SECONDS}`);
      const stage = build(place);
      await withCluster(stage.cluster, () => weather(place, stage));
    }),
  (SECONDS + 60) * 1000 + CONVERGENCE_MS,
);

async function weather(place: Place, stage: Stage): Promise<void> {
  const chance = new Prng(SEED);
  const { cluster } = stage;
  await untilReady(cluster);
  const workload = new Workload(cluster.servers, chance.fork("workload"), place.path("starts"));
  await workload.start();
  const storm = new Storm(stage);
  await storm.rage(drawFaults(chance.fork("faults"), SECONDS * 1000), SECONDS * 1000);
  await workload.end();
  try {
    await verdict(place, cluster, workload);
    const counts = [...workload.counts].sort().map(([name, count]) => `${count} ${name}`);
    console.log(`storm: ${storm.told.length} faults; ${counts.join(", ")}`);
    // A storm in which something never happened proves less than it says.
    if (SECONDS >= 45) expect(FAULT_KINDS.filter((kind) => !storm.happened.has(kind))).toEqual([]);
    const needed = ["run done", "scale done", "stop done", "dispatch done", "read done"];
    expect(needed.filter((name) => !workload.counts.has(name))).toEqual([]);
  } catch (error) {
    console.log(`storm: SEED=${SEED} FAULT_SECONDS=${SECONDS} failed after\n${storm.told.join("\n")}`);
    throw error;
  }
}

async function verdict(place: Place, cluster: Cluster, workload: Workload): Promise<void> {
  const leader = await cluster.untilLeader(30_000);
  const nodeOf = (dataDirectory: string) => basename(dataDirectory).replace(/^data-/, "");
  let jobs: ShownJob[] = [];
  await until("what runs to be what is wanted", CONVERGENCE_MS, async () => {
    const allocs: ShownAlloc[] = await get(leader, "/v1/allocations?per_page=5000");
    jobs = await shownJobs(leader);
    return differences(jobs, allocs, taskProcesses(place.folder), nodeOf);
  });
  const states = new Map(jobs.map((job) => [job.id, job.state]));
  expect(lostOperations(workload.operations, states)).toEqual([]);
  expect(dispatchProblems(workload.dispatched, new Set(states.keys()))).toEqual([]);
  expect(indexProblems(workload.seen())).toEqual([]);
  const starts = place.path("starts");
  expect(doubleStarts(existsSync(starts) ? readFileSync(starts, "utf8") : "")).toEqual([]);
  expect(cluster.surprises).toEqual([]);
}

test("one seed draws one order of faults, each kind once before any comes again", () => {
  const [once, again, other] = ["a", "a", "b"].map((seed) => drawFaults(new Prng(seed), 120_000));
  expect(once).toEqual(again ?? []);
  expect(once).not.toEqual(other ?? []);
  expect(new Set(once?.slice(0, FAULT_KINDS.length).map((fault) => fault.kind)).size).toBe(FAULT_KINDS.length);
});
