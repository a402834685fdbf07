// External drivers that lie, babble, hang up or die: the agent goes on, says why, and starts nothing twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskVolume } from "../../internal/device/volumes.ts";
import type { DriverState } from "../../internal/runner/drivers/driver.ts";
import { Bench } from "./driver-bench.ts";
import { openExternal } from "./external-kit.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();

/** Answers what it is asked; `lines` decide what comes of some methods. */
const driver = (lines: string) => `#!/bin/sh
echo begun >>../../../lives
while read -r line; do
  id=\${line#*:}; id=\${id%%,*}
  case $line in
${lines}
    *'"method":"hello"'*) echo "{\\"id\\":$id,\\"result\\":{\\"protocol\\":1,\\"config\\":{\\"command\\":\\"string\\",\\"args\\":\\"list\\"}}}" ;;
    *'"method":"fingerprint"'*) echo "{\\"id\\":$id,\\"result\\":{\\"healthy\\":true}}" ;;
    *'"method":"recover"'*) echo "{\\"id\\":$id,\\"result\\":{\\"state\\":\\"unknown\\"}}" ;;
    *) echo "{\\"id\\":$id,\\"result\\":{}}" ;;
  esac
done
`;

/** [what, its text, what its health says] */
const NEVER_HEALTHY: readonly (readonly [string, string, RegExp])[] = [
  ["garbage", driver("    *) echo garbage ;;"), /no JSON: garbage/],
  ["an endless line", driver("    *) exec head -c 400000 /dev/zero ;;"), /longer than 262144 characters \(driverLineCharsMax\)/],
  ["an answer to nobody", driver(`    *) echo '{"id":99,"result":{}}' ;;`), /answered 99, which nobody asked/],
  ["another protocol", driver(`    *hello*) echo "{\\"id\\":$id,\\"result\\":{\\"protocol\\":7}}" ;;`), /speaks protocol 7/],
  ["its end", driver("    *) echo no such library >&2; exit 4 ;;"), /it ended with 4 \("no such library"\)/],
  ["events without end", driver(`    *) while :; do echo '{"event":"log","params":{}}'; done ;;`), /more than 100 events/],
  ["nothing that runs", "#!/nowhere/interpreter\n", /could not be started/],
];

async function withDriver(text: string, body: (bench: Bench, open: () => ReturnType<typeof openExternal>) => Promise<void>): Promise<void> {
  // An agent lives while its drivers pause; nothing of theirs keeps it alive.
  const alive = setInterval(() => undefined, 1000);
  await withFolder(runtime, async (folder) => {
    const path = `${folder}/mine`;
    runtime.files.writeText(path, text);
    runtime.files.chmod(path, 0o755);
    const open = () => openExternal(runtime, folder, path);
    const kit = { name: "mine", missing: null, open, script: () => ({}), absent: () => ({}), hasShim: false, workDirectory: (task: string) => task };
    await body(new Bench(runtime, folder, kit), open);
  }).finally(() => clearInterval(alive));
}

for (const [what, text, words] of NEVER_HEALTHY)
  test(`an external driver that answers with ${what} is unhealthy, told why, and tried again after a pause`, { timeout: 30_000 }, () =>
    withDriver(text, async (bench, open) => {
      const states: DriverState[] = [];
      const mine = open();
      mine.watch?.((state) => states.push(state));
      await bench.until("it is told twice", () => states.length >= 2);
      mine.stop?.();
      for (const state of states.slice(0, 2)) {
        assert.equal(state.healthy, false);
        assert.match(state.description, words);
        assert.match(state.description, /started again after (?:0\.25|0\.5) s/);
      }
    }),
  );

test("an external driver that says nothing is unhealthy after as long as an agent waits", { timeout: 40_000 }, () =>
  withDriver(driver("    *) ;;"), async (_bench, open) => {
    const mine = open();
    const state = await new Promise<DriverState>((resolve) => mine.watch?.(resolve));
    mine.stop?.();
    assert.equal(state.healthy, false);
    assert.match(state.description, /it did not answer "hello" within 10 s; it is started again after 0.25 s/);
  }),
);

