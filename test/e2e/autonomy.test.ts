// Life without a network, on real agents: a node fires the jobs that are its own while no server is there, also over kills of its
// agent, and each fire is one run and one record when it is told.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { SmallDisk } from "../faults/small-disk.ts";
import { testWith } from "../support/real-parts.ts";
import { NO_RETRY, shellJob } from "./jobs.ts";
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
function reading(place: Place, id: string, more = "", group = ""): string {
  return shellJob({
    id,
    script: `echo "$NOMAD_JOB_ID $NOMAD_ALLOC_ID" >> ${place.path(`${id}.starts`)}; ${more}`,
    top: '[periodic]\ncron = "*/2 * * * * * *"\nrun_on = "node"',
    group: `ephemeral_disk = { size = 10 }\n${group}`,
    task: "logs = { max_files = 1, max_file_size = 1 }",
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

test(
  "a sysbatch fires on each node by itself: one second is one child, with a run of each node, told when a server is there again",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      for (const name of ["east", "west"]) await place.start({ name, flags: nodeFlags(server, name) });
      place.agent = server;
      const top = 'periodic = { cron = "*/2 * * * * * *", run_on = "node" }';
      const script = `echo "$NOMAD_JOB_ID $NOMAD_ALLOC_ID" >> ${place.path("patrol.starts")}`;
      place.run(shellJob({ id: "patrol", type: "sysbatch", script, top }));
      const bySecond = () => {
        const runs = new Map<string, Set<string>>();
        for (const line of starts(place, "patrol")) {
          const [job = "", alloc = ""] = line.split(" ");
          runs.set(job, (runs.get(job) ?? new Set()).add(alloc));
        }
        return runs;
      };
      await until("both nodes to fire", () => [...bySecond().values()].some((allocs) => allocs.size === 2), MINUTE);
      await server.kill();
      const before = bySecond().size;
      await until(
        "both to fire without a server",
        () => [...bySecond().values()].slice(before + 1).filter((allocs) => allocs.size === 2).length >= 2,
        MINUTE,
      );
      await place.start({ name: "server", port: server.port, flags: ["--server"] });
      const alone = [...bySecond()].slice(before + 1).filter(([, allocs]) => allocs.size === 2);
      for (const [job, allocs] of alone)
        await until(
          `both runs of ${job} to be told`,
          async () => {
            const told = (await place.request("GET", `/v1/job/${encodeURIComponent(job)}/allocations`)).text;
            return [...allocs].every((id) => told.includes(id));
          },
          40_000,
        );
      const all = starts(place, "patrol");
      expect(new Set(all).size).toBe(all.length);
      const [[second = ""] = []] = alone;
      expect((await children(place, "patrol")).filter((child) => child.ID === second)).toHaveLength(1);
      expect(place.ok("explain", "patrol")).toMatch(/2 nodes \(east, west\) fires it|node (east|west) fires it/);
      place.ok("stop", "patrol");
    }),
  3 * MINUTE,
);

testWith(
  ["root"],
  "on a full disk no run begins that a power cut would make nobody know of; it begins when there is room, and none is lost",
  () =>
    inPlace(async (place) => {
      const disk = new SmallDisk(place.path("small"), 24);
      place.onClose(() => disk.close());
      const server = await place.start({ name: "server", flags: ["--server"] });
      const node = await place.start({ name: "node", dataDirectory: disk.folder, flags: nodeFlags(server, "node") });
      place.agent = server;
      // A task whose end the full disk does not take down would be tried again by its policy.
      expect(place.run(reading(place, "reading", "", NO_RETRY)).stderr).toBe("");
      await until("the first fires", () => starts(place, "reading").length >= 2, MINUTE);
      await server.kill();
      const told = starts(place, "reading").length;
      disk.fill();
      await until("the fires to wait", () => node.log.includes("a fire waits: that it begins cannot be written down"), MINUTE);
      const waits = waitsOf(node);
      // What has ended gives way, so that some find room meanwhile: what began is written down all the same.
      await until(
        "the next tries",
        () => {
          const begun = starts(place, "reading")
            .slice(told)
            .map((line) => line.split(" ")[1] ?? "");
          const journal = readFileSync(`${disk.folder}/client/client.journal`, "utf8");
          expect(begun.filter((id) => !journal.includes(id))).toEqual([]);
          return waitsOf(node) > waits + 2;
        },
        MINUTE,
      );
      disk.empty();
      const begun = starts(place, "reading").length;
      await until("fires again", () => starts(place, "reading").length > begun + 2, MINUTE);
      place.agent = await place.start({ name: "server", port: server.port, flags: ["--server"] });
      await until(
        "all runs to be told",
        async () => {
          const known = new Set((await children(place, "reading")).map((child) => child.ID));
          return starts(place, "reading").every((line) => known.has(line.split(" ")[0] ?? ""));
        },
        MINUTE,
      );
      const all = starts(place, "reading");
      expect(new Set(all).size).toBe(all.length);
    }),
  4 * MINUTE,
);

function waitsOf(node: Agent): number {
  return node.log.split("a fire waits: that it begins cannot be written down").length - 1;
}
