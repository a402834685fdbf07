// Fires that nodes decide: each is one run, none is begun twice, each has one record, what is told is what the node did, in its order,
// and once all is mended every run is known.

import type { Alloc } from "../../../internal/domain/alloc.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Fire } from "../../../internal/domain/tables.ts";
import { Violation } from "../history.ts";
import type { Machine } from "../machines.ts";
import { FIRED_JOBS, firedJobOf } from "../node-fires.ts";
import type { World } from "../world.ts";
import type { Checker } from "./checker.ts";

const COUNTED = /^\d+ fires up to this one are not told one by one/;
const JOURNAL = "/data/client/client.journal";
/** What happens in a second is told within that, with everything mended. */
const TELLING_MS = 5000;

interface Run {
  readonly allocId: string;
  readonly node: string;
  readonly startedAtMs: number;
  readonly journalLosses: number;
}

export function nodeFiresChecker(): Checker {
  /** Starts of a process, by machine, alloc and attempt. */
  const starts = new Map<string, number>();
  /** Runs that began, by node and the child that they are. */
  const runs = new Map<string, Run>();
  /** Records of servers, by node, life of the job and second. */
  const records = new Map<string, Fire>();
  /** Records by node id and child, and ids of runs that servers know, whatever became of them later. */
  const told = new Set<string>();
  const lastTold = new Map<string, number>();
  /** Up to which second the fires of a job and node were told as a number, by node id and job. */
  const counted = new Map<string, number>();
  const keyOf = (fire: Fire) => `${fire.jobId} ${fire.jobCreateIndex} ${fire.scheduledAtS} ${fire.nodeId}`;
  const takeRecord = (fire: Fire, { isForced }: { readonly isForced: boolean }) => {
    records.set(keyOf(fire), fire);
    told.add(`${fire.nodeId} ${fire.jobId}/periodic-${fire.scheduledAtS}`);
    if (COUNTED.test(fire.reason)) counted.set(`${fire.nodeId} ${fire.jobId}`, fire.scheduledAtS);
    if (isForced) return;
    const line = `${fire.jobId} ${fire.jobCreateIndex} ${fire.nodeId}`;
    lastTold.set(line, Math.max(fire.scheduledAtS, lastTold.get(line) ?? 0));
  };
  return {
    name: "node fires",
    starting(world, machine, process) {
      const found = runOf(world, machine, process.allocId);
      if (!found) return;
      const key = `${machine.name} ${machine.disk.losses} ${process.allocId} ${process.attempt}`;
      const before = starts.get(key) ?? 0;
      starts.set(key, before + 1);
      if (before > 0 && found.job.onUnknown === "skip")
        throw new Violation("one run", `${found.childId} began twice on ${machine.name} (attempt ${process.attempt} of ${process.allocId})`);
      if (process.attempt === 1 && !machine.disk.isDurable(JOURNAL, `"allocId":"${process.allocId}"`))
        throw new Violation("durable claim", `${found.childId} begins on ${machine.name} and a power cut would leave nothing that says so`);
      const runKey = `${machine.name} ${found.childId}`;
      const run = runs.get(runKey);
      if (run && run.allocId !== process.allocId)
        throw new Violation("one run", `${found.childId} began as ${run.allocId} and as ${process.allocId} on ${machine.name}`);
      world.history.count("seen run of a node's own fire");
      // After a restore a later attempt may be of a run that the server has forgotten.
      if (!run && (process.attempt === 1 || world.history.restoredIndex === 0))
        runs.set(runKey, { allocId: process.allocId, node: machine.name, startedAtMs: world.time.nowMs, journalLosses: machine.disk.losses });
    },
    committed(world, { sets }) {
      for (const set of sets) {
        const settled = new Map<string, number>();
        for (const change of set.changes)
          if (change.table === "watermarks" && change.op === "put" && change.row.nodeId)
            settled.set(`${change.row.jobId} ${change.row.jobCreateIndex} ${change.row.nodeId}`, change.row.settledUntilS);
        for (const change of set.changes) {
          if (change.table !== "fires" || change.op !== "put" || !change.row.nodeId) continue;
          const { row } = change;
          const known = records.get(keyOf(row));
          if (known) throw new Violation("one record", `the fire of ${row.scheduledAtS} of ${row.jobId} on ${row.nodeId} was recorded twice`);
          const line = `${row.jobId} ${row.jobCreateIndex} ${row.nodeId}`;
          const isForced = !isOnSchedule(row) || (settled.get(line) ?? 0) < row.scheduledAtS;
          if (!isForced && row.scheduledAtS < (lastTold.get(line) ?? 0))
            throw new Violation("order of fires", `${row.jobId} on ${row.nodeId} is told of ${row.scheduledAtS} after ${lastTold.get(line)}`);
          takeRecord(row, { isForced });
          if (world.nodes.length > 0) world.history.count(row.status === "skipped" ? "seen fire left out" : "seen fire told");
        }
        for (const change of set.changes) {
          if (change.table !== "allocs" || change.op !== "put" || !firedJobOf(change.row.jobId)) continue;
          told.add(change.row.id);
          checkRun(world, change.row, { runs, set: set.index });
        }
      }
    },
    restored(_world, { rows }) {
      // What the nodes told after the snapshot is gone with it.
      records.clear();
      lastTold.clear();
      told.clear();
      runs.clear();
      for (const { table, row } of rows) if (table === "fires" && (row as Fire).nodeId) takeRecord(row as Fire, { isForced: false }); // that table's row
    },
    settled(world) {
      for (const node of world.nodes) {
        const { agent, machine } = node;
        if (!agent) continue;
        for (const [key, run] of runs) {
          if (run.node !== machine.name || run.journalLosses !== machine.disk.losses) continue;
          if (world.time.nowMs - run.startedAtMs < TELLING_MS) continue;
          const childId = key.slice(machine.name.length + 1);
          // A commit that a server made before it died is not among those seen here.
          const isKnown = told.has(`${agent.identity.id} ${childId}`) || told.has(run.allocId) || world.leader?.leader.view.alloc(run.allocId);
          const isCounted = Number(childId.split("-").at(-1)) <= (counted.get(`${agent.identity.id} ${childId.split("/")[0]}`) ?? 0);
          if (isCounted) world.history.count("seen fire told as one of many");
          if (!isKnown && !isCounted)
            throw new Violation("history", `${childId} ran on ${machine.name} ${world.time.nowMs - run.startedAtMs} ms ago and no server was told`);
        }
      }
    },
    tick(world) {
      for (const { agent, machine } of world.nodes)
        if (agent && agent.device.untoldFires > LIMITS.firesKeptOnNodeMax + UNENDED_MAX)
          throw new Violation("bounds", `${machine.name} keeps ${agent.device.untoldFires} fires that no server knows`);
    },
  };
}

