// The event stream of real agents: what it says of a job's life, taken up over the death of a leader, and readers that
// do not read.

import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { shellJob } from "./jobs.ts";
import { type Agent, executable, inPlace, type Place, sleep, until } from "./place.ts";
import { ask, startPair, startServer, unplaceable, untilFollowing, untilLeading, Writers } from "./servers.ts";

const MINUTE = 60_000;

interface Line {
  readonly Index: number;
  readonly Events: readonly { readonly Topic: string; readonly Type: string; readonly Key: string }[];
}

/** Reads lines until `isEnough`, or the end. */
async function read(agent: Agent, query: string, isEnough: (lines: readonly Line[]) => boolean, timeoutMs = 20_000): Promise<Line[]> {
  const lines: Line[] = [];
  const reply = await fetch(`${agent.address}/v1/event/stream?${query}`, { signal: AbortSignal.timeout(timeoutMs) });
  if (reply.status !== 200 || reply.body === null) throw new Error(`${reply.status} ${await reply.text()}`);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of reply.body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts.filter((part) => part !== "{}").map((part) => JSON.parse(part) as Line));
    if (isEnough(lines)) break;
  }
  return lines;
}

/** The command, with what it has printed so far. */
function follow(place: Place, agent: Agent, ...words: readonly string[]): { readonly process: ChildProcess; errors(): string; lines(): Line[] } {
  const child = spawn(executable, ["event", "stream", ...words], {
    env: { ...process.env, EDGECTL_ADDR: agent.address },
    stdio: ["ignore", "pipe", "pipe"],
  });
  place.onClose(() => child.kill("SIGKILL"));
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  return {
    process: child,
    errors: () => errors,
    lines: () =>
      text
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line),
  };
}

test(
  "a job's life is told: registration, plan, what the node says, and the stop",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      const follower = follow(place, agent, "--topic", "Job:web", "--topic", "Allocation:web", "--topic", "Node");
      place.run(shellJob({ id: "web", type: "service", script: "exec sleep 1000" }), "--detach");
      await place.untilAlloc("web", "running");
      place.run(shellJob({ id: "other", type: "service", script: "exec sleep 1000" }), "--detach");
      place.ok("stop", "--detach", "web");
      await place.untilAlloc("web", "complete");
      const types = () => follower.lines().flatMap((line) => line.Events.map((event) => `${event.Topic}/${event.Type}`));
      await until(
        () => `the stop: ${types()}`,
        () => types().includes("Job/JobDeregistered"),
      );
      for (const want of ["Node/NodeRegistration", "Job/JobRegistered", "Allocation/PlanResult", "Allocation/AllocationUpdated"])
        expect(types()).toContain(want);
      expect(
        follower
          .lines()
          .flatMap((line) => line.Events)
          .filter((event) => event.Key === "other"),
      ).toEqual([]);
      const refused = await ask(agent, "GET", "/v1/event/stream?topic=Jobs");
      expect([refused?.status, refused?.text]).toEqual([400, 'there is no topic "Jobs"']);
      // The first line comes at once, so that a client knows that it is connected.
      const silent = await fetch(`${agent.address}/v1/event/stream?topic=Variable`, { signal: AbortSignal.timeout(15_000) });
      const reader = silent.body?.getReader();
      const chunk = async () => new TextDecoder().decode((await reader?.read())?.value);
      const beganMs = performance.now();
      expect([await chunk(), await chunk()]).toEqual(["{}\n", "{}\n"]);
      expect(performance.now() - beganMs).toBeGreaterThan(8000);
      await reader?.cancel();
    }),
  MINUTE,
);

