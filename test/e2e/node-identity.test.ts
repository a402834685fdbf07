// Who a node is and how it came to be let in: join tokens over used ones, lost answers and lost leaders; copies of a card,
// nodes that are purged, and a new device in the place of a dead one.

import { expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { KNOWN_CALLS } from "../../internal/api/node-protocol.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { aNode } from "../fixtures/model.ts";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, type Place, until } from "./place.ts";
import { startPair, untilLeading } from "./servers.ts";

const MINUTE = 60_000;
const ASKS = ["--server.join", "token"];

function startServer(place: Place): Promise<Agent> {
  return place.start({ name: "server", flags: ["--server", ...ASKS] });
}

/** A device; the CLI goes on speaking to the server. */
async function startDevice(
  place: Place,
  server: Agent,
  name: string,
  options: { readonly token?: string; readonly flags?: readonly string[] } = {},
): Promise<Agent> {
  const { token, flags = [] } = options;
  const env = token === undefined ? {} : { EDGECTL_JOIN_TOKEN: token };
  const agent = await place.start({ name, flags: ["--client", "--servers", server.address, "--name", name, ...flags], env, isExpectedToFail: true });
  place.agent = server;
  return agent;
}

function makeToken(place: Place, ...words: readonly string[]): string {
  return place.ok("node", "token", "create", ...words).trim();
}

async function tokens(place: Place): Promise<{ ID: string; Status: string; Used: number; LastUse: { NodeName: string } | null }[]> {
  return place.get("/v1/node/tokens");
}

async function untilNodes(place: Place, want: Readonly<Record<string, string>>, timeoutMs = 40_000): Promise<void> {
  let found: unknown;
  const isThere = async () => {
    const nodes = (await place.get("/v1/nodes")) as { Name: string; Status: string }[];
    found = Object.fromEntries(nodes.map((node) => [node.Name, node.Status]));
    return nodes.length === Object.keys(want).length && Bun.deepEquals(found, want);
  };
  await until(() => `nodes to be ${JSON.stringify(want)}: ${JSON.stringify(found)}`, isThere, timeoutMs);
}

async function untilRefused(agent: Agent, why: RegExp): Promise<void> {
  await until(
    () => `the device to be told ${why}\n${agent.log}`,
    () => why.test(agent.log),
  );
}

type Said = Readonly<Record<string, unknown>>;

/** Says hello as a node would, or anything else, and hears what comes first: a message, or the end. */
function sayHello(agent: Agent, message: unknown, { hangsUp = false } = {}): Promise<Said> {
  return new Promise((done) => {
    const socket = new WebSocket(`${agent.address.replace("http", "ws")}/v1/node/connect`);
    socket.onopen = () => {
      socket.send(typeof message === "string" ? message : JSON.stringify(message));
      if (hangsUp) socket.close();
    };
    socket.onmessage = (event) => {
      done(JSON.parse(String(event.data)));
      socket.close();
    };
    socket.onclose = (event) => done({ kind: "closed", reason: event.reason });
    socket.onerror = () => done({ kind: "closed", reason: "error" });
  });
}

function aHello(id: string, own: Said = {}, node: Said = {}): Said {
  const { secretHash: _hash, computedClass: _class, incarnation: _life, events: _events, ...spec } = aNode(id, { machineId: "", name: id });
  return {
    kind: "hello",
    protocol: 1,
    node: { ...spec, ...node },
    secret: "5".repeat(64),
    lastOrder: null,
    memory: null,
    processId: id,
    calls: KNOWN_CALLS,
    ...own,
  };
}

const someId = (digit: number) => `${String(digit).repeat(8)}-0000-4000-8000-000000000000`;

test(
  "a token lets one device join, once: the next is told why not, and the first needs it no more",
  () =>
    inPlace(async (place) => {
      const server = await startServer(place);
      const token = makeToken(place);
      expect(token).toMatch(/^edgectl-join\.[0-9a-f-]{36}\.[0-9a-f]{64}$/);
      const first = await startDevice(place, server, "first", { token });
      await untilNodes(place, { first: "ready" });
      expect(await tokens(place)).toMatchObject([{ Status: "used-up", Used: 1, LastUse: { NodeName: "first" } }]);
      expect(place.ok("node", "status", "first")).toContain(`registered with join token ${token.slice(13, 21)}`);

      const second = await startDevice(place, server, "second", { token });
      await untilRefused(second, /join token [0-9a-f]{8} is used up: it admitted one node, the last was first .*node token create/);
      const third = await startDevice(place, server, "third");
      await untilRefused(third, /node third \([0-9a-f]{8}\) is not known here, and joining takes a join token .*--join-token-file/);
      expect(server.log).toMatch(/a node was refused node=second .*is used up/);
      expect(place.ok("node", "token", "list")).toMatch(/Refused Nodes[\s\S]*third +1 .*joining takes a join token[\s\S]*second +1 .*is used up/);
      const health = await place.request("GET", "/v1/agent/health", undefined, second);
      expect([health.status, health.text]).toEqual([
        500,
        expect.stringMatching(/the node is refused by its server: join token .* is used up.*; its tasks go on/),
      ]);
      // Refused, it waits: the next attempt is seconds away, not milliseconds.
      expect(server.log.match(/a node was refused node=second/g)).toHaveLength(1);
      await untilNodes(place, { first: "ready" });

      await first.stop();
      await startDevice(place, server, "first");
      await until("the first to be back without a token", () => (server.log.match(/node joined node=first/g) ?? []).length === 2);

      // Its text is with whoever was given it, and nowhere else.
      const secret = token.slice(-64);
      const shown = [place.ok("node", "token", "list", "--json"), JSON.stringify(await place.get("/v1/nodes")), server.log, first.log, second.log];
      for (const text of shown) expect(text).not.toContain(secret);
      for (const file of readdirSync(`${server.dataDirectory}/server`).filter((name) => statSync(`${server.dataDirectory}/server/${name}`).isFile()))
        expect(readFileSync(`${server.dataDirectory}/server/${file}`).includes(secret)).toBe(false);
    }),
  2 * MINUTE,
);

test(
  "an agent that is server and node needs no token for its own node; a device reads a token from a file that comes later",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "both", flags: ["--name", "both", ...ASKS] });
      await untilNodes(place, { both: "ready" });
      const device = await startDevice(place, server, "till", { flags: ["--join-token-file", place.path("join.token")] });
      await untilRefused(device, /joining takes a join token/);
      writeFileSync(place.path("join.token"), `${makeToken(place, "--uses", "2", "--node-name", "till", "--node-pool", "default")}\n`, {
        mode: 0o600,
      });
      await untilNodes(place, { both: "ready", till: "ready" });
      expect(place.ok("node", "token", "list")).toMatch(/valid +1\/2 +named till of pool default/);
    }),
  2 * MINUTE,
);

