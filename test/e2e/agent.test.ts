// The agent as a process: settings and where they come from, systemd, nodes and servers apart, cloned identities.

import { expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { executable, inPlace, pidsWith, sleep, until } from "./place.ts";

const MINUTE = 60_000;

test(
  "flag wins over variable, variable over file, and each reaches the node",
  () =>
    inPlace(async (place) => {
      const config = place.write(
        "edgectl.toml",
        'datacenter = "from-file"\nname = "from-file"\n[client]\nnode_class = "from-file"\nmeta = { bed = "tomatoes" }\n',
      );
      const env = { EDGECTL_CLIENT_NODE_CLASS: "from-variable", EDGECTL_NAME: "from-variable" };
      await place.start({ flags: ["--config", config, "--name", "from-flag", "--meta", "row=3"], env });
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      const node = await place.get(`/v1/node/${(await place.get("/v1/nodes"))[0].ID}`);
      expect([node.Name, node.NodeClass, node.Datacenter]).toEqual(["from-flag", "from-variable", "from-file"]);
      expect(node.Meta).toMatchObject({ bed: "tomatoes", row: "3" });
    }),
  MINUTE,
);

const REFUSED: readonly (readonly [name: string, flags: readonly string[], file: string | null, says: RegExp])[] = [
  ["an unknown flag", ["--data-dri", "x"], null, /unknown flag --data-dri[\s\S]*did you mean --data-dir\?/],
  ["an unknown key", [], "[client]\nnode_clas = 'x'\n", /unknown setting "client.node_clas"[\s\S]*did you mean "client.node_class"\?/],
  ["a wrong type", [], "port = 'many'\n", /port: must be a whole number/],
  ["a wrong choice", ["--client.on-agent-stop", "maybe"], null, /"maybe" is not one of keep, stop/],
  ["a port out of range", ["--port", "70000"], null, /port 70000 is not between/],
  ["heartbeats without a pause", ["--server.min-heartbeat-ttl", "10ms"], null, /server\.min_heartbeat_ttl must be between 1s and 1h/],
  ["an address off loopback", ["--bind", "0.0.0.0"], null, /refusing to listen on 0\.0\.0\.0[\s\S]*--insecure/],
  ["a store that is none", ["--store", "mysql://x"], null, /a store of the kind "mysql:" is not supported/],
  ["a config file that is missing", ["--config", "/nowhere.toml"], null, /config file \/nowhere\.toml does not exist/],
  ["malformed TOML", [], "name = \n", /edgectl\.toml/],
];

test(
  "wrong settings are refused with what to do, before anything is touched",
  () =>
    inPlace(async (place) => {
      for (const [name, flags, file, says] of REFUSED) {
        const config = file === null ? [] : ["--config", place.write("edgectl.toml", file)];
        const data = place.path("never");
        const done = spawnSync(executable, ["agent", "--data-dir", data, ...flags, ...config], { encoding: "utf8", timeout: 10_000 });
        expect([name, done.status, says.test(done.stderr) ? "as expected" : done.stderr]).toEqual([name, 1, "as expected"]);
        expect(existsSync(data)).toBe(false);
      }
    }),
  MINUTE,
);

test(
  "--dev keeps nothing: neither data nor tasks",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--dev"] });
      const { config } = await place.get("/v1/agent/self");
      place.run(shellJob({ id: "gone", type: "service", script: "exec sleep 1000" }), "--detach");
      const alloc = await place.untilAlloc("gone", "running");
      expect(place.taskPids(alloc.ID).length).toBeGreaterThan(0);
      expect(existsSync(config.DataDir)).toBe(true);
      expect(await agent.stop("SIGINT")).toBe(0);
      expect(place.taskPids(alloc.ID)).toEqual([]);
      // Nor did a successor of the stopped task begin on the way out.
      expect(pidsWith(`NOMAD_ALLOC_DIR=${config.DataDir}`)).toEqual([]);
      expect(existsSync(config.DataDir)).toBe(false);
    }),
  MINUTE,
);

test(
  "logs are JSON lines when asked for",
  () =>
    inPlace(async (place) => {
      const agent = await place.start({ flags: ["--log-format", "json", "--log-level", "debug"] });
      const lines = agent.log
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(lines.length).toBeGreaterThan(1);
      for (const line of lines) expect(Object.keys(line).slice(0, 3)).toEqual(["time", "level", "message"]);
    }),
  MINUTE,
);

