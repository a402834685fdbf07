// Settings that are read anew: what holds at once, what takes a restart, and that wrong ones change nothing.

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentConfig, readAgentConfig } from "../../cmd/edgectl/agent/config.ts";
import { compareSettings, Reloads } from "../../cmd/edgectl/agent/reload.ts";
import { SETTINGS, type SettingValue } from "../../cmd/edgectl/agent/settings.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const runtime = { ...bunRuntime(), host: { ...bunRuntime().host, env: {} } };

async function agent(text: string, flags: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "edgectl-reload-"));
  folders.push(folder);
  const path = join(folder, "agent.toml");
  writeFileSync(path, text);
  const config = await readAgentConfig(runtime, ["--config", path, "--data-dir", folder, ...flags]);
  const applied: AgentConfig[] = [];
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const log = { debug: say, info: say, warn: say, error: say };
  const reloads = new Reloads(config, { runtime, log, apply: (now) => void applied.push(now) });
  return { reloads, applied, said, write: (newer: string) => writeFileSync(path, newer) };
}

test("what can change is applied, what cannot is named each time, and the agent goes by the mixture", async () => {
  const { reloads, applied, write } = await agent('log_level = "info"\nport = 5000\n[client]\nmeta = { a = "1" }\n');
  write('log_level = "debug"\nport = 6000\n[client]\nmeta = { a = "2" }\ngc_max_allocs = 7\nnode_pool = "far"\n');
  expect(await reloads.reload()).toEqual({
    applied: ["log_level", "client.meta", "client.gc_max_allocs"],
    needsRestart: ["port", "client.node_pool"],
  });
  expect(applied).toHaveLength(1);
  expect(applied[0]).toMatchObject({ logLevel: "debug", port: 5000, nodePool: "default", meta: { a: "2" }, collect: { allocsMax: 7 } });
  expect(await reloads.reload()).toEqual({ applied: [], needsRestart: ["port", "client.node_pool"] });
  expect(applied).toHaveLength(1);
  write("port = 5000\n");
  expect(await reloads.reload()).toEqual({ applied: ["log_level", "client.meta", "client.gc_max_allocs"], needsRestart: [] });
  expect(applied[1]).toMatchObject({ logLevel: "info", meta: {}, collect: { allocsMax: 50 } });
});

test("a flag wins over the file, however often that is read", async () => {
  const { reloads, applied, write } = await agent('log_level = "info"\n', ["--log-level", "warn"]);
  write('log_level = "debug"\n');
  expect(await reloads.reload()).toEqual({ applied: [], needsRestart: [] });
  expect(applied).toEqual([]);
});

test.each([
  ["no TOML", "log_level = \n", /agent\.toml/],
  ["an unknown key", 'log_levle = "debug"\n', /unknown setting "log_levle"/],
  ["a wrong choice", 'log_level = "loud"\n', /"loud" is not one of/],
  ["a wrong value of one that would take a restart", "port = 99999\n", /port 99999/],
  ["a wrong threshold", "[client]\ngc_disk_usage_threshold = 150\n", /must be between 1 and 100, is 150/],
  ["no pause at all", '[client]\ngc_interval = "1ms"\n', /gc_interval is shorter than a second/],
  ["a volume that is not there", '[client.host_volume]\ndata = "/no/such/folder"\n', /there is no folder/],
  ["what is not allowed without a word for it", 'bind = "0.0.0.0"\n', /refusing to listen/],
])("settings with %s change nothing, and are right again once they are mended", async (_, text, says) => {
  const { reloads, applied, said, write } = await agent('log_level = "info"\n');
  write(`${text.includes("log_level") ? "" : 'log_level = "debug"\n'}${text}`);
  await expect(reloads.reload()).rejects.toThrow(says);
  expect([applied, reloads.config.logLevel]).toEqual([[], "info"]);
  expect(said).toEqual(["the settings could not be read anew, nothing has changed"]);
  write('log_level = "error"\n');
  expect((await reloads.reload()).applied).toEqual(["log_level"]);
  expect(reloads.config.logLevel).toBe("error");
});

test("a file that is gone is an error, not an empty one", async () => {
  const { reloads } = await agent('log_level = "info"\n');
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  await expect(reloads.reload()).rejects.toThrow(/does not exist/);
});

test("a trial agent keeps its folder", async () => {
  const path = mkdtempSync(join(tmpdir(), "edgectl-reload-"));
  folders.push(path);
  const config = await readAgentConfig(runtime, ["--dev"]);
  folders.push(config.dataDirectory);
  const reloads = new Reloads(config, { runtime, log: { debug() {}, info() {}, warn() {}, error() {} }, apply: () => undefined });
  await reloads.reload();
  expect(reloads.config.dataDirectory).toBe(config.dataDirectory);
});

test("each setting is applied or named, and none is both", () => {
  const of = (value: SettingValue) => new Map(SETTINGS.map((setting) => [setting.key, value]));
  const { applied, needsRestart } = compareSettings(of("1"), of("2"));
  expect([...applied, ...needsRestart].sort()).toEqual(SETTINGS.map((setting) => setting.key).sort());
  expect(applied).toContain("client.host_volume");
  expect(needsRestart).toContain("data_dir");
});
