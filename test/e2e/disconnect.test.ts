// Nodes that are cut off, on real agents: their allocs are unknown, are replaced or waited for, and when they are back
// one of each pair runs on, by the group's policy; tasks that may not run long without a server are stopped by the node.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, isAlive, type Place, sleep, until } from "./place.ts";

const MINUTE = 60_000;
const SLEEPING = 'echo start >> "$NOMAD_ALLOC_DIR/data/starts"; exec sleep 1000';
/** Jobs of this test run on the node whose name they are given first, if it is there. */
const preferring = (name: string) => `[[affinity]]
attribute = "\${node.unique.name}"
value = "${name}"
weight = 100`;

interface AllocStub {
  readonly ID: string;
  readonly NodeName: string;
  readonly ClientStatus: string;
  readonly DesiredStatus: string;
}

async function startNode(place: Place, name: string, server: Agent, dataDirectory = place.path(`data-${name}`)): Promise<Agent> {
  const node = await place.start({ name, dataDirectory, flags: ["--client", "--servers", server.address, "--name", name] });
  place.agent = server;
  return node;
}

async function statusOf(place: Place, name: string): Promise<string> {
  return (await place.get("/v1/nodes")).find((node: { Name: string }) => node.Name === name)?.Status;
}

async function untilStatus(place: Place, name: string, want: string): Promise<void> {
  let last = "";
  await until(
    () => `node ${name} to be ${want}, it is ${last}\n${place.agent.log.slice(-2000)}`,
    async () => {
      last = await statusOf(place, name);
      return last === want;
    },
    45_000,
  );
}

/** As in `old unknown`, the oldest first; what was told to stop and has ended is left out. */
async function standing(place: Place, job: string): Promise<readonly string[]> {
  const allocs: readonly (AllocStub & { readonly CreateIndex: number })[] = await place.get(`/v1/job/${job}/allocations`);
  return [...allocs]
    .sort((a, b) => a.CreateIndex - b.CreateIndex)
    .filter((alloc) => alloc.DesiredStatus === "run" || !["complete", "lost", "failed"].includes(alloc.ClientStatus))
    .map((alloc) => `${alloc.NodeName} ${alloc.ClientStatus}`);
}

async function untilStanding(place: Place, job: string, want: readonly string[], timeoutMs = 30_000): Promise<void> {
  let last: readonly string[] = [];
  await until(
    () => `job ${job} to stand as ${want}, it is ${last}\n${place.agent.log.slice(-1500)}`,
    async () => {
      last = await standing(place, job);
      return String(last) === String(want);
    },
    timeoutMs,
  );
}

const POLICIES = ["keep-original", "keep-replacement", "longest-running", "best-score"] as const;

