// What users do meanwhile: register, scale, stop and dispatch jobs through any server, one operation on a job at a time,
// and read; and what they were told.

import { sleep } from "../e2e/place.ts";
import type { Prng } from "../sim/prng.ts";
import { type Answer, call } from "./calls.ts";
import type { Program } from "./cluster.ts";
import type { Change, Operation, SeenIndex } from "./history.ts";

const PAUSE_MS: readonly [number, number] = [50, 1500];
const TOKENS = 12;
const SERVICES = 4;
export const SYSTEM_JOB = "everywhere";
const FORM = "form";

export interface Dispatch {
  readonly token: string;
  readonly child: string;
}

export class Workload {
  readonly operations: Operation[] = [];
  readonly reads: SeenIndex[] = [];
  readonly dispatched: Dispatch[] = [];
  readonly jobs: readonly string[] = [...Array.from({ length: SERVICES }, (_, at) => `service-${at}`), SYSTEM_JOB];
  readonly counts = new Map<string, number>();
  readonly #servers: readonly Program[];
  readonly #chance: Prng;
  readonly #startsPath: string;
  #isOver = false;
  #running: Promise<void>[] = [];

  constructor(servers: readonly Program[], chance: Prng, startsPath: string) {
    this.#servers = servers;
    this.#chance = chance;
    this.#startsPath = startsPath;
  }

  /** Registers what is dispatched later; then everybody begins. */
  async start(): Promise<void> {
    const server = this.#servers[0];
    if (!server) throw new Error("there is no server");
    const form = { ...this.#spec(FORM, { kind: "run", step: 0, count: 1 }), Type: "batch", ParameterizedJob: { Payload: "optional" } };
    const answer = await call(server.address, { method: "PUT", path: "/v1/jobs", body: { Job: form } });
    if (answer.outcome !== "done") throw new Error(`the parameterized job was not registered: ${answer.text}`);
    this.#running = [...this.jobs.map((job) => this.#operate(job)), this.#dispatch(), this.#dispatch(), this.#read()];
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /** The indexes that callers were told, in writes and in reads. */
  seen(): SeenIndex[] {
    const written = this.operations.filter((one) => one.outcome === "done" && one.index > 0 && one.change.kind === "run");
    return [...written.map((one): SeenIndex => ({ ...one, name: `${one.jobId} ${JSON.stringify(one.change)}`, kind: "write" })), ...this.reads];
  }

  // --- internal ---

  async #operate(jobId: string): Promise<void> {
    const chance = this.#chance.fork(jobId);
    for (let step = 1; !this.#isOver; step++) {
      await sleep(chance.integer(...PAUSE_MS));
      if (this.#isOver) return;
      const change = this.#draw(chance, jobId, step);
      const operation: Operation = {
        jobId,
        change,
        startedAtMs: performance.now(),
        endedAtMs: 0,
        outcome: "running",
        index: 0,
        answer: "",
      };
      this.operations.push(operation);
      const answer = await this.#send(chance, jobId, change);
      operation.endedAtMs = performance.now();
      operation.outcome = answer.outcome;
      operation.index = answer.body?.JobModifyIndex ?? 0;
      operation.answer = answer.outcome === "done" ? "" : `${answer.status} ${answer.text.slice(0, 200)}`;
      this.#count(`${change.kind} ${answer.outcome}`);
    }
  }

  #draw(chance: Prng, jobId: string, step: number): Change {
    const drawn = chance.fraction();
    if (drawn < 0.15) return { kind: "stop" };
    if (drawn < 0.4 && jobId !== SYSTEM_JOB) return { kind: "scale", count: chance.integer(1, 3) };
    return { kind: "run", step, count: jobId === SYSTEM_JOB ? 1 : chance.integer(1, 3) };
  }

  #send(chance: Prng, jobId: string, change: Change): Promise<Answer> {
    const { address } = chance.pick(this.#servers);
    switch (change.kind) {
      case "run":
        return call(address, { method: "PUT", path: "/v1/jobs", body: { Job: this.#spec(jobId, change) } });
      case "scale":
        return call(address, { method: "PUT", path: `/v1/job/${jobId}/scale`, body: { Count: change.count, Target: { Group: "g" } } });
      case "stop":
        return call(address, { method: "DELETE", path: `/v1/job/${jobId}` });
    }
  }

  async #dispatch(): Promise<void> {
    const chance = this.#chance.fork(`dispatch-${this.#running.length}`);
    while (!this.#isOver) {
      await sleep(chance.integer(...PAUSE_MS));
      const token = `token-${chance.integer(1, TOKENS)}`;
      const path = `/v1/job/${FORM}/dispatch?idempotency_token=${token}`;
      const answer = await call(chance.pick(this.#servers).address, { method: "PUT", path, body: { Meta: {} } });
      this.#count(`dispatch ${answer.outcome}`);
      if (answer.outcome === "done") this.dispatched.push({ token, child: answer.body.DispatchedJobID });
    }
  }

  async #read(): Promise<void> {
    const chance = this.#chance.fork("read");
    while (!this.#isOver) {
      await sleep(chance.integer(20, 200));
      const startedAtMs = performance.now();
      const answer = await call(chance.pick(this.#servers).address, { method: "GET", path: "/v1/jobs", timeoutMs: 5000 });
      this.#count(`read ${answer.outcome === "done" ? "done" : "refused"}`);
      const index = Number(answer.headers.get("X-Nomad-Index"));
      if (answer.outcome === "done") this.reads.push({ name: "of all jobs", kind: "read", index, startedAtMs, endedAtMs: performance.now() });
    }
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** A task that notes its start and then sleeps for ever: whatever runs was started on purpose, and only once. */
  #spec(jobId: string, change: { readonly kind: "run"; readonly step: number; readonly count: number }): Readonly<Record<string, unknown>> {
    const script = `echo "$NOMAD_ALLOC_ID $NOMAD_ALLOC_DIR $$" >> ${this.#startsPath}; exec sleep 100000`;
    const task = {
      Name: "t",
      Driver: "raw_exec",
      Config: { command: "/bin/sh", args: ["-c", script] },
      Resources: { CPU: 20, MemoryMB: 20 },
      LogConfig: { MaxFiles: 1, MaxFileSizeMB: 1, Disabled: true },
      KillTimeout: 2e9,
    };
    return {
      ID: jobId,
      Name: jobId,
      Type: jobId === SYSTEM_JOB ? "system" : "service",
      Datacenters: ["*"],
      Meta: { step: String(change.step) },
      TaskGroups: [{ Name: "g", Count: change.count, Tasks: [task] }],
    };
  }
}
