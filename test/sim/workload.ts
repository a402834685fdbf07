// What users do: register, change, scale, stop, purge and dispatch jobs through any server, one operation on a job at
// a time, and remember what they were told.

import type { Job } from "../../internal/domain/job.ts";
import type { JobHead, JobVersion } from "../../internal/domain/tables.ts";
import { Drains } from "./drains.ts";
import type { Operation, Restore } from "./history.ts";
import { NodeFires } from "./node-fires.ts";
import type { Prng } from "./prng.ts";
import type { World } from "./world.ts";

/** What the user knows of one job. */
export interface KnownJob {
  readonly id: string;
  readonly type: "service" | "batch" | "system";
  isBusy: boolean;
  step: number;
  /** The newest step that was acknowledged, with what it wanted. */
  acknowledged: { readonly step: number; readonly kind: "run" | "stop" | "purge" } | null;
  /** Steps whose outcome is not known: each may take effect at any later time. */
  readonly doubtful: { readonly step: number; readonly kind: "run" | "stop" | "purge" }[];
  count: number;
}

const PAUSE_MS: readonly [number, number] = [200, 3000];

export interface Answer {
  readonly outcome: "done" | "refused" | "unknown";
  readonly index: number;
  readonly body: unknown;
}

/** Asks any server; `name` is what the trace says. */
export type Send = (method: string, path: string, body: unknown, name: string) => Promise<Answer>;

