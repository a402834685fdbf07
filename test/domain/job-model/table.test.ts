// The table against itself: names that clash, fields without a line about them, keys that derive wrongly.

import { expect, test } from "bun:test";
import type { Block } from "../../../internal/domain/job-model/dsl.ts";
import { JOB } from "../../../internal/domain/job-model/job.ts";

function allBlocks(): readonly Block[] {
  const found = new Set<Block>([JOB]);
  // A set visits what is added to it while it is walked.
  for (const block of found) {
    for (const field of block.fields) if (field.kind === "block" || field.kind === "blocks") found.add(field.block);
  }
  return [...found];
}

for (const block of allBlocks()) {
  test(`the fields of ${block.name} have names of their own in TOML and on the wire, and a line each`, () => {
    for (const path of ["tomlPath", "wirePath"] as const) {
      const names = block.fields.map((field) => field[path].join("."));
      expect(names.length).toBe(new Set(names).size);
    }
    const keys = new Set(block.fields.map((field) => field.tomlPath[0]));
    expect(Object.keys(block.shorthands ?? {}).filter((key) => keys.has(key))).toEqual([]);
    for (const field of block.fields) {
      expect(field.doc).toMatch(/^\S.{2,110}$/);
      expect(field.tomlPath.join(".")).toMatch(/^[a-z]+(_[a-z]+)*(\.[a-z]+)?$/);
      expect(field.wirePath.join(".")).toMatch(/^[A-Z]\w*(\.[A-Z]\w*)?$/);
      expect(field.wirePath.join(".")).not.toMatch(/(Ms|MHz|MiB)$/);
    }
  });
}

test("two blocks of one name are one block, so that the schema can name it once", () => {
  const names = allBlocks().map((block) => block.name);
  expect(names.length).toBe(new Set(names).size);
});
