// Regions as real agents: a request is answered by the region it names, a dead one costs a clear error and no stall.

import { expect, test } from "bun:test";
import { shellJob } from "./jobs.ts";
import { type Agent, type AgentOptions, inPlace, type Place, until } from "./place.ts";
import { ask, startServer, unplaceable, untilFollowing } from "./servers.ts";

const MINUTE = 60_000;

function startRegion(place: Place, region: string, options: AgentOptions = {}): Promise<Agent> {
  return place.start({ ...options, name: options.name ?? region, flags: ["--region", region, "--name", region, ...(options.flags ?? [])] });
}

const idsOf = (text: string | undefined) => JSON.parse(text ?? "null").map((stub: { ID: string }) => stub.ID);

test(
  "jobs, logs, files and streams of another region, by any server of this one",
  () =>
    inPlace(async (place) => {
      const east = await startRegion(place, "east");
      const west = await startServer(place, "one", { flags: ["--region", "west", "--regions", `east=${east.address}`] });
      const standby = await startServer(place, "two", { flags: ["--region", "west", "--regions", `east=${east.address}`] });
      await untilFollowing(standby, west);
      for (const agent of [west, standby]) {
        place.agent = agent;
        const id = `far-${agent.port}`;
        expect((await ask(agent, "GET", "/v1/regions"))?.text).toBe('["east","west"]');
        expect(
          place.run(shellJob({ id, type: "service", script: 'echo "hello from $NOMAD_REGION"; exec sleep 1000' }), "--detach", "--region", "east")
            .stderr,
        ).toBe("");
        await until(
          "the job to run",
          async () => JSON.parse((await ask(agent, "GET", `/v1/job/${id}/allocations?region=east`))?.text ?? "[]")[0]?.ClientStatus === "running",
        );
        expect(idsOf((await ask(east, "GET", "/v1/jobs"))?.text)).toContain(id);
        expect((await ask(agent, "GET", "/v1/jobs"))?.text).toBe("[]");
        await until("its log", () => place.cli("logs", "--region", "east", id).stdout === "hello from east\n");
        expect(place.ok("status", "--region", "east")).toContain(id);
        expect(JSON.parse((await ask(agent, "GET", "/v1/status/leader?region=east"))?.text ?? "")).toBe(`127.0.0.1:${east.port}`);
        const stream = await fetch(`${agent.address}/v1/event/stream?region=east&topic=Job:${id}&index=1`);
        const reader = stream.body?.getReader();
        let text = "";
        while (!text.includes('"JobRegistered"')) text += new TextDecoder().decode((await reader?.read())?.value);
        await reader?.cancel();
      }
      // A job that names its region goes there by itself, from the standby by the leader.
      place.agent = standby;
      const followed = place.run(`region = "east"\n${shellJob({ id: "followed", script: "true" })}`);
      expect([followed.status, followed.stderr]).toEqual([0, ""]);
      expect(place.run(`region = "east"\n${shellJob({ id: "homing", script: "true" })}`, "--detach").stderr).toBe("");
      expect(place.cli("plan", place.write("plan.toml", `region = "east"\n${shellJob({ id: "homing", script: "false" })}`)).status).toBe(1);
      await until("the job over there", async () => idsOf((await ask(east, "GET", "/v1/jobs"))?.text).includes("homing"));
      expect((await ask(west, "GET", "/v1/jobs"))?.text).toBe("[]");
      const unknown = await ask(west, "GET", "/v1/jobs?region=mars");
      expect([unknown?.status, unknown?.text]).toEqual([500, "No path to region"]);
      const cli = place.cli("status", "--region", "mars");
      expect([cli.status, /known regions: east, west/.test(cli.stderr)]).toEqual([1, true]);
      // The other way nothing is known, and a request that came from there is not sent on in a circle.
      expect((await ask(east, "GET", "/v1/jobs?region=west"))?.status).toBe(500);
    }),
  MINUTE,
);

