// Which folder a task is given for each of its mounts, and how it may use it.

import { expect, test } from "bun:test";
import { volumesOf } from "../../internal/device/volumes.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const NODE = aNode("n", { hostVolumes: { data: { path: "/srv/data", readOnly: false }, maps: { path: "/srv/maps", readOnly: true } } });

function given(source: string, own: { readonly request?: boolean; readonly mount?: boolean; readonly destination?: string }, node = NODE) {
  const mount = { volume: "v", destination: own.destination ?? "/d", readOnly: own.mount ?? false };
  const tasks = [{ name: "t", driver: "exec", volumeMounts: [mount] }];
  const [group] = aSpec({}, { volumes: [{ name: "v", source, readOnly: own.request ?? false }], tasks }).groups;
  if (!group) throw new Error("the fixture has a group");
  return volumesOf(group.tasks[0]?.volumeMounts ?? [], group, node);
}

/** [source, read-only by the group, by the task, what the task may do] */
const ACCESS: readonly (readonly [string, boolean, boolean, "read" | "write"])[] = [
  ["data", false, false, "write"],
  ["data", true, false, "read"],
  ["data", false, true, "read"],
  ["maps", false, false, "read"],
  ["maps", true, true, "read"],
];
for (const [source, request, mount, access] of ACCESS)
  test(`volume ${source}, read-only by group ${request}, by task ${mount}: the task may ${access}`, () =>
    expect(given(source, { request, mount })).toEqual([
      { name: "v", source: `/srv/${source}`, destination: "/d", access, propagation: "private", selinuxLabel: "" },
    ]));

test("a volume that the node offers no more is named with what to do, also one named like what every object has", () => {
  for (const source of ["gone", "constructor", "__proto__"])
    expect(() => given(source, {})).toThrow(`this node offers no volume "${source}" any more`);
});

test("a place that became a bad one by what the node put in is refused", () =>
  expect(() => given("data", { destination: "/proc/1" })).toThrow("the kernel's"));
