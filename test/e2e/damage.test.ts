// State files that go bad, and the way back: what the agent says, the command it names, and tasks that run on meanwhile.

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { changedSince } from "../bench/measure.ts";
import { shellJob } from "./jobs.ts";
import { executable, inPlace, isAlive, type Place, sleep, until } from "./place.ts";
import { ask, isLeading, unplaceable } from "./servers.ts";

const MINUTE = 60_000;

function snapshotsOf(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** Puts garbage over these pages of a file. */
function spoil(path: string, pages: readonly number[]): void {
  const file = openSync(path, "r+");
  for (const page of pages) writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096);
  closeSync(file);
}

async function jobsOf(place: Place): Promise<readonly string[]> {
  return (await place.get("/v1/jobs")).map((stub: { ID: string }) => stub.ID).sort();
}

test(
  "snapshots of its own: one an interval while something changes, the newest stay, and an idle server writes none",
  () =>
    inPlace(async (place) => {
      const flags = ["--server", "--server.snapshot.every", "1s", "--server.snapshot.keep", "2"];
      const agent = await place.start({ flags });
      const folder = `${agent.dataDirectory}/server/snapshots`;
      const seen = new Set<string>();
      await until("three snapshots", async () => {
        await ask(agent, "PUT", "/v1/jobs", unplaceable(`j-${seen.size}`));
        for (const name of snapshotsOf(folder)) seen.add(name);
        return seen.size >= 3;
      });
      const index = Number((await fetch(`${agent.address}/v1/operator/snapshot`)).headers.get("X-Nomad-Index"));
      await until("the last change to be kept", () => snapshotsOf(folder).some((name) => name.endsWith(`-${index}.snap`)));
      // The new one is there before the oldest goes.
      await until("two to be left", () => snapshotsOf(folder).length === 2);
      const names = snapshotsOf(folder);
      expect(statSync(`${folder}/${names.at(-1)}`).mode & 0o777).toBe(0o600);
      const marker = place.write("marker", "");
      await sleep(3000);
      expect(changedSince(agent.dataDirectory, marker)).toEqual([]);
      expect(place.ok("operator", "snapshot", "inspect", `${folder}/${names.at(-1)}`)).toContain(`= ${index}`);
      // Another start with nothing new makes none either.
      await agent.stop();
      await place.start({ name: "again", dataDirectory: agent.dataDirectory, flags });
      await sleep(2000);
      expect(snapshotsOf(folder)).toEqual(names);
    }),
  MINUTE,
);