test(
  "a stream is taken up after the leader was killed: every acknowledged job once, no index twice, and the servers agree",
  () =>
    inPlace(async (place) => {
      const [leader, standby] = await startPair(place);
      const forwarded = follow(place, standby, "--topic", "Job", "--index", "1");
      const stale = follow(place, standby, "--topic", "Job", "--index", "1", "--stale");
      await until("both to be connected", async () => (await ask(standby, "PUT", "/v1/jobs", unplaceable("first")))?.status === 200);
      const writers = new Writers(() => [standby], 4);
      await until("some writes", () => writers.acknowledged.length > 100);
      await leader.kill();
      await untilLeading(standby);
      const before = writers.acknowledged.length;
      await until("more writes", () => writers.acknowledged.length > before + 100);
      await writers.end();
      const last = Math.max(...writers.acknowledged.map(({ index }) => index));
      const indexesOf = (lines: readonly Line[]) => lines.map((line) => line.Index);
      for (const follower of [forwarded, stale]) {
        await until("the last job", () => indexesOf(follower.lines()).includes(last));
        const indexes = indexesOf(follower.lines());
        expect(indexes).toEqual([...new Set(indexes)].sort((a, b) => a - b));
        const told = new Set(
          follower
            .lines()
            .flatMap((line) => line.Events.filter((event) => event.Type === "JobRegistered").map((event) => `${event.Key}@${line.Index}`)),
        );
        expect(writers.acknowledged.filter(({ id, index }) => !told.has(`${id}@${index}`))).toEqual([]);
      }
      const again = await startServer(place, "three");
      await untilFollowing(again, standby);
      const whole = await read(again, "stale&topic=Job&index=1", (lines) => indexesOf(lines).includes(last));
      expect(indexesOf(whole)).toEqual(indexesOf(forwarded.lines()).filter((index) => index <= last));
    }),
  MINUTE,
);

test(
  "an index beyond what is there waits for it, one that is asked for is the first, none begins with the newest few",
  () =>
    inPlace(async (place) => {
      const [agent] = await startPair(place);
      for (let at = 0; at < 130; at++) await ask(agent, "PUT", "/v1/jobs", unplaceable(`j-${at}`));
      const jobs: { JobModifyIndex: number }[] = await place.get("/v1/jobs", agent);
      const indexes = jobs.map((stub) => stub.JobModifyIndex).sort((a, b) => a - b);
      const [middle, last] = [indexes[60] ?? 0, indexes.at(-1) ?? 0];
      expect((await read(agent, `topic=Job&index=${middle}`, (lines) => lines.length > 0))[0]?.Index).toBe(middle);
      const newest = await read(agent, "topic=Job", (lines) => lines.at(-1)?.Index === last);
      expect(newest[0]?.Index).toBeGreaterThan(last - 110);
      const later = read(agent, `topic=Job&index=${last + 100}`, (lines) => lines.length > 0);
      for (let at = 0; at < 60; at++) await ask(agent, "PUT", "/v1/jobs", unplaceable(`k-${at}`));
      expect((await later)[0]?.Index).toBeGreaterThanOrEqual(last + 100);
    }),
  MINUTE,
);

test(
  "a reader that does not read is cut off with a last line that says where to go on, and costs little memory",
  () =>
    inPlace(async (place) => {
      const agent = await startServer(place, "one");
      const resident = () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${agent.process.pid}/status`, "utf8"))?.[1]) / 1024;
      const socket = connect(agent.port, "127.0.0.1");
      place.onClose(() => socket.destroy());
      let text = "";
      let hasEnded = false;
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("end", () => {
        hasEnded = true;
      });
      socket.write("GET /v1/event/stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      await until("the stream", () => text.includes("{}\n"));
      socket.pause();
      const writers = new Writers(() => [agent], 8);
      await until("much more than sockets hold", () => writers.acknowledged.length > 6000, 60_000);
      await writers.end();
      const grown = resident();
      await sleep(11_000);
      socket.resume();
      await until(
        () => `the end of ${text.length} bytes: ${text.slice(-300)}`,
        () => hasEnded,
        20_000,
      );
      const last = text
        .split("\n")
        .filter((line) => line.startsWith('{"Error"'))
        .at(-1);
      const end = JSON.parse(last ?? "{}") as { readonly Error?: string; readonly Index?: number };
      expect(end.Error).toMatch(/this reader is \d+ indexes behind and does not read: the stream ends here, go on with index=\d+/);
      const told = [...text.matchAll(/^\{"Index":(\d+),/gm)].map((match) => Number(match[1]));
      // Nothing between the last line and where to go on.
      expect(told.at(-1)).toBeLessThan(end.Index ?? 0);
      expect(end.Index).toBe((told.at(-1) ?? 0) + 1);
      const next = follow(place, agent, "--index", String(end.Index));
      await until("the stream to go on", () => next.lines().length > 0);
      // The journal was folded meanwhile: what it no longer holds is told.
      if (next.lines()[0]?.Index !== end.Index)
        expect(next.errors()).toBe(`indexes ${end.Index} to ${(next.lines()[0]?.Index ?? 0) - 1} are no longer kept\n`);
      expect(resident()).toBeLessThan(grown + 60);
    }),
  2 * MINUTE,
);
