// Servers on a real PostgreSQL on bad days: the leader dies, the database goes away, or hangs.

import { afterAll, expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { PostgresServer } from "../support/postgres.ts";
import { testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, type Place, sleep, until } from "./place.ts";
import { ask, untilFollowing, untilLeading } from "./servers.ts";

const MINUTE = 60_000;
const opened: PostgresServer[] = [];
afterAll(async () => {
  for (const server of opened) await server.remove();
});

async function aDatabase(): Promise<{ readonly postgres: PostgresServer; readonly url: string }> {
  const postgres = await PostgresServer.start();
  opened.push(postgres);
  return { postgres, url: postgres.url(postgres.createDatabase()) };
}

function aJob(id: string): unknown {
  return {
    Job: { ID: id, Type: "batch", TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" } }] }] },
  };
}

async function accepted(agent: Agent, id: string): Promise<boolean> {
  return (await ask(agent, "PUT", "/v1/jobs", aJob(id), 15_000))?.status === 200;
}

/** A node of these servers with one service that runs. */
async function aNodeWithService(place: Place, servers: readonly Agent[]): Promise<{ readonly allocId: string; readonly pids: readonly number[] }> {
  const flags = ["--client", "--servers", servers.map((server) => server.address).join(","), "--name", "node"];
  await place.start({ name: "node", flags });
  place.agent = servers[0] as Agent; // the caller gave at least one
  await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
  expect(place.run(shellJob({ id: "steady", type: "service", script: "exec sleep 1000" }), "--detach").status).toBe(0);
  const alloc = await place.untilAlloc("steady", "running");
  return { allocId: alloc.ID, pids: place.taskPids(alloc.ID) };
}

testWith(
  ["postgresql"],
  "two servers on one database: the leader is killed, the standby leads, nothing acknowledged is lost, tasks notice nothing",
  () =>
    inPlace(async (place) => {
      const { url } = await aDatabase();
      const start = (name: string) => place.start({ name, flags: ["--server", "--name", name], env: { EDGECTL_STORE: url } });
      const one = await start("one");
      const two = await start("two");
      await untilFollowing(two, one);
      const service = await aNodeWithService(place, [one, two]);
      const told: string[] = [];
      for (let at = 0; at < 20; at++) if (await accepted(at % 2 === 0 ? one : two, `job-${at}`)) told.push(`job-${at}`);
      expect(told).toHaveLength(20);
      await one.kill();
      await untilLeading(two);
      expect(await accepted(two, "after")).toBe(true);
      place.agent = two;
      const shown = (await place.get("/v1/jobs")).map((job: { ID: string }) => job.ID);
      for (const id of [...told, "after", "steady"]) expect(shown).toContain(id);
      await until(
        "the node to be with the new leader",
        async () => (await place.request("GET", `/v1/client/fs/ls/${service.allocId}?path=/`)).status === 200,
        40_000,
      );
      expect(place.taskPids(service.allocId)).toEqual([...service.pids]);
    }),
  2 * MINUTE,
);

testWith(
  ["postgresql"],
  "a leader whose database is gone steps down and says so; nodes keep their tasks; it leads again under a new epoch",
  () =>
    inPlace(async (place) => {
      const { postgres, url } = await aDatabase();
      const server = await place.start({ name: "server", flags: ["--server"], env: { EDGECTL_STORE: url } });
      const service = await aNodeWithService(place, [server]);
      await postgres.stop();
      await until(
        () => `the leader to step down\n${server.log}`,
        () => server.log.includes("this server no longer leads"),
        20_000,
      );
      const refused = await ask(server, "PUT", "/v1/jobs", aJob("lost"), 15_000);
      expect([refused?.status, refused?.text]).toEqual([500, "No cluster leader"]);
      expect(JSON.parse((await ask(server, "GET", "/v1/agent/health"))?.text ?? "{}").server.ok).toBe(false);
      expect(place.taskPids(service.allocId)).toEqual([...service.pids]);
      await postgres.boot();
      await untilLeading(server, 40_000);
      expect(await accepted(server, "back")).toBe(true);
      const epochs = [...server.log.matchAll(/this server leads epoch=(\d+)/g)].map((match) => Number(match[1]));
      expect(epochs.length).toBeGreaterThan(1);
      expect(epochs.toSorted((a, b) => a - b)).toEqual(epochs);
      expect((await place.get("/v1/jobs")).map((job: { ID: string }) => job.ID)).not.toContain("lost");
      expect(place.taskPids(service.allocId)).toEqual([...service.pids]);
    }),
  2 * MINUTE,
);

testWith(
  ["postgresql"],
  "a database that hangs for longer than anybody waits: writes end in words, and all goes on when it wakes",
  () =>
    inPlace(async (place) => {
      const { postgres, url } = await aDatabase();
      const server = await place.start({ name: "server", flags: ["--server"], env: { EDGECTL_STORE: url } });
      expect(await accepted(server, "before")).toBe(true);
      const pids = processesOf(postgres);
      expect(pids.length).toBeGreaterThan(2);
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      try {
        const began = Date.now();
        const hung = await ask(server, "PUT", "/v1/jobs", aJob("hung"), 45_000);
        expect(hung?.status).toBe(500);
        expect(hung?.text).toMatch(/outcome is unknown|No cluster leader/);
        expect(Date.now() - began).toBeLessThan(40_000);
        await sleep(3000);
      } finally {
        for (const pid of pids) process.kill(pid, "SIGCONT");
      }
      await untilLeading(server, 40_000);
      await until("writes to go on", () => accepted(server, "after"), 30_000);
      place.agent = server;
      const shown = (await place.get("/v1/jobs")).map((job: { ID: string }) => job.ID);
      expect(shown).toContain("before");
      expect(shown).toContain("after");
    }),
  2 * MINUTE,
);

/** Every process of that cluster: those whose session began with its postmaster. */
function processesOf(postgres: PostgresServer): readonly number[] {
  const root = Number(readFileSync(`${postgres.data}/postmaster.pid`, "utf8").split("\n")[0]);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid === root || parentOf(pid) === root);
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0; // it ended meanwhile
  }
}
