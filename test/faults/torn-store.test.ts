// What a power cut leaves of a server's SQLite files: a WAL that ends early or in garbage, an index of it that is gone.
// Everything acknowledged before the place of the cut is there, and after it nothing but whole writes in their order.

import { expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inPlace, type Place } from "../e2e/place.ts";
import { unplaceable } from "../e2e/servers.ts";
import { Prng } from "../sim/prng.ts";

const MINUTE = 60_000;
const WRITES = 60;
const CUTS = 12;
const SEED = process.env.SEED || String(Date.now() % 1_000_000);

interface Written {
  readonly id: string;
  readonly index: number;
  /** The WAL's length when the write was acknowledged: all of it is within. */
  readonly walBytes: number;
}

async function register(place: Place, id: string): Promise<number> {
  const reply = await place.request("PUT", "/v1/jobs", unplaceable(id));
  if (reply.status !== 200) throw new Error(`${id}: ${reply.text}`);
  return JSON.parse(reply.text).JobModifyIndex;
}

/** A server that was killed after these writes; its data directory. */
async function aKilledServer(place: Place): Promise<{ readonly written: readonly Written[]; readonly directory: string }> {
  const agent = await place.start({ name: "first", flags: ["--server"] });
  const wal = join(agent.dataDirectory, "server/state.db-wal");
  const written: Written[] = [];
  for (let at = 0; at < WRITES; at++) {
    const id = `job-${at}`;
    const index = await register(place, id);
    written.push({ id, index, walBytes: statSync(wal).size });
  }
  // The WAL grew with each write: none was moved into the file and overwritten meanwhile.
  expect(written.every((one, at) => one.walBytes > (written[at - 1]?.walBytes ?? 0))).toBe(true);
  await agent.kill();
  return { written, directory: agent.dataDirectory };
}

/** What is there after a start over these files. */
async function indexesOf(place: Place): Promise<ReadonlyMap<string, number>> {
  const stubs: { readonly ID: string; readonly JobModifyIndex: number }[] = await place.get("/v1/jobs?per_page=1000");
  return new Map(stubs.map((stub) => [stub.ID, stub.JobModifyIndex]));
}

const TAILS: readonly (readonly [string, (wal: Buffer, at: number, chance: Prng) => Buffer])[] = [
  ["cut off", (wal, at) => wal.subarray(0, at)],
  ["zeros", (wal, at) => Buffer.concat([wal.subarray(0, at), Buffer.alloc(wal.length - at)])],
  ["noise", (wal, at, chance) => Buffer.concat([wal.subarray(0, at), Buffer.from(chance.hex(wal.length - at))])],
];

test(
  `a WAL that ends early, in zeros or in noise keeps all that was acknowledged before (SEED=${SEED})`,
  () =>
    inPlace(async (place) => {
      const { written, directory } = await aKilledServer(place);
      const chance = new Prng(SEED);
      const counts: number[] = [];
      const whole = readFileSync(join(directory, "server/state.db-wal"));
      for (let round = 0; round < CUTS; round++) {
        const [name, tear] = TAILS[round % TAILS.length] ?? TAILS[0] ?? ["", (wal: Buffer) => wal];
        const at = chance.integer(written[0]?.walBytes ?? 0, whole.length);
        const dataDirectory = place.path(`data-${round}`);
        cpSync(directory, dataDirectory, { recursive: true });
        rmSync(join(dataDirectory, "server/state.db-shm"), { force: true });
        writeFileSync(join(dataDirectory, "server/state.db-wal"), tear(whole, at, chance));
        const agent = await place.start({ name: `round-${round}`, dataDirectory, flags: ["--server"] });
        const there = await indexesOf(place);
        const what = `${name} at ${at} of ${whole.length}`;
        const lost = written.filter((one) => one.walBytes <= at && there.get(one.id) !== one.index).map((one) => one.id);
        expect([what, lost]).toEqual([what, []]);
        // What lies behind the cut is there as a whole up to some write, and then not at all.
        const kept = written.filter((one) => there.get(one.id) === one.index).length;
        expect([what, there.size, written.slice(0, kept).every((one) => there.has(one.id))]).toEqual([what, kept, true]);
        counts.push(kept);
        const index = await register(place, "after");
        expect(index).toBeGreaterThan(Math.max(...there.values()));
        expect(await agent.stop()).toBe(0);
        expect(readFileSync(agent.logPath, "utf8")).not.toMatch(/fault of edgectl|ERROR/);
      }
      // The cuts did take something away.
      expect(Math.min(...counts)).toBeLessThan(WRITES);
    }),
  3 * MINUTE,
);

const SHM: readonly (readonly [string, (path: string) => void])[] = [
  ["missing", (path) => rmSync(path, { force: true })],
  ["emptied", (path) => writeFileSync(path, "")],
  ["full of zeros", (path) => writeFileSync(path, Buffer.alloc(32_768))],
  ["full of garbage", (path) => writeFileSync(path, Buffer.alloc(32_768, "garbage"))],
  ["torn", (path) => writeFileSync(path, readFileSync(path).subarray(0, 1000))],
];

test(
  "an index of the WAL that is missing, emptied, torn or garbage is made anew, and nothing is lost",
  () =>
    inPlace(async (place) => {
      const { written, directory } = await aKilledServer(place);
      for (const [at, [name, damage]] of SHM.entries()) {
        const dataDirectory = place.path(`data-${at}`);
        cpSync(directory, dataDirectory, { recursive: true });
        const path = join(dataDirectory, "server/state.db-shm");
        expect(existsSync(path)).toBe(true);
        damage(path);
        const agent = await place.start({ name: `shm-${at}`, dataDirectory, flags: ["--server"] });
        const there = await indexesOf(place);
        expect([name, written.filter((one) => there.get(one.id) !== one.index)]).toEqual([name, []]);
        await register(place, "after");
        expect(await agent.stop()).toBe(0);
      }
    }),
  2 * MINUTE,
);

test(
  "a state file whose WAL is gone altogether shows only what was folded into it, or is refused in words",
  () =>
    inPlace(async (place) => {
      const { written, directory } = await aKilledServer(place);
      rmSync(join(directory, "server/state.db-wal"));
      const agent = await place.start({ name: "again", dataDirectory: directory, flags: ["--server"], isExpectedToFail: true });
      const end = await Promise.race([agent.ended(30_000).catch(() => null), place.untilUp(agent).then(() => "up" as const)]).catch(() => 1 as const);
      if (end === "up") {
        const there = await indexesOf(place);
        const kept = written.filter((one) => there.get(one.id) === one.index).length;
        expect([there.size, written.slice(0, kept).every((one) => there.has(one.id))]).toEqual([kept, true]);
      } else {
        expect(end).toBe(1);
        expect(agent.log).toMatch(/the state file .* (?:is damaged|cannot be)/);
      }
    }),
  MINUTE,
);
