// Agents that are killed: tasks go on, output is whole, nothing starts twice, acknowledged writes stay.

import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { findPart, testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { inPlace, isAlive, type Place, sleep, until } from "./place.ts";

const MINUTE = 60_000;
const KILLS = 10;
const BIG_LOGS = "logs = { max_files = 20, max_file_size = 100 }";

async function restart(place: Place): Promise<void> {
  const { port, dataDirectory } = place.agent;
  await place.agent.kill();
  await place.start({ port, dataDirectory });
}

test(
  "two million lines are whole although the agent is killed ten times meanwhile",
  () =>
    inPlace(async (place) => {
      await place.start();
      const count = "i=0; while [ $i -lt 200 ]; do seq $((i * 10000 + 1)) $(((i + 1) * 10000)); i=$((i + 1)); sleep 0.05; done";
      place.run(shellJob({ id: "count", script: count, task: BIG_LOGS, group: "ephemeral_disk = { size = 3000 }" }), "--detach");
      await place.untilAlloc("count", "running");
      for (let kill = 0; kill < KILLS; kill++) {
        await sleep(300);
        await restart(place);
      }
      await place.untilAlloc("count", "complete", 90_000);
      const out = place.ok("logs", "--all", "count");
      let [lines, wrong] = [0, 0];
      for (const line of out.split("\n").slice(0, -1)) if (line !== String(++lines)) wrong += 1;
      expect([lines, wrong]).toEqual([2_000_000, 0]);
    }),
  3 * MINUTE,
);

test(
  "ten kills during a run of jobs: the same pids, no second start, no lost job",
  () =>
    inPlace(async (place) => {
      await place.start();
      const jobs = Array.from({ length: 8 }, (_, at) => `steady-${at}`);
      for (const id of jobs)
        place.run(shellJob({ id, type: "service", script: `echo start $$ >> "$NOMAD_ALLOC_DIR/data/starts"; exec sleep 1000` }), "--detach");
      const allocs = await Promise.all(jobs.map((id) => place.untilAlloc(id, "running")));
      const pids = allocs.map((alloc) => place.taskPids(alloc.ID).sort());
      for (let kill = 0; kill < KILLS; kill++) {
        const late = `late-${kill}`;
        place.run(shellJob({ id: late, type: "service", script: `echo start >> "$NOMAD_ALLOC_DIR/data/starts"; exec sleep 1000` }), "--detach");
        jobs.push(late);
        // At a different moment each time: before, while and after the new task starts.
        await sleep(kill * 7);
        await restart(place);
      }
      for (const id of jobs) {
        const alloc = await place.untilAlloc(id, "running");
        const starts = readFileSync(`${place.agent.dataDirectory}/alloc/${alloc.ID}/alloc/data/starts`, "utf8");
        expect(`${id}: ${starts.trim().split("\n").length} start`).toBe(`${id}: 1 start`);
      }
      expect(allocs.map((alloc) => place.taskPids(alloc.ID).sort())).toEqual(pids);
      for (const id of jobs) place.ok("stop", "--detach", id);
      for (const id of jobs) await place.untilAlloc(id, "complete");
      expect(pids.flat().filter(isAlive)).toEqual([]);
    }),
  2 * MINUTE,
);

test(
  "a task that ended while no agent ran is reported with its true exit code",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(
        shellJob({
          id: "alone",
          script: "sleep 0.8; exit 5",
          group: 'restart = { attempts = 0, mode = "fail" }\nreschedule = { attempts = 0, unlimited = false }',
        }),
        "--detach",
      );
      await place.untilAlloc("alone", "running");
      const { port, dataDirectory } = place.agent;
      await place.agent.kill();
      await sleep(1200);
      await place.start({ port, dataDirectory });
      const alloc = await place.untilAlloc("alone", "failed");
      expect(JSON.stringify(alloc.TaskStates.main.Events)).toContain("Exit Code: 5");
    }),
  MINUTE,
);

test(
  "a follower of a log goes on over a restart of the agent, byte for byte",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(shellJob({ id: "tail", script: "i=0; while [ $i -lt 60 ]; do i=$((i + 1)); echo $i; sleep 0.05; done" }), "--detach");
      await place.untilAlloc("tail", "running");
      const { spawn } = await import("node:child_process");
      const { executable } = await import("./place.ts");
      const follower = spawn(executable, ["logs", "-f", "tail"], {
        env: { ...process.env, EDGECTL_ADDR: place.agent.address },
        stdio: ["ignore", "pipe", "inherit"],
      });
      let seen = "";
      follower.stdout.on("data", (chunk) => {
        seen += chunk;
      });
      await until("some lines", () => seen.includes("5\n"));
      await restart(place);
      await until(
        () => `all lines, got ${JSON.stringify(seen.slice(-40))}`,
        () => seen.endsWith("60\n"),
        30_000,
      );
      follower.kill("SIGKILL");
      expect(seen).toBe(Array.from({ length: 60 }, (_, at) => `${at + 1}\n`).join(""));
    }),
  MINUTE,
);