test(
  "a token of another name, an expired and a revoked one let nobody in, and each says so",
  () =>
    inPlace(async (place) => {
      const server = await startServer(place);
      const named = makeToken(place, "--node-name", "till-1");
      const pooled = makeToken(place, "--node-pool", "shops");
      const brief = makeToken(place, "--ttl", "1s");
      const revoked = makeToken(place, "--uses", "9");
      expect(place.ok("node", "token", "revoke", revoked.slice(13, 21))).toContain("is revoked; it admitted 0 nodes");
      const expired = async () => (await tokens(place)).some((token) => token.Status === "expired");
      await until("the brief one to expire", expired);
      const cases: readonly (readonly [string, string, RegExp])[] = [
        ["another", named, /admits a node named "till-1", this one is "another"/],
        ["elsewhere", pooled, /admits nodes of pool "shops", this one is of "default"/],
        ["late", brief, /join token [0-9a-f]{8} expired \d+s ago/],
        ["revoked", revoked, /is not known here: it was mistyped, revoked, or expired long ago/],
        ["garbage", "edgectl-join.me", /what this node shows as its join token is none/],
      ];
      for (const [name, token, why] of cases) await untilRefused(await startDevice(place, server, name, { token }), why);
      expect(await place.get("/v1/nodes")).toEqual([]);
      await startDevice(place, server, "till-1", { token: named });
      await untilNodes(place, { "till-1": "ready" });
    }),
  2 * MINUTE,
);

