// What is put into a task's folders before a start, also when an earlier attempt left traps there.

import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareAllocDirectories, prepareTask } from "../../internal/runner/task-dir.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { aJob, aNode, aSpec } from "../fixtures/model.ts";

function prepare(body: (local: string, start: () => void, outside: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "edgectl-task-dir-"));
  try {
    const runtime = bunRuntime();
    const spec = aSpec({}, { tasks: [{ name: "t", driver: "exec", config: { command: "x" }, dispatchPayload: { file: "in/payload" } }] });
    const [group] = spec.groups;
    const task = group?.tasks[0];
    if (!group || !task) throw new Error("the fixture has a task");
    const resources = { tasks: {}, cpuMHz: 1, memoryMiB: 1, diskMiB: 1, ports: [] };
    const alloc = { id: "a", namespace: "default", name: "j.g[0]", group: "g", resources, createdAtMs: 0 };
    const job = { ...aJob(spec), payload: Buffer.from("payload").toString("base64") };
    const outside = join(folder, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "payload"), "untouched");
    prepareAllocDirectories(runtime.files, folder, "a");
    const start = () =>
      void prepareTask({
        runtime,
        allocRoot: folder,
        node: aNode("n"),
        alloc,
        job,
        group,
        task,
        driver: { name: "exec", view: "rooted", canGiveVolumes: true },
        env: {},
      });
    body(join(folder, "a/t/local"), start, outside);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the payload is written, and written again before the next start", () =>
  prepare((local, start) => {
    start();
    writeFileSync(join(local, "in/payload"), "changed by the task");
    start();
    expect(readFileSync(join(local, "in/payload"), "utf8")).toBe("payload");
  }));

test("a link that a task left in the payload's place is refused, and what it names stays as it is", () =>
  prepare((local, start, outside) => {
    mkdirSync(join(local, "in"), { recursive: true });
    symlinkSync(join(outside, "payload"), join(local, "in/payload"));
    expect(start).toThrow("is a link or not what it was");
    expect(readFileSync(join(outside, "payload"), "utf8")).toBe("untouched");
  }));

test("a link in the place of the payload's folder is refused as well", () =>
  prepare((local, start, outside) => {
    mkdirSync(local, { recursive: true });
    symlinkSync(outside, join(local, "in"));
    expect(start).toThrow("is a link or not what it was");
    expect(readFileSync(join(outside, "payload"), "utf8")).toBe("untouched");
  }));
