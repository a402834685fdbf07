// Settings of the region: set in any case or from the version that was read, kept as rows, and what they refuse.

import { describe, expect, test } from "bun:test";
import { admitting, setAutopilot, setRegions, setScheduler } from "../../internal/cluster/settings.ts";
import { type AutopilotConfig, SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { Cluster } from "../fixtures/cluster.ts";

const AUTOPILOT: AutopilotConfig = {
  doesForgetDeadServers: false,
  lastContactMsMax: 1,
  trailingIndexesMax: 2,
  stabilizationMs: 3,
  serversMin: 4,
  createIndex: 99,
  modifyIndex: 99,
};

describe("the scheduler's config", () => {
  const spread = { ...SCHEDULER_DEFAULTS, algorithm: "spread" } as const;

  test("is the defaults until it is set, and then has the indexes of its row", () => {
    const cluster = new Cluster();
    expect(cluster.state.schedulerConfig()).toEqual(SCHEDULER_DEFAULTS);
    cluster.do((view) => setScheduler(view, { value: spread, enforceIndex: null }));
    cluster.do((view) => setScheduler(view, { value: { ...spread, pauseEvalBroker: true }, enforceIndex: null }));
    expect(cluster.state.schedulerConfig()).toEqual({ ...spread, pauseEvalBroker: true, createIndex: 1, modifyIndex: 2 });
  });

  test.each([
    ["never set, from 0", 0, 0, true],
    ["never set, from another index", 0, 3, false],
    ["set, from 0", 1, 0, false],
    ["set, from its index", 1, 1, true],
    ["set, in any case", 1, null, true],
  ] as const)("%s", (_name, times, enforceIndex, isSet) => {
    const cluster = new Cluster();
    for (let at = 0; at < times; at++) cluster.do((view) => setScheduler(view, { value: SCHEDULER_DEFAULTS, enforceIndex: null }));
    expect(cluster.do((view) => setScheduler(view, { value: spread, enforceIndex }))).toBe(isSet);
    expect(cluster.state.schedulerConfig().algorithm).toBe(isSet ? "spread" : "binpack");
  });
});

test("autopilot's rules take the row's indexes, not those that were sent", () => {
  const cluster = new Cluster();
  expect(cluster.do((view) => setAutopilot(view, { value: AUTOPILOT, enforceIndex: 7 }))).toBe(false);
  expect(cluster.do((view) => setAutopilot(view, { value: AUTOPILOT, enforceIndex: 0 }))).toBe(true);
  const { createIndex: _create, modifyIndex: _modify, ...value } = AUTOPILOT;
  expect(cluster.state.setting("autopilot")).toEqual({ name: "autopilot", value, createIndex: 1, modifyIndex: 1 });
});

test("a region that is known already writes nothing", () => {
  const cluster = new Cluster();
  const east = { east: { urls: ["http://e:1"], clusterId: "c" } };
  cluster.do((view) => setRegions(view, () => east));
  cluster.do((view) => setRegions(view, (known) => ({ ...known })));
  expect([cluster.state.index, cluster.state.setting("regions")?.value]).toEqual([1, east]);
});

test("while no job is let in, what would let one in is refused in Nomad's words and changes nothing", () => {
  const cluster = new Cluster();
  const write = admitting(() => ({ changes: [], result: "done" }));
  expect(cluster.do(write)).toBe("done");
  cluster.do((view) => setScheduler(view, { value: { ...SCHEDULER_DEFAULTS, rejectJobRegistration: true }, enforceIndex: null }));
  expect(() => cluster.do(write)).toThrow("Job registration, dispatch, and scale are disabled by the scheduler configuration");
});
