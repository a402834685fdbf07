// Commands inside running tasks, over the connection that the node keeps: as a person uses them, and in Nomad's frames.

import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { executable, inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

test(
  "a command runs inside a task of a device: bytes, streams and exit status pass; mistakes are told in Nomad's words",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const device = await place.start({ name: "device", flags: ["--client", "--servers", server.address] });
      place.run(aService(), "--detach");
      const alloc = await place.untilAlloc("web", "running");
      // From here on everything goes by the device's own address, which hands it to its server, which asks the device.
      const done = place.cli("exec", "web", "--", "sh", "-c", 'echo "$WORD"; echo err >&2; exit 7');
      expect(done).toEqual({ status: 7, stdout: "from the job\n", stderr: "err\n" });
      writeFileSync(place.path("bytes"), randomBytes(3_000_000));
      const pipe = `"${executable}" exec web -- sh -c 'cat >copy; cat copy' <bytes | cmp - bytes`;
      expect(sh(place, pipe, { EDGECTL_ADDR: device.address })).toBe(0);
      const path = `/v1/client/allocation/${alloc.ID}/exec`;
      const command = encodeURIComponent('["true"]');
      for (const [name, address, status, text] of [
        [
          "unknown alloc",
          `/v1/client/allocation/aaaaaaaa-0000-4000-8000-000000000000/exec?task=main&command=${command}`,
          404,
          'Unknown allocation "aaaa',
        ],
        ["no task", `${path}?command=${command}`, 400, "task is not present"],
        ["unknown task", `${path}?task=none&command=${command}`, 404, 'task "none" is not running.'],
        ["no command", `${path}?task=main&command=[]`, 400, "command is not present"],
        ["no list", `${path}?task=main&command=ls`, 500, "failed to marshal command into json"],
        ["a long command", `${path}?task=main&command=${encodeURIComponent(JSON.stringify(["x".repeat(9000)]))}`, 413, "commandBytesMax"],
        ["tty", `${path}?task=main&tty=maybe&command=${command}`, 500, "tty value is not a boolean"],
      ] as const) {
        const reply = await place.request("GET", address, undefined, server);
        expect([name, reply.status, reply.text]).toEqual([name, status, expect.stringContaining(text)]);
      }
      for (const { address } of [server, device]) {
        const talk = await frames(
          `${address}${path}?task=main&tty=true&command=${encodeURIComponent('["sh","-c","stty size; read a; echo got $a; exit 3"]')}`,
          [{ tty_size: { height: 40, width: 99 } }, {}, { stdin: { data: Buffer.from("x\n").toString("base64") } }],
        );
        expect(talk.stdout).toContain("got x");
        expect(talk.last).toEqual({ exited: true, result: { exit_code: 3 } });
        expect(talk.code).toBe(1000);
      }
      // The node's own word comes as the reason of the end, also through the device.
      const refused = await frames(`${device.address}/v1/client/allocation/${alloc.ID}/exec?task=none&command=${command}`, []);
      expect([refused.code, refused.reason]).toEqual([1008, 'task "none" is not running.']);
      const action = place.cli("job", "action", "--job", "web", "greet");
      expect([action.status, action.stdout]).toEqual([5, "hello\n"]);
      // Its words see what the task's config sees; what a person types stays as it is.
      const told = place.cli("job", "action", "--job", "web", "tell");
      expect([told.status, told.stdout]).toEqual([0, 'web.g[0] from the job ${env["NOTHING"]} $HOME\n']);
      expect(place.cli("exec", "web", "--", "/bin/echo", "${NOMAD_ALLOC_NAME}").stdout).toBe("${NOMAD_ALLOC_NAME}\n");
      expect(place.cli("job", "action", "--job", "web", "none").stderr).toContain("it has greet, tell");
    }),
  MINUTE,
);

testWith(
  ["script"],
  "on a terminal: its size, Ctrl-C, the way out, and this terminal is afterwards as it was",
  () =>
    inPlace(async (place) => {
      await place.start();
      place.run(aService(), "--detach");
      await place.untilAlloc("web", "running");
      const shell = await onTerminal(place, [
        ["$ |# ", "stty size\n"],
        ["41 111", "sleep 1000\n"],
        ["sleep 1000", "\x03"],
        ["\\^C", "echo status $?\n"],
        ["status 130", "exit 6\n"],
      ]);
      expect(shell).toContain("code 6");
      expect(shell).toContain("restored");
      const left = await onTerminal(place, [["$ |# ", "\r~."]]);
      expect(left).toContain("code 255");
      expect(left).toContain("restored");
    }),
  MINUTE,
);

