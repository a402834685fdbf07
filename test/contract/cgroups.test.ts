// A group is ended at a stroke by every means that a kernel may have for it: what begins itself anew all the time does not get away.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type CgroupTree, findCgroups, groupMembers, killGroup, makeTaskGroups, removeGroups } from "../../internal/runner/cgroups.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const tree = findCgroups(runtime.files);

/** A machine whose kernel has no such file in a group. */
const without = (name: string): Runtime => ({
  ...runtime,
  files: { ...runtime.files, stat: (path) => (path.endsWith(`/${name}`) ? null : runtime.files.stat(path)) },
});

/** [means, machine, trees, why it cannot be tried here] */
const MEANS: readonly (readonly [string, Runtime, CgroupTree, string | false])[] = [
  ["cgroup.kill of v2", runtime, tree, tree.unified === "" && "no cgroup v2"],
  ["cgroup.freeze of v2, as before Linux 5.14", without("cgroup.kill"), tree, tree.unified === "" && "no cgroup v2"],
  ["the freezer of v1", runtime, { ...tree, unified: "" }, tree.freezer === "" && "no freezer of cgroup v1"],
];

for (const [means, machine, ours, lack] of MEANS)
  test(`a group that begins anew all the time is ended by ${means}`, { skip: lack, timeout: 60_000 }, () =>
    withFolder(runtime, async (folder) => {
      const { files, processes, clock, chance } = machine;
      const [path, beats] = [`${folder}/again`, `${folder}/beats`];
      // Each process begins the next and ends: whoever is found is gone before a signal comes.
      files.writeText(path, `#!/bin/sh\necho >>${beats}\n[ $(wc -c <${beats}) -lt 100000 ] || exit\n"$0" &\n`);
      files.chmod(path, 0o755);
      const groups = makeTaskGroups(files, { ...ours, memory: "" }, `again-${chance.secret(6)}`);
      try {
        const join = groups.map((group) => `echo 0 >${group}/cgroup.procs`).join("; ");
        await processes.run("sh", ["-c", `${join}; exec >/dev/null 2>&1; for n in 1 2 3 4 5 6 7 8 9 10 11 12; do ${path} & done`]);
        const count = () => (files.readText(beats) ?? "").length;
        const deadlineMs = clock.monotonicMs() + 20_000;
        while (count() < 20 && clock.monotonicMs() < deadlineMs) await clock.sleep(10);
        assert.ok(count() >= 20, "it does not begin");
        await killGroup(machine, groups);
        assert.deepEqual(groupMembers(files, groups), []);
        const ended = count();
        await clock.sleep(300);
        assert.equal(count(), ended);
      } finally {
        await killGroup(runtime, groups);
        await removeGroups(runtime, groups);
      }
    }),
  );
