// The rules of where tasks see the volumes of their group.

import { expect, test } from "bun:test";
import type { VolumeMount } from "../../../internal/domain/job-inputs.ts";
import { describePath } from "../../../internal/domain/job-model/paths.ts";
import { validateJob } from "../../../internal/domain/job-model/validate.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import { aSpec } from "../../fixtures/model.ts";

type MountDraft = Partial<VolumeMount> & { readonly volume: string };

function problemsOf(mounts: readonly MountDraft[]): readonly (readonly [string, string])[] {
  const spec = aSpec({}, { volumes: [{ name: "v", source: "data" }], tasks: [{ name: "t", driver: "exec", volumeMounts: [...mounts] }] });
  return validateJob(spec).map((problem) => [describePath(spec, problem.path), problem.message]);
}

/** [what is wrong, the mount, the key, part of the message] */
const BROKEN: readonly (readonly [string, MountDraft, string, string])[] = [
  ["a volume that the group has not", { volume: "w", destination: "/d" }, "volume", 'no volume "w" (it has v)'],
  ["no place", { volume: "v" }, "destination", "is missing"],
  ["a blank place", { volume: "v", destination: " " }, "destination", "is missing"],
  ["over everything", { volume: "v", destination: "/./" }, "destination", "whole file system"],
  ["upwards", { volume: "v", destination: "../../etc" }, "destination", 'upwards with ".."'],
  ["upwards after going down", { volume: "v", destination: "/a/../b" }, "destination", 'upwards with ".."'],
  ["over the kernel's own", { volume: "v", destination: "//proc/self" }, "destination", "the kernel's"],
  ["over the kernel's devices", { volume: "v", destination: "/dev" }, "destination", "the kernel's"],
  ["over a task's secrets", { volume: "v", destination: "/secrets/" }, "destination", "the task's own folder"],
  ["a line break", { volume: "v", destination: "/a\nb" }, "destination", "control characters"],
  ["a NUL", { volume: "v", destination: "/a\u0000" }, "destination", "control characters"],
  ["a propagation that nobody knows", { volume: "v", destination: "/d", propagationMode: "shared" }, "propagation_mode", "must be private"],
  ["a label that nobody knows", { volume: "v", destination: "/d", selinuxLabel: "x" }, "selinux_label", "must be z or Z"],
];
for (const [name, mount, key, message] of BROKEN)
  test(`a volume mount with ${name} is refused where it stands`, () =>
    expect(problemsOf([mount])).toEqual([[`group "g" -> task "t" -> volume_mount.#1.${key}`, expect.stringContaining(message)]]));

test("one mount within another, or in its place, is refused", () => {
  const at = (...places: readonly string[]) => problemsOf(places.map((destination) => ({ volume: "v", destination })));
  expect(at("/d/e", "/d")).toEqual([['group "g" -> task "t" -> volume_mount.#1.destination', expect.stringContaining("within that of another")]]);
  expect(at("/f", "f/")).toEqual([['group "g" -> task "t" -> volume_mount.#2.destination', expect.stringContaining("is taken by another")]]);
  expect(at("/d", "/de", "/local/d")).toEqual([]);
});

test("a place that only the node knows is left to it", () => expect(problemsOf([{ volume: "v", destination: "${NOMAD_TASK_DIR}/d" }])).toEqual([]));

test("more mounts than a task may have are refused in one sentence that names the limit", () => {
  const many = Array.from({ length: LIMITS.volumeMountsPerTaskMax + 1 }, () => ({ volume: "v", destination: "/d" }));
  expect(problemsOf(many)).toEqual([['group "g" -> task "t" -> volume_mount', expect.stringContaining("volumeMountsPerTaskMax")]]);
});
