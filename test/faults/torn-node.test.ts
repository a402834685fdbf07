// What a power cut leaves of a node's files: torn, emptied, filled with zeros. Tasks that live are taken up, a task whose
// end is not known is not called a success, and a key that is gone is told with what to do.

import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NO_RETRY, shellJob } from "../e2e/jobs.ts";
import { inPlace, isAlive, type Place, until } from "../e2e/place.ts";

const MINUTE = 60_000;
const SLEEPING = 'echo start >> "$NOMAD_ALLOC_DIR/data/starts"; exec sleep 1000';

/** A file's bytes before and after. */
type Tear = readonly [string, (bytes: Buffer) => Buffer];

const ZEROS: Tear = ["full of zeros", (bytes) => Buffer.alloc(bytes.length)];

/** The last line loses its end, wherever that falls. */
function cutLastLine(bytes: Buffer): Buffer {
  const begin = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
  return bytes.subarray(0, begin + Math.floor((bytes.length - begin) / 2));
}

/** Somewhere in the middle of a line in its middle. */
function cutHalf(bytes: Buffer): Buffer {
  const begin = bytes.lastIndexOf("\n", Math.floor(bytes.length / 2)) + 1;
  return bytes.subarray(0, begin + 20);
}

const JOURNAL_TEARS: readonly Tear[] = [
  ["cut in the middle of its last line", cutLastLine],
  ["cut in the middle", cutHalf],
  ["emptied", () => Buffer.alloc(0)],
  ["followed by garbage", (bytes) => Buffer.concat([bytes, Buffer.from([0xff, 0xfe, 0, 0, 0x0a, 0xc3, 0x28]), Buffer.from("garbage\nmore")])],
  ["followed by zeros", (bytes) => Buffer.concat([bytes, Buffer.alloc(4096)])],
  ["with zeros in its last line", (bytes) => Buffer.concat([cutLastLine(bytes), Buffer.alloc(100)])],
  ZEROS,
];

function startsOf(place: Place, allocId: string): string {
  return readFileSync(join(place.agent.dataDirectory, "alloc", allocId, "alloc/data/starts"), "utf8");
}

for (const [name, tear] of JOURNAL_TEARS)
  test(
    `a node's journal that is ${name}: the same processes run on, none twice, and they can still be stopped`,
    () =>
      inPlace(async (place) => {
        await place.start();
        const jobs = ["first", "second"];
        for (const id of jobs) place.run(shellJob({ id, type: "service", script: SLEEPING }), "--detach");
        const allocs = [];
        for (const id of jobs) allocs.push(await place.untilAlloc(id, "running"));
        const pids = allocs.map((alloc) => place.taskPids(alloc.ID).sort());
        const { port, dataDirectory } = place.agent;
        await place.agent.kill();
        const path = join(dataDirectory, "client/client.journal");
        writeFileSync(path, tear(readFileSync(path)));
        await place.start({ port, dataDirectory });
        await until("the node to have joined", async () => (await place.get("/v1/agent/health")).client.ok);
        place.run(shellJob({ id: "later", type: "service", script: SLEEPING }), "--detach");
        await place.untilAlloc("later", "running");
        for (const [at, id] of jobs.entries()) {
          const alloc = await place.untilAlloc(id, "running");
          expect([alloc.ID, place.taskPids(alloc.ID).sort(), startsOf(place, alloc.ID)]).toEqual([allocs[at].ID, pids[at], "start\n"]);
        }
        for (const id of jobs) place.ok("stop", "--detach", id);
        for (const id of jobs) await place.untilAlloc(id, "complete");
        expect(pids.flat().filter(isAlive)).toEqual([]);
      }),
    MINUTE,
  );

const STATUS_TEARS: readonly (readonly [string, string])[] = [
  ["emptied", ""],
  ["torn to a line's end", "\n"],
  ["full of zeros", "\0\0"],
  ["full of garbage", "\u{fffd}0x"],
];

for (const [name, text] of STATUS_TEARS)
  test(
    `a status that is ${name} is an unknown end, never a success`,
    () =>
      inPlace(async (place) => {
        await place.start();
        place.run(shellJob({ id: "ends", script: "sleep 0.7; exit 0", group: NO_RETRY }), "--detach");
        const { ID: allocId } = await place.untilAlloc("ends", "running");
        const { port, dataDirectory } = place.agent;
        await place.agent.kill();
        const attempts = join(dataDirectory, "alloc", allocId, ".control/main");
        const path = join(attempts, readdirSync(attempts)[0] ?? "", "status");
        await until("the task to end", () => existsSync(path) && readFileSync(path, "utf8") === "0\n");
        writeFileSync(path, text);
        await place.start({ port, dataDirectory });
        const alloc = await place.untilAlloc("ends", "failed");
        expect(alloc.TaskStates.main.Failed).toBe(true);
        expect(JSON.stringify(alloc.TaskStates.main.Events)).not.toContain("Exit Code: 0,");
      }),
    MINUTE,
  );

const KEYS: readonly (readonly [string, string])[] = [
  ["emptied", ""],
  ["full of zeros", "\0".repeat(150)],
  ["torn", '{"id":"0c1b'],
];

test(
  "a node key that is emptied or torn is refused with what to do, and that helps",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      place.run(shellJob({ id: "steady", type: "service", script: SLEEPING }), "--detach");
      const before = await place.untilAlloc("steady", "running");
      await agent.stop();
      const { port, dataDirectory } = agent;
      const path = join(dataDirectory, "client/node.key");
      for (const [name, text] of KEYS) {
        writeFileSync(path, text);
        const refused = await place.start({ name: `refused-${name.replaceAll(" ", "-")}`, dataDirectory, isExpectedToFail: true });
        expect(await refused.ended()).toBe(1);
        expect(refused.log).toContain(`the node key ${path} cannot be read`);
        expect(refused.log).toContain("run `edgectl node reset-identity`: the device joins as a new node then");
        expect(readFileSync(path, "utf8")).toBe(text);
      }
      rmSync(path);
      await place.start({ port, dataDirectory });
      await until("the new node", async () => {
        const ids = (await place.get("/v1/nodes")).map((node: { ID: string }) => node.ID);
        return ids.length === 2 && ids.includes(before.NodeID);
      });
    }),
  MINUTE,
);

for (const [name, text] of [
  ["emptied", ""],
  ["full of zeros", "\0\0"],
] as const)
  for (const file of ["format", "lock"])
    test(
      `a file "${file}" that is ${name} does not keep an agent from starting`,
      () =>
        inPlace(async (place) => {
          const agent = await place.start();
          place.run(shellJob({ id: "steady", type: "service", script: SLEEPING }), "--detach");
          const { ID: allocId } = await place.untilAlloc("steady", "running");
          await agent.kill();
          writeFileSync(join(agent.dataDirectory, file), text);
          await place.start({ port: agent.port, dataDirectory: agent.dataDirectory });
          expect((await place.untilAlloc("steady", "running")).ID).toBe(allocId);
          expect(startsOf(place, allocId)).toBe("start\n");
          expect(readFileSync(join(agent.dataDirectory, "format"), "utf8")).toBe("1\n");
        }),
      MINUTE,
    );