test(
  "a lost answer, a follower on the way and a lost leader cost no second use, and win none",
  () =>
    inPlace(async (place) => {
      const flags = { flags: ASKS };
      const [leader, standby] = await startPair(place, flags);
      place.agent = leader;
      const token = makeToken(place);
      // Whoever it was hung up before it heard the answer.
      await sayHello(standby, aHello(someId(1), { joinToken: token }), { hangsUp: true });
      await until("it to be let in all the same, or not", async () => {
        if ((await tokens(place))[0]?.Used === 1) return true;
        await sayHello(standby, aHello(someId(1), { joinToken: token }), { hangsUp: true });
        return false;
      });
      await leader.kill();
      place.agent = standby;
      await untilLeading(standby);
      expect(await sayHello(standby, aHello(someId(1), { joinToken: token }))).toMatchObject({ kind: "welcome" });
      expect(await sayHello(standby, aHello(someId(1)))).toMatchObject({ kind: "welcome" });
      expect(await sayHello(standby, aHello(someId(2), { joinToken: token }))).toMatchObject({
        kind: "refused",
        code: "permission-denied",
        isFinal: true,
      });
      expect(await sayHello(standby, aHello(someId(1), { joinToken: token, secret: "6".repeat(64) }))).toMatchObject({
        kind: "refused",
        message: `node ${someId(1)} is known under another secret`,
      });
      expect(await tokens(place)).toMatchObject([{ Status: "used-up", Used: 1 }]);
    }),
  2 * MINUTE,
);

