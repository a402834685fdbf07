// What tasks and nodes use, asked of the node that has them: by any server, over the node's own connection.

import { expect, test } from "bun:test";
import { testWith } from "../support/real-parts.ts";
import { driverJob, NO_RETRY, shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";
import { startPair } from "./servers.ts";

const MINUTE = 60_000;
const BUSY = 'x=""; while :; do x="$x."; [ ${#x} -gt 200000 ] && x=""; done';

test(
  "a busy task is told from an idle one, in MHz and MiB, by a server without the node that has it; what is asked wrongly is said",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      const servers = [leader, standby].map((server) => server.address).join(",");
      const node = await place.start({ name: "node", flags: ["--client", "--servers", servers] });
      await until("the node", async () => (await place.get("/v1/nodes", leader))[0]?.Status === "ready");
      place.run(shellJob({ id: "busy", type: "service", script: BUSY }), "--detach");
      place.run(shellJob({ id: "idle", type: "service", script: "sleep 600 & exec sleep 600" }), "--detach");
      const [busy, idle] = [await place.untilAlloc("busy", "running"), await place.untilAlloc("idle", "running")];
      const [path, idlePath] = [busy, idle].map((alloc) => `/v1/client/allocation/${alloc.ID}/stats`);
      for (const agent of [leader, standby, node]) {
        await until("the busy task to use its processor", async () => {
          const { Tasks } = await place.get(path ?? "", agent);
          return Tasks.main.ResourceUsage.CpuStats.Percent > 5 && Tasks.main.ResourceUsage.CpuStats.TotalTicks > 10;
        });
        const stats = await place.get(idlePath ?? "", agent);
        const { CpuStats, MemoryStats } = stats.Tasks.main.ResourceUsage;
        expect(CpuStats.Percent).toBeLessThan(5);
        expect(MemoryStats.RSS).toBeGreaterThan(100_000);
        expect(Object.values(stats.Tasks.main.Pids)).toHaveLength(2);
        expect(stats.ResourceUsage.MemoryStats.RSS).toBe(MemoryStats.RSS);
      }
      expect(place.ok("alloc", "status", "--stats", busy.ID)).toMatch(/\d+\/10 MHz +[\d.]+ [KM]iB\/10 MiB[\s\S]*Memory Stats[\s\S]*CPU Stats/);
      expect(place.ok("alloc", "status", busy.ID)).not.toMatch(/Memory Stats|\/10 MHz/);
      const shown = JSON.parse(place.ok("alloc", "status", "--stats", "--json", busy.ID));
      expect(shown.Stats.Tasks.main.ResourceUsage.MemoryStats.RSS).toBeGreaterThan(0);

      await expectRefusals(place, [
        ["GET", `${path}?task=other`, 404, /task "other" of the allocation does not run/],
        ["GET", `${path}?task=__proto__`, 404, /does not run/],
        ["GET", "/v1/client/allocation/none/stats", 404, /Unknown allocation "none"/],
        ["GET", "/v1/client/allocation/%00..%2F/stats", 404, /./],
        ["GET", "/v1/client/stats?node_id=nope", 404, /Unknown node "nope"/],
      ]);
      expect(Object.keys((await place.get(`${path}?task=main`)).Tasks)).toEqual(["main"]);

      const [{ ID: nodeId }] = await place.get("/v1/nodes");
      for (const agent of [leader, standby, node]) {
        const host = await place.get(`/v1/client/stats?node_id=${nodeId}`, agent);
        expect(host.CPU.length).toBeGreaterThan(0);
        for (const core of host.CPU) expect(core.Idle + core.TotalPercent).toBeCloseTo(100, 5);
        expect(host.Memory.Used).toBeGreaterThan(1_000_000);
        expect(host.AllocDirStats).toMatchObject({ Mountpoint: `${node.dataDirectory}/alloc` });
        expect(host.Uptime).toBeGreaterThan(1);
      }
      const text = place.ok("node", "status", "--self", "--stats");
      expect(text).toMatch(/Host Resource Utilization[\s\S]*MHz[\s\S]*GiB[\s\S]*CPU Stats[\s\S]*cpu0[\s\S]*Disk Stats/);
      expect(place.ok("node", "status", "--self")).not.toContain("Disk Stats");
      expect(JSON.parse(place.ok("node", "status", "--self", "--stats", "--json")).Stats.CPU[0].CPU).toBe("cpu0");

      await node.kill();
      await until("the node's end", async () => (await place.request("GET", path ?? "", undefined, leader)).status !== 200);
      place.agent = leader;
      expect(place.ok("alloc", "status", "--stats", busy.ID)).toMatch(/cannot be told: No path to node/);
    }),
  2 * MINUTE,
);

