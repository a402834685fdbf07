// `event stream`: lines go out as they come, a broken connection goes on with the next index.

import { expect, test } from "bun:test";
import { edgectl, refusal } from "./fake-agent.ts";

const stream = (...lines: readonly string[]) => new Response(lines.map((line) => `${line}\n`).join(""));

test("heartbeats are left out, what is missing is told, and each connection goes on with the next index", async () => {
  const answers = [
    stream("{}", '{"Index":7,"Events":[1]}', '{"Index":9,"Events":[2]}'),
    refusal(500, "No cluster leader", { "X-Edgectl-Code": "no-leader" }),
    stream("{}", '{"Missing":{"From":10,"Until":11}}', '{"Index":12,"Events":[3]}', '{"Error":"too slow","Index":13}'),
    refusal(403, "Permission denied", { "X-Edgectl-Code": "permission-denied" }),
  ];
  const ran = await edgectl(["event", "stream", "--topic", "Job:a b", "-topic=Node"], { routes: { "GET /v1/event/stream": () => answers.shift() } });
  expect(ran.out).toBe('{"Index":7,"Events":[1]}\n{"Index":9,"Events":[2]}\n{"Index":12,"Events":[3]}\n');
  expect(ran.asked.map((url) => url.split("?")[1])).toEqual([
    "topic=Job:a+b&topic=Node&index=0",
    "topic=Job:a+b&topic=Node&index=10",
    "topic=Job:a+b&topic=Node&index=10",
    "topic=Job:a+b&topic=Node&index=13",
  ]);
  expect(ran.error).toContain("No cluster leader; going on with index 10\nindexes 10 to 11 are no longer kept\ntoo slow\n");
  expect([ran.status, ran.error.includes("Permission denied")]).toEqual([1, true]);
});

test("an agent that cannot be reached at all is an error at once", async () => {
  const ran = await edgectl(["event", "stream"]);
  expect([ran.status, ran.asked.length]).toEqual([1, 1]);
});
