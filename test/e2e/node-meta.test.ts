// Meta of a node, set while it runs: kept by the node, known to the scheduler within a moment, through any server.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { inPlace, until } from "./place.ts";
import { startPair } from "./servers.ts";

const MINUTE = 60_000;

test(
  "what is set lets a job be placed that waits for it, outlives the agent, hides what the settings say, and is refused where it is no meta",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      const flags = ["--client", "--servers", `${leader.address},${standby.address}`, "--name", "n1", "--meta", "rack=1,room=hall"];
      let node = await place.start({ name: "node", flags });
      await until("the node", async () => (await place.get("/v1/nodes", leader))[0]?.Status === "ready");
      const [{ ID: id }] = await place.get("/v1/nodes", leader);
      const kitchen = '[[constraint]]\nattribute = "${meta.room}"\nvalue = "kitchen"\n';
      place.run(shellJob({ id: "stove", type: "service", script: "exec sleep 600", top: kitchen }), "--detach");
      await until("it to wait", async () => (await place.get("/v1/job/stove/summary", leader)).Summary.g.Queued === 1);

      place.agent = standby;
      expect(place.ok("node", "meta", "apply", "--node-id", "n1", "room=kitchen", "season=winter", "--unset", "rack,nothing")).toMatch(
        /room +kitchen +set while it runs, over "hall" of the settings/,
      );
      place.agent = node;
      await place.untilAlloc("stove", "running");
      const read = await place.get(`/v1/client/metadata?node_id=${id}`, leader);
      expect(read.Meta).toMatchObject({ room: "kitchen", season: "winter" });
      expect(read.Meta.rack).toBeUndefined();
      expect(read.Dynamic).toEqual({ rack: null, room: "kitchen", season: "winter" });
      expect(read.Static).toMatchObject({ rack: "1", room: "hall" });
      expect((await place.get(`/v1/node/${id}`, leader)).Meta).toEqual(read.Meta);
      expect(place.ok("node", "meta", "read")).toMatch(/rack +\(unset\)/);
      expect(place.ok("node", "status", "--self")).toMatch(/Cluster +Node meta updated: rack, room, season/);

      await node.stop();
      node = await place.start({ name: "node", port: node.port, dataDirectory: node.dataDirectory, flags });
      await until("the node again", async () => (await place.get(`/v1/node/${id}`, leader)).Meta?.season === "winter");
      expect(JSON.parse(place.ok("node", "meta", "apply", "--json", "--unset", "season")).Meta.season).toBeUndefined();
      expect((await place.alloc("stove")).ClientStatus).toBe("running");

      const put = (body: unknown) => place.request("POST", "/v1/client/metadata", body, leader);
      for (const [body, status, says] of [
        ["{", 400, /no JSON/],
        [{}, 400, /missing required Meta/],
        [{ NodeID: id, Meta: [] }, 400, /missing required Meta/],
        [{ NodeID: id, Meta: { "a b": "x" } }, 400, /no key of meta/],
        [{ NodeID: id, Meta: { a: 5 } }, 400, /must be a string/],
        [{ NodeID: id, Meta: { a: "x".repeat(5000) } }, 400, /nodeMetaValueCharsMax/],
        [{ NodeID: id, Meta: Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`k${at}`, "v"])) }, 413, /nodeMetaKeysMax/],
        [{ NodeID: "nope", Meta: { a: "b" } }, 404, /Unknown node/],
        [{ NodeID: 5, Meta: { a: "b" } }, 400, /NodeID/],
      ] as const) {
        const reply = await put(body);
        expect([JSON.stringify(body).slice(0, 40), reply.status, says.test(reply.text) ? "told" : reply.text]).toEqual([
          JSON.stringify(body).slice(0, 40),
          status,
          "told",
        ]);
      }
      expect((await place.request("DELETE", "/v1/client/metadata", undefined, leader)).status).toBe(405);
      for (const words of [["room"], ["=x"], [], ["a=1", "--unset", "a"]]) expect(place.cli("node", "meta", "apply", ...words).status).toBe(1);
      expect((await place.get(`/v1/client/metadata?node_id=${id}`, leader)).Dynamic).toEqual({ rack: null, room: "kitchen" });

      // Without any server the device tells it by itself, and what its tasks use.
      await leader.kill();
      await standby.kill();
      place.agent = node;
      await until("the device to answer by itself", () => place.cli("node", "meta", "read").status === 0);
      expect(place.ok("node", "meta", "read")).toMatch(/room +kitchen/);
      expect(place.cli("node", "meta", "apply", "room=attic")).toMatchObject({ status: 1, stderr: expect.stringMatching(/server/) });
      const [alloc] = JSON.parse(place.ok("alloc", "status", "--json"));
      expect(place.ok("alloc", "status", "--stats", alloc.ID)).toMatch(/\d+\/10 MHz +[\d.]+ [KM]iB\/10 MiB +[\d.]+ [KM]iB\/300 MiB/);
      expect(place.ok("node", "status", "--self", "--stats")).toContain("Host Resource Utilization");
    }),
  2 * MINUTE,
);