test(
  "what comes from anywhere harms nothing: hellos and requests of every wrong shape, and guesses",
  () =>
    inPlace(async (place) => {
      const server = await startServer(place);
      const token = makeToken(place, "--uses", "3");
      const good = { joinToken: token };
      const hellos: readonly unknown[] = [
        "",
        "null",
        '{"kind":"hello"}',
        '{"kind":7}',
        aHello(someId(3), { joinToken: "x".repeat(1_000_000) }),
        aHello(someId(3), { joinToken: { id: token } }),
        aHello(someId(3), { joinToken: 7 }),
        aHello(someId(3), { joinToken: null }),
        aHello(someId(3), { ...good, secret: null }),
        aHello(someId(3), { ...good, secret: "" }),
        aHello(someId(3), { ...good, secret: "s".repeat(10_000) }),
        aHello(someId(3), { ...good, memory: 3 }),
        aHello(someId(3), { ...good, memory: { clusterId: [], incarnation: -1 } }),
        aHello(someId(3), { ...good, calls: "all" }),
        aHello(someId(3), { ...good, processId: {} }),
        aHello(someId(3), { ...good, node: null }),
        aHello(someId(3), { ...good, node: [] }),
        aHello(someId(3), good, { id: "" }),
        aHello(someId(3), good, { name: "n".repeat(5000) }),
        aHello(someId(3), good, { attributes: "kernel" }),
        aHello(someId(3), good, { meta: { rack: { deep: true } } }),
        aHello(someId(3), good, { resources: { cpuMHz: "many" } }),
        aHello(someId(3), good, { reserved: null }),
        aHello(someId(3), good, { drivers: { raw_exec: 1 } }),
        aHello(someId(3), good, { conditions: {} }),
      ];
      for (const hello of hellos) {
        const answer = await sayHello(server, hello);
        expect([answer.kind, JSON.stringify(hello).slice(0, 60)]).toEqual([expect.stringMatching(/^(refused|closed)$/), expect.anything()]);
        expect(JSON.stringify(answer)).not.toMatch(/\.ts|undefined is not|not a function/);
      }
      expect(await place.get("/v1/nodes")).toEqual([]);
      // What is the server's to say of a node nobody says in its stead.
      const presumptuous = { eligibility: "ineligible", drain: { deadlineMs: -1 }, admittedBy: "nobody", succession: { counts: {} }, status: "down" };
      expect(await sayHello(server, aHello(someId(4), good, presumptuous))).toMatchObject({ kind: "welcome" });
      expect(await place.get(`/v1/node/${someId(4)}`)).toMatchObject({ SchedulingEligibility: "eligible", DrainStrategy: null });

      const bodies: readonly (readonly [unknown, number, RegExp])[] = [
        ["{", 400, /no JSON/],
        [[], 400, /must be a JSON object/],
        [{ Uses: "many" }, 400, /"Uses" must be a number/],
        [{ Uses: -1 }, 400, /uses must be from 1/],
        [{ Uses: 1e9 }, 400, /joinTokenUsesMax/],
        [{ TTL: {} }, 400, /"TTL" must be a duration/],
        [{ TTL: "soon" }, 400, /"TTL" must be a duration/],
        [{ TTL: -5 }, 400, /its time must be/],
        [{ TTL: 1e300 }, 400, /joinTokenTtlMsMax/],
        [{ NodeName: 5 }, 400, /"NodeName" must be a string/],
        [{ NodeName: "n".repeat(5000) }, 400, /nodeNameCharsMax/],
        [{ NodePool: "no pool!" }, 400, /is no name of a node pool/],
        [{ Replaces: "old" }, 500, /UUID must be 36 characters/],
        [{ Replaces: someId(9) }, 404, /there is no node/],
      ];
      for (const [body, status, text] of bodies) {
        const reply = await place.request("PUT", "/v1/node/token", body);
        expect([reply.status, reply.text]).toEqual([status, expect.stringMatching(text)]);
      }
      for (const [method, path, status] of [
        ["GET", `/v1/node/token/${someId(9)}`, 404],
        ["DELETE", `/v1/node/token/${someId(9)}`, 404],
        ["DELETE", "/v1/node/token/me", 500],
        ["DELETE", "/v1/node/tokens", 405],
        ["GET", "/v1/node/token", 405],
        ["PUT", "/v1/node/refused", 405],
        ["GET", "/v1/node/refused?stale", 200],
        ["PUT", `/v1/node/${someId(9)}/purge`, 404],
        ["POST", "/v1/node/what/purge", 500],
      ] as const)
        expect([path, (await place.request(method, path)).status]).toEqual([path, status]);
      expect(await tokens(place)).toHaveLength(1);

      const wrong = token.slice(0, -4) + (token.endsWith("0000") ? "1111" : "0000");
      for (let at = 0; at < LIMITS.joinGuessesPerMinuteMax; at++)
        expect(await sayHello(server, aHello(someId(5), { joinToken: wrong }))).toMatchObject({ code: "permission-denied" });
      expect(await sayHello(server, aHello(someId(5), good))).toMatchObject({ code: "busy", isFinal: false });
      expect(await sayHello(server, aHello(someId(4)))).toMatchObject({ kind: "welcome" });
    }),
  2 * MINUTE,
);

test(
  "Nomad's own path and words make tokens, too",
  () =>
    inPlace(async (place) => {
      const server = await startServer(place);
      const body = { NodeName: "till", NodePool: "", TTL: 15 * 60e9 };
      const reply = await place.request("POST", "/v1/acl/identity/client-introduction-token", body);
      const { JWT } = JSON.parse(reply.text);
      expect(await tokens(place)).toMatchObject([{ NodeName: "till", NodePool: "default", Uses: 1 }]);
      await place.start({
        name: "till",
        flags: ["--client", "--servers", server.address, "--name", "till", "--client-intro-token", JWT],
        isExpectedToFail: true,
      });
      place.agent = server;
      await untilNodes(place, { till: "ready" });
      expect(place.ok("node", "intro", "create", "-node-name=x", "-node-pool=shops", "-ttl=10m", "-json")).toContain('"NodePool": "shops"');
    }),
  MINUTE,
);

