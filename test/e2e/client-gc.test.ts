// What a node lets go of: ended allocations beyond their number, on a disk that fills up, and when somebody asks; and a disk
// that is full to the last byte, which the node outlives.

import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { SmallDisk } from "../faults/small-disk.ts";
import { testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

const SMALL = { group: "ephemeral_disk = { size = 10 }", task: "logs = { max_files = 1, max_file_size = 1 }" };

const folders = (agent: Agent) => readdirSync(`${agent.dataDirectory}/alloc`);

async function ended(place: Place, id: string, script: string): Promise<string> {
  place.run(shellJob({ id, script, ...SMALL }), "--detach");
  return (await place.untilAlloc(id, "complete")).ID;
}

test(
  "the newest ended allocations stay, one that is read stays as well, what runs is never touched; gc lets go of the rest",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--client.gc-max-allocs", "2", "--client.gc-interval", "1s"] });
      place.run(shellJob({ id: "steady", type: "service", script: "exec sleep 1000" }), "--detach");
      const steady = (await place.untilAlloc("steady", "running")).ID;
      const read = await ended(place, "read", "echo kept");
      // A command of the API that stays: the follower of a file.
      const following = new AbortController();
      const follower = await fetch(`${agent.address}/v1/client/fs/stream/${read}?path=alloc/logs/main.stdout.0`, { signal: following.signal });
      await follower.body?.getReader().read();
      const ids: string[] = [];
      for (let at = 0; at < 4; at++) ids.push(await ended(place, `job-${at}`, "echo done"));
      await until(
        () => `two of the ended ones to be left: ${folders(agent)}`,
        () => folders(agent).length === 4,
      );
      expect(folders(agent).sort()).toEqual([steady, read, ids[2], ids[3]].sort());
      const gone = await place.request("GET", `/v1/client/fs/logs/${ids[0]}?task=main&type=stdout&plain=true`);
      expect([gone.status, /Unknown allocation[\s\S]*gc_max_allocs/.test(gone.text) ? "told" : gone.text]).toEqual([404, "told"]);

      for (const [id, status, says] of [
        [steady, 409, /still runs/],
        [read, 409, /being read/],
        ["nope", 404, /Unknown allocation/],
        [ids[0], 404, /Unknown allocation/],
      ] as const) {
        const reply = await place.request("PUT", `/v1/client/allocation/${id}/gc`);
        expect([id, reply.status, says.test(reply.text) ? "told" : reply.text]).toEqual([id, status, "told"]);
      }
      const one = await place.request("PUT", `/v1/client/allocation/${ids[2]}/gc`);
      expect([one.status, one.text, one.headers.get("content-length")]).toEqual([200, "", "0"]);
      expect(existsSync(`${agent.dataDirectory}/alloc/${ids[2]}`)).toBe(false);
      expect((await place.request("GET", `/v1/client/gc?node_id=nope`)).status).toBe(404);
      expect((await place.request("DELETE", `/v1/client/allocation/${ids[3]}/gc`)).status).toBe(405);
      following.abort();
      await until("all that ended to go", async () => {
        expect((await place.request("GET", "/v1/client/gc")).status).toBe(200);
        return folders(agent).length === 1;
      });
      expect(folders(agent)).toEqual([steady]);
      await until("the node's history to tell of it", () =>
        /Storage +Ended allocations were collected: \d/.test(place.ok("node", "status", "--self")),
      );
      expect((await place.alloc("steady")).ClientStatus).toBe("running");
      // They are still known to the server, and a new agent brings nothing back.
      expect((await place.alloc("job-3")).ClientStatus).toBe("complete");
      await agent.stop();
      const again = await place.start({ port: agent.port, dataDirectory: agent.dataDirectory });
      await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      expect(folders(again)).toEqual([steady]);
      expect(place.taskPids(steady).length).toBeGreaterThan(0);
    }),
  2 * MINUTE,
);

testWith(
  ["root"],
  "a disk that fills up gives way by the oldest of what ended; full to the last byte, tasks go on, and what happened meanwhile is written once there is room",
  () =>
    inPlace(async (place) => {
      const disk = new SmallDisk(place.path("small"), 24);
      place.onClose(() => disk.close());
      const server = await place.start({ name: "server", flags: ["--server"] });
      const start = () =>
        place.start({
          name: "node",
          dataDirectory: place.path("small/data"),
          flags: ["--client", "--servers", server.address, "--client.gc-interval", "1s", "--client.gc-disk-usage-threshold", "60", "--name", "small"],
        });
      let node = await start();
      await until("the node", async () => (await place.get("/v1/nodes", server))[0]?.Status === "ready");
      place.agent = server;
      place.run(
        shellJob({ id: "steady", type: "service", script: 'echo begun; trap "exit 0" TERM; while :; do sleep 0.1; done', ...SMALL }),
        "--detach",
      );
      const steady = (await place.untilAlloc("steady", "running")).ID;
      const big = 'head -c 5000000 /dev/zero >"$NOMAD_ALLOC_DIR/data/big"';
      const first = await ended(place, "first", big);
      const second = await ended(place, "second", big);
      disk.fill();
      await until("room to be made", () => !existsSync(`${node.dataDirectory}/alloc/${first}`));
      await until("it to be told", () => /Storage +The disk is [\d.]+ % full, above 60 %/.test(place.ok("node", "status", "small")));
      await until("more room", () => !existsSync(`${node.dataDirectory}/alloc/${second}`));
      disk.fill();
      // Nothing can be written: the task ends all the same when it is told to, and the server learns of it.
      place.ok("stop", "--detach", "steady");
      await place.untilAlloc("steady", "complete", 40_000);
      expect(node.process.exitCode).toBeNull();
      disk.empty();
      const after = await ended(place, "after", "echo after");
      await until(
        () => `the journal to be written again\n${node.log}`,
        () => !node.log.includes("journal cannot be written") || node.log.includes("journal can be written again"),
      );
      await node.stop();
      node = await start();
      place.agent = server;
      await until("the node again", async () => (await place.get("/v1/nodes", server))[0]?.Status === "ready");
      expect(node.log).not.toContain("torn line");
      for (const id of [steady, after]) expect((await place.get(`/v1/allocation/${id}`, server)).ClientStatus).toBe("complete");
      expect(place.taskPids(steady)).toEqual([]);
    }),
  2 * MINUTE,
);