test(
  "a dead or paused region costs a clear error within two seconds, and stalls nothing else",
  () =>
    inPlace(async (place) => {
      const east = await startRegion(place, "east");
      const west = await startRegion(place, "west", { flags: ["--server", "--regions", `east=${east.address}`] });
      expect((await ask(west, "PUT", "/v1/jobs?region=east", unplaceable("there")))?.status).toBe(200);
      const index = Number((await ask(west, "GET", "/v1/jobs?region=east"))?.headers.get("X-Nomad-Index"));
      const blocked = ask(west, "GET", `/v1/jobs?region=east&index=${index}&wait=60s`, undefined, 30_000);
      await until(
        "the read to wait over there",
        async () => (await Promise.race([blocked, new Promise((done) => setTimeout(() => done("waits"), 1500))])) === "waits",
      );
      for (const signal of ["SIGSTOP", "SIGKILL"] as const) {
        east.process.kill(signal);
        if (signal === "SIGKILL") await east.ended();
        const beganMs = performance.now();
        const far = Promise.all([
          ask(west, "GET", "/v1/jobs?region=east", undefined, 10_000),
          ask(west, "PUT", "/v1/jobs?region=east", unplaceable("never"), 10_000),
        ]);
        for (let at = 0; at < 20; at++) {
          const nearMs = performance.now();
          expect((await ask(west, "GET", "/v1/jobs"))?.status).toBe(200);
          expect(performance.now() - nearMs).toBeLessThan(500);
        }
        for (const reply of await far) expect([reply?.status, /region "east" does not answer/.test(reply?.text ?? "")]).toEqual([502, true]);
        expect(performance.now() - beganMs).toBeLessThan(2000);
        // A read that was waiting over there does not wait for ever either.
        expect((await blocked)?.status).toBe(502);
      }
      const again = await place.start({
        name: "east",
        port: east.port,
        dataDirectory: east.dataDirectory,
        flags: ["--region", "east", "--name", "east"],
      });
      await until("it to answer again", async () => (await ask(west, "GET", "/v1/jobs?region=east"))?.status === 200);
      expect(idsOf((await ask(again, "GET", "/v1/jobs"))?.text)).toEqual(["there"]);
    }),
  MINUTE,
);

test(
  "regions that join know each other, on every server and over a change of leader; two of one name are refused",
  () =>
    inPlace(async (place) => {
      const east = await startRegion(place, "east", { flags: ["--server"] });
      const [one, two] = [
        await startServer(place, "one", { flags: ["--region", "west"] }),
        await startServer(place, "two", { flags: ["--region", "west"] }),
      ];
      await untilFollowing(two, one);
      place.agent = two;
      expect(place.ok("server", "join", `east=${east.address}`)).toBe("joined 1 region\n");
      const knows = (agent: Agent) => async () => (await ask(agent, "GET", "/v1/regions"))?.text === '["east","west"]';
      for (const agent of [east, one, two]) await until(`${agent.port} to know both`, knows(agent));
      expect((await ask(east, "PUT", "/v1/jobs?region=west", unplaceable("in-west")))?.status).toBe(200);
      await one.kill();
      await until("west to be led", async () => (await ask(two, "PUT", "/v1/jobs", unplaceable("again")))?.status === 200);
      expect(await knows(two)()).toBe(true);
      await until("west by its other server", async () => (await ask(east, "GET", "/v1/jobs?region=west"))?.status === 200);
      const twin = await startRegion(place, "east", { name: "twin", flags: ["--server"] });
      const namesake = await startRegion(place, "west", { name: "namesake", flags: ["--server"] });
      place.agent = two;
      for (const [address, message] of [
        [`east=${twin.address}`, /two regions are called "east": one at .*, another at/],
        [namesake.address, /two regions are called "west": this one, and another at/],
        [`north=${east.address}`, /is of region "east", not "north"/],
        ["north=http://127.0.0.1:1", /north=http:\/\/127\.0\.0\.1:1: /],
        ["nonsense", /is no address of a server/],
        [`west=${two.address}`, /of this very region/],
      ] as const) {
        const refused = place.cli("server", "join", address);
        expect([refused.status, message.test(refused.stderr) ? "told" : refused.stderr]).toEqual([1, "told"]);
      }
      expect((await ask(twin, "GET", "/v1/regions"))?.text).toBe('["east"]');
      const failed = await ask(two, "PUT", "/v1/agent/join?address=nonsense");
      expect([failed?.status, JSON.parse(failed?.text ?? "{}").num_joined]).toEqual([200, 0]);
    }),
  MINUTE,
);

test("a server whose config names its own region among the others does not start", () =>
  inPlace(async (place) => {
    const agent = await place.start({ flags: ["--region", "east", "--regions", "east=http://127.0.0.1:1"], isExpectedToFail: true });
    expect(await agent.ended()).toBe(1);
    expect(agent.log).toContain('server.regions names "east", which is this server\'s own region');
  }));
