// Snapshots of a running cluster and the way back from them: what came after is undone, nodes follow, readers wake, and no
// damaged file changes anything.

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, isAlive, type Place, until } from "./place.ts";
import { ask, startPair, unplaceable } from "./servers.ts";

const MINUTE = 60_000;
const FOREVER = "exec sleep 1000";

function service(id: string, top = ""): string {
  return shellJob({ id, type: "service", script: FOREVER, top });
}

async function jobsOf(place: Place, query = "", agent?: Agent): Promise<readonly string[]> {
  return (await place.get(`/v1/jobs${query}`, agent)).map((stub: { ID: string; Status: string }) => `${stub.ID} ${stub.Status}`).sort();
}

async function putSnapshot(agent: Agent, bytes: Uint8Array): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }> {
  const reply = await fetch(`${agent.address}/v1/operator/snapshot`, { method: "PUT", body: bytes as Uint8Array<ArrayBuffer> });
  return { status: reply.status, text: await reply.text(), headers: reply.headers };
}

test(
  "a snapshot that is restored brings back what was: jobs, tasks that were stopped since, and nothing that came later",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      place.run(service("kept"), "-detach");
      place.run(service("stopped"), "-detach");
      const kept = await place.untilAlloc("kept", "running");
      await place.untilAlloc("stopped", "running");
      const [keptPid = 0] = place.taskPids(kept.ID);
      expect(place.ok("operator", "snapshot", "save", place.path("a.snap"))).toContain("2 jobs, 1 node, 2 allocations");
      expect(statSync(place.path("a.snap")).mode & 0o777).toBe(0o600);

      place.ok("stop", "stopped");
      place.run(service("later"), "-detach");
      const later = await place.untilAlloc("later", "running");
      const before = await place.get("/v1/agent/self");
      const indexBefore = Number((await place.request("GET", "/v1/jobs")).headers.get("X-Nomad-Index"));
      const [list, one] = [`/v1/jobs?index=${indexBefore}&wait=60s`, `/v1/job/kept?index=${indexBefore}&wait=60s`].map((path) =>
        place.request("GET", path),
      );

      expect(place.ok("operator", "snapshot", "restore", place.path("a.snap"))).toContain("restored 2 jobs, 1 node, 2 allocations");
      for (const reply of await Promise.all([list, one])) {
        expect(reply?.status).toBe(200);
        expect(Number(reply?.headers.get("X-Nomad-Index"))).toBeGreaterThan(indexBefore);
      }
      expect(JSON.parse((await list)?.text ?? "").length).toBe(2);
      expect(await jobsOf(place)).toEqual(["kept running", "stopped running"]);
      const self = await place.get("/v1/agent/self");
      expect(Number(self.stats.raft.term)).toBeGreaterThan(Number(before.stats.raft.term));

      // The node follows: what is wanted again runs again, what nobody knows ends, what ran all the while was left alone.
      await until(
        () => `"stopped" to run again\n${agent.log}`,
        async () => {
          const allocs: { ID: string; ClientStatus: string }[] = await place.get("/v1/job/stopped/allocations");
          return allocs.some((alloc) => alloc.ClientStatus === "running" && place.taskPids(alloc.ID).length > 0);
        },
      );
      await until("the later task to end", () => place.taskPids(later.ID).length === 0);
      expect(place.taskPids(kept.ID)).toContain(keptPid);
      expect(isAlive(keptPid)).toBe(true);

      // And it goes on from there: over a new start too.
      place.run(service("next"), "-detach");
      await place.untilAlloc("next", "running");
      await agent.kill();
      await place.start({ dataDirectory: agent.dataDirectory });
      expect(await jobsOf(place)).toEqual(["kept running", "next running", "stopped running"]);
      expect(place.taskPids(kept.ID)).toContain(keptPid);
    }),
  2 * MINUTE,
);

test(
  "the file: its digest, its form, and what inspect says",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--server"] });
      await place.request("PUT", "/v1/jobs", unplaceable("a"));
      const reply = await fetch(`${agent.address}/v1/operator/snapshot`);
      const bytes = new Uint8Array(await reply.arrayBuffer());
      expect(reply.headers.get("Digest")).toBe(`sha-256=${new Bun.CryptoHasher("sha256").update(bytes).digest("base64")}`);
      expect(Number(reply.headers.get("X-Nomad-Index"))).toBeGreaterThan(0);
      const path = place.path("a.snap");
      writeFileSync(path, bytes);
      const listed = spawnSync("tar", ["tzf", path], { encoding: "utf8" });
      expect([listed.status, listed.stdout]).toEqual([0, "meta.json\nstate.bin\nSHA256SUMS\n"]);
      const inspected = JSON.parse(place.ok("operator", "snapshot", "inspect", "--json", path));
      expect(inspected.Region).toBe("global");
      expect(inspected.Index).toBe(Number(reply.headers.get("X-Nomad-Index")));
      expect(inspected.Tables.find((table: { Name: string }) => table.Name === "jobs").Rows).toBe(1);
      expect(place.ok("operator", "snapshot", "inspect", path)).toMatch(/Region +=/);
      // An existing file is left alone.
      expect(place.cli("operator", "snapshot", "save", path).stderr).toContain("exists already");
      expect(readFileSync(path).equals(bytes)).toBe(true);
      place.ok("operator", "snapshot", "save");
      expect(spawnSync("sh", ["-c", "ls edgectl-*Z.snap"], { cwd: place.folder }).status).toBe(0);
    }),
  MINUTE,
);

