// Links to volumes in a task's folder, also where an earlier attempt left traps.

import { expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskVolume } from "../../internal/device/volumes.ts";
import { linkVolumes, unkeptPromises } from "../../internal/runner/volume-links.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";

function inTaskFolder(body: (folder: string, link: (destination: string, source?: string) => void, source: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), "edgectl-links-"));
  const [folder, source] = [join(root, "task"), join(root, "volume")];
  mkdirSync(join(folder, "local"), { recursive: true });
  mkdirSync(source);
  const volume = (destination: string, path: string): TaskVolume => ({
    name: "v",
    source: path,
    destination,
    access: "write",
    propagation: "private",
    selinuxLabel: "",
  });
  try {
    body(folder, (destination, path = source) => linkVolumes(bunRuntime().files, folder, [volume(destination, path)]), source);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("a link stands where the task looks for it: from its folder on, whether with a slash in front or as its whole path", () =>
  inTaskFolder((folder, link, source) => {
    for (const [destination, path] of [
      ["data", "data"],
      ["/srv/data", "srv/data"],
      [join(folder, "local/data"), "local/data"],
    ] as const) {
      link(destination);
      expect(readlinkSync(join(folder, path))).toBe(source);
    }
  }));

test("a second start finds its link; one to elsewhere is mended, and what that named stays", () =>
  inTaskFolder((folder, link, source) => {
    link("data");
    const before = lstatSync(join(folder, "data")).ino;
    link("data");
    expect(lstatSync(join(folder, "data")).ino).toBe(before);
    mkdirSync(join(source, "..", "other"));
    writeFileSync(join(source, "keep"), "kept");
    link("data", join(source, "..", "other"));
    expect([readlinkSync(join(folder, "data")), readFileSync(join(source, "keep"), "utf8")]).toEqual([join(source, "..", "other"), "kept"]);
  }));

test("what a task has in the link's place, or on the way to it, is neither replaced nor followed", () =>
  inTaskFolder((folder, link, source) => {
    writeFileSync(join(folder, "file"), "mine");
    mkdirSync(join(folder, "folder"));
    symlinkSync(source, join(folder, "local/way"));
    for (const taken of ["file", "folder", "local/way/data", "file/data"]) expect(() => link(taken)).toThrow("is something else");
    expect([readFileSync(join(folder, "file"), "utf8"), existsSync(join(source, "data"))]).toEqual(["mine", false]);
  }));

test("that reading alone cannot be kept is said, of those that are for reading alone", () => {
  const volume = { name: "maps", source: "/srv/maps", destination: "m", propagation: "private", selinuxLabel: "" };
  expect(unkeptPromises([{ ...volume, access: "write" }])).toEqual([]);
  expect(unkeptPromises([{ ...volume, access: "read" }])).toEqual([
    'Volume "maps" is for reading alone, which raw_exec cannot keep: it is a link to /srv/maps',
  ]);
});
