// Commands about servers: who leads, who is well, handing over, and writes while nobody leads.

import { describe, expect, test } from "bun:test";
import { advertisedAddress, parseAdvertise } from "../../cmd/edgectl/agent/advertise.ts";
import { edgectl, indexed, refusal } from "./fake-agent.ts";

const member = (name: string, port: number, status: string) => ({
  Name: `${name}.global`,
  Addr: "127.0.0.1",
  Port: port,
  Status: status,
  Tags: { port: String(port), build: "1", dc: "dc1", region: "global" },
});

test("server members marks the leader by its address", async () => {
  const routes = {
    "GET /v1/agent/members": { Members: [member("a", 1, "alive"), member("b", 2, "alive"), member("c", 3, "failed")] },
    "GET /v1/status/leader": "127.0.0.1:2",
  };
  const { out } = await edgectl(["server", "members"], { routes });
  expect(out.split("\n").map((line) => line.split(/ {2,}/).slice(3, 5).join(" "))).toEqual([
    "Status Leader",
    "alive false",
    "alive true",
    "failed false",
    "",
  ]);
});

test("list-peers shows the lease's holder as the leader", async () => {
  const peer = (name: string, isLeader: boolean) => ({
    ID: name,
    Node: name,
    Address: `${name}:1`,
    Leader: isLeader,
    Voter: true,
    RaftProtocol: "3",
  });
  const { out, asked } = await edgectl(["operator", "raft", "list-peers", "-stale"], {
    routes: { "GET /v1/operator/raft/configuration": { Index: 7, Servers: [peer("a", true), peer("b", false)] } },
  });
  expect(asked).toEqual(["GET http://127.0.0.1:4646/v1/operator/raft/configuration?stale=true"]);
  expect(out).toContain("a     a   a:1      leader    true   3");
  expect(out).toContain("follower");
});

describe("autopilot health", () => {
  const server = {
    ID: "1",
    Name: "a",
    Address: "a:1",
    SerfStatus: "failed",
    Version: "1",
    Leader: false,
    LastContact: "3s",
    LastIndex: 1,
    Healthy: false,
  };
  test("a sick region is shown whole although the status is 429, and the exit status is 1", async () => {
    const body = JSON.stringify({ Healthy: false, FailureTolerance: 0, Servers: [server] });
    const ran = await edgectl(["operator", "autopilot", "health"], { routes: { "GET /v1/operator/autopilot/health": refusal(429, body) } });
    expect([ran.status, ran.error]).toEqual([1, ""]);
    expect(ran.out).toContain("Healthy          = false");
    expect(ran.out).toContain("a     a:1      failed  false");
  });
  test("too many requests are an error", async () => {
    const ran = await edgectl(["operator", "autopilot", "health"], { routes: { "GET /v1/operator/autopilot/health": refusal(429, "slow down") } });
    expect([ran.status, ran.error.includes("slow down")]).toEqual([1, true]);
  });
});

describe("transfer-leadership", () => {
  const reply = { From: { ID: "1", Address: "a:1" }, To: { ID: "2", Address: "b:1" }, Noop: false };
  test.each([
    [["operator", "transfer-leadership"], ""],
    [["operator", "raft", "transfer-leadership", "-peer-address=b:1"], "?address=b:1"],
  ])("%p", async (words, query) => {
    const ran = await edgectl(words, { routes: { "PUT /v1/operator/raft/transfer-leadership": reply } });
    expect(ran.asked).toEqual([`PUT http://127.0.0.1:4646/v1/operator/raft/transfer-leadership${query}`]);
    expect([ran.status, ran.out]).toEqual([0, "b:1 leads now, after a:1\n"]);
  });
});

describe("a write that no leader took", () => {
  const noLeader = () => refusal(500, "No cluster leader", { "X-Edgectl-Code": "no-leader" });
  const gc = (answers: (attempt: number) => Response) => {
    let attempt = 0;
    return edgectl(["system", "gc"], { routes: { "PUT /v1/system/gc": () => answers(++attempt) } });
  };
  test("is sent again, with one line on standard error", async () => {
    const ran = await gc((attempt) => (attempt < 4 ? noLeader() : indexed(1, null)));
    expect([ran.status, ran.asked.length]).toEqual([0, 4]);
    expect(ran.error).toBe("no server leads right now: trying again for up to 5 s\n");
  });
  test("is given up after five seconds", async () => {
    const ran = await gc(noLeader);
    expect(ran.status).toBe(1);
    expect(ran.asked.length).toBeGreaterThan(15);
    expect(ran.asked.length).toBeLessThan(25);
    expect(ran.error).toContain("No cluster leader");
  });
  test("is not sent again when its outcome is unknown", async () => {
    const ran = await gc(() => refusal(500, "the outcome is unknown", { "X-Edgectl-Code": "outcome-unknown" }));
    expect([ran.status, ran.asked.length]).toEqual([1, 1]);
  });
  test("of a server that does not say that nothing was written is not sent again", async () => {
    const ran = await gc(() => refusal(500, "No cluster leader"));
    expect([ran.status, ran.asked.length]).toEqual([1, 1]);
  });
});

test.each([
  ["10.0.0.5", { host: "10.0.0.5", port: null }],
  ["edge-1.lan:4700", { host: "edge-1.lan", port: 4700 }],
  ["[fd00::1]:4646", { host: "[fd00::1]", port: 4646 }],
  ["[fd00::1]", { host: "[fd00::1]", port: null }],
  ["http://10.0.0.5", null],
  ["fd00::1", null],
  ["host:0", null],
  ["host:99999", null],
  ["", null],
] as const)("advertise %p", (text, want) => {
  expect(parseAdvertise(text)).toEqual(want);
});

test.each([
  [{ advertise: "", bind: "127.0.0.1" }, "127.0.0.1:4646"],
  [{ advertise: "", bind: "::1" }, "[::1]:4646"],
  [{ advertise: "", bind: "0.0.0.0" }, "127.0.0.1:4646"],
  [{ advertise: "10.0.0.5", bind: "0.0.0.0" }, "10.0.0.5:4646"],
  [{ advertise: "10.0.0.5:80", bind: "0.0.0.0" }, "10.0.0.5:80"],
])("what others are told: %p", (settings, want) => {
  expect(advertisedAddress({ ...settings, port: 4646 })).toBe(want);
});
