// One run: faults with safety checks, then healing and convergence. The same seed gives the same trace.

import { acknowledgedChecker } from "./checkers/acknowledged.ts";
import { allocsChecker } from "./checkers/allocs.ts";
import { bootsChecker } from "./checkers/boots.ts";
import { countsChecker } from "./checkers/counts.ts";
import { drainsChecker } from "./checkers/drains.ts";
import { firesChecker } from "./checkers/fires.ts";
import { nodeFiresChecker } from "./checkers/node-fires.ts";
import { processesChecker } from "./checkers/processes.ts";
import { restoresChecker } from "./checkers/restores.ts";
import { rolloutsChecker } from "./checkers/rollouts.ts";
import { standbysChecker } from "./checkers/standbys.ts";
import { writesChecker } from "./checkers/writes.ts";
import { daysAlone } from "./days-alone.ts";
import { Faults } from "./faults.ts";
import { Operator } from "./operator.ts";
import { Rollouts } from "./rollouts.ts";
import { Workload } from "./workload.ts";
import { World } from "./world.ts";

/** Virtual milliseconds of trouble, and of rest until everything has to be right. */
const FAULTS_MS = 120_000;
const HEAL_MS = 120_000;
/** Longer than silence is borne with, and than one job waits for what is cut off; shorter than another does. */
const AWAY_MS = 45_000;

export interface RunResult {
  readonly seed: string;
  readonly digest: string;
  readonly virtualMs: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly failure: Error | null;
  readonly recent: readonly string[];
  readonly description: string;
}

/** A seed that begins so is days of nodes without a server. */
const DAYS = "days-";

export async function runSeed(seed: string): Promise<RunResult> {
  if (!seed.startsWith(DAYS)) return runFaults(new World(seed));
  const world = new World(seed, { store: "file", serverCount: 1, nodeCount: 2 });
  return resultOf(world, "days without a server", () => daysAlone(world));
}

// --- internal ---

async function runFaults(world: World): Promise<RunResult> {
  const workload = new Workload(world);
  const operator = new Operator(world);
  const faults = new Faults(world);
  const rollouts = new Rollouts(world);
  world.checkers.push(
    writesChecker(),
    acknowledgedChecker(workload),
    allocsChecker(),
    processesChecker(),
    firesChecker(),
    nodeFiresChecker(),
    bootsChecker(),
    countsChecker(),
    standbysChecker(),
    drainsChecker(),
    rolloutsChecker(rollouts),
    restoresChecker(),
  );
  return resultOf(world, `${faults.enabled.length} kinds of fault`, async () => {
    for (const server of world.servers) world.startServer(server);
    for (const node of world.nodes) world.startNode(node);
    await world.runUntil(5000);
    workload.start();
    rollouts.start();
    operator.start();
    faults.start();
    await world.runUntil(5000 + FAULTS_MS);
    faults.stop();
    faults.heal();
    await world.runUntil(5000 + FAULTS_MS + HEAL_MS / 4);
    workload.stop();
    operator.stop();
    faults.heal();
    faults.keepOneAway(AWAY_MS);
    await world.runUntil(5000 + FAULTS_MS + HEAL_MS);
    await world.untilSettled(3000);
  });
}

async function resultOf(world: World, kind: string, run: () => Promise<void>): Promise<RunResult> {
  let failure: Error | null = null;
  try {
    await run();
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  } finally {
    world.close();
  }
  const { store, serverCount, nodeCount } = world.shape;
  return {
    seed: world.seed,
    digest: world.history.digest(),
    virtualMs: world.time.nowMs,
    counts: world.history.counts,
    failure,
    recent: world.history.recent,
    description: `${store} store, ${serverCount} servers, ${nodeCount} nodes, ${kind}`,
  };
}
