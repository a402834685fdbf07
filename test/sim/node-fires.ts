// Jobs that nodes fire themselves: one on a node, one on all, and users who want a run of them at once. Agents are killed, or lose
// their power, a few moments after they claimed a fire: between claim and start, start and record, record and telling.

import type { Prng } from "./prng.ts";
import type { Send } from "./workload.ts";
import type { SimNode, World } from "./world.ts";

export interface FiredJob {
  readonly id: string;
  readonly everyS: number;
  readonly onUnknown: "skip" | "run";
}

/** On one node, and what a crash leaves in doubt is left out. */
export const CHIME: FiredJob = { id: "chime", everyS: 8, onUnknown: "skip" };
/** On every node, and what a crash leaves in doubt is run. */
export const PATROL: FiredJob = { id: "patrol", everyS: 15, onUnknown: "run" };
export const FIRED_JOBS: readonly FiredJob[] = [CHIME, PATROL];

export function firedJobOf(jobId: string): FiredJob | undefined {
  return FIRED_JOBS.find((job) => jobId.startsWith(`${job.id}/`));
}

export class NodeFires {
  readonly #world: World;
  readonly #chance: Prng;
  readonly #send: Send;
  #isStopped = false;

  constructor(world: World, send: Send) {
    this.#world = world;
    this.#chance = world.chance.fork("node fires");
    this.#send = send;
  }

  start(): void {
    for (const job of FIRED_JOBS) this.#register(job);
    this.#nextForce();
  }

  stop(): void {
    this.#isStopped = true;
  }

  // --- internal ---

  /** Until it is there: faults may have begun before a server leads. */
  #register(job: FiredJob): void {
    void this.#send("PUT", "/v1/jobs", { Job: firedSpec(job, `*/${job.everyS} * * * * * *`) }, job.id).then(({ outcome }) => {
      if (outcome !== "done" && !this.#isStopped) this.#world.time.after(1000, () => this.#register(job));
    });
  }

  #nextForce(): void {
    this.#world.time.after(this.#chance.integer(4000, 30_000), () => {
      if (this.#isStopped) return;
      const job = this.#chance.pick(FIRED_JOBS);
      this.#world.history.count("operation fire now");
      void this.#send("PUT", `/v1/job/${job.id}/periodic/force`, undefined, `fire ${job.id} now`).then(() => this.#nextForce());
    });
  }
}

/** Ends the agent, or its machine, that long after the node's next claim; tells when that was. */
export function strikeAtClaim(
  own: SimNode,
  { world, chance, isOver, struck }: { readonly world: World; readonly chance: Prng; isOver(): boolean; struck(): void },
): void {
  // A claim is durable after 1 to 3 ms, the task begins 3 ms later, the server is told within 10; a run lasts 1.5 s.
  const delayMs = chance.chance(0.7) ? chance.integer(0, 24) / 2 : chance.integer(12, 1600);
  const withPower = chance.chance(0.4);
  own.atClaim = () => {
    own.atClaim = null;
    world.time.after(delayMs, () => {
      if (!own.program || isOver()) return;
      world.history.count(`seen ${withPower ? "power lost" : "agent killed"} in a fire`);
      own.program.crash();
      if (withPower) own.machine.cutPower();
      struck();
    });
  };
}

export function firedSpec(job: FiredJob, cron: string, more: { readonly catchUp?: string } = {}) {
  return {
    ID: job.id,
    Name: job.id,
    Type: job.id === PATROL.id ? "sysbatch" : "batch",
    Datacenters: ["*"],
    Periodic: {
      Enabled: true,
      Specs: [cron],
      SpecType: "cron",
      TimeZone: "UTC",
      RunOn: "node",
      OnUnknown: job.onUnknown,
      CatchUp: more.catchUp ?? "all",
    },
    TaskGroups: [
      {
        Name: "g",
        Count: 1,
        Tasks: [
          {
            Name: "t",
            Driver: "raw_exec",
            Config: { command: "sim", args: ["1500", "0", "obeys"] },
            Resources: { CPU: 20, MemoryMB: 20 },
            LogConfig: { MaxFiles: 1, MaxFileSizeMB: 1, Disabled: true },
            KillTimeout: 2e9,
            RestartPolicy: { Attempts: 3, Interval: 60e9, Delay: 1e9, Mode: "delay" },
          },
        ],
      },
    ],
  };
}
