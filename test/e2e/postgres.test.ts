// The executable on a real PostgreSQL: jobs, a killed leader, a state that moves there and back, words for a wrong password.

import { afterAll, expect } from "bun:test";
import { existsSync } from "node:fs";
import { PASSWORD, PostgresServer } from "../support/postgres.ts";
import { testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;
let shared: PostgresServer | undefined;
afterAll(() => shared?.remove());

async function newDatabase(): Promise<string> {
  shared ??= await PostgresServer.start();
  return shared.url(shared.createDatabase());
}

/** Jobs with their indexes, and what became of their allocations. */
async function jobsOf(place: Place): Promise<unknown> {
  const jobs = await place.get("/v1/jobs");
  const described = [];
  for (const { ID, JobModifyIndex } of jobs) {
    const allocs = await place.get(`/v1/job/${ID}/allocations`);
    described.push({ ID, JobModifyIndex, allocs: allocs.map((alloc: { ID: string; ClientStatus: string }) => [alloc.ID, alloc.ClientStatus]) });
  }
  return described;
}

testWith(
  ["postgresql"],
  "an agent on PostgreSQL runs jobs, and after kill -9 and a clean stop finds them there",
  () =>
    inPlace(async (place) => {
      const url = await newDatabase();
      const agent = await place.start({ env: { EDGECTL_STORE: url } });
      expect(existsSync(`${agent.dataDirectory}/server`)).toBe(false);
      expect(place.run(shellJob({ id: "hello", script: "echo hello from PostgreSQL" })).status).toBe(0);
      const done = await place.untilAlloc("hello", "complete");
      expect(await place.logs(done.ID, "main")).toBe("hello from PostgreSQL\n");
      const before = await jobsOf(place);
      for (const end of ["SIGKILL", "SIGTERM"] as const) {
        await place.agent.stop(end);
        await place.start({ dataDirectory: agent.dataDirectory, env: { EDGECTL_STORE: url } });
        await until("a leader", async () => (await place.request("GET", "/v1/jobs")).status === 200);
        expect(await jobsOf(place)).toEqual(before);
      }
      expect(place.run(shellJob({ id: "again", script: "true" })).status).toBe(0);
      await place.untilAlloc("again", "complete");
      expect(place.agent.log).not.toContain(PASSWORD);
    }),
  2 * MINUTE,
);

testWith(
  ["postgresql"],
  "a state moves from SQLite to PostgreSQL and back: the same jobs under the same indexes",
  () =>
    inPlace(async (place) => {
      const url = await newDatabase();
      const agent = await place.start();
      const file = `sqlite:${agent.dataDirectory}/server/state.db`;
      const move = (...words: readonly string[]) => place.cli("operator", "store", "migrate", ...words);
      for (const id of ["one", "two"]) expect(place.run(shellJob({ id, script: `echo ${id}` })).status).toBe(0);
      for (const id of ["one", "two"]) await place.untilAlloc(id, "complete");
      const before = await jobsOf(place);

      const early = move("--from", file, "--to", url);
      expect([early.status, early.stderr]).toEqual([1, expect.stringContaining("is in use by the server at 127.0.0.1:")]);
      await agent.stop();
      const there = move("--from", file, "--to", url);
      expect([there.status, there.stderr]).toEqual([0, ""]);
      expect(there.stdout).toMatch(/^jobs +2$/m);
      expect(there.stdout).not.toContain(encodeURIComponent(PASSWORD));
      const twice = move("--from", file, "--to", url);
      expect([twice.status, twice.stderr]).toEqual([1, expect.stringMatching(/is not empty[\s\S]*--force/)]);

      const moved = { dataDirectory: agent.dataDirectory, env: { EDGECTL_STORE: url } };
      await place.start(moved);
      await until("a leader", async () => (await place.request("GET", "/v1/jobs")).status === 200);
      expect(await jobsOf(place)).toEqual(before);
      expect(place.run(shellJob({ id: "three", script: "echo three" })).status).toBe(0);
      await place.untilAlloc("three", "complete");
      const later = await jobsOf(place);
      const living = move("--from", url, "--to", file, "--force");
      expect([living.status, living.stderr]).toEqual([1, expect.stringContaining("is in use by the server at 127.0.0.1:")]);
      await place.agent.kill();

      // A leader that was killed has released nothing: it is waited for.
      const back = move("--from", url, "--to", file, "--force", "--json");
      expect([back.status, back.stderr]).toEqual([0, expect.stringContaining("waiting whether a server")]);
      const told = JSON.parse(back.stdout);
      expect(told.Tables).toMatchObject({ jobs: 3, nodes: 1 });
      await place.start({ dataDirectory: agent.dataDirectory });
      await until("a leader", async () => (await place.request("GET", "/v1/jobs")).status === 200);
      expect(await jobsOf(place)).toEqual(later);
    }),
  2 * MINUTE,
);

testWith(
  ["postgresql"],
  "what is wrong with a store's URL is said in words, without the password",
  () =>
    inPlace(async (place) => {
      const url = await newDatabase();
      const wrong = url.replace(encodeURIComponent(PASSWORD), "not-the-password");
      const rows: readonly (readonly [string, RegExp])[] = [
        [wrong, /Error: PostgreSQL at 127\.0\.0\.1:\d+ refuses the password of user "edge"\ncheck the password/],
        [url.replace(/test_\d+/, "nowhere"), /has no database "nowhere"\ncreate it/],
        [`${url}?sslmode=require`, /speaks no TLS/],
        [url.replace("postgres:", "postgers:"), /a store of the kind "postgers:" is not supported\nuse sqlite:PATH or postgres:/],
        [`${url}?sslmod=require`, /unknown option "sslmod"/],
      ];
      for (const [store, says] of rows) {
        const agent = await place.start({
          name: `agent-${rows.findIndex((row) => row[0] === store)}`,
          env: { EDGECTL_STORE: store },
          isExpectedToFail: true,
        });
        expect(await agent.ended()).toBe(1);
        expect(agent.log).toMatch(says);
        for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), "not-the-password"]) expect(agent.log).not.toContain(secret);
      }
      const done = place.cli("operator", "store", "migrate", "--from", `sqlite:${place.path("missing.db")}`, "--to", url);
      expect([done.status, done.stderr]).toEqual([1, expect.stringContaining("there is no state file")]);
      expect(existsSync(place.path("missing.db"))).toBe(false);
    }),
  MINUTE,
);
