// An agent that goes on as another program while its tasks run: what is refused, what goes back by itself, and what is left
// when the power is cut, or something is killed, at any point.

import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { SmallDisk } from "../faults/small-disk.ts";
import { minisign, minisignKey } from "../support/minisign.ts";
import { type Agent, executable, freePort, inPlace, isAlive, type Place, until } from "./place.ts";

const LONG = 180_000;
const SLEEPER = `id = "sleeper"
type = "service"
[group.a.task.t]
driver = "raw_exec"
config = { command = "/bin/sleep", args = ["100000"] }
resources = { cpu = 10, memory = 10 }
`;

/** A second name of the executable under test, which an upgrade may replace. */
function programIn(place: Place, name = "edgectl"): string {
  const path = place.path(name);
  try {
    linkSync(executable, path);
  } catch {
    copyFileSync(executable, path); // on another file system
  }
  return path;
}

/** A program that says that it is a newer edgectl, and does as it is told when it should be the agent. */
function impostor(place: Place, body: string, version = "9.0.0"): string {
  const said = JSON.stringify({ Version: version, Revision: "impostor" });
  const path = place.write("impostor", `#!/bin/sh\ncase "$1" in\nversion) echo '${said}';;\nagent) ${body};;\n*) exec ${executable} "$@";;\nesac\n`);
  return path;
}

interface Sleeping {
  readonly pid: number;
  readonly program: string;
}

async function startSleeping(place: Place, options: Parameters<Place["start"]>[0] = {}): Promise<Sleeping> {
  const program = programIn(place);
  await place.start({ program, ...options });
  expect(place.run(SLEEPER, "--detach").stderr).toBe("");
  const alloc = await place.untilAlloc("sleeper", "running");
  return { pid: place.taskPids(alloc.ID)[0] ?? 0, program };
}

async function expectUntouched(place: Place, { pid }: Sleeping): Promise<void> {
  expect(isAlive(pid)).toBe(true);
  const alloc = await place.untilAlloc("sleeper", "running");
  expect(alloc.TaskStates.t.Restarts).toBe(0);
  expect(place.taskPids(alloc.ID)).toContain(pid);
}

const upgrade = (place: Place, ...words: readonly string[]) => place.cli("agent", "upgrade", "--data-dir", place.agent.dataDirectory, ...words);
const status = (place: Place) => JSON.parse(upgrade(place, "--status", "--json").stdout);
const sum = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

test(
  "it becomes another program under the same pid, its task goes on, and it goes back when told to; what is no such program is refused",
  () =>
    inPlace(async (place) => {
      const key = minisignKey();
      const keyPath = place.write("key.pub", key.text);
      const sleeping = await startSleeping(place, { flags: ["--upgrade.key", keyPath, "--client.on-agent-stop", "stop"] });
      const { program } = sleeping;
      const before = statSync(program).ino;
      const next = programIn(place, "next");

      const elf = Buffer.from(readFileSync(executable).subarray(0, 64));
      elf.writeUInt16LE(elf.readUInt16LE(18) === 183 ? 62 : 183, 18);
      writeFileSync(place.path("arm"), elf);
      const older = impostor(place, "exit 1", "0.0.1");
      for (const [words, want] of [
        [["nowhere"], "there is no file nowhere"],
        [["."], "is no file"],
        [[place.write("text", "hello")], "is no executable"],
        [["arm"], "is for another processor"],
        [[place.write("script", "#!/bin/sh\nexit 3\n")], "is no edgectl that runs on this machine: it ended with 3"],
        [[older], "older than"],
        [["--checksum", "sha256:12", next], "is no SHA-256"],
        [["--checksum", `sha256:${"0".repeat(64)}`, next], "is not the file that was meant"],
        [["--key", keyPath, next], "a signature is asked for and none was given"],
        [[], "the file of the new program is missing"],
        [["--rollback"], "there is no program from before"],
        [["--healthy-within", "2h", next], "upgradeHealthyWithinMsMax"],
      ] as const) {
        // A refusal before the copy of what runs was made leaves none.
        if (words[0] === "--rollback") rmSync(`${program}.previous`, { force: true });
        const refused = upgrade(place, ...words);
        expect([words, refused.status, refused.stderr]).toEqual([words, 1, expect.stringContaining(want)]);
        expect([words, existsSync(`${program}.next`)]).toEqual([words, false]);
      }
      expect(upgrade(place, next).stdout).toContain("this very program runs already");
      expect(statSync(program).ino).toBe(before);
      expect(status(place)).toBeNull();

      // The agent's own key is asked for, whatever the command says.
      const unsigned = upgrade(place, "--force", next);
      expect([unsigned.status, unsigned.stdout]).toEqual([1, expect.stringContaining("a signature is asked for and none was given")]);
      expect(status(place).State).toBe("abandoned");
      await expectUntouched(place, sleeping);

      const signature = place.write("next.minisig", minisign(key, readFileSync(next)));
      const done = upgrade(place, "--force", "--signature", signature, "--checksum", sum(next), "--healthy-for", "200ms", next);
      expect([done.status, done.stdout, done.stderr]).toEqual([
        0,
        expect.stringContaining("is healthy"),
        expect.stringContaining("was given the place"),
      ]);
      await expectUntouched(place, sleeping);
      const { pid = 0 } = place.agent.process;
      const after = statSync(`/proc/${pid}/exe`).ino;
      expect([after === before, after === statSync(program).ino, statSync(`${program}.previous`).ino === before]).toEqual([false, true, true]);
      expect(place.agent.process.exitCode).toBeNull();
      expect(readdirSync(place.folder).filter((name) => /\.(?:next|upgrading|new)$/.test(name))).toEqual([]);

      const back = upgrade(place, "--rollback", "--signature", signature, "--healthy-for", "200ms", "--json");
      expect([back.status, back.stderr, JSON.parse(back.stdout || "{}").State]).toEqual([0, "", "healthy"]);
      expect(statSync(`/proc/${pid}/exe`).ino).not.toBe(after);
      await expectUntouched(place, sleeping);
    }),
  LONG,
);

