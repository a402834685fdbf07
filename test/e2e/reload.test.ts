// An agent that reads its settings anew: by its command, by HTTP, and by a signal; what runs goes on.

import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { shellJob } from "./jobs.ts";
import { inPlace, until } from "./place.ts";

const MINUTE = 60_000;

test(
  "meta, volumes, what is reserved and what is logged change while tasks run; the rest is named; a wrong file changes nothing",
  () =>
    inPlace(async (place) => {
      const settings = (text: string) => place.write("agent.toml", text);
      mkdirSync(place.path("photos"));
      const agent = await place.start({ flags: ["--config", settings('log_level = "info"\n[client]\nmeta = { room = "hall" }\n')] });
      await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      const node = async () => place.get(`/v1/node/${(await place.get("/v1/nodes"))[0].ID}`);
      const before = await node();
      place.run(shellJob({ id: "steady", type: "service", script: "exec sleep 600" }), "--detach");
      const alloc = await place.untilAlloc("steady", "running");
      const pids = place.taskPids(alloc.ID);
      const volume = `${shellJob({ id: "album", script: "ls local/photos", task: '[[group.g.task.main.volume_mount]]\nvolume = "p"\ndestination = "local/photos"\n' })}[group.g.volume.p]\ntype = "host"\nsource = "photos"\n`;
      place.run(volume, "--detach");
      await until("it to wait for the volume", async () => (await place.get("/v1/job/album/summary")).Summary.g.Queued === 1);

      settings(
        `log_level = "debug"\nregion = "far"\n[client]\nmeta = { room = "kitchen" }\nreserved = { memory = 32 }\n[client.host_volume]\nphotos = "${place.path("photos")}"\n`,
      );
      const said = place.ok("agent", "reload");
      expect(said).toMatch(/Applied: log_level, client\.meta, client\.reserved\.memory, client\.host_volume\n/);
      expect(said).toMatch(/Needs a restart of the agent: region\n/);
      await until("the server to know", async () => (await node()).Meta.room === "kitchen");
      const after = await node();
      expect([after.ReservedResources.Memory.MemoryMB, after.HostVolumes.photos.Path]).toEqual([32, place.path("photos")]);
      expect(after.NodeResources.Disk).toEqual(before.NodeResources.Disk);
      expect(Object.keys(after.Drivers)).toEqual(Object.keys(before.Drivers));
      await place.untilAlloc("album", "complete");
      expect((await place.get("/v1/agent/self")).config.LogLevel).toBe("DEBUG");
      expect(place.ok("agent", "reload")).toMatch(/^Needs a restart of the agent: region\n$/);

      settings('log_level = "loud"\n');
      const wrong = await place.request("PUT", "/v1/agent/reload");
      expect([wrong.status, /agent\.toml: log_level: "loud"/.test(wrong.text) ? "told" : wrong.text]).toEqual([500, "told"]);
      expect(place.cli("agent", "reload").status).toBe(1);
      expect((await node()).Meta.room).toBe("kitchen");
      agent.process.kill("SIGHUP");
      await until("the log to tell", () => agent.log.split("could not be read anew, nothing has changed").length >= 4);

      settings('log_level = "info"\n[client]\nmeta = { room = "cellar" }\n');
      agent.process.kill("SIGHUP");
      await until("the signal's turn", async () => (await node()).Meta.room === "cellar");
      expect((await place.request("GET", "/v1/agent/reload")).status).toBe(405);
      expect(place.taskPids(alloc.ID)).toEqual(pids);
      expect((await place.alloc("steady")).TaskStates.main.Restarts).toBe(0);
      expect(await agent.stop()).toBe(0);
    }),
  2 * MINUTE,
);

test(
  "a node without a server of its own is reloaded by itself, and a server without a node as well",
  () =>
    inPlace(async (place) => {
      const file = place.write("server.toml", 'log_level = "info"\n');
      const server = await place.start({ name: "server", flags: ["--server", "--config", file] });
      const node = await place.start({
        name: "node",
        flags: ["--client", "--servers", server.address, "--config", place.write("node.toml", '[client]\nmeta = { a = "1" }\n')],
      });
      await until("the node", async () => (await place.get("/v1/nodes", server))[0]?.Status === "ready");
      place.write("server.toml", 'log_level = "debug"\n');
      place.write("node.toml", '[client]\nmeta = { a = "2" }\n');
      expect(JSON.parse((await place.request("PUT", "/v1/agent/reload", undefined, server)).text)).toEqual({
        Applied: ["log_level"],
        NeedsRestart: [],
      });
      expect(JSON.parse((await place.request("PUT", "/v1/agent/reload", undefined, node)).text)).toEqual({
        Applied: ["client.meta"],
        NeedsRestart: [],
      });
      const [{ ID: id }] = await place.get("/v1/nodes", server);
      await until("the server to know", async () => (await place.get(`/v1/node/${id}`, server)).Meta.a === "2");
      expect((await place.request("GET", "/v1/agent/reload", undefined, node)).status).toBe(405);
    }),
  MINUTE,
);