test(
  "files that are cut, damaged, foreign or of another region are refused by the server and by the command, and nothing changes",
  () =>
    inPlace(async (place) => {
      const elsewhere = await place.start({ name: "elsewhere", flags: ["--server", "--region", "north"] });
      await ask(elsewhere, "PUT", "/v1/jobs", unplaceable("north"));
      place.ok("operator", "snapshot", "save", place.path("north.snap"));
      const agent = await place.start({ flags: ["--server"] });
      await place.request("PUT", "/v1/jobs", unplaceable("a"));
      place.ok("operator", "snapshot", "save", place.path("good.snap"));
      await place.request("PUT", "/v1/jobs", unplaceable("b"));
      const good = readFileSync(place.path("good.snap"));
      const flipped = Buffer.from(good);
      flipped[good.length >> 1] = (flipped[good.length >> 1] ?? 0) ^ 4;
      const bad: readonly (readonly [name: string, bytes: Uint8Array, want: RegExp])[] = [
        ["empty", Buffer.alloc(0), /empty/],
        ["text", Buffer.from("not a snapshot"), /no snapshot/],
        ["cut", good.subarray(0, good.length - 100), /checksum/],
        ["flipped", flipped, /checksum/],
        ["north", readFileSync(place.path("north.snap")), /region "north"/],
      ];
      const before = await place.request("GET", "/v1/jobs");
      for (const [name, bytes, want] of bad) {
        const reply = await putSnapshot(agent, bytes);
        expect([name, reply.status]).toEqual([name, 400]);
        expect(reply.text).toMatch(want);
        writeFileSync(place.path(`bad-${name}.snap`), bytes);
        const done = place.cli("operator", "snapshot", "restore", place.path(`bad-${name}.snap`));
        expect(done.status).toBe(1);
        expect(done.stderr).toMatch(want);
      }
      expect(place.cli("operator", "snapshot", "restore", place.path("none.snap")).stderr).toContain("there is no file");
      const after = await place.request("GET", "/v1/jobs");
      expect(after.text).toBe(before.text);
      expect(after.headers.get("X-Nomad-Index")).toBe(before.headers.get("X-Nomad-Index"));
      expect(agent.log).not.toContain("everything was replaced");
      expect((await putSnapshot(agent, good)).status).toBe(200);
      expect(await jobsOf(place)).toEqual(["a pending"]);
    }),
  MINUTE,
);

test(
  "a body beyond the limit of its route is refused, whether its length is announced or not",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--server"] });
      const large = new Uint8Array(4_000_001).fill(32);
      const announced = await fetch(`${agent.address}/v1/jobs`, { method: "PUT", body: large });
      expect(announced.status).toBe(413);
      const pieces = new ReadableStream({
        start(controller) {
          for (let at = 0; at < 5; at++) controller.enqueue(large.subarray(0, 1_000_000));
          controller.close();
        },
      });
      const unannounced = await fetch(`${agent.address}/v1/jobs`, { method: "PUT", body: pieces, duplex: "half" } as RequestInit);
      expect(unannounced.status).toBe(413);
      expect((await putSnapshot(agent, large)).text).toContain("no snapshot");
    }),
  MINUTE,
);

test(
  "with several servers: a restore that is asked of a standby, a standby that loads anew, and another leader that goes on from there",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      await ask(leader, "PUT", "/v1/jobs", unplaceable("a"));
      const saved = await fetch(`${standby.address}/v1/operator/snapshot`);
      const bytes = new Uint8Array(await saved.arrayBuffer());
      for (const id of ["b", "c"]) await ask(leader, "PUT", "/v1/jobs", unplaceable(id));
      await until("the standby to know the newer jobs", async () => (await jobsOf(place, "?stale", standby)).length === 3);
      const restored = await putSnapshot(standby, bytes);
      expect([restored.status, restored.text]).toEqual([200, expect.stringContaining("SnapshotIndex")]);
      expect(await jobsOf(place, "", standby)).toEqual(["a pending"]);
      await until("the standby to show what was restored", async () => (await jobsOf(place, "?stale", standby)).join() === "a pending");
      await ask(leader, "PUT", "/v1/jobs", unplaceable("d"));
      await leader.kill();
      await until("another server to go on", async () => (await ask(standby, "PUT", "/v1/jobs", unplaceable("e")))?.status === 200);
      expect(await jobsOf(place, "", standby)).toEqual(["a pending", "d pending", "e pending"]);
    }),
  2 * MINUTE,
);