test(
  "a slow reader makes the command wait; a reader that is killed and an agent that is killed leave nothing of it",
  () =>
    inPlace(async (place) => {
      const agent = await place.start();
      place.run(aService(), "--detach");
      const alloc = await place.untilAlloc("web", "running");
      const own = place.taskPids(alloc.ID);
      const others = () => place.taskPids(alloc.ID).filter((pid) => !own.includes(pid));
      const env = { ...process.env, EDGECTL_ADDR: agent.address };
      const reader = spawn(executable, ["exec", "web", "--", "yes", "x".repeat(200)], { stdio: ["pipe", "pipe", "pipe"], env });
      await new Promise((resolve) => reader.stdout.once("data", resolve));
      reader.kill("SIGSTOP");
      await until("the command waits", async () => {
        const before = others().map(writtenBytes)[0] ?? 0;
        await Bun.sleep(300);
        return before > 0 && before === others().map(writtenBytes)[0];
      });
      expect(residentMb(agent.process.pid ?? 0)).toBeLessThan(250);
      reader.kill("SIGKILL");
      await until("nothing is left of the reader's command", () => others().length === 0);
      const lost = spawn(executable, ["exec", "web", "--", "sh", "-c", "trap '' HUP PIPE TERM; echo up; while :; do sleep 0.1; done"], {
        stdio: ["pipe", "pipe", "pipe"],
        env,
      });
      await new Promise((resolve) => lost.stdout.once("data", resolve));
      const ended = new Promise<number | null>((resolve) => lost.once("exit", resolve));
      await agent.kill();
      expect(await ended).toBe(255);
      expect(others().length).toBeGreaterThan(0);
      await place.start({ dataDirectory: agent.dataDirectory });
      await until("the next agent ended it", () => others().length === 0);
      expect(place.taskPids(alloc.ID)).toEqual(own);
    }),
  MINUTE,
);

// --- internal ---

function aService(): string {
  return shellJob({
    id: "web",
    type: "service",
    script: "echo up; exec sleep 100000",
    task: 'env = { WORD = "from the job", PRINTER = "/bin/echo" }\n[group.g.task.main.action.greet]\ncommand = "/bin/sh"\nargs = ["-c", "echo hello; exit 5"]\n[group.g.task.main.action.tell]\ncommand = "${env[\'PRINTER\']}"\nargs = ["${NOMAD_ALLOC_NAME}", "${env[\'WORD\']}", "${env[\\"NOTHING\\"]}", "$HOME"]',
  });
}

function sh(place: Place, script: string, env: Readonly<Record<string, string>>): number | null {
  return Bun.spawnSync(["sh", "-c", script], { cwd: place.folder, env: { ...process.env, ...env } }).exitCode;
}

interface Talk {
  readonly stdout: string;
  readonly last: unknown;
  readonly code: number;
  readonly reason: string;
}

/** One exchange of frames, to the end. */
function frames(url: string, sent: readonly object[]): Promise<Talk> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url.replace(/^http/, "ws"));
    let stdout = "";
    let last: unknown = null;
    socket.onopen = () => {
      for (const frame of sent) socket.send(JSON.stringify(frame));
    };
    socket.onmessage = ({ data }) => {
      last = JSON.parse(String(data));
      const { stdout: piece } = last as { stdout?: { data?: string } };
      stdout += Buffer.from(piece?.data ?? "", "base64").toString();
    };
    socket.onclose = ({ code, reason }) => resolve({ stdout, last, code, reason });
  });
}

/** The CLI on a terminal of its own, told what to type once it shows what is waited for. */
async function onTerminal(place: Place, steps: readonly (readonly [string, string])[]): Promise<string> {
  const script = place.write(
    "terminal.sh",
    `stty rows 41 cols 111; stty -g >before; "${executable}" exec web -- sh -i; echo "code $?"; stty -g >after; cmp before after && echo restored`,
  );
  const child = spawn("script", ["-qec", `sh ${script}`, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    cwd: place.folder,
    env: { ...process.env, EDGECTL_ADDR: place.agent.address, SHELL: "/bin/sh" },
  });
  let shown = "";
  let from = 0;
  child.stdout.on("data", (piece: Buffer) => {
    shown += piece;
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  for (const [wanted, typed] of steps) {
    await until(
      () => `the terminal to show ${wanted}; it shows ${shown}`,
      () => new RegExp(wanted).test(shown.slice(from)),
    );
    from = shown.length;
    child.stdin.write(typed);
  }
  await ended;
  return shown;
}

function writtenBytes(pid: number): number {
  return Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1000;
}