testWith(
  ["systemd-analyze"],
  "agent install writes a unit that systemd accepts, uninstall removes it",
  () =>
    inPlace(async (place) => {
      const systemRoot = place.path("system");
      mkdirSync(systemRoot);
      const run = (...words: string[]) => spawnSync(executable, ["agent", ...words, "--root", systemRoot], { encoding: "utf8", timeout: 120_000 });
      const installed = run("install", "--dc", "greenhouse", "--meta", "note=50% of $5");
      expect(installed.status).toBe(0);
      const unit = `${systemRoot}/etc/systemd/system/edgectl.service`;
      expect(readFileSync(unit, "utf8")).toContain("KillMode=process");
      expect(readFileSync(unit, "utf8")).toMatch(/^ExecReload=.*kill -HUP/m);
      expect(existsSync(`${systemRoot}/usr/local/bin/edgectl`)).toBe(true);
      // The units that ours stands among, so that its relations to them are checked as well.
      spawnSync("sh", ["-c", `mkdir -p ${systemRoot}/usr/lib/systemd && cp -r /usr/lib/systemd/system ${systemRoot}/usr/lib/systemd/`]);
      const verified = spawnSync("systemd-analyze", ["verify", "--man=no", `--root=${systemRoot}`, "edgectl.service"], { encoding: "utf8" });
      expect(`${verified.stdout}${verified.stderr}`.split("\n").filter((line) => line.includes("edgectl"))).toEqual([]);
      expect(run("uninstall").status).toBe(0);
      expect(existsSync(unit)).toBe(false);
    }),
  3 * MINUTE,
);

testWith(
  ["systemd-analyze", "python"],
  "systemd's own tool tells its socket when the agent is ready and when it stops",
  () =>
    inPlace(async (place) => {
      // systemd is not running here: the socket is a listener of the test's own, what is sent to it is the real thing.
      const listener = spawn(
        "python3",
        [
          "-c",
          "import socket,sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nwhile True:\n  print(s.recv(4096).decode(), flush=True)",
          place.path("socket"),
        ],
        { stdio: ["ignore", "pipe", "ignore"] },
      );
      place.onClose(() => listener.kill("SIGKILL"));
      let heard = "";
      listener.stdout.on("data", (chunk) => {
        heard += chunk;
      });
      await until("the listener", () => existsSync(place.path("socket")));
      const agent = await place.start({ env: { NOTIFY_SOCKET: place.path("socket") } });
      await until(
        () => `READY=1, heard ${heard}`,
        () => heard.includes("READY=1"),
      );
      await agent.stop();
      await until("STOPPING=1", () => heard.includes("STOPPING=1"));
      expect(heard.indexOf("READY=1")).toBeLessThan(heard.indexOf("STOPPING=1"));
    }),
  MINUTE,
);

test(
  "server and nodes in processes of their own: a job runs, survives a server that is gone, and is steered by the next",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const node = await place.start({ name: "node", flags: ["--client", "--servers", server.address, "--name", "far"] });
      place.agent = server;
      await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      expect(
        place.run(shellJob({ id: "far", type: "service", script: "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done" }), "--detach").status,
      ).toBe(0);
      const alloc = await place.untilAlloc("far", "running");
      const pids = place.taskPids(alloc.ID);
      await until("lines to come through the server", async () => (await place.logs(alloc.ID, "main")).includes("3\n"));
      // The node answers for itself, and hands everything else to its server.
      expect((await place.get("/v1/agent/self", node)).stats.client.node_id).toHaveLength(36);
      expect((await place.get("/v1/jobs", node))[0].ID).toBe("far");
      await server.kill();
      const lonely = await place.request("GET", "/v1/jobs", undefined, node);
      expect([lonely.status, decodeURIComponent(lonely.headers.get("x-edgectl-device-view") ?? "")]).toEqual([
        200,
        expect.stringContaining("this is what node far knows by itself"),
      ]);
      const change = await place.request("DELETE", "/v1/job/far", undefined, node);
      expect([change.status, change.text]).toEqual([500, expect.stringContaining("No cluster leader")]);
      await sleep(500);
      expect(place.taskPids(alloc.ID).filter((pid) => pids.includes(pid)).length).toBeGreaterThan(0);
      await place.start({ name: "server", port: server.port, dataDirectory: server.dataDirectory, flags: ["--server"] });
      await until(
        "the node to come back",
        async () => (await place.request("GET", `/v1/client/fs/logs/${alloc.ID}?task=main&type=stdout&plain=true`)).status === 200,
        40_000,
      );
      place.ok("stop", "far");
      await place.untilAlloc("far", "complete");
      expect(place.taskPids(alloc.ID)).toEqual([]);
    }),
  2 * MINUTE,
);

