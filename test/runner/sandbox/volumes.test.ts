// Where volumes may stand in a task's own file system: what would be followed or covered is refused before any mount.

import { expect, test } from "bun:test";
import type { TaskVolume } from "../../../internal/device/volumes.ts";
import type { View } from "../../../internal/runner/sandbox/mounts.ts";
import { volumeBinds } from "../../../internal/runner/sandbox/volumes.ts";
import { fakeFiles } from "./fake-files.ts";

const HOST: View = {
  binds: ["/usr", "/etc/passwd", "/etc/ssl/certs"].map((path) => ({ source: path, target: path, kind: "folder", access: "read" })),
  links: [
    { path: "/bin", target: "usr/bin" },
    { path: "/etc/localtime", target: "/usr/share/zone" },
  ],
};
const IMAGE: View = {
  binds: ["var", "data"].map((name) => ({ source: `/img/${name}`, target: `/${name}`, kind: "folder", access: "read" })),
  links: [{ path: "/opt", target: "/usr" }],
};
const FILES = {
  "/local": null,
  "/local/link": { link: "/usr" },
  "/local/file": "text",
  "/local/there": null,
  "/img/var/lib": null,
  "/img/var/out": { link: "/usr" },
  "/img/var/file": "text",
};

const volume = (destination: string, own: Partial<TaskVolume> = {}): TaskVolume => ({
  name: "v",
  source: "/srv/data",
  destination,
  access: "write",
  propagation: "private",
  selinuxLabel: "",
  ...own,
});

/** [what the task sees, destination, where it is mounted or why not] */
const CASES: readonly (readonly ["host" | "image", string, string])[] = [
  ["host", "/data", "/data"],
  ["host", "data/", "/data"],
  ["host", "//srv/./data", "/srv/data"],
  ["host", "/etc/app", "/etc/app"],
  ["host", "/local/there/new", "/local/there/new"],
  ["host", "/usr", "the system's own"],
  ["host", "/usr/lib/x", "the system's own"],
  ["host", "/lib64", "the system's own"],
  ["host", "/bin/x", "the system's own"],
  ["host", "/etc", "the system's own"],
  ["host", "/etc/passwd", "the system's own"],
  ["host", "/etc/ssl", "the system's own"],
  ["host", "/etc/localtime/x", "the system's own"],
  ["host", "/local/link", "the task has something else there"],
  ["host", "/local/link/x", "the task has something else there"],
  ["host", "/local/file/x", "the task has something else there"],
  ["host", "/alloc/data/x", "holds what tasks write"],
  ["host", "/tmp/x", "holds what tasks write"],
  ["host", "/secrets/x", "holds what tasks write"],
  ["host", "/.edgectl", "holds what tasks write"],
  ["image", "/data", "/data"],
  ["image", "/new", "/new"],
  ["image", "/usr", "/usr"],
  ["image", "/var/lib", "/var/lib"],
  ["image", "/var/out", "the image has no such folder"],
  ["image", "/var/out/x", "the image has no such folder"],
  ["image", "/var/file", "the image has no such folder"],
  ["image", "/var/missing", "the image has no such folder"],
  ["image", "/opt", "the image has a link there"],
  ["image", "/opt/x", "the image has a link there"],
  ["image", "/.edgectl/x", "holds what tasks write"],
];
for (const [kind, destination, want] of CASES)
  test(`volumes: in a view of the ${kind} at ${destination}: ${want}`, () => {
    const place = { view: kind === "image" ? IMAGE : HOST, isImage: kind === "image", local: "/local" };
    const bind = () => volumeBinds(fakeFiles(FILES), [volume(destination)], place);
    if (want.startsWith("/")) expect(bind()).toEqual([{ source: "/srv/data", target: want, kind: "folder", access: "write" }]);
    else expect(bind).toThrow(want);
  });

test("volumes: a folder below the task's own is made for it, links in it are left alone", () => {
  const files = fakeFiles(FILES);
  volumeBinds(files, [volume("/local/new/deep", { access: "read" })], { view: HOST, isImage: false, local: "/local" });
  expect([files.now.get("/local/new"), files.now.get("/local/new/deep")]).toEqual([null, null]);
});

test("volumes: what only an engine can do is refused by name", () => {
  const place = { view: HOST, isImage: false, local: "/local" };
  for (const own of [{ propagation: "host-to-task" }, { propagation: "bidirectional" }, { selinuxLabel: "z" }])
    expect(() => volumeBinds(fakeFiles({}), [volume("/d", own)], place)).toThrow(/for containers/);
});
