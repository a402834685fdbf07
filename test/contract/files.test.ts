// The files port on a real folder.

import assert from "node:assert/strict";
import { statSync, truncateSync } from "node:fs";
import { test } from "node:test";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const { files } = runtime;

function filesTest(name: string, body: (folder: string) => void | Promise<void>): void {
  test(`files: ${name}`, () => withFolder(runtime, async (folder) => body(folder)));
}

filesTest("what is not there is null, and so is what lies under a file", async (folder) => {
  files.writeText(`${folder}/file`, "x");
  for (const path of [`${folder}/none`, `${folder}/file/under`]) {
    assert.equal(files.readText(path), null);
    assert.equal(files.readBytes(path), null);
    assert.equal(files.list(path), null);
    assert.equal(files.stat(path), null);
    assert.equal(files.lstat(path), null);
    assert.equal(files.realPath(path), null);
    assert.equal(files.readLink(path), null);
    assert.equal(files.diskSpace(path), null);
    assert.equal(await files.readAt(path, 0, 1), null);
    assert.equal(files.isExecutable(path), false);
  }
});

filesTest("other failures throw", (folder) => {
  assert.throws(() => files.readText(folder), /EISDIR/);
  assert.throws(() => files.writeText(`${folder}/none/file`, "x"), /ENOENT/);
});

filesTest("text and bytes come back as they went, with the mode asked for", (folder) => {
  files.writeText(`${folder}/text`, "käse\n", 0o600);
  assert.equal(files.readText(`${folder}/text`), "käse\n");
  assert.equal((files.stat(`${folder}/text`)?.mode ?? 0) & 0o777, 0o600);
  files.writeText(`${folder}/bytes`, new Uint8Array([0, 255]));
  assert.deepEqual([...(files.readBytes(`${folder}/bytes`) ?? [])], [0, 255]);
});

filesTest("an atomic write replaces the whole file and leaves nothing beside it", (folder) => {
  const path = `${folder}/state`;
  files.writeAtomic(path, "a long first text");
  const before = statSync(path).ino;
  files.writeAtomic(path, "short", 0o600);
  assert.equal(files.readText(path), "short");
  // A reader that has the old file open still has all of it: the new one is another file.
  assert.notEqual(statSync(path).ino, before);
  assert.equal((files.stat(path)?.mode ?? 0) & 0o777, 0o600);
  assert.deepEqual(files.list(folder), ["state"]);
});

filesTest("an atomic write of a large text is whole", (folder) => {
  const text = "käse".repeat(500_000);
  files.writeAtomic(`${folder}/large`, text);
  assert.equal(files.readText(`${folder}/large`), text);
});

filesTest("an atomic write takes over what a crash left of an earlier one", (folder) => {
  files.writeText(`${folder}/state.new`, "torn by a power cut, and longer than the next");
  files.writeAtomic(`${folder}/state`, "whole");
  assert.equal(files.readText(`${folder}/state`), "whole");
});

filesTest("an exclusive create says who was first and keeps their content", (folder) => {
  assert.equal(files.createExclusive(`${folder}/lock`, "first"), true);
  assert.equal(files.createExclusive(`${folder}/lock`, "second"), false);
  assert.equal(files.readText(`${folder}/lock`), "first");
});

filesTest("an exclusive link takes a name once", (folder) => {
  files.writeText(`${folder}/a`, "a");
  files.writeText(`${folder}/b`, "b");
  assert.equal(files.linkExclusive(`${folder}/a`, `${folder}/name`), true);
  assert.equal(files.linkExclusive(`${folder}/b`, `${folder}/name`), false);
  assert.equal(files.readText(`${folder}/name`), "a");
  assert.equal(files.stat(`${folder}/name`)?.inode, files.stat(`${folder}/a`)?.inode);
});

filesTest("readAt gives what there is from an offset", async (folder) => {
  files.writeText(`${folder}/log`, "0123456789");
  const at = async (offset: number, length: number) => Buffer.from((await files.readAt(`${folder}/log`, offset, length)) ?? "null").toString();
  assert.deepEqual([await at(0, 4), await at(8, 4), await at(10, 4), await at(99, 4), await at(3, 0)], ["0123", "89", "", "", ""]);
});