test(
  "an external driver that dies while it starts a task: the start fails with the reason, and the next life is asked for the task",
  { timeout: 30_000 },
  () =>
    withDriver(driver(`    *'"method":"start"'*) echo lost its way >&2; exit 1 ;;`), async (bench, open) => {
      const mine = open();
      await assert.rejects(mine.start(bench.request(mine, { command: "x" })), /died while it started the task: it ended with 1 \("lost its way"\)/);
      assert.equal(runtime.files.readText(`${bench.folder}/lives`), "begun\nbegun\n");
      assert.equal(await mine.recover({ allocId: bench.allocId, task: { name: "main" }, attempt: 1 }), null);
      mine.stop?.();
    }),
);

test("an external driver that refuses a task, or gives a handle without end: the start fails, the driver lives", { timeout: 30_000 }, () =>
  withDriver(
    driver(`    *'"command":"refuse"'*) echo "{\\"id\\":$id,\\"error\\":{\\"code\\":\\"invalid\\",\\"message\\":\\"not on sundays\\"}}" ;;
    *'"command":"long"'*) echo "{\\"id\\":$id,\\"result\\":{\\"handle\\":\\"$(head -c 20000 /dev/zero | tr '\\0' x)\\"}}" ;;`),
    async (bench, open) => {
      const mine = open();
      await assert.rejects(mine.start(bench.request(mine, { command: "refuse" })), /not on sundays/);
      await assert.rejects(mine.start(bench.request(mine, { command: "long" })), /driverHandleCharsMax/);
      await assert.rejects(mine.start(bench.request(mine, { command: "x", speed: 1 })), /no config key "speed"/);
      assert.equal(runtime.files.readText(`${bench.folder}/lives`), "begun\n");
      mine.stop?.();
    },
  ),
);

/** A driver of one task that never ends; `line` is what it does when it is asked for the way in. */
const withTask = (line: string, abilities = "exec") =>
  driver(`    *'"method":"hello"'*) echo "{\\"id\\":$id,\\"result\\":{\\"protocol\\":1,\\"abilities\\":[\\"${abilities}\\"],\\"config\\":{}}}" ;;
    *'"method":"wait"'*) ;;
    *'"method":"recover"'*) echo "{\\"id\\":$id,\\"result\\":{\\"state\\":\\"running\\"}}" ;;
    *'"method":"exec"'*) ${line} ;;`);
const answers = (result: string) => withTask(`printf '{"id":%s,"result":%s}\\n' "$id" '${result.replaceAll("'", "'\\''")}'`);

/** [what, its text, what whoever wants the command is told] */
const NO_WAY_IN: readonly (readonly [string, string, RegExp])[] = [
  [
    "without saying that it can",
    withTask("echo never", "stats"),
    /the driver chroot runs no commands in its tasks: it does not say "exec" among its abilities/,
  ],
  ["by a word instead of a list", answers(`{"enter":"nsenter"}`), /does not say how a command gets into its task: `enter` is no list of strings/],
  ["by numbers", answers(`{"enter":[1,null]}`), /`enter` is no list of strings/],
  ["by words with a NUL", answers(`{"enter":["a\\u0000b"]}`), /`enter` is no list of strings/],
  ["by words without end", answers(`{"enter":["${"x".repeat(17_000)}"]}`), /`enter` is longer than 16384 bytes \(driverEnterBytesMax\)/],
  ["with an environment that is a list", answers(`{"env":["A=1"]}`), /`env` is no map of strings/],
  ["with an environment of numbers", answers(`{"env":{"A":1}}`), /`env` is no map of strings/],
  ["with a name that is none", answers(`{"env":{"A=B":"1"}}`), /`env` is no map of strings/],
  [
    "with an environment without end",
    answers(`{"env":{"A":"${"x".repeat(66_000)}"}}`),
    /`env` is longer than 65536 bytes \(driverEnterEnvBytesMax\)/,
  ],
  ["in a place that is none", answers(`{"cwd":"here"}`), /`cwd` is no absolute path/],
  ["as a user that is a number", answers(`{"user":0}`), /`user` is no string/],
  ["as nobody that is there", answers(`{"user":"no-such-user"}`), /user "no-such-user"/],
  [
    "with a refusal",
    withTask(`echo "{\\"id\\":$id,\\"error\\":{\\"code\\":\\"invalid\\",\\"message\\":\\"not in this task\\"}}"`),
    /not in this task/,
  ],
  ["with its death", withTask("echo lost its way >&2; exit 3"), /the driver chroot does not run: it ended with 3 \("lost its way"\)/],
  // For as long as an agent waits.
  ["with nothing", withTask(":"), /the driver chroot does not run: it did not answer "exec" within 10 s/],
];