test(
  "a node that is cut off and comes back: unknown, replaced or waited for, and then one of each",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const away = await startNode(place, "away", server);
      await untilStatus(place, "away", "ready");
      const disconnect = (own: string) => `disconnect = { ${own} }\nupdate = { min_healthy_time = "1s" }`;
      const jobs: Record<string, string> = Object.fromEntries(
        POLICIES.map((policy) => [policy, disconnect(`lost_after = "10m", reconcile = "${policy.replace("-", "_")}"`)]),
      );
      jobs.waited = disconnect('lost_after = "10m", replace = false');
      jobs.short = disconnect('lost_after = "3s", replace = false');
      jobs.plain = "";
      for (const [id, group] of Object.entries(jobs))
        place.run(shellJob({ id, type: "service", script: SLEEPING, group, top: preferring("away") }), "--detach");
      for (const id of Object.keys(jobs)) await untilStanding(place, id, ["away running"]);
      const first: Record<string, string> = Object.fromEntries(
        await Promise.all(Object.keys(jobs).map(async (id) => [id, (await place.alloc(id)).ID])),
      );
      const pids = Object.fromEntries(Object.entries(first).map(([id, alloc]) => [id, place.taskPids(alloc)]));
      await startNode(place, "stays", server);
      await untilStatus(place, "stays", "ready");
      away.process.kill("SIGSTOP");
      place.onClose(() => away.process.kill("SIGCONT"));
      await untilStatus(place, "away", "disconnected");
      for (const id of POLICIES) await untilStanding(place, id, ["away unknown", "stays running"]);
      expect(await standing(place, "waited")).toEqual(["away unknown"]);
      await untilStanding(place, "plain", ["stays running"]);
      // Its time is over: what was unknown is lost, and another runs.
      await untilStanding(place, "short", ["stays running"]);
      expect((await place.get(`/v1/allocation/${first.short}`)).ClientStatus).toBe("lost");
      expect(await statusOf(place, "away")).toBe("disconnected");
      // All along nothing on the node was touched.
      for (const pid of Object.values(pids).flat()) expect(isAlive(pid)).toBe(true);

      away.process.kill("SIGCONT");
      await untilStatus(place, "away", "ready");
      await untilStanding(place, "keep-original", ["away running"]);
      await untilStanding(place, "keep-replacement", ["stays running"]);
      await untilStanding(place, "longest-running", ["away running"]);
      await untilStanding(place, "waited", ["away running"]);
      await until("one of two to be kept", async () => (await standing(place, "best-score")).length === 1);
      for (const id of ["short", "plain"]) await untilStanding(place, id, ["stays running"]);
      for (const id of ["keep-original", "longest-running", "waited"]) {
        expect(place.taskPids(first[id] ?? "")).toEqual(pids[id] ?? []);
        expect((await place.get(`/v1/allocation/${first[id]}`)).TaskStates.main.Restarts).toBe(0);
        expect(place.ok("alloc", "fs", first[id] ?? "", "alloc/data/starts")).toBe("start\n");
      }
      // What is not wanted there any more has ended there.
      for (const id of ["keep-replacement", "short", "plain"])
        await until(`the old ${id} to end`, () => place.taskPids(first[id] ?? "").length === 0);
      const events = (await place.get(`/v1/node/${(await place.get(`/v1/allocation/${first.waited}`)).NodeID}`)).Events;
      expect(events.map((event: { Message: string }) => event.Message)).toEqual(
        expect.arrayContaining(["Node heartbeat missed", "Node re-registered"]),
      );
    }),
  3 * MINUTE,
);

test(
  "tasks that may not run long without a server are stopped by their node, over a restart of its agent too; others go on",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const node = await startNode(place, "alone", server);
      await untilStatus(place, "alone", "ready");
      const jobs = { soon: 'disconnect = { stop_on_client_after = "3s" }', later: 'disconnect = { stop_on_client_after = "9s" }', never: "" };
      for (const [id, group] of Object.entries(jobs)) place.run(shellJob({ id, type: "service", script: SLEEPING, group }), "--detach");
      const ids: Record<string, string> = {};
      for (const id of Object.keys(jobs)) ids[id] = (await place.untilAlloc(id, "running")).ID;
      const pids = (id: string) => place.taskPids(ids[id] ?? "");
      // While it hears its server, nothing is stopped.
      await sleep(5000);
      for (const id of Object.keys(jobs)) expect(pids(id).length).toBeGreaterThan(0);
      await server.kill();
      const cutAtMs = Date.now();
      await until("the first to be stopped", () => pids("soon").length === 0);
      expect(Date.now() - cutAtMs).toBeGreaterThanOrEqual(2500);
      expect(pids("later").length).toBeGreaterThan(0);
      await node.kill();
      const againAtMs = Date.now();
      await place.start({
        name: "alone",
        dataDirectory: node.dataDirectory,
        flags: ["--client", "--servers", server.address, "--name", "alone"],
        isExpectedToFail: true,
      });
      await until("the second to be stopped by the next agent", () => pids("later").length === 0);
      expect(Date.now() - cutAtMs).toBeGreaterThanOrEqual(8500);
      // That agent was told by its journal since when: counted from its own start it would have taken longer.
      expect(Date.now() - againAtMs).toBeLessThan(9000);
      expect(pids("never").length).toBeGreaterThan(0);
      // The server hears of it when it is back, and has others placed.
      place.agent = await place.start({ name: "server", port: server.port, flags: ["--server"] });
      await until(
        () => `both to run again\n${place.agent.log.slice(-2000)}`,
        async () => {
          const again = await Promise.all(["soon", "later"].map((id) => place.alloc(id)));
          return again.every((alloc) => alloc?.ClientStatus === "running" && !Object.values(ids).includes(alloc.ID));
        },
        60_000,
      );
      expect((await place.get(`/v1/allocation/${ids.soon}`)).ClientStatus).toBe("complete");
      expect((await place.alloc("never")).ID).toBe(ids.never ?? "");
    }),
  3 * MINUTE,
);
