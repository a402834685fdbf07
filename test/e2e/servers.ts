// Several servers over one SQLite file: who leads, writers that keep count of what was acknowledged, and stopping a
// process at an awkward moment.

import { readFileSync, statSync } from "node:fs";
import { type Agent, type AgentOptions, type Place, sleep, until } from "./place.ts";

export function storeFlags(place: Place): string[] {
  return ["--store", `sqlite:${place.path("store.db")}`];
}

export function startServer(place: Place, name: string, options: AgentOptions = {}): Promise<Agent> {
  return place.start({ ...options, name, flags: ["--server", ...storeFlags(place), "--name", name, ...(options.flags ?? [])] });
}

/** Two servers, the first of which leads. */
export async function startPair(place: Place, options: AgentOptions = {}): Promise<readonly [leader: Agent, standby: Agent]> {
  const leader = await startServer(place, "one", options);
  const standby = await startServer(place, "two", options);
  await untilFollowing(standby, leader);
  return [leader, standby];
}

export async function untilFollowing(standby: Agent, leader: Agent): Promise<void> {
  const what = () => `${standby.port} to follow ${leader.port}\n${standby.log}\nthe leader:\n${leader.log}`;
  await until(what, async () => {
    const members = await ask(standby, "GET", "/v1/operator/raft/configuration?stale");
    const isLeading = (server: { Leader: boolean; Address: string }) => server.Leader && server.Address === `127.0.0.1:${leader.port}`;
    return members !== null && members.status === 200 && JSON.parse(members.text).Servers.some(isLeading);
  });
}

/** Who leads and who follows by now: on a busy machine a leader may be silent for too long without being paused. */
export async function untilSettled(pair: readonly [Agent, Agent]): Promise<readonly [leader: Agent, standby: Agent]> {
  let found: readonly [Agent, Agent] | null = null;
  const follows = async (standby: Agent, leader: Agent) =>
    (await isLeading(leader)) &&
    !(await isLeading(standby)) &&
    JSON.parse((await ask(standby, "GET", "/v1/status/leader"))?.text ?? '""') === `127.0.0.1:${leader.port}`;
  await until("one of two servers to lead and the other to follow", async () => {
    const [one, two] = pair;
    found = (await follows(two, one)) ? [one, two] : (await follows(one, two)) ? [two, one] : null;
    return found !== null;
  });
  if (found === null) throw new Error("one of them leads");
  return found;
}

export async function isLeading(agent: Agent): Promise<boolean> {
  const reply = await ask(agent, "GET", "/v1/agent/self");
  return reply !== null && JSON.parse(reply.text).stats.nomad.leader === "true";
}

export async function untilLeading(agent: Agent, timeoutMs = 20_000): Promise<void> {
  await until(
    () => `the server on ${agent.port} to lead\n${agent.log}`,
    () => isLeading(agent),
    timeoutMs,
  );
}

export interface Asked {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Null when there was no answer: nobody there, or not in time. */
export async function ask(agent: Agent, method: string, path: string, body?: unknown, timeoutMs = 2000): Promise<Asked | null> {
  try {
    const reply = await fetch(`${agent.address}${path}`, {
      method,
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: reply.status, text: await reply.text(), headers: reply.headers };
  } catch {
    return null;
  }
}

/** A job that no node can run: registering it writes and starts nothing. */
export function unplaceable(id: string): unknown {
  const task = { Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" }, Resources: { CPU: 900_000 } };
  return { Job: { ID: id, Type: "batch", TaskGroups: [{ Name: "g", Tasks: [task] }] } };
}

export interface Acknowledged {
  readonly id: string;
  readonly index: number;
}

/** Registers one job after another over these servers in turn, and notes what was acknowledged. */
export class Writers {
  readonly acknowledged: Acknowledged[] = [];
  /** Answers that said that the outcome is unknown. */
  readonly unknown: string[] = [];
  #next = 0;
  #isOver = false;
  readonly #running: Promise<void>[];

  constructor(agents: () => readonly Agent[], count: number) {
    this.#running = Array.from({ length: count }, (_, at) => this.#write(agents, at));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /** Resolves with the milliseconds until the next acknowledgement. */
  async untilNext(timeoutMs: number): Promise<number> {
    const [before, beganMs] = [this.acknowledged.length, performance.now()];
    await until("a write to be acknowledged", () => this.acknowledged.length > before, timeoutMs);
    return performance.now() - beganMs;
  }

  async #write(agents: () => readonly Agent[], at: number): Promise<void> {
    for (let turn = at; !this.#isOver; turn++) {
      const list = agents();
      const agent = list[turn % list.length];
      if (!agent) throw new Error("there is no server to write to");
      const id = `w-${this.#next++}`;
      const reply = await ask(agent, "PUT", "/v1/jobs", unplaceable(id), 8000);
      if (reply?.status === 200) this.acknowledged.push({ id, index: JSON.parse(reply.text).JobModifyIndex });
      else if (reply?.headers.get("X-Edgectl-Code") === "outcome-unknown") this.unknown.push(reply.text);
      if (reply?.status !== 200) await sleep(20);
    }
  }
}

/** Whether the process holds the write lock of the SQLite file, that is, is inside a transaction that writes. */
export function isInsideTransaction(pid: number, databasePath: string): boolean {
  const { ino } = statSync(`${databasePath}-shm`);
  return readFileSync("/proc/locks", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .some((words) => words[1] === "POSIX" && words[3] === "WRITE" && Number(words[4]) === pid && words[5]?.endsWith(`:${ino}`) && words[6] === "120");
}

/** Stops the process again and again until it stands still inside a transaction; false when that never happened. */
export async function stopInsideTransaction(agent: Agent, databasePath: string, attempts: number): Promise<boolean> {
  const pid = agent.process.pid ?? 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    await sleep(1 + Math.random() * 7);
    process.kill(pid, "SIGSTOP");
    await until("the process to stand still", () => /\) T /.test(readFileSync(`/proc/${pid}/stat`, "utf8")));
    if (isInsideTransaction(pid, databasePath)) return true;
    process.kill(pid, "SIGCONT");
  }
  return false;
}