for (const [what, text, words] of NO_WAY_IN)
  test(`an external driver that answers a command ${what}: whoever wants it is told, and the task runs on`, { timeout: 40_000 }, () =>
    withDriver(text, async (bench, open) => {
      const mine = open();
      const handle = await mine.start(bench.request(mine, {}));
      await assert.rejects(async () => handle.exec?.({ command: ["/bin/true"], terminal: null }), words);
      const ended = await Promise.race([handle.exited, runtime.clock.sleep(400).then(() => "it runs")]);
      assert.equal(ended, "it runs");
      mine.stop?.();
    }),
  );

const WAY = { enter: ["/bin/sh", "-c", 'cd /usr && exec "$@"', "way"], env: { A: "it's $HOME" } };

/** [what of a volume, the driver's abilities, what the job's author is told] */
const NO_VOLUME: readonly (readonly [string, Partial<TaskVolume>, string, RegExp])[] = [
  ["at all", {}, "exec", /the driver chroot cannot give a task volumes: it does not say "volumes" among its abilities/],
  [
    "for containers",
    { propagation: "bidirectional" },
    "volumes",
    /volume "data" of a task of chroot: `propagation_mode = "bidirectional"` is for containers/,
  ],
  ["with a label", { selinuxLabel: "z" }, "volumes", /`selinux_label` is for containers/],
];

for (const [what, own, ability, words] of NO_VOLUME)
  test(`an external driver is given no volume ${what}: the start fails, and nothing began`, { timeout: 30_000 }, () =>
    withDriver(withTask(":", ability), async (bench, open) => {
      const mine = open();
      const volume = {
        name: "data",
        source: bench.folder,
        destination: "/data",
        access: "write",
        propagation: "private",
        selinuxLabel: "",
        ...own,
      } as const;
      await assert.rejects(mine.start({ ...bench.request(mine, {}), volumes: [volume] }), words);
      assert.equal(await mine.recover({ allocId: bench.allocId, task: { name: "main" }, attempt: 1 }), null);
      mine.stop?.();
    }),
  );

test("a shell is driver enough for commands: it says the words, and nothing of edgectl's environment comes through", { timeout: 30_000 }, () =>
  withDriver(answers(JSON.stringify(WAY)), async (bench, open) => {
    const mine = open();
    const handle = await mine.start(bench.request(mine, {}));
    const session = await handle.exec?.({ command: ["/bin/sh", "-c", 'pwd; echo "$A"; env; exit 5'], terminal: null });
    assert.ok(session);
    session.endInput();
    let text = "";
    for await (const { bytes } of session.output) text += Buffer.from(bytes).toString();
    assert.equal(await session.exitCode(), 5);
    const lines = text.trimEnd().split("\n");
    assert.deepEqual(lines.slice(0, 2), ["/usr", "it's $HOME"]);
    const names = lines.slice(2).map((line) => line.slice(0, line.indexOf("=")));
    assert.deepEqual(names.filter((name) => !["PWD", "OLDPWD", "SHLVL", "_"].includes(name)).sort(), [
      "A",
      "EDGECTL_COMMAND",
      "EDGECTL_TASK_TOKEN",
      "PATH",
    ]);
    assert.deepEqual(
      runtime.files.list(bench.control(""))?.filter((name) => name.endsWith(".env")),
      [],
    );
    mine.stop?.();
  }),
);
