// `edgectl driver check`: the driver of the documentation keeps each promise, and of drivers that break one, that one is named.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findCgroups } from "../../internal/runner/cgroups.ts";
import { checkDriver, type Tried } from "../../internal/runner/drivers/external/conformance.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const { files } = runtime;
const text = files.readText(fileURLToPath(new URL("../../docs/drivers/chroot", import.meta.url))) ?? "";
const skip = runtime.host.uid !== 0 ? "the tests do not run as root" : files.isExecutable("/usr/bin/python3") ? false : "no python3";

function check(driver: string): Promise<readonly Tried[]> {
  return withFolder(runtime, async (folder) => {
    const path = `${folder}/mine`;
    files.writeText(path, driver);
    files.chmod(path, 0o755);
    return checkDriver({ runtime, path, folder, config: null, ending: null, shell: null, settings: {} });
  });
}

test("the driver that the documentation shows keeps every promise, and nothing is left of the check", { skip, timeout: 60_000 }, async () => {
  const results = await check(text);
  assert.deepEqual(
    results.filter(({ outcome }) => outcome !== "ok"),
    [],
  );
  assert.ok(results.length >= 20, String(results.length));
});

const WORDS = `"enter": [sys.executable, os.path.abspath(__file__), "enter", folder_of(params)]`;
const FIRST = "runs a command in its task and tells its code, its two streams apart, its input to the end";
const HUNG_UP = "a command whose reader goes ends, with all that it started";
const VOLUMES = "gives its tasks volumes, to write or to read alone, and leaves nothing mounted";
const around = (script: string) => `"enter": ["/bin/sh", "-c", '${script}', "sh"]`;

/** [what it does, a place of its text, what stands there instead, the promises that it breaks, in their order] */
const BROKEN: readonly (readonly [string, string, string, readonly string[]])[] = [
  ["mixes the streams", WORDS, around('exec "$@" 2>&1'), [FIRST]],
  [
    "loses the code",
    WORDS,
    around('"$@"; exit 0'),
    [FIRST, "what a command leaves behind ends with it", "runs commands in a task of an earlier life, which ran on meanwhile"],
  ],
  ["keeps the input", WORDS, around('if [ -t 0 ]; then exec "$@"; else exec "$@" </dev/null; fi'), [FIRST]],
  [
    "cuts the output",
    WORDS,
    around('case "$*" in *"head -c"*) set -- head -c 1000000 /dev/zero ;; esac; exec "$@"'),
    ["a command's large output comes whole"],
  ],
  [
    "takes the terminal away",
    WORDS,
    around('if [ -t 0 ]; then "$@" </dev/null; else exec "$@"; fi'),
    ["a command on a terminal knows the terminal's size"],
  ],
  [
    "starts the command where nobody finds it",
    WORDS,
    around(
      'for g in /sys/fs/cgroup/unified /sys/fs/cgroup/freezer /sys/fs/cgroup; do echo 0 >$g/cgroup.procs; done 2>/dev/null; exec env -u EDGECTL_COMMAND setsid -w "$@"',
    ),
    [HUNG_UP, "what a command leaves behind ends with it"],
  ],
  ["lets a volume be written", 'if volume["read_only"]:', "if False:", [VOLUMES]],
  ["gives no volumes, though it says that it does", 'if params.get("volumes"):', "if False:", [VOLUMES]],
  ["does not go into the cgroups", 'members.write("0")', "pass", ["starts a task in its cgroups, gives a handle, and answers others while it waits"]],
];

const hasGroups = findCgroups(files).unified !== "" || findCgroups(files).freezer !== "";

for (const [what, place, instead, promises] of BROKEN)
  test(`a driver that ${what}: the check names the promise`, {
    skip: skip || (what.includes("into the cgroups") && !hasGroups ? "no cgroups" : false),
    timeout: 120_000,
  }, async () => {
    assert.ok(text.includes(place));
    const results = await check(text.replace(place, () => instead));
    assert.deepEqual(
      results.filter(({ outcome }) => outcome === "failed").map(({ promise }) => promise),
      promises,
      JSON.stringify(results.filter(({ outcome }) => outcome !== "ok")),
    );
  });

test("a driver that runs no commands keeps its promises without them, and the check says so", { skip, timeout: 60_000 }, async () => {
  assert.ok(text.includes(', "exec",'));
  const results = await check(text.replace(', "exec",', ","));
  assert.deepEqual(
    results.filter(({ outcome }) => outcome !== "ok").map(({ outcome, promise, seen }) => [outcome, promise, seen]),
    [["skipped", "runs commands in its tasks", 'it does not say "exec" among its abilities']],
  );
});
