// Servers on the wire: who is well, how many may fail, and which rules are taken.

import { describe, expect, test } from "bun:test";
import { decodeAutopilotConfig, encodeAutopilotConfig, encodeHealth, encodeMember, type ServerHealth } from "../../internal/api/server-codec.ts";
import type { ServerFacts } from "../../internal/api/server-protocol.ts";
import { parseServerMessage } from "../../internal/api/server-protocol.ts";
import type { EdgeError } from "../../internal/domain/errors.ts";
import type { AutopilotConfig } from "../../internal/domain/setting.ts";

const CONFIG: AutopilotConfig = {
  doesForgetDeadServers: true,
  lastContactMsMax: 1250,
  trailingIndexesMax: 250,
  stabilizationMs: 10_000,
  serversMin: 0,
  createIndex: 0,
  modifyIndex: 0,
};

function facts(name: string, address = "10.0.0.1:4646"): ServerFacts {
  return { id: `id-${name}`, name, address, region: "global", datacenter: "dc1", version: "1.2.3", schema: 1 };
}

function server(name: string, more: Partial<ServerHealth> = {}): ServerHealth {
  return { facts: facts(name), status: "alive", isLeader: false, lastContactMs: 100, index: 1000, stableSinceMs: 0, ...more };
}

const LEADER = server("a", { isLeader: true, lastContactMs: 0 });

describe("health", () => {
  type Row = readonly [string, readonly ServerHealth[], Partial<AutopilotConfig>, isHealthy: boolean, tolerance: number];
  const rows: readonly Row[] = [
    ["a lone leader is well, and nobody may fail", [LEADER], {}, true, 0],
    ["with two others two may fail", [LEADER, server("b"), server("c")], {}, true, 2],
    ["one that failed", [LEADER, server("b", { status: "failed" }), server("c")], {}, false, 1],
    ["one that is silent for too long", [LEADER, server("b", { lastContactMs: 1251 })], {}, false, 0],
    ["one that is just not silent for too long", [LEADER, server("b", { lastContactMs: 1250 })], {}, true, 1],
    ["one that lags behind", [LEADER, server("b", { index: 749 })], {}, false, 0],
    ["one that lags as far as it may", [LEADER, server("b", { index: 750 })], {}, true, 1],
    ["fewer than there must be", [LEADER], { serversMin: 2 }, false, 0],
  ];
  for (const [name, servers, config, isHealthy, tolerance] of rows)
    test(name, () => {
      const health = encodeHealth(servers, { config: { ...CONFIG, ...config }, epoch: 7, index: 1000 });
      expect([health.Healthy, health.FailureTolerance]).toEqual([isHealthy, tolerance]);
    });
});

test("the rules go out and come back as they were, durations as text", () => {
  const wire = encodeAutopilotConfig(CONFIG);
  expect([wire.LastContactThreshold, wire.ServerStabilizationTime]).toEqual(["1.25s", "10s"]);
  expect(decodeAutopilotConfig(wire, { ...CONFIG, lastContactMsMax: 1, stabilizationMs: 2, trailingIndexesMax: 3 })).toEqual(CONFIG);
  expect(decodeAutopilotConfig({}, CONFIG)).toEqual(CONFIG);
});

test.each([
  [{ LastContactThreshold: 200_000_000 }, "invalid", /"LastContactThreshold" must be a duration/],
  [{ MaxTrailingLogs: -1 }, "invalid", /"MaxTrailingLogs" must be a whole number/],
  [{ EnableCustomUpgrades: true }, "unsupported", /"EnableCustomUpgrades"/],
] as const)("rules that are refused: %p", (body, code, message) => {
  const refused = (() => {
    try {
      decodeAutopilotConfig(body, CONFIG);
      return null;
    } catch (error) {
      return error as EdgeError;
    }
  })();
  expect([refused?.code, message.test(refused?.message ?? "")]).toEqual([code, true]);
});

test.each([
  ["10.0.0.1:4646", "10.0.0.1", 4646],
  ["[::1]:99", "[::1]", 99],
])("a member's address and port joined again are %s, which /v1/status/leader says", (address, host, port) => {
  const member = encodeMember(facts("a", address), "alive");
  expect([member.Addr, member.Port, `${member.Addr}:${(member.Tags as { port: string }).port}`]).toEqual([host, port, address]);
});

test("a message of a kind that is not expected is none", () => {
  expect(parseServerMessage('{"kind":"later"}', ["alive"])).toBeNull();
  expect(parseServerMessage("{", ["alive"])).toBeNull();
  expect(parseServerMessage('{"kind":"alive","epoch":1,"index":2}', ["alive", "shared"])).toEqual({ kind: "alive", epoch: 1, index: 2 });
});