test(
  "a copy of a device learns what to do, becomes a node of its own, and leaves the first alone",
  () =>
    inPlace(async (place) => {
      const server = await startServer(place);
      const original = await startDevice(place, server, "original", { token: makeToken(place) });
      await untilNodes(place, { original: "ready" });
      await original.stop();
      cpSync(original.dataDirectory, place.path("data-copy"), { recursive: true });
      const again = await startDevice(place, server, "original");
      await until("the original to be back", () => (server.log.match(/node joined node=original/g) ?? []).length === 2);
      const copy = await startDevice(place, server, "copy");
      await untilRefused(copy, /has a copy of its identity \(on the copy: stop the agent, run `edgectl node reset-identity`, start it again\)/);

      const reset = ["node", "reset-identity", "--data-dir", copy.dataDirectory];
      const busy = place.cli(...reset);
      expect([busy.status, busy.stderr]).toEqual([1, expect.stringMatching(/another agent \(pid \d+\) already uses the data directory/)]);
      await copy.stop();
      const before = JSON.parse(readFileSync(`${copy.dataDirectory}/client/node.key`, "utf8"));
      const said = JSON.parse(place.ok(...reset, "--json"));
      const after = JSON.parse(readFileSync(`${copy.dataDirectory}/client/node.key`, "utf8"));
      expect(said).toMatchObject({ OldNodeID: before.id, NodeID: after.id, TasksEnded: 0 });
      expect([after.id === before.id, after.secret === before.secret]).toEqual([false, false]);
      expect(statSync(`${copy.dataDirectory}/client/node.key`).mode & 0o777).toBe(0o600);
      expect(statSync(said.Aside).mode & 0o777).toBe(0o700);
      expect(JSON.parse(readFileSync(`${said.Aside}/node.key`, "utf8")).id).toBe(before.id);
      expect(existsSync(`${said.Aside}/client.journal`)).toBe(true);

      // It is nobody yet: a token of its own lets it in.
      const fresh = await startDevice(place, server, "copy", { token: makeToken(place) });
      await untilNodes(place, { original: "ready", copy: "ready" });
      expect(again.log).not.toContain("not connected");
      expect(fresh.log).toContain(`node=${after.id}`);
      const nowhere = place.cli("node", "reset-identity", "--data-dir", place.path("nowhere"));
      expect([nowhere.status, nowhere.stderr]).toEqual([1, expect.stringMatching(/no node ever ran in the data directory/)]);
    }),
  2 * MINUTE,
);

test(
  "a device that still runs tasks keeps its identity until they may be ended; their files are kept aside",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const device = await startDevice(place, server, "till");
      await untilNodes(place, { till: "ready" });
      place.run(shellJob({ id: "ticker", type: "service", script: "echo here; exec sleep 300" }), "--detach");
      const alloc = await place.untilAlloc("ticker", "running");
      await device.stop();
      const reset = ["node", "reset-identity", "--data-dir", device.dataDirectory];
      const refused = place.cli(...reset);
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(new RegExp(`still run here: main of ${alloc.ID.slice(0, 8)}`))]);
      expect(place.taskPids(alloc.ID)).not.toEqual([]);
      expect(existsSync(`${device.dataDirectory}/alloc/${alloc.ID}`)).toBe(true);
      const said = JSON.parse(place.ok(...reset, "--stop-tasks", "--json"));
      expect(said.TasksEnded).toBe(1);
      expect(place.taskPids(alloc.ID)).toEqual([]);
      expect(readFileSync(`${said.Aside}/alloc/${alloc.ID}/alloc/logs/main.stdout.0`, "utf8")).toBe("here\n");
      await startDevice(place, server, "till");
      await until("the new node", async () =>
        ((await place.get("/v1/nodes")) as { ID: string; Status: string }[]).some((node) => node.ID === said.NodeID && node.Status === "ready"),
      );
    }),
  2 * MINUTE,
);

