// Paths from users: joined, and never outside their root.

import { expect, test } from "bun:test";
import { posix } from "node:path";
import fc from "fast-check";
import { join, pathFrom, withinRoot } from "../../internal/domain/paths.ts";

const WITHIN: readonly (readonly [string, string | null])[] = [
  ["", ""],
  [".", ""],
  ["/", ""],
  ["a/b", "a/b"],
  ["/a/b", "a/b"],
  ["//a//b/", "a/b"],
  ["./a/./b", "a/b"],
  ["a/../b", "b"],
  ["a/b/../..", ""],
  ["..", null],
  ["/..", null],
  ["a/../..", null],
  ["a/../../a", null],
  ["../a", null],
  ["...", "..."],
  ["a/..b/c..", "a/..b/c.."],
  ["a\0b", null],
  ["%2e%2e/a", "%2e%2e/a"],
  ["a\\..\\..\\b", "a\\..\\..\\b"],
];

for (const [path, want] of WITHIN)
  test(`${JSON.stringify(path)} is ${want === null ? "outside" : `"${want}"`}`, () => expect(withinRoot(path)).toBe(want));

test("what is within stays within, and what is refused would leave", () => {
  const part = fc.constantFrom("a", "b", "..", ".", "", "...", "..a");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = parts.join("/");
      const inside = withinRoot(path);
      const resolved = posix.normalize(`/root/inner/${path}`).replace(/\/$/, "");
      if (inside !== null) {
        expect(`/root/inner/${inside}`.replace(/\/$/, "")).toBe(resolved);
        expect(withinRoot(inside)).toBe(inside);
      } else {
        // Somewhere on its way it stood above the root.
        let depth = 0;
        const depths = parts
          .filter((one) => one !== "" && one !== ".")
          .map((one) => {
            depth += one === ".." ? -1 : 1;
            return depth;
          });
        expect(Math.min(...depths)).toBeLessThan(0);
      }
    }),
    { seed: 92 },
  );
});

for (const [parts, want] of [
  [["a", "b"], "a/b"],
  [["/a/", "/b"], "/a/b"],
  [["", "a", "", "b"], "a/b"],
  [["a", "../b"], "a/../b"],
  [[], ""],
] as const) {
  test(`${JSON.stringify(parts)} is joined to "${want}"`, () => expect(join(...parts)).toBe(want));
}

test.each([
  ["/srv", "data", "/srv/data"],
  ["/srv", "./data", "/srv/data"],
  ["/srv", ".//./data", "/srv/data"],
  ["/srv", "../data", "/srv/../data"],
  ["/srv", "/data", "/data"],
  ["/", "data", "/data"],
])("seen from %s, %s is %s", (folder, path, want) => {
  expect(pathFrom(folder, path)).toBe(want);
});
