// edgectl node token, purge: what is asked of the server, and what is refused before.

import { expect, test } from "bun:test";
import { edgectl } from "./fake-agent.ts";

const ID = "0a1b2c3d-0000-4000-8000-000000000001";
const TOKEN_ID = "5a24aabf-0000-4000-8000-000000000001";
const OTHER_ID = "5a24ffff-0000-4000-8000-000000000001";
const token = {
  ID: TOKEN_ID,
  Status: "valid",
  NodeName: "",
  NodePool: "",
  Uses: 2,
  Used: 1,
  LastUse: { NodeID: ID, NodeName: "shed", Time: "2027-01-15T08:00:00Z" },
  Replaces: null,
  CreateTime: "2027-01-15T08:00:00Z",
  ExpirationTime: "2027-01-16T08:00:00Z",
};
const routes = {
  "GET /v1/nodes": [
    { ID, Name: "shed", Status: "ready" },
    { ID: "ffff2c3d-0000-4000-8000-000000000001", Name: "gone", Status: "down" },
    { ID: "eeee2c3d-0000-4000-8000-000000000001", Name: "twin", Status: "down" },
    { ID: "dddd2c3d-0000-4000-8000-000000000001", Name: "twin", Status: "ready" },
  ],
  "PUT /v1/node/token": { ...token, Token: "edgectl-join.x.y" },
  "GET /v1/node/tokens": [token, { ...token, ID: OTHER_ID, Replaces: { NodeID: ID, NodeName: "shed" }, LastUse: null }],
  "GET /v1/node/refused": [{ NodeID: ID, NodeName: "till\u001b[2J", Reason: "used up", Count: 3, LastAt: "2027-01-15T07:59:00Z" }],
  [`DELETE /v1/node/token/${TOKEN_ID}`]: { Index: 9 },
  "PUT /v1/node/ffff2c3d-0000-4000-8000-000000000001/purge": { NodeModifyIndex: 7, EvalIDs: ["e1", "e2"] },
  [`PUT /v1/node/${ID}/purge`]: { NodeModifyIndex: 7, EvalIDs: null },
};

test.each<[string, unknown]>([
  ["node token create", { NodeName: "", NodePool: "" }],
  ["node token create --uses 40 --ttl 72h --node-pool shops", { NodeName: "", NodePool: "shops", Uses: 40, TTL: "72h0m0s" }],
  ["node intro create -node-name=till -ttl=15m", { NodeName: "till", NodePool: "", TTL: "15m0s" }],
  ["node token create --replace shed", { NodeName: "", NodePool: "", Replaces: ID }],
])("%s", async (words, body) => {
  const ran = await edgectl(words.split(" "), { routes });
  expect([ran.status, ran.bodies]).toEqual([0, [body]]);
  // What is piped into a file is the token and nothing else.
  expect(ran.out).toBe("edgectl-join.x.y\n");
  expect(ran.error).toContain("it is not shown again");
  expect(ran.error.includes("shed is alive")).toBe(words.includes("--replace"));
});

test.each([
  ["node token create --uses many", "is no whole number"],
  ["node token create --ttl soon", "no duration above 0"],
  ["node token create --ttl -5m", "no duration above 0"],
  ["node token create --replace nobody", 'no node has the id "nobody"'],
  ["node token create --replace twin", '2 nodes are named "twin"'],
  ["node token create till", "till"],
  ["node token revoke", "TOKEN-ID"],
  ["node token revoke 5a24", "is the beginning of 2 join tokens' ids"],
  ["node token revoke 77", 'no join token has the id "77"'],
  ["node purge", "NODE"],
  ["node purge shed", "is alive"],
  ["node purge ffff2c", "is only the beginning of a node's id"],
  ["node purge twin", '2 nodes are named "twin"'],
])("%s is refused before anything is changed", async (words, message) => {
  const ran = await edgectl(words.split(" "), { routes });
  expect([ran.status, ran.asked.filter((line) => !line.startsWith("GET"))]).toEqual([1, []]);
  expect(ran.error).toContain(message);
});

test.each([
  ["node token revoke 5a24aa", "join token 5a24aabf is revoked; it admitted one node\n"],
  ["node purge gone", "node gone (ffff2c3d) is purged; 2 jobs are evaluated again\n"],
  ["node purge -y shed", "node shed (0a1b2c3d) is purged; 0 jobs are evaluated again\n"],
])("%s", async (words, said) => {
  const ran = await edgectl(words.split(" "), { routes });
  expect([ran.status, ran.error, ran.out]).toEqual([0, "", said]);
});

test("node token list shows what is left of each, and who was refused, without a stranger's escape codes", async () => {
  const { out } = await edgectl(["node", "token", "list"], { routes });
  expect(out).toContain("5a24aabf  valid   1/2   any node                  2027-01-16T08:00:00Z  shed (0a1b2c3d)");
  expect(out).toContain("5a24ffff  valid   1/2   the next shed (0a1b2c3d)  2027-01-16T08:00:00Z  nobody");
  expect(out).toMatch(/Refused Nodes\n.*\n0a1b2c3d +till.* +3 +1m ago +used up/);
  expect(out).not.toContain("\u001b[2J");
  const asJson = await edgectl(["node", "token", "list", "--json"], { routes });
  expect(JSON.parse(asJson.out)).toHaveLength(2);
});
