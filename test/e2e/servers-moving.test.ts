// Three servers, nodes that know two of them or one, and the death of the one that they hang on.

import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { shellJob } from "./jobs.ts";
import { type Agent, executable, inPlace, type Place, until } from "./place.ts";
import { startServer, untilFollowing, untilLeading } from "./servers.ts";

const MINUTE = 60_000;

test(
  "a server that passed nodes on is killed: who knows another goes there, who does not waits for it; nothing is restarted or lost",
  () =>
    inPlace(async (place) => {
      const leader = await startServer(place, "one", { flags: PATIENT });
      const middle = await startServer(place, "two", { flags: PATIENT });
      const third = await startServer(place, "three", { flags: PATIENT });
      for (const standby of [middle, third]) await untilFollowing(standby, leader);
      const knowing = await place.start({ name: "knowing", flags: nodeFlags("knowing", [middle, third]) });
      const loyal = await place.start({ name: "loyal", flags: nodeFlags("loyal", [middle]) });
      place.agent = third;
      await until("both nodes to be ready", async () => (await nodesThat(place, "ready")).length === 2);
      const allocs = [];
      for (const node of ["knowing", "loyal"]) {
        place.run(
          jobOn(node, `stay-${node}`, 'echo begun >> "$NOMAD_ALLOC_DIR/data/starts"; i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05; done'),
          "--detach",
        );
        place.run(jobOn(node, `end-${node}`, `while [ ! -e ${place.path("go")} ]; do sleep 0.05; done; exit 7`, "batch"), "--detach");
        allocs.push(await place.untilAlloc(`stay-${node}`, "running"));
        await place.untilAlloc(`end-${node}`, "running");
      }
      const pids = allocs.map((alloc) => place.taskPids(alloc.ID).length);
      const shells = allocs.map((alloc) => Math.min(...place.taskPids(alloc.ID)));
      const follower = beside(place, third, ["logs", "-f", "stay-knowing"]);
      const command = beside(place, third, ["exec", "stay-knowing", "--", "sh", "-c", "echo here; exec sleep 1000"]);
      await until("lines and a command", () => follower.text().includes("\n20\n") && command.text() === "here\n");

      await middle.kill();
      place.write("go", "");
      // The command ends with its connection, and says so; it is not begun again.
      await until(
        () => `the command to end: ${command.errors()}`,
        () => command.status() !== null,
      );
      expect([command.status() === 0, command.errors()]).toEqual([false, expect.stringMatching(/the connection to node \S+ ended/)]);
      await until("the one that knows another to be back", async () => (await health(knowing)) === 200);
      expect(
        (await place.untilAlloc("end-knowing", "failed")).TaskStates.main.Events.some((event: { ExitCode: number }) => event.ExitCode === 7),
      ).toBe(true);
      // The log goes on where it was, without a gap and without anything twice.
      const seen = lastNumber(follower.text());
      await until("the log to go on", () => lastNumber(follower.text()) > seen + 40, 30_000);
      const numbers = follower.text().trim().split("\n").map(Number);
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => at + 1));
      // The other has no server, and nobody made up an end for what it runs.
      expect(await health(loyal)).toBe(500);
      expect((await place.alloc("end-loyal")).ClientStatus).toBe("running");

      const again = await startServer(place, "two", { port: middle.port, dataDirectory: middle.dataDirectory, flags: PATIENT });
      place.agent = third;
      await untilFollowing(again, leader);
      await until("the loyal node to be back", async () => (await health(loyal)) === 200, 40_000);
      const told = await place.untilAlloc("end-loyal", "failed");
      expect(told.TaskStates.main.Events.some((event: { ExitCode: number }) => event.ExitCode === 7)).toBe(true);
      for (const [at, alloc] of allocs.entries()) {
        const now = await place.get(`/v1/allocation/${alloc.ID}`);
        expect([now.ClientStatus, now.TaskStates.main.Restarts]).toEqual(["running", 0]);
        expect(place.ok("alloc", "fs", alloc.ID, "alloc/data/starts")).toBe("begun\n");
        expect([place.taskPids(alloc.ID).length <= (pids[at] ?? 0) + 1, place.taskPids(alloc.ID).includes(shells[at] ?? 0)]).toEqual([true, true]);
      }
      expect((await nodesThat(place, "ready")).length).toBe(2);
      // Who moved stays where it is: the server that came back has the loyal node alone.
      await again.kill();
      await until("the loyal node to have no server", async () => (await health(loyal)) === 500);
      expect(await health(knowing)).toBe(200);
      // The leader itself dies: what is open ends with its reason, and what comes after goes to the next one.
      const last = beside(place, third, ["exec", "stay-knowing", "--", "sh", "-c", "echo here; exec sleep 1000"]);
      await until("a command", () => last.text() === "here\n");
      await leader.kill();
      await until("the command to end", () => last.status() !== null, 30_000);
      expect([last.status() === 0, last.errors()]).toEqual([
        false,
        expect.stringContaining("the connection was lost: how the command ended is not known"),
      ]);
      await untilLeading(third);
      await until("the node to be back", async () => (await health(knowing)) === 200, 30_000);
      expect(place.ok("exec", "stay-knowing", "--", "echo", "again")).toBe("again\n");
      const far = lastNumber(follower.text());
      await until("the log to go on", () => lastNumber(follower.text()) > far + 40, 30_000);
      const all = follower.text().trim().split("\n").map(Number);
      expect(all).toEqual(Array.from({ length: all.length }, (_, at) => at + 1));
      follower.stop();
    }),
  3 * MINUTE,
);

// --- internal ---

/** The nodes are waited for longer than the test takes. */
const PATIENT = ["--server.heartbeat-grace", "5m"];

function nodeFlags(name: string, servers: readonly Agent[]): string[] {
  return ["--client", "--servers", servers.map((server) => server.address).join(","), "--name", name];
}

function jobOn(node: string, id: string, script: string, type = "service"): string {
  const top = `[[constraint]]\nattribute = "\${node.unique.name}"\nvalue = "${node}"`;
  const group = 'restart = { attempts = 0, mode = "fail" }\nreschedule = { attempts = 0, unlimited = false }';
  return shellJob({ id, type, script, top, group });
}

async function nodesThat(place: Place, status: string): Promise<readonly unknown[]> {
  return (await place.get("/v1/nodes")).filter((node: { Status: string }) => node.Status === status);
}

async function health(agent: Agent): Promise<number> {
  return (await fetch(`${agent.address}/v1/agent/health`)).status;
}

function lastNumber(text: string): number {
  return Number(text.trim().split("\n").at(-1));
}

function beside(place: Place, agent: Agent, words: readonly string[]) {
  const child = spawn(executable, words, { env: { ...process.env, EDGECTL_ADDR: agent.address }, stdio: ["pipe", "pipe", "pipe"] });
  place.onClose(() => child.kill("SIGKILL"));
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (data) => (said[name] += data));
  return { text: () => said.stdout, errors: () => said.stderr, status: () => child.exitCode, stop: () => void child.kill("SIGKILL") };
}
