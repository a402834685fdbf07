// A state file that an older program left behind, under this one: led, raised, complete, and kept for the way back.

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { openStore } from "../../internal/store/open-store.ts";
import { PostgresServer } from "../support/postgres.ts";
import { testWith } from "../support/real-parts.ts";
import { inPlace, type Place, until } from "./place.ts";
import { ask, isLeading, startServer, unplaceable, untilFollowing } from "./servers.ts";

const MINUTE = 60_000;

/** The file of the first schema, of a server that was killed: jobs, a periodic one among them, and a journal. */
function putFixture(path: string): void {
  writeFileSync(path, gunzipSync(readFileSync(new URL("../fixtures/state-schema-1.db.gz", import.meta.url))));
}

function schemaOf(path: string): unknown {
  const database = new Database(path);
  const row = database.query("SELECT schema FROM lease").values();
  database.close();
  return row[0]?.[0];
}

async function jobsOf(place: Place): Promise<readonly string[]> {
  return (await place.get("/v1/jobs")).map((stub: { ID: string; Type: string; Status: string }) => `${stub.ID} ${stub.Type} ${stub.Status}`).sort();
}

const JOBS = [
  "nightly batch running",
  "nightly/periodic-1795256623 batch dead",
  "nightly/periodic-1795256625 batch dead",
  "once batch dead",
  "sensor service running",
  "waits service pending",
];

test(
  "a file of schema 1: everything is there, the schema is raised, and the file as it was lies beside it",
  () =>
    inPlace(async (place) => {
      const folder = place.path("data-agent/server");
      mkdirSync(folder, { recursive: true });
      const path = `${folder}/state.db`;
      putFixture(path);
      const agent = await place.start({ flags: ["--server"] });
      expect(await jobsOf(place)).toEqual(JOBS);
      expect((await place.get("/v1/job/sensor/versions")).Versions.map((version: { Meta: unknown }) => version.Meta)).toEqual([
        { bed: "beans" },
        { bed: "tomatoes" },
      ]);
      expect((await place.get("/v1/job/once/allocations")).length).toBeGreaterThan(0);
      expect((await place.get("/v1/nodes")).map((node: { Name: string }) => node.Name)).toEqual(["greenhouse"]);
      expect(agent.log).toContain(`from=1 to=3 before=${path}.schema-1`);
      expect(schemaOf(path)).toBe(3);
      expect(schemaOf(`${path}.schema-1`)).toBe(1);
      expect(existsSync(`${path}.schema-1.new`)).toBe(false);
      expect((await place.request("PUT", "/v1/jobs", unplaceable("new"))).status).toBe(200);
      await agent.kill();

      // A second start raises nothing and keeps nothing.
      const copied = readFileSync(`${path}.schema-1`);
      const again = await place.start({ name: "again", dataDirectory: agent.dataDirectory, flags: ["--server"] });
      expect(await jobsOf(place)).toEqual([...JOBS.slice(0, 2), "new batch pending", ...JOBS.slice(2)].sort());
      expect(again.log).not.toContain("schema");
      expect(readFileSync(`${path}.schema-1`).equals(copied)).toBe(true);
    }),
  MINUTE,
);

test(
  "two servers over the older file: one of them raises it, the other follows",
  () =>
    inPlace(async (place) => {
      putFixture(place.path("store.db"));
      const one = await startServer(place, "one");
      const two = await startServer(place, "two");
      await untilFollowing(two, one);
      expect([await isLeading(one), await isLeading(two)]).toEqual([true, false]);
      await ask(two, "PUT", "/v1/jobs", unplaceable("new"));
      await one.stop();
      await until("the other server to lead", () => isLeading(two));
      expect(await jobsOf(place)).toContain("new batch pending");
      expect(two.log).not.toContain("schema");
    }),
  MINUTE,
);

