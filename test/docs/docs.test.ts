// The generated documents are those that the tables give now.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { documents } from "../../scripts/docs.ts";

for (const [path, text] of documents()) {
  test(`${path} is up to date (bun scripts/docs.ts)`, () => {
    expect(readFileSync(join(import.meta.dir, "../..", path), "utf8")).toBe(text);
  });
}
