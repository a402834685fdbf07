// Users of tasks: names of the machine, numbers, and a range that is lent and given back.

import { expect, test } from "bun:test";
import { claimUser, releaseUser, userNamed } from "../../../internal/runner/sandbox/users.ts";
import { fakeFiles } from "./fake-files.ts";

const MACHINE = {
  "/etc/passwd": "root:x:0:0::/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\nodd:x:80001:80001::/:/bin/sh\n",
  "/etc/group": "root:x:0:\ni2c:x:998:pi,other\ngpio:x:997:pi\nother:x:996:pirate\n",
};

const NAMES: readonly (readonly [string, { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | string])[] = [
  ["pi", { uid: 1000, gid: 1000, groups: [998, 997] }],
  ["1000", { uid: 1000, gid: 1000, groups: [998, 997] }],
  ["root", { uid: 0, gid: 0, groups: [] }],
  ["4242", { uid: 4242, gid: 4242, groups: [] }],
  ["4242:7", { uid: 4242, gid: 7, groups: [] }],
  ["nobody-here", 'user "nobody-here" does not exist on this node'],
];

for (const [name, want] of NAMES)
  test(`users: "${name}"`, () => {
    const files = fakeFiles(MACHINE);
    if (typeof want === "string") expect(() => userNamed(files, name)).toThrow(want);
    else expect(userNamed(files, name)).toEqual(want);
  });

function place(own: Parameters<typeof fakeFiles>[0] = {}, range = { min: 80_000, max: 80_003 }) {
  const files = fakeFiles({ ...MACHINE, "/alloc/a": null, "/alloc/b": null, "/alloc/c": null, "/alloc/d": null, ...own });
  return { files, directory: "/users", allocRoot: "/alloc", range };
}

const owner = (allocId: string, task = "t") => ({ allocId, task });

test("users: each task has one of its own, none that the machine knows, until all are lent", () => {
  const claims = place();
  const lent = ["a", "b", "c"].map((id) => claimUser(claims, owner(id), null).uid);
  expect([...lent].sort()).toEqual([80_000, 80_002, 80_003]);
  expect(() => claimUser(claims, owner("d"), null)).toThrow("all users from 80000 to 80003 are lent");
  releaseUser(claims, owner("b"));
  expect(claimUser(claims, owner("d"), null).uid).toBe(lent[1] ?? 0);
});

test("users: two tasks of one allocation differ, and one that asks again has what it had", () => {
  const claims = place();
  const [one, two] = [claimUser(claims, owner("a", "one"), null).uid, claimUser(claims, owner("a", "two"), null).uid];
  expect(one).not.toBe(two);
  expect(claimUser(claims, owner("a", "one"), null).uid).toBe(one);
});

test("users: the one of before is preferred while it is free, and only within the range", () => {
  for (const before of [80_000, 80_002, 80_003]) expect(claimUser(place(), owner("a"), before).uid).toBe(before);
  expect(claimUser(place(), owner("a"), 500).uid).toBeGreaterThanOrEqual(80_000);
  const claims = place();
  claimUser(claims, owner("b"), 80_002);
  expect(claimUser(claims, owner("a"), 80_002).uid).not.toBe(80_002);
});

test("users: a claim whose allocation is gone, or that was torn, holds nothing", () => {
  const range = { min: 80_002, max: 80_002 };
  for (const text of ["gone/t\n", "a/t", ""]) expect(claimUser(place({ "/users/80002": text }, range), owner("b"), null).uid).toBe(80_002);
  expect(() => claimUser(place({ "/users/80002": "a/t\n" }, range), owner("b"), null)).toThrow("are lent");
});

test("users: giving back is for the owner's own, and may be repeated", () => {
  const claims = place();
  claimUser(claims, owner("a"), 80_000);
  releaseUser(claims, owner("b"));
  expect(claims.files.now.has("/users/80000")).toBe(true);
  releaseUser(claims, owner("a"));
  releaseUser(claims, owner("a"));
  expect(claims.files.now.has("/users/80000")).toBe(false);
});