test(
  "a file of a newer schema is refused at start, in words that name the program to use, and is not touched",
  () =>
    inPlace(async (place) => {
      const folder = place.path("data-agent/server");
      mkdirSync(folder, { recursive: true });
      const path = `${folder}/state.db`;
      putFixture(path);
      const first = await place.start({ flags: ["--server"] });
      await first.stop();
      const database = new Database(path);
      database.run("PRAGMA user_version = 99");
      database.run("UPDATE lease SET schema = 99, program = '9.8.7'");
      database.close();
      const before = readFileSync(path);
      const agent = await place.start({ name: "later", dataDirectory: first.dataDirectory, flags: ["--server"], isExpectedToFail: true });
      expect(await agent.ended()).toBe(1);
      expect(agent.log).toContain("has schema 99, this program knows 3");
      expect(agent.log).toContain("9.8.7");
      expect(readFileSync(path).equals(before)).toBe(true);
    }),
  MINUTE,
);

test(
  "where the file cannot be kept nothing is raised, nobody leads, and it goes on once it can",
  () =>
    inPlace(async (place) => {
      const folder = place.path("data-agent/server");
      mkdirSync(`${folder}/state.db.schema-1.new`, { recursive: true });
      const path = `${folder}/state.db`;
      putFixture(path);
      const agent = await place.start({ flags: ["--server"], isExpectedToFail: true });
      await until(
        () => `the server to say what it lacks\n${agent.log}`,
        () => agent.log.includes("could not be copied before its schema is changed"),
      );
      expect(schemaOf(path)).toBe(1);
      expect((await ask(agent, "PUT", "/v1/jobs", unplaceable("new"), 8000))?.status).toBe(500);
      await Bun.$`rmdir ${folder}/state.db.schema-1.new`;
      await until("the server to lead", () => isLeading(agent));
      expect(await jobsOf(place)).toEqual(JOBS);
    }),
  MINUTE,
);

testWith(
  ["postgresql"],
  "a database of an older schema is kept as a snapshot before it is raised, and goes back into a database of its own",
  () =>
    inPlace(async (place) => {
      const postgres = await PostgresServer.start();
      try {
        const [url, other] = [postgres.url(postgres.createDatabase()), postgres.url(postgres.createDatabase())];
        putFixture(place.path("old.db"));
        await moveAsSchema(`sqlite:${place.path("old.db")}`, url, 1);
        const agent = await place.start({ flags: ["--server"], env: { EDGECTL_STORE: url } });
        expect(await jobsOf(place)).toEqual(JOBS);
        const kept = `${agent.dataDirectory}/server/snapshots/before-schema-1.snap`;
        expect(agent.log).toContain(`from=1 to=3 before=${kept}`);
        expect(place.ok("operator", "snapshot", "inspect", kept)).toMatch(/Schema += 1\n/);
        await agent.stop();

        await place.start({ name: "back", flags: ["--server"], env: { EDGECTL_STORE: other } });
        place.ok("operator", "snapshot", "restore", kept);
        expect(await jobsOf(place)).toEqual(JOBS);
      } finally {
        await postgres.remove();
      }
    }),
  2 * MINUTE,
);

/** Puts what the file holds into the database as the program of that schema would have it. */
async function moveAsSchema(from: string, to: string, schema: number): Promise<void> {
  const runtime = bunRuntime();
  const [source, target] = [await openStore(runtime, from, { schema }), await openStore(runtime, to, { schema })];
  try {
    const { index, tableIndexes, rows, journal } = await source.load();
    const holder = { bootId: "", pidNamespace: "", pid: 1, startTicks: 1 };
    const { clusterId } = await source.readLease();
    await target.takeLease({ fromEpoch: 0, challenge: "", holder, address: "", clusterId });
    await target.replace({ index, clusterId, tableIndexes, rows }, 1);
    await target.commit([...journal], 1);
    await target.releaseLease(1);
  } finally {
    await Promise.all([source.close(), target.close()]);
  }
}