filesTest("appended text goes to the end, also after someone cut the file", async (folder) => {
  const path = `${folder}/journal`;
  const journal = files.append(path);
  journal.write("one\n");
  journal.write("käse\n");
  await journal.sync();
  truncateSync(path, 4);
  journal.write("two\n");
  journal.close();
  assert.equal(files.readText(path), "one\ntwo\n");
  assert.equal((files.stat(path)?.mode ?? 0) & 0o777, 0o600);
});

filesTest("a file's data can be synced again and again over one handle", async (folder) => {
  files.writeText(`${folder}/wal`, "x");
  const handle = files.openForSync(`${folder}/wal`);
  await Promise.all([handle.datasync(), handle.datasync()]);
  handle.close();
  assert.throws(() => files.openForSync(`${folder}/none`), /ENOENT/);
});

filesTest("folders are made with their parents, listed in order and removed with all that is in them", async (folder) => {
  files.makeDirectory(`${folder}/a/b`, 0o700);
  files.makeDirectory(`${folder}/a/b`);
  for (const name of ["z", "a", "10", "9"]) files.writeText(`${folder}/a/${name}`, "");
  assert.deepEqual(files.list(`${folder}/a`), ["10", "9", "a", "b", "z"]);
  assert.equal(files.stat(`${folder}/a/b`)?.isDirectory, true);
  await files.removeTree(`${folder}/a`);
  await files.removeTree(`${folder}/a`);
  assert.equal(files.stat(`${folder}/a`), null);
  files.remove(`${folder}/none`);
});

filesTest("a tree is removed although somebody still writes into it for a while", async (folder) => {
  const tree = `${folder}/tree`;
  for (const part of ["d0", "d1", "d2"]) files.makeDirectory(`${tree}/${part}`);
  for (let at = 0; at < 300; at++) files.writeText(`${tree}/d${at % 3}/${at}`, "x");
  let left = 40;
  const writer = setInterval(() => {
    left -= 1;
    if (left > 0) for (const part of ["d0", "d1", "d2"]) writeIfThere(`${tree}/${part}/late-${left}`);
  }, 1);
  await files.removeTree(tree).finally(() => clearInterval(writer));
  assert.equal(files.stat(tree), null);
});

filesTest("stat follows a link, lstat and removeTree do not", async (folder) => {
  files.makeDirectory(`${folder}/real`);
  files.writeText(`${folder}/real/kept`, "x");
  files.makeDirectory(`${folder}/tree`);
  files.symlink(`${folder}/real`, `${folder}/tree/link`);
  assert.equal(files.stat(`${folder}/tree/link`)?.isDirectory, true);
  assert.equal(files.lstat(`${folder}/tree/link`)?.isDirectory, false);
  assert.equal(files.readLink(`${folder}/tree/link`), `${folder}/real`);
  assert.equal(files.realPath(`${folder}/tree/link`), files.realPath(`${folder}/real`));
  await files.removeTree(`${folder}/tree`);
  assert.equal(files.readText(`${folder}/real/kept`), "x");
});

filesTest("sizes say what a file holds and what it takes", (folder) => {
  files.writeText(`${folder}/holes`, "x");
  files.truncate(`${folder}/holes`, 10_000_000);
  const info = files.stat(`${folder}/holes`);
  assert.equal(info?.sizeBytes, 10_000_000);
  assert.ok((info?.allocatedBytes ?? 0) < 1_000_000);
  const space = files.diskSpace(folder);
  assert.ok(space && space.freeBytes > 0 && space.freeBytes <= space.totalBytes);
  assert.ok(space.usedBytes >= 0 && space.usedBytes + space.freeBytes <= space.totalBytes);
  assert.ok(space.freeInodes <= space.inodes);
});

filesTest("only a file with its bit is executable", (folder) => {
  files.writeText(`${folder}/run`, "#!/bin/sh\n");
  assert.equal(files.isExecutable(`${folder}/run`), false);
  files.chmod(`${folder}/run`, 0o755);
  assert.equal(files.isExecutable(`${folder}/run`), true);
  assert.equal(files.isExecutable(folder), false);
});

filesTest("rename replaces what has the name", (folder) => {
  files.writeText(`${folder}/a`, "a");
  files.writeText(`${folder}/b`, "b");
  files.rename(`${folder}/a`, `${folder}/b`);
  assert.deepEqual([files.list(folder), files.readText(`${folder}/b`)], [["b"], "a"]);
});

function writeIfThere(path: string): void {
  try {
    files.writeText(path, "x");
  } catch {
    // Its folder is gone by now.
  }
}
