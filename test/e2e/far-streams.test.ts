// Commands inside tasks, followed logs and files over every hop there is: a device, a server that stands by, its leader, another
// region's standby, its leader, the node.

import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { shellJob } from "./jobs.ts";
import { type Agent, executable, inPlace, type Place, until } from "./place.ts";
import { startServer, untilFollowing } from "./servers.ts";

const MINUTE = 60_000;

test(
  "exec, actions, logs, files and a node's log: through a standby, another region, and a device of this one",
  () =>
    inPlace(async (place) => {
      const east = await startServer(place, "east-1", { flags: ["--region", "east", "--store", `sqlite:${place.path("east.db")}`] });
      const eastStandby = await startServer(place, "east-2", { flags: ["--region", "east", "--store", `sqlite:${place.path("east.db")}`] });
      await untilFollowing(eastStandby, east);
      await place.start({ name: "node", flags: ["--client", "--region", "east", "--servers", eastStandby.address, "--name", "far"] });
      // The only server of east that west is told of stands by there.
      const west = ["--region", "west", "--regions", `east=${eastStandby.address}`];
      const leader = await startServer(place, "one", { flags: west });
      const standby = await startServer(place, "two", { flags: west });
      await untilFollowing(standby, leader);
      const device = await place.start({
        name: "device",
        flags: ["--client", "--region", "west", "--servers", standby.address, "--name", "near"],
        isExpectedToFail: true,
      });
      await place.untilUp(device);
      place.agent = east;
      await until("the far node to be ready", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      const nodeId = (await place.get("/v1/nodes"))[0].ID;
      place.run(`region = "east"\n${aTalker()}`, "--detach");
      const alloc = await place.untilAlloc("talk", "running");
      await until("its first lines", async () => (await place.logs(alloc.ID, "main")).includes("line 3\n"));

      for (const [agent, region] of [
        [eastStandby, []],
        [leader, ["--region", "east"]],
        [standby, ["--region", "east"]],
        [device, ["--region", "east"]],
      ] as const) {
        place.agent = agent;
        const via = `through ${agent.port} ${region.join(" ")}`;
        const talk = place.cliWith({ input: "said\n" }, "exec", ...region, "talk", "--", "sh", "-c", "read a; echo got $a; echo apart >&2; exit 3");
        expect([via, talk.status, talk.stdout, talk.stderr]).toEqual([via, 3, "got said\n", "apart\n"]);
        const action = place.cli("job", "action", ...region, "--job", "talk", "tell");
        expect([via, action.status, action.stdout]).toEqual([via, 0, "far says talk.g[0]\n"]);
        expect(place.ok("alloc", "fs", ...region, alloc.ID, "alloc/data/kept")).toBe("kept\n");
        // Megabytes through all of it, byte for byte.
        const sum = place.ok("exec", ...region, "talk", "--", "sh", "-c", "cat /alloc/data/many 2>/dev/null || cat $NOMAD_ALLOC_DIR/data/many");
        expect([via, sum.length]).toEqual([via, 3_000_000]);
        const followers = [
          follower(place, agent, ["logs", ...region, "-f", "-tail", "-n", "1", "talk"]),
          follower(place, agent, ["alloc", "fs", ...region, "-f", "-tail", "-n", "1", alloc.ID, "alloc/data/growing"]),
        ];
        const watcher = follower(place, agent, ["monitor", ...region, "--node-id", nodeId, "--log-level", "debug"]);
        for (const one of followers) await until(`${via}: lines as they come: ${one.text()}`, () => one.text().split("\n").length > 6);
        for (const one of followers) expect(isWithoutGap(one.text())).toBe(true);
        await until(`${via}: the node's log`, () => watcher.text().includes("a monitor was attached"));
        for (const one of [...followers, watcher]) one.stop();
        const gone = place.cli("exec", ...region, "-task", "none", "talk", "true");
        expect([via, gone.status, gone.stderr]).toEqual([via, 1, expect.stringContaining('no task "none"')]);
        const unknown = await fetch(
          `${agent.address}/v1/client/allocation/11111111-1111-1111-1111-111111111111/exec?task=main&command=%5B%22true%22%5D${region.length > 0 ? "&region=east" : ""}`,
        );
        expect([via, unknown.status, await unknown.text()]).toEqual([via, 404, 'Unknown allocation "11111111-1111-1111-1111-111111111111"']);
      }
      // What was followed ends with its readers: nothing of it stays on the node.
      await until("no command to be left", () => place.taskPids(alloc.ID).length <= 3);
    }),
  3 * MINUTE,
);

// --- internal ---

function aTalker(): string {
  const script = `echo kept > "$NOMAD_ALLOC_DIR/data/kept"
yes 123456789 | head -c 3000000 > "$NOMAD_ALLOC_DIR/data/many"
i=0
while :; do i=$((i + 1)); echo "line $i"; echo "line $i" >> "$NOMAD_ALLOC_DIR/data/growing"; sleep 0.1; done`;
  const task = '[group.g.task.main.action.tell]\ncommand = "/bin/echo"\nargs = ["${node.unique.name}", "says", "${NOMAD_ALLOC_NAME}"]';
  return shellJob({ id: "talk", type: "service", script, task });
}

function follower(place: Place, agent: Agent, words: readonly string[]) {
  const child = spawn(executable, words, { env: { ...process.env, EDGECTL_ADDR: agent.address }, stdio: ["ignore", "pipe", "inherit"] });
  place.onClose(() => child.kill("SIGKILL"));
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
  });
  return { text: () => text, stop: () => void child.kill("SIGINT") };
}

function isWithoutGap(text: string): boolean {
  const numbers = text
    .split("\n")
    .slice(0, -1)
    .map((line) => Number(line.slice("line ".length)));
  return numbers.every((number, at) => at === 0 || number === (numbers[at - 1] ?? 0) + 1);
}