test(
  "what an allocation takes of the disk is measured when it is asked for; where that is enforced its tasks end, with the reason, and others go on",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      const writes = (mb: number) => `head -c ${mb}000000 /dev/zero >"$NOMAD_ALLOC_DIR/data/big"; exec sleep 600`;
      const job = (id: string, mb: number) =>
        shellJob({
          id,
          type: "service",
          script: writes(mb),
          group: `ephemeral_disk = { size = 11 }\n${NO_RETRY}`,
          task: "logs = { max_files = 1, max_file_size = 1 }",
        });
      for (const [id, mb] of [
        ["large", 15],
        ["small", 5],
      ] as const)
        place.run(job(id, mb), "--detach");
      const [large, small] = [await place.untilAlloc("large", "running"), await place.untilAlloc("small", "running")];
      await until("the files to be written", () => /1[45]\.\d MiB\/11 MiB \(exceeded\)/.test(place.ok("alloc", "status", "--stats", large.ID)));
      expect(place.ok("alloc", "status", "--stats", small.ID)).toMatch(/[45]\.\d MiB\/11 MiB(?! \()/);
      expect((await place.get(`/v1/client/allocation/${small.ID}/stats`)).Disk).toBeUndefined();
      // It was let be until now; the next agent lets it be no more.
      await agent.stop();
      await place.start({ port: agent.port, dataDirectory: agent.dataDirectory, flags: ["--client.enforce-ephemeral-disk"] });
      const ended = await place.untilAlloc("large", "failed", 60_000);
      expect(ended.ClientDescription).toMatch(/^disk limit exceeded: Its files take 15 MiB of the disk, more than ephemeral_disk.size of 11 MiB/);
      expect(ended.TaskStates.main.Events.map((event: { Type: string }) => event.Type)).toContain("Disk Resources Exceeded");
      expect(place.taskPids(large.ID)).toEqual([]);
      expect((await place.alloc("small")).ClientStatus).toBe("running");
    }),
  2 * MINUTE,
);

testWith(
  ["root"],
  "exec: what a task's group is charged is told beside what its processes hold, with the most it ever was",
  () =>
    inPlace(async (place) => {
      await place.start();
      const fills = 'config = { command = "/bin/sh", args = ["-c", "head -c 20000000 /dev/zero | tail -c 20000000 >/dev/null; sleep 600"] }';
      place.run(`${driverJob("big", "exec", fills.slice(11, -2)).replace("batch", "service")}\nresources = { cpu = 50, memory = 64 }\n`, "--detach");
      const alloc = await place.untilAlloc("big", "running");
      await until("the most it held", async () => {
        const { Tasks } = await place.get(`/v1/client/allocation/${alloc.ID}/stats`);
        const { MemoryStats, CpuStats } = Tasks.main.ResourceUsage;
        return MemoryStats.MaxUsage > 15_000_000 && MemoryStats.Usage > 0 && MemoryStats.Measured.includes("Max Usage") && CpuStats.UserMode >= 0;
      });
    }),
  MINUTE,
);

async function expectRefusals(place: Place, cases: readonly (readonly [string, string, number, RegExp, unknown?])[]): Promise<void> {
  for (const [method, path, status, says, body] of cases) {
    const reply = await place.request(method, path, body);
    expect([path, reply.status, says.test(reply.text) ? "as expected" : reply.text]).toEqual([path, status, "as expected"]);
  }
}