export class Workload {
  readonly jobs: KnownJob[] = [];
  /** Idempotency tokens of dispatches, with the children that were acknowledged for them. */
  readonly dispatched = new Map<string, Set<string>>();
  readonly #world: World;
  readonly #chance: Prng;
  readonly #drains: Drains;
  readonly #nodeFires: NodeFires;
  #isStopped = false;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance.fork("workload");
    for (let at = 0; at < 3; at++) this.jobs.push(known(`service-${at}`, "service"));
    for (let at = 0; at < 2; at++) this.jobs.push(known(`batch-${at}`, "batch"));
    this.jobs.push(known("system-0", "system"));
    const send: Send = (method, path, body, name) => this.#send(method, path, body, name);
    this.#drains = new Drains(world, send);
    this.#nodeFires = new NodeFires(world, send);
  }

  start(): void {
    void this.#send("PUT", "/v1/jobs", { Job: periodicSpec() }, "periodic");
    void this.#send("PUT", "/v1/jobs", { Job: parameterizedSpec() }, "parameterized");
    for (const job of this.jobs) this.#next(job);
    this.#nextDispatch();
    this.#drains.start();
    this.#nodeFires.start();
  }

  stop(): void {
    this.#isStopped = true;
    this.#drains.stop();
    this.#nodeFires.stop();
  }

  /** What users were told counts no more: the jobs are as the snapshot has them. */
  restored({ rows }: Restore): void {
    const heads = new Map<string, JobHead>();
    const versions = new Map<string, JobVersion>();
    // A job that was purged may be there with versions of its life before.
    const keyOf = ({ id, createIndex, version }: JobHead | JobVersion) => `${id} ${createIndex} ${version}`;
    for (const { table, row } of rows) {
      if (table === "jobs") heads.set((row as JobHead).id, row as JobHead); // that table's row
      if (table === "job_versions") versions.set(keyOf(row as JobVersion), row as JobVersion); // that table's row
    }
    for (const job of this.jobs) {
      const head = heads.get(job.id);
      const version = head && versions.get(keyOf(head));
      job.acknowledged = version ? { step: Number(version.meta.step), kind: version.stop ? "stop" : "run" } : { step: job.step, kind: "purge" };
    }
    for (const children of this.dispatched.values()) for (const child of children) if (!heads.has(child)) children.delete(child);
  }

  // --- internal ---

  #pause(call: () => void): void {
    this.#world.time.after(this.#chance.integer(...PAUSE_MS), call);
  }

  #next(job: KnownJob): void {
    this.#pause(() => {
      if (this.#isStopped) return;
      void this.#operate(job).finally(() => this.#next(job));
    });
  }

  async #operate(job: KnownJob): Promise<void> {
    const kind = this.#draw(job);
    const step = job.step + 1;
    job.step = step;
    const operation: Operation = { kind, jobId: job.id, step, startedAtMs: this.#world.time.nowMs, outcome: "running", index: 0 };
    this.#world.history.operations.push(operation);
    this.#world.history.count(`operation ${kind}`);
    if (kind === "run") job.count = this.#chance.integer(1, 3);
    const answer =
      kind === "run"
        ? await this.#send("PUT", "/v1/jobs", { Job: specOf(job, step, this.#chance) }, `${kind} ${job.id} ${step}`)
        : await this.#send("DELETE", `/v1/job/${job.id}?purge=${kind === "purge"}`, undefined, `${kind} ${job.id} ${step}`);
    operation.outcome = answer.outcome;
    operation.index = answer.index;
    // What was done before a restore is gone with it.
    const isGone = answer.index <= this.#world.history.restoredIndex;
    if (answer.outcome === "done" && !isGone) job.acknowledged = { step, kind };
    else if (answer.outcome === "unknown") job.doubtful.push({ step, kind });
  }

  #draw(job: KnownJob): "run" | "stop" | "purge" {
    if (job.acknowledged?.kind !== "run" || this.#chance.chance(0.75)) return "run";
    return this.#chance.chance(0.5) ? "stop" : "purge";
  }

  #nextDispatch(): void {
    this.#pause(() => {
      if (this.#isStopped) return;
      const token = `token-${this.#chance.integer(1, 15)}`;
      this.#world.history.count("operation dispatch");
      void this.#send("PUT", `/v1/job/form/dispatch?idempotency_token=${token}`, { Meta: {} }, `dispatch ${token}`).then((answer) => {
        const child = (answer.body as { readonly DispatchedJobID?: string } | null)?.DispatchedJobID;
        const isGone = answer.index <= this.#world.history.restoredIndex;
        if (answer.outcome === "done" && child && !isGone) this.dispatched.set(token, (this.dispatched.get(token) ?? new Set()).add(child));
        this.#nextDispatch();
      });
    });
  }

  async #send(method: string, path: string, body: unknown, name: string): Promise<Answer> {
    const server = this.#chance.pick(this.#world.servers);
    const network = this.#world.network.of(this.#world.user);
    try {
      const response = await network.fetch(`${this.#world.urlOf(server)}${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const code = response.headers.get("X-Edgectl-Code");
      const outcome = response.status === 200 ? "done" : code === "outcome-unknown" ? "unknown" : "refused";
      this.#world.say("user", `${name} through ${server.name}: ${outcome} ${response.status === 200 ? "" : text.slice(0, 80)}`);
      return { outcome, index: Number(response.headers.get("X-Nomad-Index") ?? 0), body: outcome === "done" ? JSON.parse(text) : null };
    } catch (error) {
      // Refused connections never reached anybody; whatever else went wrong, nobody knows what became of it.
      const code = String((error as { readonly code?: unknown }).code ?? "");
      const outcome = code === "ECONNREFUSED" || code === "ENOTFOUND" ? "refused" : "unknown";
      this.#world.say("user", `${name} through ${server.name}: ${outcome} ${code}`);
      return { outcome, index: 0, body: null };
    }
  }
}

// --- internal ---

function known(id: string, type: KnownJob["type"]): KnownJob {
  return { id, type, isBusy: false, step: 0, acknowledged: null, doubtful: [], count: 1 };
}

/** How jobs stand with nodes that are cut off: by their id, the same in each version, so that checks can count on it. */
const DISCONNECT: Readonly<Record<string, { readonly LostAfter?: number; readonly StopOnClientAfter?: number; readonly Replace?: boolean }>> = {
  "service-1": { LostAfter: 8e9, Replace: true },
  "service-2": { LostAfter: 25e9, Replace: false },
  "batch-1": { StopOnClientAfter: 4e9 },
};

export function lostAfterMsOf(jobId: string): number {
  return (DISCONNECT[jobId]?.LostAfter ?? 0) / 1e6;
}

export function stopOnClientAfterMsOf(jobId: string): number | null {
  const after = DISCONNECT[jobId]?.StopOnClientAfter;
  return after === undefined ? null : after / 1e6;
}

/** Its tasks wait for a server after a reboot. */
export const WAITS_AT_BOOT = "service-0";

const POLICIES = ["best_score", "keep_original", "keep_replacement", "longest_running"] as const;

type WireJob = Readonly<Record<string, unknown>> & { readonly ID: Job["id"] };

function task(args: readonly string[]) {
  return {
    Name: "t",
    Driver: "raw_exec",
    Config: { command: "sim", args },
    Resources: { CPU: 50, MemoryMB: 40 },
    LogConfig: { MaxFiles: 1, MaxFileSizeMB: 1, Disabled: true },
    KillTimeout: 2e9,
    RestartPolicy: { Attempts: 3, Interval: 60e9, Delay: 1e9, Mode: "delay" },
  };
}

function specOf(job: KnownJob, step: number, chance: Prng): WireJob {
  const runMs = job.type === "batch" ? chance.integer(500, 8000) : chance.chance(0.2) ? chance.integer(2000, 30_000) : 0;
  const args = [String(runMs), chance.chance(0.1) ? "1" : "0", chance.chance(0.1) ? "stubborn" : "obeys"];
  return {
    ID: job.id,
    Name: job.id,
    Type: job.type,
    Datacenters: ["*"],
    Meta: { step: String(step) },
    TaskGroups: [
      {
        Name: "g",
        Count: job.type === "system" ? 1 : job.count,
        Tasks: [task(args)],
        ...(job.id === WAITS_AT_BOOT ? { OnBoot: "wait" } : {}),
        ...(DISCONNECT[job.id] ? { Disconnect: { ...DISCONNECT[job.id], Reconcile: chance.pick(POLICIES) } } : {}),
        ...(job.type === "service" ? { Migrate: { MaxParallel: 1, MinHealthyTime: 1e9, HealthyDeadline: 60e9 } } : {}),
        ...(job.type === "service" ? { Update: updateOf(job, step) } : {}),
      },
    ],
  };
}

/** Every third step of a job has a canary; every other one of those has to be promoted by hand. */
function updateOf(job: KnownJob, step: number) {
  const canary = (step + Number(job.id.at(-1))) % 3 === 0 ? 1 : 0;
  const deadlines = { MinHealthyTime: 1e9, HealthyDeadline: 60e9, ProgressDeadline: 120e9 };
  return { MaxParallel: 1, ...deadlines, Canary: canary, AutoPromote: canary > 0 && step % 2 === 0 };
}

function periodicSpec(): WireJob {
  return {
    ID: "clockwork",
    Name: "clockwork",
    Type: "batch",
    Datacenters: ["*"],
    Periodic: { Enabled: true, Specs: ["*/7 * * * * * *"], SpecType: "cron", TimeZone: "UTC" },
    TaskGroups: [{ Name: "g", Count: 1, Tasks: [task(["1500", "0", "obeys"])] }],
  };
}

function parameterizedSpec(): WireJob {
  return {
    ID: "form",
    Name: "form",
    Type: "batch",
    Datacenters: ["*"],
    ParameterizedJob: { Payload: "optional" },
    // Children that never end: a token stands for one of them as long as it lives.
    TaskGroups: [{ Name: "g", Count: 1, Tasks: [{ ...task(["0", "0", "obeys"]), Resources: { CPU: 5, MemoryMB: 10 } }] }],
  };
}
