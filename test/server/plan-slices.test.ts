// A plan of many allocations lets others have their turn, and comes to what one in one go comes to, whatever they change.

import { expect, test } from "bun:test";
import { encodeJobSpec } from "../../internal/api/job-codec.ts";
import { evalForJob } from "../../internal/cluster/evals.ts";
import { planJob } from "../../internal/server/http/plan.ts";
import type { Exchange } from "../../internal/server/http/reply.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const COUNT = 500;
const spec = aSpec(
  { type: "service" },
  { count: COUNT, tasks: [{ name: "t", driver: "raw_exec", config: { command: "/bin/true" }, resources: { cpuMHz: 100, memoryMiB: 10 } }] },
);

/** A leader whose clock takes a millisecond for each look at it; `between` is called between two slices. */
async function planned(cluster: Cluster, between: (turn: number) => void): Promise<{ readonly turns: number; readonly placed: number }> {
  let [nowMs, turns] = [0, 0];
  const clock = {
    nowMs: () => cluster.nowMs,
    monotonicMs: () => ++nowMs,
    yieldTurn: async () => between(++turns),
  };
  const leader = { view: cluster.state, hasEnded: false };
  const server = { leader, options: { region: "global", runtime: { clock, chance: { uuid: () => crypto.randomUUID() } } } };
  const request = new Request("http://x/v1/job/j/plan", { method: "PUT", body: JSON.stringify({ Job: encodeJobSpec(spec) }) });
  const exchange = { server, request, query: { all: new URLSearchParams(), isPretty: false } } as unknown as Exchange; // what a plan touches
  const reply = await planJob(exchange, "j");
  const failed = JSON.parse(await reply.text()).FailedTGAllocs?.g;
  return { turns, placed: COUNT - (failed ? failed.CoalescedFailures + 1 : 0) };
}

/** Room for 40 on each. */
function cluster(): Cluster {
  const made = new Cluster();
  made.addNodes(...Array.from({ length: 20 }, (_, at) => aNode(`n${at}`)));
  return made;
}

test("others have their turn, and nothing is changed", async () => {
  const made = cluster();
  const { turns, placed } = await planned(made, () => undefined);
  expect([turns > 50, placed, made.state.index]).toEqual([true, COUNT, 1]);
});

test("what others change meanwhile counts", async () => {
  const made = cluster();
  const { placed } = await planned(made, (turn) => {
    if (turn === 20) made.addNodes(...Array.from({ length: 12 }, (_, at) => aNode(`n${at}`, { status: "down" })));
  });
  made.register(spec);
  const alone = made.plan(evalForJob(made.job(), "job-register", 0, made.context));
  expect([placed, alone.placed.length]).toEqual([320, 320]);
});
