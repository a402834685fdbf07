// Life without a network, on real agents: a node fires the jobs that are its own while no server is there, also over kills of its
// agent, and each fire is one run and one record when it is told.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, isAlive, type Place, until } from "./place.ts";

const MINUTE = 60_000;

interface Child {
  readonly ID: string;
  readonly Status: string;
}

function nodeFlags(server: Agent, name: string): readonly string[] {
  return ["--client", "--servers", server.address, "--name", name];
}

/** Writes the second it was scheduled for, once for each start of the task. */
function reading(place: Place, id: string, more = ""): string {
  return shellJob({
    id,
    script: `echo "$NOMAD_JOB_ID $NOMAD_ALLOC_ID" >> ${place.path(`${id}.starts`)}; ${more}`,
    top: '[periodic]\ncron = "*/2 * * * * * *"\nrun_on = "node"',
  });
}

function starts(place: Place, id: string): readonly string[] {
  try {
    return readFileSync(place.path(`${id}.starts`), "utf8")
      .trim()
      .split("\n");
  } catch {
    return []; // nothing began yet
  }
}

async function children(place: Place, id: string): Promise<readonly Child[]> {
  return (await place.get(`/v1/jobs?prefix=${id}/periodic-`)) ?? [];
}

test(
  "a node fires its jobs without a server, over kills of its agent; each fire is one run, and one record once it is told",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const node = await place.start({ name: "node", flags: nodeFlags(server, "node") });
      place.agent = server;
      expect(place.run(reading(place, "reading")).stdout).toContain("node");
      await until(
        () => `the first fires to be told\n${node.log.slice(-2000)}\n${server.log.slice(-2000)}`,
        async () => (await children(place, "reading")).length >= 2,
      );
      expect(place.ok("job", "status", "reading")).toMatch(/Fired By +.* node\n/);
      await server.kill();
      const told = starts(place, "reading").length;
      await until("fires without a server", () => starts(place, "reading").length >= told + 2, MINUTE);
      // Killed again and again, wherever it is in a fire.
      let alone = node;
      for (let round = 0; round < 3; round++) {
        await alone.kill();
        const before = starts(place, "reading").length;
        alone = await place.start({ name: "node", dataDirectory: node.dataDirectory, flags: nodeFlags(server, "node"), isExpectedToFail: true });
        await until(`fires after kill ${round}\n${alone.log.slice(-2000)}`, () => starts(place, "reading").length > before, MINUTE);
      }
      place.agent = await place.start({ name: "server", port: server.port, flags: ["--server"] });
      await until(
        () => `all to be told\n${alone.log.slice(-2000)}`,
        async () => {
          const known = new Set((await children(place, "reading")).map((child) => child.ID));
          return starts(place, "reading").every((line) => known.has(line.split(" ")[0] ?? ""));
        },
        40_000,
      );
      place.ok("stop", "reading");
      const ran = starts(place, "reading");
      expect(new Set(ran).size).toBe(ran.length);
      expect(new Set(ran.map((line) => line.split(" ")[0])).size).toBe(ran.length);
      // The server's record is of that very run, with the node's own times.
      const [line = ""] = ran.slice(-2);
      const [job = "", id = ""] = line.split(" ");
      await until("its end to be known", async () => (await place.get(`/v1/allocation/${id}`)).ClientStatus === "complete");
      const alloc = await place.get(`/v1/allocation/${id}`);
      expect(alloc.JobID).toBe(job);
      const second = Number(job.split("-").at(-1));
      const startedAtS = Date.parse(alloc.TaskStates.main.StartedAt) / 1000;
      expect(startedAtS).toBeGreaterThanOrEqual(second);
      expect(startedAtS).toBeLessThan(second + 60);
      // Told to stop, it fires no more.
      const firing = await place.get("/v1/job/reading/allocations");
      await until("the firing to end", async () => (await place.get(`/v1/allocation/${firing[0].ID}`)).ClientStatus === "complete");
      expect(place.taskPids(id).filter(isAlive)).toEqual([]);
    }),
  3 * MINUTE,
);