test(
  "every acknowledged registration of a thousand is there after kills at random moments",
  () =>
    inPlace(async (place) => {
      await place.start();
      const acknowledged: string[] = [];
      let next = 0;
      let isDone = false;
      const job = (id: string) => ({
        Job: {
          ID: id,
          Type: "batch",
          TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" }, Resources: { CPU: 900_000 } }] }],
        },
      });
      const client = async () => {
        while (next < 1000) {
          const id = `r-${next++}`;
          const reply = await place.request("PUT", "/v1/jobs", job(id)).catch(() => null);
          if (reply?.status === 200) acknowledged.push(id);
          else await sleep(20);
        }
      };
      const killer = async () => {
        const { port, dataDirectory } = place.agent;
        while (!isDone) {
          await sleep(50 + Math.random() * 250);
          await place.agent.kill();
          await place.start({ port, dataDirectory });
        }
      };
      const killing = killer();
      await Promise.all(Array.from({ length: 8 }, client));
      isDone = true;
      await killing;
      await restart(place);
      const there = new Set((await place.get("/v1/jobs")).map((stub: { ID: string }) => stub.ID));
      expect(acknowledged.length).toBeGreaterThan(200);
      expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
    }),
  2 * MINUTE,
);

testWith(
  ["strace"],
  "an fdatasync of the WAL stands between a registration and its answer",
  () =>
    inPlace(async (place) => {
      const trace = place.path("trace");
      await place.start({ wrapper: ["strace", "-f", "-y", "-s", "200", "-e", "trace=fdatasync,sendto,write,writev,recvfrom,read", "-o", trace] });
      const marker = "traced-registration";
      const reply = await place.request("PUT", "/v1/jobs", {
        Job: {
          ID: marker,
          Type: "batch",
          TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", Driver: "raw_exec", Config: { command: "/bin/true" }, Resources: { CPU: 900_000 } }] }],
        },
      });
      expect(reply.status).toBe(200);
      await until("the answer in the trace", () => readFileSync(trace, "utf8").includes("EvalCreateIndex"));
      const lines = readFileSync(trace, "utf8").split("\n");
      const asked = lines.findIndex((line) => line.includes(`PUT /v1/jobs`));
      const answered = lines.findIndex((line, at) => at > asked && line.includes("HTTP/1.1 200 OK"));
      const synced = lines.findIndex((line, at) => at > asked && /fdatasync.*state\.db-wal.*= 0|fdatasync resumed.*= 0/.test(line));
      expect(asked).toBeGreaterThanOrEqual(0);
      expect(synced).toBeGreaterThan(asked);
      expect(answered).toBeGreaterThan(synced);
    }),
  MINUTE,
);

for (const shell of ["dash", "bash", "busybox"] as const) {
  testWith(
    [shell],
    `the shim works under ${shell}: logs, exit code, SIGINT, survival of the agent`,
    () =>
      inPlace(async (place) => {
        mkdirSync(place.path("bin"));
        const found = findPart(shell).kind === "present" ? Bun.which(shell) : null;
        if (!found) throw new Error(`${shell} is present but not on the path`);
        symlinkSync(found, place.path("bin/sh"));
        if (shell === "busybox") for (const tool of ["setsid", "mv", "sync"]) symlinkSync(found, place.path(`bin/${tool}`));
        const env = { PATH: `${place.path("bin")}:${process.env.PATH}` };
        await place.start({ env });
        place.run(
          shellJob({
            id: "code",
            script: 'echo "$0 says hello"; exit 9',
            group: 'restart = { attempts = 0, mode = "fail" }\nreschedule = { attempts = 0, unlimited = false }',
          }),
          "--detach",
        );
        const alloc = await place.untilAlloc("code", "failed");
        expect(JSON.stringify(alloc.TaskStates.main.Events)).toContain("Exit Code: 9");
        expect(await place.logs(alloc.ID, "main")).toContain("says hello");
        place.run(
          shellJob({ id: "int", type: "service", script: "trap 'echo got it; exit 0' INT; echo up; while :; do sleep 0.05; done" }),
          "--detach",
        );
        const running = await place.untilAlloc("int", "running");
        await until("the trap", async () => (await place.logs(running.ID, "main")).includes("up"));
        const { port, dataDirectory } = place.agent;
        await place.agent.kill();
        await place.start({ port, dataDirectory, env });
        await until("the node to have joined", async () => (await place.get("/v1/agent/health")).client.ok);
        place.ok("stop", "int");
        await place.untilAlloc("int", "complete");
        expect(await place.logs(running.ID, "main")).toContain("got it");
      }),
    MINUTE,
  );
}
