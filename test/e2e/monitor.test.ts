// edgectl monitor: the log of this server, of another one, and of a node behind its connection, as it is written.

import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { type Agent, executable, inPlace, type Place, until } from "./place.ts";
import { startPair } from "./servers.ts";

const MINUTE = 60_000;

test(
  "the log of a server, of another server and of a node is shown as it is written, at a level of its own",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      // It writes errors alone; who watches it sees everything.
      const node = await place.start({ name: "node", flags: ["--client", "--servers", standby.address, "--name", "far", "--log-level", "error"] });
      place.agent = standby;
      await until("the node to be ready", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      const nodeId = (await place.get("/v1/nodes"))[0].ID;

      const own = watch(place, standby, []);
      const other = watch(place, standby, ["--server-id", "one", "--log-level", "debug", "--json"]);
      const leads = watch(place, standby, ["-server-id=leader", "-log-level=DEBUG"]);
      const far = watch(place, standby, ["--node-id", nodeId.slice(0, 8), "--log-level", "debug"]);
      const beside = watch(place, node, ["--log-level", "debug"]);
      await until("the monitors of debug lines to begin", () =>
        [other, leads, far].every((one) => one.text().includes("a monitor was attached") || one.text().includes("request")),
      );
      await place.request("GET", "/v1/jobs?prefix=look-for-this", undefined, leader);
      await until("the leader's lines, by both names", () => [other, leads].every((one) => one.text().includes("look-for-this")));
      const line = other
        .text()
        .split("\n")
        .find((one) => one.includes("look-for-this"));
      expect(JSON.parse(line ?? "")).toMatchObject({ "@level": "debug", "@message": "request", path: "/v1/jobs?prefix=look-for-this" });
      expect(leads.text()).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z \[DEBUG\] request method=GET/m);

      // A change of leader is told by the server that stood by and by the node, each to those that watch it at the time.
      await leader.kill();
      await until(
        () => `the standby's own lines: ${own.text()}`,
        () => /\[INFO\] {2}.*lead/.test(own.text()),
      );
      await until(
        () => `the node's own lines: ${beside.text()}`,
        () => beside.text().includes("[INFO]  joined the server"),
      );
      expect(node.log).toBe("");
      // Those that hung on the leader ended with it.
      await until("them to end", () => [other, leads, far].every((one) => one.status() !== null));
      expect([own.status(), beside.status()]).toEqual([null, null]);
      // What reads no more costs nothing more: as many as may watch can come and go.
      for (let round = 0; round < 40; round++) {
        const gone = new AbortController();
        const reply = await fetch(`${standby.address}/v1/agent/monitor?node_id=${nodeId}&plain=true`, { signal: gone.signal });
        expect(reply.status).toBe(200);
        gone.abort();
      }
    }),
  2 * MINUTE,
);

test(
  "what cannot be watched is told as Nomad tells it",
  () =>
    inPlace(async (place) => {
      await place.start();
      const nodeId = (await place.get("/v1/nodes"))[0]?.ID ?? "";
      for (const [query, status, says] of [
        ["log_level=loud", 400, "Unknown log level: loud"],
        ["log_json=perhaps", 400, 'Unknown option for log json: "perhaps" is not a boolean'],
        ["plain=perhaps", 400, 'Unknown option for plain: "perhaps" is not a boolean'],
        ["node_id=a&server_id=b", 400, "Cannot target node and server simultaneously"],
        ["node_id=11111111-1111-1111-1111-111111111111", 404, 'Unknown node "11111111-1111-1111-1111-111111111111"'],
        ["server_id=nobody", 404, "unknown nomad server nobody"],
      ] as const) {
        const reply = await place.request("GET", `/v1/agent/monitor?${query}`);
        expect([query, reply.status, reply.text]).toEqual([query, status, says]);
      }
      const wrong = place.cli("monitor", "--log-level", "loud");
      expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining("Unknown log level: loud")]);
      const both = place.cli("monitor", "--node-id", nodeId, "--server-id", "leader");
      expect([both.status, both.stderr]).toEqual([1, expect.stringContaining("exclude each other")]);
    }),
  MINUTE,
);

// --- internal ---

function watch(place: Place, agent: Agent, words: readonly string[]): { text(): string; status(): number | null } {
  const child = spawn(executable, ["monitor", ...words], {
    env: { ...process.env, EDGECTL_ADDR: agent.address },
    stdio: ["ignore", "pipe", "ignore"],
  });
  place.onClose(() => child.kill("SIGKILL"));
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
  });
  return { text: () => text, status: () => child.exitCode };
}