test(
  "without room, or without the right to write, nothing changes",
  () =>
    inPlace(async (place) => {
      const mebibytes = Math.ceil(statSync(executable).size / 1_048_576);
      const disk = new SmallDisk(place.path("small"), mebibytes * 2 - 10);
      place.onClose(() => disk.close());
      const program = `${disk.folder}/edgectl`;
      copyFileSync(executable, program);
      await place.start({ program });
      const full = upgrade(place, "--force", programIn(place, "next"));
      expect([full.status, full.stderr]).toEqual([1, expect.stringContaining("there is no room for the new program")]);
      expect(readdirSync(disk.folder)).toEqual(["edgectl"]);
      expect(Bun.spawnSync(["mount", "-o", "remount,ro", disk.folder]).exitCode).toBe(0);
      const sealed = upgrade(place, "--force", place.path("next"));
      expect([sealed.status, sealed.stderr]).toEqual([1, expect.stringContaining("the new program cannot be put into")]);
      expect(status(place)).toBeNull();
      await place.untilUp(place.agent);
    }),
  LONG,
);

const RAISE = `d=$3; ${executable} internal-copy $d/server/state.db $d/server/state.db.schema-3; echo raised >> $d/server/state.db; exec sleep 1000`;

test.each([
  ["ends at once", "exit 1", "20s", "it ended by itself"],
  ["raises the state file and hangs", RAISE, "1s", "it does not answer"],
  ["serves as another node", `shift; exec ${executable} agent "$@" --data-dir "$2-other"`, "1s", "answers in its place"],
])(
  "a program that %s is not kept: the one before comes back, with its state file",
  (_name, body, within, reason) =>
    inPlace(async (place) => {
      const sleeping = await startSleeping(place);
      const before = statSync(sleeping.program).ino;
      const done = upgrade(place, "--healthy-within", within, "--healthy-for", "300ms", impostor(place, body));
      expect([done.status, done.stdout]).toEqual([1, expect.stringContaining(reason)]);
      expect(statSync(sleeping.program).ino).toBe(before);
      await place.untilUp({ ...place.agent, process: { exitCode: null } } as unknown as Agent);
      await expectUntouched(place, sleeping);
      const server = readdirSync(`${place.agent.dataDirectory}/server`);
      expect(server.some((name) => name.includes(".raised-"))).toBe(body === RAISE);
      expect(server.some((name) => name.includes("schema-3"))).toBe(false);
      expect(status(place).State).toBe("went-back");
    }),
  LONG,
);

