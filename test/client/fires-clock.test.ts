// A device without a battery for its clock wakes in 1970: what it fires by the clock waits until the clock can be believed, and what
// fell into the time between is missed, not a storm.

import { expect, test } from "bun:test";
import { CHIME, firedSpec } from "../sim/node-fires.ts";
import { World } from "../sim/world.ts";

const MINUTE = 60_000;
const CENTURY_MS = 61 * 365 * 86_400_000;

test("after a reboot into 1970 nothing fires; once the clock is set one missed fire is caught up, and the schedule goes on", async () => {
  const world = new World("fires-clock", { store: "file", serverCount: 1, nodeCount: 1, isFoldedOften: false });
  try {
    const begun: string[] = [];
    world.checkers.push({
      name: "begun",
      starting: (_world, _machine, { allocId }) => {
        const job = [...(node?.agent?.allocRunners() ?? [])].find((runner) => runner.alloc.id === allocId)?.job.id;
        begun.push(job ?? "unknown");
      },
    });
    for (const server of world.servers) world.startServer(server);
    for (const own of world.nodes) world.startNode(own);
    const [server, node] = [world.servers[0], world.nodes[0]];
    if (!server || !node) throw new Error("the world has a server and a node");
    await world.runUntil(8000);
    const spec = firedSpec(CHIME, "0 * * * * * *", { catchUp: "last" });
    void world.network.of(world.user).fetch(`${world.urlOf(server)}/v1/jobs`, { method: "PUT", body: JSON.stringify({ Job: spec }) });
    await world.runUntil(2.5 * MINUTE);
    expect(begun).toHaveLength(2);
    server.program?.crash();
    node.program?.crash();
    node.machine.cutPower();
    node.machine.skewMs -= CENTURY_MS;
    world.startNode(node);
    await world.runUntil(8.5 * MINUTE);
    expect(begun).toHaveLength(2);
    node.machine.skewMs += CENTURY_MS;
    await world.runUntil(8.75 * MINUTE);
    expect(begun).toHaveLength(3);
    await world.runUntil(11.5 * MINUTE);
    expect(begun).toHaveLength(6);
    expect(new Set(begun).size).toBe(6);
    expect([...begun].sort()).toEqual(begun);
  } finally {
    world.close();
  }
});