test(
  "a damaged file: the start names the newest snapshot and the command, which brings everything back; tasks never notice",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--server", "--client", "--server.snapshot.every", "1s"] });
      const folder = `${agent.dataDirectory}/server`;
      place.run(shellJob({ id: "steady", type: "service", script: "exec sleep 1000" }), "-detach");
      const alloc = await place.untilAlloc("steady", "running");
      await until("a snapshot that has it", async () => {
        const index = Number((await place.request("GET", "/v1/allocations")).headers.get("X-Nomad-Index"));
        return snapshotsOf(`${folder}/snapshots`).some((name) => Number(/-(\d+)\.snap$/.exec(name)?.[1]) >= index);
      });
      const [newest = ""] = [...snapshotsOf(`${folder}/snapshots`)].reverse();
      const [pid = 0] = place.taskPids(alloc.ID);
      // While it runs, its file is not to be replaced.
      const early = place.cli("operator", "snapshot", "restore", "--offline", `${folder}/snapshots/${newest}`, "--data-dir", agent.dataDirectory);
      expect([early.status, early.stderr]).toEqual([1, expect.stringContaining("already uses the data directory")]);
      await agent.stop();
      // More epochs go by, which the node sees and the snapshot knows nothing of.
      for (const name of ["second", "third"]) {
        await (await place.start({ name, dataDirectory: agent.dataDirectory })).stop();
      }
      const size = statSync(`${folder}/state.db`).size;
      spoil(
        `${folder}/state.db`,
        Array.from({ length: size / 4096 - 1 }, (_, page) => page + 1),
      );
      const spoiled = readFileSync(`${folder}/state.db`);

      const failed = await place.start({ name: "failed", dataDirectory: agent.dataDirectory, isExpectedToFail: true });
      expect(await failed.ended()).toBe(1);
      expect(failed.log).toContain("is damaged");
      const command = /`edgectl (operator snapshot restore --offline [^`]+)`/.exec(failed.log)?.[1] ?? "";
      expect(command).toContain(newest);
      expect(readFileSync(`${folder}/state.db`).equals(spoiled)).toBe(true);
      expect(isAlive(pid)).toBe(true);

      const done = spawnSync("sh", ["-c", `${executable} ${command}`], { encoding: "utf8" });
      expect([done.status, done.stderr]).toEqual([0, ""]);
      expect(done.stdout).toContain("restored 1 job, 1 node, 1 allocation");
      const aside = readdirSync(folder).find((name) => /^state\.db\.before-restore-\d+$/.test(name)) ?? "";
      expect(readFileSync(`${folder}/${aside}`).equals(spoiled)).toBe(true);

      const again = await place.start({ name: "again", dataDirectory: agent.dataDirectory });
      expect(await jobsOf(place)).toEqual(["steady"]);
      // The node takes the orders of the restored server for newer than all it has seen, and leaves what runs alone.
      await until(
        () => `the node to be back\n${again.log}`,
        async () => (await place.get("/v1/nodes"))[0]?.Status === "ready",
      );
      place.run(shellJob({ id: "next", type: "service", script: "exec sleep 1000" }), "-detach");
      await place.untilAlloc("next", "running");
      expect((await place.alloc("steady")).ID).toBe(alloc.ID);
      expect(place.taskPids(alloc.ID)).toContain(pid);
      expect(again.log).not.toContain("ignored");
      expect(again.log).not.toContain("new life");
    }),
  MINUTE,
);

test(
  "a damaged file without any snapshot: said so, with the command for one from elsewhere; a lost file is made anew too",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--server"] });
      await ask(agent, "PUT", "/v1/jobs", unplaceable("a"));
      place.ok("operator", "snapshot", "save", place.path("elsewhere.snap"));
      await agent.stop();
      const path = `${agent.dataDirectory}/server/state.db`;
      spoil(path, [0]);
      const failed = await place.start({ name: "failed", dataDirectory: agent.dataDirectory, flags: ["--server"], isExpectedToFail: true });
      expect(await failed.ended()).toBe(1);
      expect(failed.log).toContain("there is no snapshot in");
      expect(failed.log).toContain("operator snapshot restore --offline FILE --data-dir");
      rmSync(path);
      place.ok("operator", "snapshot", "restore", "--offline", place.path("elsewhere.snap"), "--data-dir", agent.dataDirectory);
      await place.start({ name: "again", dataDirectory: agent.dataDirectory, flags: ["--server"] });
      expect(await jobsOf(place)).toEqual(["a"]);
      expect(place.cli("operator", "snapshot", "restore", "--offline", place.path("elsewhere.snap"), "--store", "postgres://u@h/d").stderr).toContain(
        "only a state file can be made anew offline",
      );
      expect(place.cli("operator", "snapshot", "restore", place.path("elsewhere.snap"), "--data-dir", "x").stderr).toContain("belong to --offline");
    }),
  MINUTE,
);

test(
  "a large file is looked through beside the running server: it leads at once, and then says loudly what is wrong",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--server"] });
      await ask(agent, "PUT", "/v1/jobs", unplaceable("a"));
      await agent.stop();
      const path = `${agent.dataDirectory}/server/state.db`;
      const database = new Database(path);
      // Rows of nobody, and then room that they leave: it is the room that goes bad, which no reader comes across.
      database.run(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90)
         INSERT INTO journal SELECT -i, -i, hex(zeroblob(500000)) FROM n`);
      const pages = Number(database.query("PRAGMA page_count").values()[0]?.[0]);
      database.run("DELETE FROM journal WHERE last_index < 0");
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
      database.close();
      expect(pages).toBeGreaterThan(16_384);
      const sound = await place.start({ name: "sound", dataDirectory: agent.dataDirectory, flags: ["--server"] });
      await sleep(1500);
      expect(sound.log).not.toContain("DAMAGED");
      await sound.stop();
      spoil(
        path,
        Array.from({ length: 5000 }, (_, at) => pages - 6000 + at),
      );

      const beganMs = performance.now();
      const again = await place.start({ name: "again", dataDirectory: agent.dataDirectory, flags: ["--server"], isExpectedToFail: true });
      await until("the server to lead", () => isLeading(again));
      expect(performance.now() - beganMs).toBeLessThan(5000);
      await until(
        () => `the damage to be found\n${again.log}`,
        () => again.log.includes("THE STORED DATA IS DAMAGED"),
      );
      const health = await ask(again, "GET", "/v1/agent/health");
      expect([health?.status, JSON.parse(health?.text ?? "{}").server]).toEqual([500, { ok: false, message: expect.stringContaining("is damaged") }]);
      // What it holds in memory is sound, and can be saved from there.
      place.ok("operator", "snapshot", "save", place.path("rescued.snap"));
      await again.kill();
      place.ok("operator", "snapshot", "restore", "--offline", place.path("rescued.snap"), "--data-dir", agent.dataDirectory);
      await place.start({ name: "mended", dataDirectory: agent.dataDirectory, flags: ["--server"] });
      expect(await jobsOf(place)).toEqual(["a"]);
    }),
  MINUTE,
);