test(
  "whoever is killed while it is under way is taken the place of: the watcher, the new agent, the command",
  () =>
    inPlace(async (place) => {
      const supervisor = ["/bin/sh", "-c", 'while :; do "$@"; sleep 0.1; done', "sh"];
      const sleeping = await startSleeping(place, { wrapper: supervisor });
      const next = programIn(place, "next");
      const told = upgrade(place, "--force", "--detach", "--healthy-for", "4s", next);
      expect([told.status, told.stdout]).toEqual([0, expect.stringContaining("the agent was told")]);
      const lock = (name: string) => {
        const path = `${place.agent.dataDirectory}/${name}`;
        return existsSync(path) ? Number(JSON.parse(readFileSync(path, "utf8"))[2]) : 0;
      };
      // While one program becomes the other nobody holds the directory; and 0 would be the test's own process group.
      const isUnderWay = () => status(place).State === "starting" && lock("upgrade.lock") > 0 && lock("lock") > 0;
      await until("the new program to run under a watcher", isUnderWay);
      const [watcher, agent] = [lock("upgrade.lock"), lock("lock")];
      expect([watcher > 0, agent > 0, watcher !== agent]).toEqual([true, true, true]);
      process.kill(watcher, "SIGKILL");
      await until("another to watch", () => ![0, watcher].includes(lock("upgrade.lock")));
      process.kill(agent, "SIGKILL");
      await until("the agent to be started again", () => ![0, agent].includes(lock("lock")));
      await until("the upgrade to end", () => status(place).State === "healthy", 60_000);
      await expectUntouched(place, sleeping);
      expect(statSync(`/proc/${lock("lock")}/exe`).ino).toBe(statSync(sleeping.program).ino);
    }),
  LONG,
);

/** What a power cut leaves, by the record's state and the files; what the next start makes of it. */
const CUTS: readonly (readonly [name: string, state: string, starts: number, isSwapped: boolean, want: "healthy" | "went-back" | "abandoned"])[] = [
  ["before the swap", "prepared", 0, false, "abandoned"],
  ["just before the rename", "swapping", 0, false, "abandoned"],
  ["just after the rename", "swapping", 0, true, "healthy"],
  ["while the new one starts", "starting", 1, true, "healthy"],
  ["after it was started too often", "starting", 6, true, "went-back"],
  ["just before it goes back", "going-back", 0, true, "went-back"],
  ["just after it went back", "going-back", 0, false, "went-back"],
];

test(
  "a power cut at any point leaves an agent that starts, as the one program or the other",
  () =>
    inPlace(async (place) => {
      const build = JSON.parse(place.ok("version", "--json"));
      const program = place.path("edgectl");
      // Two programs: one is a copy, the other a second name of the executable under test.
      copyFileSync(executable, place.path("old"));
      programIn(place, "new");
      const nodeId = "00000000-0000-4000-8000-000000000000";
      const agents = await Promise.all(
        CUTS.map(async ([name, state, starts, isSwapped, want], at) => {
          const [port, dataDirectory, own] = [await freePort(), place.path(`data-${at}`), `${program}-${at}`];
          mkdirSync(`${dataDirectory}/client`, { recursive: true });
          writeFileSync(`${dataDirectory}/client/node.key`, JSON.stringify({ id: nodeId, secret: "s".repeat(64), machineId: "" }));
          linkSync(place.path(isSwapped ? "new" : "old"), own);
          if (state === "prepared" || !isSwapped) linkSync(place.path("new"), `${own}.next`);
          if (isSwapped) linkSync(place.path("old"), `${own}.previous`);
          const to = { version: build.Version, revision: build.Revision, sha256: "", inode: statSync(place.path("new")).ino };
          const look = { version: "", revision: "", startId: "before", nodeId, health: {}, allocs: {} };
          const before = {
            look,
            address: `http://127.0.0.1:${port}`,
            argv: [],
            process: "",
            unit: "",
            isStartOwed: false,
            stateFile: "",
            schemaCopies: {},
          };
          const times = { preparedAtMs: 1, changedAtMs: 1, healthyWithinMs: 30_000, healthyForMs: 100 };
          const record = { id: name, state, reason: "", program: own, runner: [], from: to, to, signature: "", starts, ...times, before };
          writeFileSync(`${dataDirectory}/upgrade.json`, JSON.stringify(record));
          writeFileSync(`${own}.upgrading`, dataDirectory);
          const flags = ["--client", "--servers", "http://127.0.0.1:1"];
          const agent = await place.start({ name: `agent-${at}`, program: own, port, dataDirectory, flags, isExpectedToFail: true });
          return { name, want, own, agent };
        }),
      );
      for (const { name, want, own, agent } of agents) {
        const record = () => JSON.parse(readFileSync(`${agent.dataDirectory}/upgrade.json`, "utf8"));
        await until(
          () => `${name}: ${JSON.stringify(record())}\n${agent.log}`,
          () => record().state === want,
        );
        await until(`${name} to answer`, async () => (await fetch(`${agent.address}/v1/agent/self`).catch(() => null))?.status === 200);
        const runs = statSync(`/proc/${agent.process.pid}/exe`).ino;
        expect([name, runs, existsSync(`${own}.upgrading`)]).toEqual([name, statSync(place.path(want === "healthy" ? "new" : "old")).ino, false]);
      }
    }),
  LONG,
);
