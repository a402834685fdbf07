// A new program over several nodes: wave by wave, over a server that is killed, up to the first node that cannot have it.

import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { copyFileSync, linkSync, readFileSync } from "node:fs";
import { minisignKey } from "../support/minisign.ts";
import { type Agent, executable, inPlace, isAlive, type Place, until } from "./place.ts";

const LONG = 180_000;
const SLEEPER = `id = "sleeper"
type = "system"
[group.a.task.t]
driver = "raw_exec"
config = { command = "/bin/sleep", args = ["100000"] }
resources = { cpu = 10, memory = 10 }
`;

interface FleetNode {
  readonly Name: string;
  readonly State: string;
  readonly Wave: number;
  readonly Reason: string;
}

async function startNode(place: Place, server: Agent, name: string, ...flags: readonly string[]): Promise<Agent> {
  const program = place.path(`edgectl-${name}`);
  try {
    linkSync(executable, program);
  } catch {
    copyFileSync(executable, program); // on another file system
  }
  return place.start({ name, program, flags: ["--client", "--servers", server.address, "--name", name, ...flags] });
}

test(
  "it goes from wave to wave, survives its server, stops at the node that refuses, and leaves the others as they are",
  () =>
    inPlace(async (place) => {
      let server = await place.start({ name: "server", flags: ["--server"] });
      const key = place.write("key.pub", minisignKey().text);
      const enabled = "--client.upgrade.enabled";
      const agents = new Map<string, Agent>();
      for (const [name, ...flags] of [["a1", enabled], ["a2", enabled], ["a3", enabled, "--upgrade.key", key], ["a4", enabled], ["off"]] as const)
        agents.set(name, await startNode(place, server, name, ...flags));
      place.agent = server;
      expect(place.run(SLEEPER, "--detach").stderr).toBe("");
      const running = async () =>
        (await place.get("/v1/job/sleeper/allocations")).filter((one: { ClientStatus: string }) => one.ClientStatus === "running");
      await until("a task on each node", async () => (await running()).length === 5);
      const pids = (await running()).flatMap((one: { ID: string }) => place.taskPids(one.ID));

      // An executable that is no edgectl: no node takes it, and the command says so.
      const words = ["agent", "upgrade", "--fleet", "--wave", "1", "--pause", "1ms", "--healthy-for", "200ms"];
      const wrong = place.cli(...words, "/bin/true");
      expect([wrong.status, wrong.stdout]).toEqual([1, expect.stringContaining("is no edgectl that runs on this machine")]);
      expect(wrong.stdout).toContain("does not let servers upgrade it");
      expect(place.cli(...words, place.write("text", "hello")).stderr).toContain("is no executable");
      expect(place.cli("agent", "upgrade", "--fleet", "--stop").stderr).toContain("no roll-out over the fleet is under way");

      // Small, and as good as the executable that it starts.
      const content = `#!/bin/sh\nexec ${executable} "$@"\n`;
      const sum = createHash("sha256").update(content).digest("hex");
      const Architecture =
        (await place.get("/v1/nodes?resources=true"))[0]?.Attributes?.["cpu.arch"] ?? (process.arch === "x64" ? "amd64" : process.arch);
      const body = {
        Programs: [{ Architecture, SHA256: sum, SizeBytes: Buffer.byteLength(content) }],
        Wave: "1",
        PauseMs: 1,
        HealthyWithinMs: 20_000,
        HealthyForMs: 300,
        Force: true,
      };
      expect((await place.request("PUT", "/v1/operator/upgrade", body)).text).toContain("was not sent to this server");
      expect((await place.request("PUT", `/v1/operator/upgrade/program/${sum}`, `${content}#`)).text).toContain("came with the sum");
      expect((await place.request("PUT", `/v1/operator/upgrade/program/${sum}`, content)).status).toBe(200);
      expect((await place.request("PUT", "/v1/operator/upgrade", body)).status).toBe(200);
      expect((await place.request("PUT", "/v1/operator/upgrade", body)).status).toBe(409);
      const nodes = async (): Promise<readonly FleetNode[]> => (await place.get("/v1/operator/upgrade")).Nodes;
      const stateOf = async (name: string) => (await nodes()).find((node) => node.Name === name)?.State;
      await until("the first node to be told", async () => (await stateOf("a1")) !== "waiting");
      await server.kill();
      server = await place.start({ name: "server", port: server.port, flags: ["--server"] });

      await until(
        () => `the roll-out to end\n${server.log.slice(-2000)}`,
        async () => (await place.get("/v1/operator/upgrade")).State !== "running",
        40_000,
      );
      const ended = await place.get("/v1/operator/upgrade");
      expect([ended.State, ended.Wave, ended.Waves, ended.Reason]).toEqual([
        "failed",
        3,
        4,
        expect.stringContaining("node a3: a signature is asked for"),
      ]);
      expect(ended.Nodes.map((node: FleetNode) => [node.Name, node.Wave, node.State])).toEqual([
        ["a1", 1, "healthy"],
        ["a2", 2, "healthy"],
        ["a3", 3, "failed"],
        ["a4", 4, "waiting"],
        ["off", 0, "skipped"],
      ]);
      expect(place.ok("agent", "upgrade", "--fleet", "--status")).toContain("a signature is asked for");
      for (const name of agents.keys())
        expect([name, readFileSync(place.path(`edgectl-${name}`)).length === content.length]).toEqual([name, name === "a1" || name === "a2"]);
      expect(pids.filter((pid: number) => !isAlive(pid))).toEqual([]);
      await until("all nodes to be back", async () => (await running()).length === 5);
    }),
  LONG,
);
