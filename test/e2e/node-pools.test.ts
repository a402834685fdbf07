// Node pools on real agents: made by file or by a node, asked for by jobs, and refused where they are wrong or in use.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { inPlace, until } from "./place.ts";

const MINUTE = 60_000;

const POOL = `name = "edge"
description = "far away"
[meta]
owner = "sre"
[scheduler_config]
scheduler_algorithm = "spread"
memory_oversubscription_enabled = true
`;

test(
  "a pool is made by its file, shown, used by a node and a job, and deleted when both are gone",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const pool = (...words: string[]) => place.cli("node", "pool", ...words);
      expect(pool("init").stdout).toBe("wrote pool.toml; make the pool with: edgectl node pool apply pool.toml\n");
      expect(pool("init").status).toBe(1);
      expect(pool("apply", "pool.toml").stdout).toBe('Successfully applied node pool "example"!\n');
      expect(pool("apply", place.write("edge.toml", POOL)).status).toBe(0);
      expect(pool("list").stdout.split("\n")).toEqual([
        "Name     Description",
        "all      Node pool with all nodes in the cluster.",
        "default  Default node pool.",
        "edge     far away",
        "example  Example node pool",
        "",
      ]);
      expect((await place.get("/v1/node/pools?prefix=e")).map((one: { Name: string }) => one.Name)).toEqual(["edge", "example"]);
      const { CreateIndex: created, ...edge } = await place.get("/v1/node/pool/edge");
      expect([created > 0, edge]).toEqual([
        true,
        {
          Name: "edge",
          Description: "far away",
          Meta: { owner: "sre" },
          NodeIdentityTTL: 0,
          SchedulerConfiguration: { SchedulerAlgorithm: "spread", MemoryOversubscriptionEnabled: true },
          ModifyIndex: created,
        },
      ]);
      expect(pool("info", "edge").stdout).toContain("Scheduler Algorithm             = spread");
      // What it prints as JSON is what it reads.
      expect(pool("apply", place.write("edge.json", pool("info", "--json", "edge").stdout)).status).toBe(0);
      expect((await place.get("/v1/node/pool/edge")).Meta).toEqual({ owner: "sre" });
      const server = place.agent;
      const client = await place.start({ name: "client", flags: ["--client", "--servers", server.address, "--node-pool", "edge"] });
      place.agent = server;
      await until("the node", async () => (await place.get("/v1/node/pool/edge/nodes")).length === 1);
      expect(place.run(shellJob({ id: "far", type: "service", top: 'node_pool = "edge"', script: "exec sleep 1000" }), "--detach").status).toBe(0);
      await place.untilAlloc("far", "running");
      expect(place.run(shellJob({ id: "near", top: 'node_pool = "default"', script: "true" }), "--detach").status).toBe(0);
      expect([(await place.get("/v1/node/pool/edge/jobs")).length, (await place.get("/v1/node/pool/all/nodes")).length]).toEqual([1, 1]);
      expect(pool("jobs", "edge").stdout).toMatch(/far +service +50 +running/);
      expect(pool("nodes", "edge").stdout).toMatch(/edge +dc1/);
      // The node of another pool is no place for it.
      expect((await place.get("/v1/job/near/allocations")).length).toBe(0);
      for (const want of [/node pool "edge" has nodes: /, /node pool "edge" has non-terminal jobs: far/]) {
        const refused = pool("delete", "edge");
        expect([refused.status, want.test(refused.stderr) ? "told" : refused.stderr]).toEqual([1, "told"]);
        if (!/nodes: /.test(want.source)) continue;
        const [node] = await place.get("/v1/nodes");
        await client.stop();
        expect((await place.request("PUT", `/v1/node/${node.ID}/purge`)).status).toBe(200);
      }
      expect(place.cli("stop", "--purge", "--detach", "far").status).toBe(0);
      expect(pool("delete", "edge").stdout).toBe('Successfully deleted node pool "edge"!\n');
    }),
  MINUTE,
);

test(
  "what is wrong is told: a job's unknown pool in Nomad's words, names, files, methods",
  () =>
    inPlace(async (place) => {
      await place.start({ flags: ["--server"] });
      const job = shellJob({ id: "lost", top: 'node_pool = "moon"', script: "true" });
      for (const words of [
        ["run", "--detach", place.write("lost.toml", job)],
        ["plan", place.path("lost.toml")],
      ]) {
        const refused = place.cli(...words);
        expect([refused.status, /job "lost" is in nonexistent node pool "moon"/.test(refused.stderr)]).toEqual([words[0] === "plan" ? 255 : 1, true]);
      }
      expect(await place.get("/v1/jobs")).toEqual([]);
      const raw = await place.request("PUT", "/v1/jobs", {
        Job: {
          ID: "x",
          Type: "batch",
          NodePool: "moon",
          TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" } }] }],
        },
      });
      expect([raw.status, raw.text]).toEqual([500, '1 error occurred:\n\t* job "x" is in nonexistent node pool "moon"\n\n']);
      for (const [method, path, body, status, want] of [
        ["GET", "/v1/node/pool/moon", undefined, 404, "node pool not found"],
        ["GET", "/v1/node/pool/moon/nodes", undefined, 200, "[]"],
        ["GET", "/v1/node/pool/edge/nodes?prefix=a", undefined, 400, "prefix is not allowed"],
        ["DELETE", "/v1/node/pool/moon", undefined, 404, "node pool not found"],
        ["DELETE", "/v1/node/pool/default", undefined, 400, 'deleting node pool "default" is not allowed'],
        ["PUT", "/v1/node/pools", { Name: "" }, 400, 'invalid node pool "": invalid name ""'],
        ["PUT", "/v1/node/pools", { Name: "all" }, 400, 'modifying node pool "all" is not allowed'],
        ["PUT", "/v1/node/pool/a", { Name: "b" }, 400, "Node pool name does not match request path"],
        ["PUT", "/v1/node/pools", { Name: "a", SchedulerConfiguration: { SchedulerAlgorithm: "x" } }, 400, "invalid scheduler algorithm: x"],
        ["PATCH", "/v1/node/pools", undefined, 405, "Invalid method"],
        ["GET", "/v1/node/pool/a/b", undefined, 405, "Invalid method"],
        ["PUT", "/v1/node/pool/a", { Name: "a" }, 200, ""],
      ] as const) {
        const reply = await place.request(method, path, body);
        expect([method, path, reply.status, reply.text.slice(0, want.length || 1)]).toEqual([method, path, status, want]);
      }
      for (const [text, want] of [
        ['name = "a"\nscheduler = 1', /a node pool has no "scheduler"/],
        ['name = "a"\n[scheduler_config]\nalgorithm = "spread"', /a node pool has no "algorithm"/],
        ["name = ", /bad\.toml:1:/],
        ["name = 3", /name must be text in quotes/],
        ['name = "a"\nmeta = 3', /meta must be a table/],
        ["{", /is no JSON/],
      ] as const) {
        const refused = place.cli("node", "pool", "apply", place.write("bad.toml", text));
        expect([refused.status, want.test(refused.stderr) ? "told" : refused.stderr]).toEqual([1, "told"]);
      }
      expect(place.cli("node", "pool", "apply", "nowhere.toml").stderr).toContain("the file nowhere.toml does not exist");
      const agent = await place.start({ name: "all", flags: ["--node-pool", "all"], isExpectedToFail: true });
      await until(
        "the refusal",
        () => agent.log.includes('not allowed to register in node pool \\"all\\"') || agent.log.includes('register in node pool "all"'),
      );
    }),
  MINUTE,
);
