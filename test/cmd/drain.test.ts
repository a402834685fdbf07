// edgectl node drain: what is asked of the server, what is refused before, and how the monitor tells of it.

import { describe, expect, test } from "bun:test";
import { createDrainNews } from "../../cmd/edgectl/cli/drain-monitor.ts";
import type { WireAlloc } from "../../cmd/edgectl/cli/wire-types.ts";
import { edgectl, indexed } from "./fake-agent.ts";

const ID = "0a1b2c3d-0000-4000-8000-000000000001";
const NODE = { ID, Name: "shed", Status: "ready", DrainStrategy: null, LastDrain: null };
const routes = {
  "GET /v1/nodes": [NODE],
  "GET /v1/agent/self": { stats: { client: { node_id: ID } } },
  [`PUT /v1/node/${ID}/drain`]: { NodeModifyIndex: 7, EvalIDs: null },
};
const HOUR = 3600e9;

/** [command line, the body that is sent] */
const ASKED: readonly (readonly [string, unknown])[] = [
  ["--enable --detach shed", { NodeID: ID, DrainSpec: { Deadline: HOUR, IgnoreSystemJobs: false }, MarkEligible: false, Meta: null }],
  ["-enable -detach -deadline 10m shed", { NodeID: ID, DrainSpec: { Deadline: HOUR / 6, IgnoreSystemJobs: false }, MarkEligible: false, Meta: null }],
  [
    "-enable -detach -force -ignore-system shed",
    { NodeID: ID, DrainSpec: { Deadline: -1, IgnoreSystemJobs: true }, MarkEligible: false, Meta: null },
  ],
  ["-enable -detach -no-deadline shed", { NodeID: ID, DrainSpec: { Deadline: 0, IgnoreSystemJobs: false }, MarkEligible: false, Meta: null }],
  [
    "-enable -detach -m why -meta a=1 -meta b=2=3 -self",
    { NodeID: ID, DrainSpec: { Deadline: HOUR, IgnoreSystemJobs: false }, MarkEligible: false, Meta: { a: "1", b: "2=3", message: "why" } },
  ],
  ["-enable -detach -yes 0a1b", { NodeID: ID, DrainSpec: { Deadline: HOUR, IgnoreSystemJobs: false }, MarkEligible: false, Meta: null }],
  ["-disable shed", { NodeID: ID, DrainSpec: null, MarkEligible: true, Meta: null }],
  ["-disable -keep-ineligible -m over shed", { NodeID: ID, DrainSpec: null, MarkEligible: false, Meta: { message: "over" } }],
];

for (const [words, body] of ASKED) {
  test(`node drain ${words}`, async () => {
    const ran = await edgectl(["node", "drain", ...words.split(" ")], { routes });
    expect([ran.status, ran.error]).toEqual([0, ""]);
    expect(ran.bodies).toEqual([body]);
  });
}

test.each([
  ["shed", "say one of --enable, --disable and --monitor"],
  ["-enable -disable shed", "say one of --enable, --disable and --monitor"],
  ["-enable", "NODE is missing"],
  ["-enable -force -no-deadline shed", "exclude each other"],
  ["-enable -deadline 5m -force shed", "exclude each other"],
  ["-enable -deadline soon shed", "no duration above 0"],
  ["-enable -deadline 0s shed", "no duration above 0"],
  ["-disable -force shed", "--force goes with --enable only"],
  ["-enable -keep-ineligible shed", "--keep-ineligible goes with --disable only"],
  ["-enable -meta nothing shed", "is no KEY=VALUE"],
  ["-enable 0a1b", "is only the beginning of a node's id"],
  ["-enable nobody", 'no node has the id "nobody"'],
])("node drain %s is refused before anything is asked for", async (words, message) => {
  const ran = await edgectl(["node", "drain", ...words.split(" ")], { routes });
  expect([ran.status, ran.bodies]).toEqual([1, []]);
  expect(ran.error).toContain(message);
});

test.each([
  ["complete", 0, "Drain complete for node"],
  ["canceled", 1, "was canceled"],
])("a drain that is followed and ends %s", async (status, exit, line) => {
  let reads = 0;
  const strategy = { Deadline: HOUR, IgnoreSystemJobs: true, ForceDeadline: "2027-01-15T09:00:00.000Z", StartedAt: "2027-01-15T08:00:00.000Z" };
  const ran = await edgectl(["node", "drain", "-enable", "shed"], {
    routes: {
      ...routes,
      [`GET /v1/node/${ID}`]: () => {
        reads += 1;
        if (reads === 1) return indexed(8, { ...NODE, DrainStrategy: strategy, LastDrain: { Status: "draining" } });
        return indexed(9, { ...NODE, LastDrain: { Status: status } });
      },
      [`GET /v1/node/${ID}/allocations`]: () => indexed(9, []),
    },
  });
  expect(ran.status).toBe(exit);
  expect(ran.out).toContain("drains: deadline 1h0m0s, at 2027-01-15T09:00:00Z; system jobs stay");
  expect(ran.out).toContain(line);
});

describe("the monitor tells", () => {
  const alloc = (own: Partial<WireAlloc>): WireAlloc =>
    ({ ID: "aaaaaaaa-1", JobID: "web", ClientStatus: "running", DesiredStatus: "run", CreateIndex: 1, ...own }) as WireAlloc; // what the monitor looks at

  test("of each step of an allocation once, and not of what had ended before", () => {
    const news = createDrainNews({ isVerbose: false });
    expect(news.of([alloc({}), alloc({ ID: "bbbbbbbb-1", ClientStatus: "complete", DesiredStatus: "stop" })])).toEqual([]);
    expect(news.of([alloc({ DesiredTransition: { Migrate: true } })])).toEqual(['Alloc "aaaaaaaa" of job "web" marked for migration']);
    expect(news.of([alloc({ DesiredStatus: "stop" })])).toEqual(['Alloc "aaaaaaaa" of job "web" draining']);
    expect(news.of([alloc({ DesiredStatus: "stop", ClientStatus: "complete" })])).toEqual([
      'Alloc "aaaaaaaa" of job "web" status running -> complete',
    ]);
    expect(news.of([alloc({ DesiredStatus: "stop", ClientStatus: "complete" })])).toEqual([]);
  });

  test("of one that was marked and told to stop between two looks as if both had been seen", () => {
    const news = createDrainNews({ isVerbose: false });
    news.of([alloc({})]);
    expect(news.of([alloc({ DesiredStatus: "stop" })])).toHaveLength(2);
  });
});