test(
  "a purged node is gone, what it ran runs elsewhere, and where tokens are asked for it ends its tasks and stays out",
  () =>
    inPlace(async (place) => {
      const server = await startServer(place);
      const token = makeToken(place, "--uses", "5");
      const gone = await startDevice(place, server, "gone", { token });
      await untilNodes(place, { gone: "ready" });
      place.run(shellJob({ id: "ticker", type: "service", script: "exec sleep 300" }), "--detach");
      const first = await place.untilAlloc("ticker", "running");
      await startDevice(place, server, "stays", { token });
      await untilNodes(place, { gone: "ready", stays: "ready" });

      const alive = place.cli("node", "purge", "gone");
      expect([alive.status, alive.stderr]).toEqual([1, expect.stringMatching(/node gone \([0-9a-f]{8}\) is alive[\s\S]*--yes/)]);
      // Nothing is decided about the job for now: the node is told all the same.
      place.ok("operator", "scheduler", "set-config", "--pause-eval-broker=true");
      const reply = await place.request("POST", `/v1/node/${first.NodeID}/purge`);
      expect(JSON.parse(reply.text)).toMatchObject({ EvalIDs: [expect.stringMatching(/^[0-9a-f-]{36}$/)], NodeModifyIndex: expect.any(Number) });
      expect(JSON.parse(reply.text).EvalCreateIndex).toBe(JSON.parse(reply.text).NodeModifyIndex);
      await until(
        () => `its task to end\n${gone.log}`,
        () => place.taskPids(first.ID).length === 0,
      );
      place.ok("operator", "scheduler", "set-config", "--pause-eval-broker=false");

      await until("the job to run on the other", async () => {
        const allocs = (await place.get("/v1/job/ticker/allocations")) as { NodeName: string; ClientStatus: string }[];
        return allocs.some((alloc) => alloc.NodeName === "stays" && alloc.ClientStatus === "running");
      });
      expect((await place.get(`/v1/allocation/${first.ID}`)).ClientStatus).toBe("lost");
      await untilRefused(gone, /joining takes a join token/);
      await untilRefused(gone, /join token [0-9a-f]{8} admitted this node before, and the node was purged since/);
      await untilNodes(place, { stays: "ready" });
      const unknown = place.cli("node", "purge", "gone");
      expect([unknown.status, unknown.stderr]).toEqual([1, expect.stringMatching(/no node has the id "gone"/)]);
    }),
  2 * MINUTE,
);

test(
  "two devices of one name are told apart, the dead one is purged by its id",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const old = await startDevice(place, server, "till-1", { flags: ["--name", "till"] });
      await untilNodes(place, { till: "ready" });
      const [{ ID: oldId }] = await place.get("/v1/nodes");
      await startDevice(place, server, "till-2", { flags: ["--name", "till"] });
      await until("both", async () => (await place.get("/v1/nodes")).length === 2);
      const both = place.cli("node", "status", "till");
      expect([both.status, both.stderr]).toEqual([1, expect.stringMatching(new RegExp(`2 nodes are named "till":[\\s\\S]*${oldId} \\(ready\\)`))]);
      const newer = (await place.get("/v1/nodes")).find((node: { ID: string }) => node.ID !== oldId);
      const events = (await place.get(`/v1/node/${newer.ID}`)).Events as { Message: string }[];
      expect(events.map((event) => event.Message)).toContain(`Node registered; node ${oldId.slice(0, 8)}, which is ready, has its name too`);
      await old.stop();
      place.ok("node", "purge", "--yes", oldId);
      expect(place.ok("node", "status", "till")).toContain(newer.ID);
    }),
  MINUTE,
);

