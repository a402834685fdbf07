// Which services are read off the allocs that run, and since which index a list is as it is.

import { expect, test } from "bun:test";
import type { Alloc, TaskEvent, TaskState } from "../../internal/domain/alloc.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { isServing, registrationsOf } from "../../internal/server/registrations.ts";
import { ServiceCatalog } from "../../internal/server/service-catalog.ts";
import { aJob, aNode, anAlloc, aSpec } from "../fixtures/model.ts";

const RUNNING: TaskState = { state: "running", failed: false, restarts: 0, lastRestartAtMs: null, startedAtMs: 1, finishedAtMs: null, events: [] };
const happened = (...types: readonly string[]): TaskState => ({
  ...RUNNING,
  events: types.map((type): TaskEvent => ({ type, atMs: 1, message: "", details: {} })),
});

/** [what happened to the task, whether it is there to be asked] */
const TURNS: readonly (readonly [readonly string[], boolean])[] = [
  [[], true],
  [["Received", "Task Setup", "Started"], true],
  [["Started", "Signaling"], true],
  [["Started", "Killing"], false],
  [["Started", "Restart Signaled", "Killing"], false],
  [["Started", "Waiting for shutdown delay"], false],
  [["Started", "Killing", "Terminated", "Restarting", "Started"], true],
];
for (const [types, want] of TURNS)
  test(`after ${types.join(", ") || "nothing that is still known"} a running task ${want ? "serves" : "does not serve"}`, () =>
    expect(isServing(happened(...types))).toBe(want));

test("a task that does not run serves nobody, whatever happened", () => {
  for (const state of ["pending", "dead"] as const) expect(isServing({ ...happened("Started"), state })).toBe(false);
  expect(isServing(undefined)).toBe(false);
});

const NODE = aNode("n", { attributes: { "unique.network.ip-address": "10.0.0.7" }, meta: { room: "attic" } });
const JOB = aJob(
  aSpec(
    { meta: { team: "green" } },
    {
      networks: [{ ports: [{ label: "http" }, { label: "lan" }] }],
      services: [
        { name: "${JOB}-${meta.room}", port: "http", tags: ["${NOMAD_META_team}", "${node.datacenter}"], canaryTags: ["new"] },
        { name: "of-task", port: "lan", task: "t" },
      ],
      tasks: [
        { name: "t", driver: "raw_exec", services: [{ port: "9000" }] },
        { name: "other", driver: "raw_exec" },
        { name: "before", driver: "raw_exec", lifecycle: { hook: "prestart" } },
      ],
    },
  ),
);
const PORTS = [
  { label: "http", value: 20_001, to: 0, hostNetwork: "default" },
  { label: "lan", value: 20_002, to: 8080, hostNetwork: "lan", hostAddress: "fd00::7" },
];

function alloc(own: Partial<Alloc> = {}): Alloc {
  const base = anAlloc("a1", {
    nodeId: "n",
    clientStatus: "running",
    taskStates: { t: RUNNING, other: RUNNING, before: { ...RUNNING, state: "dead" } },
  });
  return { ...base, jobId: JOB.id, group: "g", resources: { ...base.resources, ports: PORTS }, ...own };
}
const listed = (own: Partial<Alloc> = {}) =>
  registrationsOf(alloc(own), JOB, NODE).map((one) => `${one.name} ${one.address} ${one.port} [${one.tags}]`);

test("each service has its name, address and tags, with what the node and the job put in", () =>
  expect(listed()).toEqual(["j-attic 10.0.0.7 20001 [green,dc1]", "of-task fd00::7 20002 []", "j-g-t 10.0.0.7 9000 []"]));

test("a canary has its tags, where the service names any", () =>
  expect(listed({ health: { isHealthy: null, atMs: 0, isCanary: true } })[0]).toBe("j-attic 10.0.0.7 20001 [new]"));

test("the group's needs all of its main tasks, a task's only that one", () =>
  expect(listed({ taskStates: { t: RUNNING, other: { ...RUNNING, state: "pending" } } })).toEqual([
    "of-task fd00::7 20002 []",
    "j-g-t 10.0.0.7 9000 []",
  ]));

test("an alloc that is to stop, is not known to run, or was cut off has none", () => {
  for (const own of [{ desiredStatus: "stop" }, { desiredStatus: "evict" }, { clientStatus: "pending" }, { clientStatus: "unknown" }] as const)
    expect(listed(own)).toEqual([]);
});

test("what was taken out by hand is not listed", () => {
  const [first] = registrationsOf(alloc(), JOB, NODE);
  expect(first?.id).toBe("_nomad-task-a1-group-g-j-attic-http");
  expect(listed({ hiddenServices: [first?.id ?? ""] })).toHaveLength(2);
});

test("a list has the index at which it was first seen so, also when others change meanwhile; a restore starts over", () => {
  const catalog = new ServiceCatalog(bunRuntime().hashing);
  const at = (content: unknown, index: number) => catalog.indexOf("list", content, index);
  expect([at(["a"], 5), at(["a"], 9), at(["b"], 12), at(["b"], 20), at(["a"], 21)]).toEqual([5, 5, 12, 12, 21]);
  expect(at(["a"], 7)).toBe(7);
  expect(catalog.indexOf("another", ["a"], 30)).toBe(30);
});