test(
  "a node that is killed is down after its grace, and its work moves",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const first = await place.start({ name: "first", flags: ["--client", "--servers", server.address, "--name", "first"] });
      place.agent = server;
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      place.run(shellJob({ id: "moves", type: "service", script: "exec sleep 1000" }), "--detach");
      const alloc = await place.untilAlloc("moves", "running");
      await place.start({ name: "second", flags: ["--client", "--servers", server.address, "--name", "second"] });
      place.agent = server;
      await first.kill();
      await until("the node to be down", async () => (await place.get(`/v1/node/${alloc.NodeID}`)).Status === "down", 40_000);
      await until("the work to move", async () => {
        const next = await place.alloc("moves");
        return next.NodeName === "second" && next.ClientStatus === "running";
      });
      expect((await place.get(`/v1/allocation/${alloc.ID}`)).ClientStatus).toBe("lost");
    }),
  2 * MINUTE,
);

test(
  "a node that lost its journal comes back as a new incarnation: what runs is taken up, what nobody wants any more is ended",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const startNode = () => place.start({ name: "node", flags: ["--client", "--servers", server.address, "--name", "forgetful"] });
      const node = await startNode();
      place.agent = server;
      await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
      place.run(shellJob({ id: "stays", type: "service", script: "exec sleep 1000" }), "--detach");
      place.run(shellJob({ id: "goes", type: "service", script: "exec sleep 1000" }), "--detach");
      place.run(shellJob({ id: "ends", type: "batch", script: "sleep 3; echo done" }), "--detach");
      const allocs = [];
      for (const id of ["stays", "goes", "ends"]) allocs.push(await place.untilAlloc(id, "running"));
      const [stays, goes, ends] = allocs.map((alloc) => ({ id: alloc.ID as string, pids: place.taskPids(alloc.ID) }));
      await node.kill();
      rmSync(`${node.dataDirectory}/client/client.journal`);
      place.ok("stop", "--purge", "--detach", "goes");
      // The server still shows the purged job's alloc to its node: as long as it does, its order says stop.
      await startNode();
      place.agent = server;
      await until("the new life", async () =>
        (await place.get(`/v1/node/${(await place.get("/v1/nodes"))[0].ID}`)).Events.some((event: { Message: string }) =>
          event.Message.endsWith("without its memory: incarnation 2"),
        ),
      );
      await until("the stopped one to end", () => place.taskPids(goes?.id ?? "").length === 0);
      expect((await place.untilAlloc("ends", "complete", 20_000)).ID).toBe(ends?.id);
      expect(await place.logs(ends?.id ?? "", "main")).toBe("done\n");
      expect((await place.untilAlloc("stays", "running")).ID).toBe(stays?.id);
      expect(place.taskPids(stays?.id ?? "")).toEqual(stays?.pids ?? []);
    }),
  MINUTE,
);

test(
  "what runs in a folder that neither journal nor server knows is ended",
  () =>
    inPlace(async (place) => {
      const first = await place.start({ flags: ["--name", "one"] });
      place.run(shellJob({ id: "stray", type: "service", script: "exec sleep 1000" }), "--detach");
      const alloc = await place.untilAlloc("stray", "running");
      expect(place.taskPids(alloc.ID).length).toBeGreaterThan(0);
      await first.kill();
      // Another server's state and another node's memory over the same folder of allocations.
      rmSync(`${first.dataDirectory}/client`, { recursive: true });
      rmSync(`${first.dataDirectory}/server`, { recursive: true });
      const second = await place.start({ flags: ["--name", "one"] });
      await until("the stray to end", () => place.taskPids(alloc.ID).length === 0);
      await until("its files to go", () => !existsSync(`${second.dataDirectory}/alloc/${alloc.ID}`));
      expect(second.log).toContain("an allocation that nobody knows any more is ended");
    }),
  MINUTE,
);

test(
  "a copied identity is noticed: both are named, the later is refused, the first goes on",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const original = await place.start({ name: "original", flags: ["--client", "--servers", server.address, "--name", "original"] });
      place.agent = server;
      await until("the node", async () => (await place.get("/v1/nodes")).length === 1);
      mkdirSync(place.path("data-copy/client"), { recursive: true });
      copyFileSync(`${original.dataDirectory}/client/node.key`, place.path("data-copy/client/node.key"));
      const copy = await place.start({ name: "copy", flags: ["--client", "--servers", server.address, "--name", "copy"], isExpectedToFail: true });
      place.agent = server;
      await until("the copy to be told", () => copy.log.includes("has a copy of its identity"), 15_000);
      expect(copy.log).toMatch(
        /in use by original .*copy \(machine .*\) has a copy of its identity \(on the copy: stop the agent, run `edgectl node reset-identity`/,
      );
      expect(server.log).toContain("a node was refused");
      expect(original.log).not.toContain("not connected");
      expect((await place.get("/v1/nodes")).map((node: { Name: string; Status: string }) => [node.Name, node.Status])).toEqual([
        ["original", "ready"],
      ]);
    }),
  MINUTE,
);