test(
  "a purged node that lives joins anew where no token is asked for",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      await startDevice(place, server, "till");
      await untilNodes(place, { till: "ready" });
      const [{ CreateIndex }] = await place.get("/v1/nodes");
      expect(place.ok("node", "purge", "--yes", "till")).toMatch(/node till \([0-9a-f]{8}\) is purged; 0 jobs are evaluated again/);
      await until("it to be back as a new one", async () => {
        const [node] = await place.get("/v1/nodes");
        return node?.Status === "ready" && node.CreateIndex > CreateIndex;
      });
    }),
  MINUTE,
);

test(
  "a new device takes a dead one's place: its name, pool and meta, and what belongs there; not while it lives",
  () =>
    inPlace(async (place) => {
      const server = await startServer(place);
      const flags = ["--node-pool", "shops", "--meta", "rack=7", "--dc", "north"];
      const old = await startDevice(place, server, "till-7", { token: makeToken(place), flags });
      await untilNodes(place, { "till-7": "ready" });
      const [{ ID: oldId }] = await place.get("/v1/nodes");
      const top = 'datacenters = ["north"]\nnode_pool = "shops"';
      const named = `${top}\nconstraint = [{ attribute = "\${node.unique.name}", value = "till-7" }]`;
      const script = 'echo "$WHERE"; exec sleep 300';
      const task = 'env = { WHERE = "${node.unique.name} ${meta.rack} ${node.pool}" }';
      expect(place.run(shellJob({ id: "named", type: "service", script, top: named, task }), "--detach").stderr).toBe("");
      expect(place.run(shellJob({ id: "everywhere", type: "system", script, top, task }), "--detach").stderr).toBe("");
      const fires = `${named}\n[periodic]\ncron = "0 0 1 1 *"\nrun_on = "node"`;
      expect(place.run(shellJob({ id: "reading", script: "true", top: fires })).stderr).toBe("");
      await place.untilAlloc("named", "running");
      await place.untilAlloc("everywhere", "running");
      place.ok("node", "eligibility", "--enable", "till-7");

      const token = makeToken(place, "--replace", "till-7");
      const early = await startDevice(place, server, "spare", { token });
      await untilRefused(early, /puts a node in the place of till-7 \([0-9a-f]{8}\), which is alive \(switch that one off/);
      await early.stop();
      await old.kill();
      // Its own job is waited for, longer than the others.
      await untilNodes(place, { "till-7": "disconnected" });

      const spare = await startDevice(place, server, "spare", { token });
      await untilNodes(place, { "till-7": "ready" });
      const [node] = await place.get("/v1/nodes");
      expect(node).toMatchObject({ Name: "till-7", NodePool: "shops", Datacenter: "north" });
      expect(node.ID).not.toBe(oldId);
      expect((await place.get(`/v1/node/${node.ID}`)).Meta).toMatchObject({ rack: "7" });
      expect(place.ok("node", "status", "till-7")).toContain(`in the place of node ${oldId.slice(0, 8)}, which was purged`);
      for (const job of ["named", "everywhere"]) {
        const isThere = async () => {
          const allocs = (await place.get(`/v1/job/${job}/allocations`)) as { ID: string; NodeID: string; ClientStatus: string }[];
          const found = allocs.find((alloc) => alloc.NodeID === node.ID && alloc.ClientStatus === "running");
          return found !== undefined && (await place.logs(found.ID, "main")) === "till-7 7 shops\n";
        };
        await until(() => `${job} to run in the new place\n${spare.log}`, isThere);
      }
      await until("its own job to be fired there from now on", async () => {
        const allocs = (await place.get("/v1/job/reading/allocations")) as { NodeID: string; DesiredStatus: string }[];
        return allocs.some((alloc) => alloc.NodeID === node.ID && alloc.DesiredStatus === "run");
      });
      // It is who it became also after a restart, to itself and to its server.
      await spare.stop();
      await startDevice(place, server, "spare");
      await until("it to be back", () => (server.log.match(/node joined node=till-7/g) ?? []).length === 3);
      await untilNodes(place, { "till-7": "ready" });
      expect(await tokens(place)).toMatchObject([{ Used: 1 }, { Used: 1 }]);
    }),
  3 * MINUTE,
);
