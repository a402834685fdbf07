// A device without a server: what runs begins at its start all the same, and its own agent shows what it knows by itself, says that
// it does, and refuses the rest.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, isAlive, until } from "./place.ts";

const MINUTE = 60_000;
const OWN_VIEW = /^No server can be reached.*; this is what node pi knows by itself\.\n$/;

const NOWHERE = 'constraint = [{ attribute = "${meta.no}", value = "such" }]';

function nodeFlags(server: Agent): readonly string[] {
  return ["--client", "--servers", server.address, "--name", "pi"];
}

test(
  "without a server a device shows what it knows, says so, and refuses what it cannot know or do",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const node = await place.start({ name: "node", flags: nodeFlags(server) });
      place.run(shellJob({ id: "web", type: "service", script: "echo hello from web; sleep 1000" }), "--detach");
      place.run(shellJob({ id: "elsewhere", type: "service", script: "sleep 1000", group: NOWHERE }), "--detach");
      place.run(shellJob({ id: "reading", script: "echo read", top: '[periodic]\ncron = "*/2 * * * * * *"\nrun_on = "node"' }));
      const web = await place.untilAlloc("web", "running");
      // With a server everything is the server's, and nothing is said about it.
      expect(place.cli("status").stdout).toContain("elsewhere");
      expect(place.cli("status").stderr).toBe("");
      await until("the first fire", async () => (await place.get("/v1/jobs?prefix=reading/")).length > 0);
      expect(place.ok("status", "reading")).toMatch(/Next Periodic Launch +.*\nLast Launch +.*reading\/periodic-\d+\n/);
      expect(place.ok("explain", "reading")).toMatch(/node pi fires it by itself: it ran its fire of/);
      await server.kill();
      await node.kill();
      const [pid = 0] = place.taskPids(web.ID);
      process.kill(pid, "SIGKILL");
      await until("the task to be gone", () => !isAlive(pid));
      const alone = await place.start({ name: "node", dataDirectory: node.dataDirectory, flags: nodeFlags(server), isExpectedToFail: true });
      await until(`the tasks to begin without a server\n${alone.log}`, () => place.taskPids(web.ID).some(isAlive), MINUTE);

      await until("the agent to answer", () =>
        fetch(`${alone.address}/v1/agent/health`).then(
          () => true,
          () => false,
        ),
      );
      const list = place.cli("status");
      expect(list).toMatchObject({ status: 0, stderr: expect.stringMatching(OWN_VIEW) });
      expect(list.stdout).toMatch(/web +service +50 +running/);
      expect(list.stdout).not.toContain("elsewhere");
      for (const words of [
        ["job", "status", "web"],
        ["alloc", "status", web.ID.slice(0, 8)],
        ["node", "status"],
        ["node", "status", "--self"],
      ]) {
        const shown = place.cli(...words);
        expect([words, shown.status, shown.stderr]).toEqual([words, 0, expect.stringMatching(OWN_VIEW)]);
        expect(shown.stdout).toContain(words[0] === "node" ? "pi" : web.ID.slice(0, 8));
      }
      expect(place.cli("node", "status", "--self").stdout).toMatch(/^Status Since = \d+s ago$/m);
      expect(place.cli("alloc", "status", web.ID).stdout).toMatch(/Task "main" is "running"/);
      expect(place.cli("logs", web.ID.slice(0, 8)).stdout).toContain("hello from web\n");
      expect(place.cli("logs", "web").stdout).toContain("hello from web\n");
      expect(place.cli("logs", "--tail", "1", "web").stdout).toBe("hello from web\n");
      expect(place.cli("alloc", "fs", web.ID.slice(0, 8), "alloc/logs").stdout).toContain("main.stdout.0");
      const json = JSON.parse(place.cli("status", "--json").stdout);
      expect(json.every((job: { readonly DeviceView: { readonly NodeName: string } }) => job.DeviceView.NodeName === "pi")).toBe(true);

      // Of what it fires itself the device knows exactly what comes next.
      await until("a fire that no server knows", () => /Last Launch +.*reading\/periodic-\d+\n/.test(place.cli("status", "reading").stdout), MINUTE);
      expect(place.cli("status", "reading").stdout).toMatch(/Next Periodic Launch += \S+ \(in /);
      expect(place.cli("explain", "reading").stdout).toMatch(/node pi fires it, with or without a server/);
      expect(place.cli("logs", "reading").stdout).toBe("read\n");

      // What it cannot know, or do, is refused: a miss would look like an answer.
      const refusals = [
        ["GET", "/v1/job/elsewhere"],
        ["GET", "/v1/allocation/00000000-0000-0000-0000-000000000000"],
        ["GET", "/v1/client/fs/ls/00000000-0000-0000-0000-000000000000"],
        ["GET", `/v1/job/web?index=${json[0].ModifyIndex}`],
        ["GET", "/v1/services"],
        ["GET", "/v1/status/leader"],
        ["GET", "/v1/jobs?region=mars"],
        ["DELETE", "/v1/job/web"],
        ["PUT", "/v1/jobs"],
        ["PUT", `/v1/client/allocation/${web.ID}/restart`],
      ] as const;
      for (const [method, path] of refusals) {
        const reply = await place.request(method, path, method === "PUT" ? {} : undefined);
        expect([path, reply.status, reply.text.startsWith("No cluster leader: "), reply.headers.get("X-Nomad-KnownLeader")]).toEqual([
          path,
          500,
          true,
          "false",
        ]);
      }
      const stop = place.cli("stop", "web");
      expect(stop).toMatchObject({ status: 1, stdout: "" });
      expect(stop.stderr).toContain("Error: No cluster leader: a change needs a server, and no server can be reached\n");
      for (const path of [
        "/v1/jobs?prefix=%zz%",
        "/v1/job/%E0%A4%A",
        "/v1/jobs?filter=((",
        "/v1/client/fs/logs/",
        `/v1/client/fs/cat/${web.ID}?path=../../x`,
      ]) {
        const reply = await place.request("GET", path);
        expect([path, reply.status >= 400, /^\s*at /m.test(reply.text)]).toEqual([path, path !== "/v1/jobs?prefix=%zz%", false]);
      }

      await place.start({ name: "server", port: server.port, flags: ["--server"] });
      place.agent = alone;
      await until("the server's view", () => place.cli("status").stdout.includes("elsewhere"), MINUTE);
      expect(place.cli("status").stderr).toBe("");
      expect(place.ok("status", "web")).toContain(web.ID.slice(0, 8));
    }),
  4 * MINUTE,
);

test(
  "an agent that is a server too answers as its node where that is asked for",
  () =>
    inPlace(async (place) => {
      await place.start({ name: "pi", flags: ["--name", "pi"] });
      place.run(shellJob({ id: "web", type: "service", script: "sleep 1000" }), "--detach");
      const web = await place.untilAlloc("web", "running");
      place.run(shellJob({ id: "nowhere", type: "service", script: "sleep 1000", group: NOWHERE }), "--detach");
      const own = await place.request("GET", "/v1/jobs?device");
      expect(decodeURIComponent(own.headers.get("X-Edgectl-Device-View") ?? "")).toBe("No server was asked; this is what node pi knows by itself.");
      expect(JSON.parse(own.text).map((job: { readonly ID: string }) => job.ID)).toEqual(["web"]);
      expect((await place.get(`/v1/allocation/${web.ID}?device`)).ClientStatus).toBe("running");
      expect((await place.get("/v1/jobs")).map((job: { readonly ID: string }) => job.ID)).toEqual(["nowhere", "web"]);
    }),
  MINUTE,
);
