// The copy of a container's output, killed at every byte: nothing is lost, doubled or torn, whatever was written of text or cursor.

import assert from "node:assert/strict";
import { test } from "node:test";
import { beginLog, LogFollower } from "../../internal/runner/drivers/docker/log-follower.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const { files } = runtime;

const entry = (stream: string, log: string) => `${JSON.stringify({ log, stream, time: "2026-01-02T03:04:05Z" })}\n`;

interface World {
  readonly source: string;
  readonly control: string;
  readonly targets: { readonly stdout: string; readonly stderr: string };
  readonly troubles: string[];
  follower(): LogFollower;
  output(): readonly [string, string];
}

function inWorld(body: (world: World) => Promise<void>): Promise<void> {
  return withFolder(runtime, async (folder) => {
    const targets = { stdout: `${folder}/out`, stderr: `${folder}/err` };
    const troubles: string[] = [];
    const parts = { runtime, control: folder, source: `${folder}/engine.log`, targets, trouble: (message: string) => void troubles.push(message) };
    const read = (path: string) => files.readText(path) ?? "";
    await body({
      ...parts,
      troubles,
      follower: () => new LogFollower(parts),
      output: () => [read(targets.stdout), read(targets.stderr)],
    });
  });
}

test("a kill after any byte of what was appended, before the cursor says so", () =>
  inWorld(async (world) => {
    // What an earlier attempt wrote is not the follower's.
    files.writeText(world.targets.stdout, "earlier\n");
    beginLog(runtime, world.control, world.targets);
    files.writeText(world.source, entry("stdout", "one\n") + entry("stderr", "uno\n"));
    await world.follower().finish();
    const cursor = files.readText(`${world.control}/log-cursor`) ?? "";
    const [out, err] = world.output();
    files.writeText(
      world.source,
      (files.readText(world.source) ?? "") + entry("stdout", "zwö✓\n") + entry("stderr", "dos\n") + entry("stdout", "drei"),
    );
    const [wantOut, wantErr] = ["earlier\none\nzwö✓\ndrei", "uno\ndos\n"];
    const [outBytes, errBytes] = [Buffer.from(wantOut), Buffer.from(wantErr)];
    for (let cutOut = Buffer.byteLength(out); cutOut <= outBytes.length; cutOut++)
      for (let cutErr = Buffer.byteLength(err); cutErr <= errBytes.length; cutErr++) {
        files.writeText(world.targets.stdout, outBytes.subarray(0, cutOut));
        files.writeText(world.targets.stderr, errBytes.subarray(0, cutErr));
        files.writeText(`${world.control}/log-cursor`, cursor);
        await world.follower().finish();
        assert.deepEqual(world.output(), [wantOut, wantErr], `cut after ${cutOut} and ${cutErr} bytes`);
        // And the cursor that was written then is right for the next one.
        await world.follower().finish();
        assert.deepEqual(world.output(), [wantOut, wantErr]);
      }
    assert.deepEqual(world.troubles, []);
  }));

test("an entry that is not whole yet waits for its end", () =>
  inWorld(async (world) => {
    beginLog(runtime, world.control, world.targets);
    const whole = entry("stdout", "first\n") + entry("stdout", "second\n");
    for (let end = 0; end <= whole.length; end++) {
      files.writeText(world.source, whole.slice(0, end));
      await world.follower().finish();
    }
    assert.deepEqual(world.output(), ["first\nsecond\n", ""]);
  }));

test("a file that is turned over between two agents is read to its end, then the next", () =>
  inWorld(async (world) => {
    beginLog(runtime, world.control, world.targets);
    files.writeText(world.source, entry("stdout", "1\n"));
    await world.follower().finish();
    files.append(world.source).write(entry("stdout", "2\n"));
    files.rename(world.source, `${world.source}.1`);
    files.writeText(world.source, entry("stdout", "3\n"));
    await world.follower().finish();
    assert.deepEqual(world.output(), ["1\n2\n3\n", ""]);
    assert.deepEqual(world.troubles, []);
    files.rename(`${world.source}.1`, `${world.source}.2`);
    files.rename(world.source, `${world.source}.1`);
    files.writeText(world.source, entry("stdout", "5\n"));
    files.remove(`${world.source}.2`);
    files.remove(`${world.source}.1`);
    await world.follower().finish();
    assert.equal(world.output()[0].endsWith("3\n5\n"), true);
    assert.match(world.troubles.join(), /some of its output is missing/);
  }));

test("a log that was cut short meanwhile, as where holes cannot be punched, goes on with what is new", () =>
  inWorld(async (world) => {
    beginLog(runtime, world.control, world.targets);
    files.writeText(world.source, entry("stdout", "long before\n"));
    await world.follower().finish();
    files.truncate(world.targets.stdout, 0);
    files.append(world.source).write(entry("stdout", "after\n"));
    await world.follower().finish();
    assert.deepEqual(world.output(), ["after\n", ""]);
  }));

test("a file that has the inode of one that was turned away is another one: it is read from its beginning, and the gap is told", () =>
  inWorld(async (world) => {
    beginLog(runtime, world.control, world.targets);
    files.writeText(world.source, entry("stdout", "first\n") + entry("stdout", "second\n"));
    await world.follower().finish();
    const { inode } = files.stat(world.source) ?? {};
    // Written over in its place, as where the kernel gives an inode that has just become free to the next file.
    files.writeText(world.source, entry("stdout", "much later\n") + entry("stdout", "and more\n") + entry("stdout", "the last\n"));
    assert.equal(files.stat(world.source)?.inode, inode);
    await world.follower().finish();
    assert.deepEqual(world.output(), ["first\nsecond\nmuch later\nand more\nthe last\n", ""]);
    assert.deepEqual(world.troubles, ["the container wrote more than the engine keeps before it was read: some of its output is missing"]);
  }));