// --- internal ---

/** Runs that have not ended are kept beyond the bound. */
const UNENDED_MAX = 20;

/** Every so many seconds from each minute on; in between only users let it fire, and no order is promised. */
function isOnSchedule({ jobId, scheduledAtS }: Fire): boolean {
  const job = FIRED_JOBS.find(({ id }) => id === jobId);
  return job === undefined || (scheduledAtS % 60) % job.everyS === 0;
}

function runOf(world: World, machine: Machine, allocId: string) {
  const node = world.nodes.find((one) => one.machine === machine);
  const runner = [...(node?.agent?.allocRunners() ?? [])].find((one) => one.alloc.id === allocId);
  const job = runner && firedJobOf(runner.job.id);
  return runner && job ? { childId: runner.job.id, job } : null;
}

/** A run that a server says ended well did begin there. */
function checkRun(world: World, alloc: Alloc, { runs, set }: { readonly runs: ReadonlyMap<string, Run>; readonly set: number }): void {
  if (alloc.clientStatus !== "complete" || alloc.createIndex !== set || world.history.restoredIndex > 0) return;
  const states = Object.values(alloc.taskStates);
  if (states.length === 0 || states.every((state) => state.startedAtMs === null)) return;
  const node = world.nodes.find((one) => one.agent?.identity.id === alloc.nodeId || one.name === alloc.nodeName);
  if (node && runs.get(`${node.machine.name} ${alloc.jobId}`)?.allocId !== alloc.id)
    throw new Violation("what was told", `${alloc.jobId} is told to have run on ${alloc.nodeName} as ${alloc.id}, which did not begin there`);
}
