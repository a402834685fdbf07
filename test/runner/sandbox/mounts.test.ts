// What a task sees: which folders of which machine, in which order, and how they may be used.

import { expect, test } from "bun:test";
import { type Bind, deviceTable, hostView, imageView, mountTable, rootEntries, withMountsBelow } from "../../../internal/runner/sandbox/mounts.ts";
import { fakeFiles } from "./fake-files.ts";

const HOST = fakeFiles({
  "/bin": { link: "usr/bin" },
  "/usr": null,
  "/usr/bin": null,
  "/lib": null,
  "/root": null,
  "/opt": null,
  "/etc": null,
  "/etc/passwd": "root",
  "/etc/shadow": "hashes",
  "/etc/ssh": null,
  "/etc/ssl/certs": null,
  "/etc/ssl/private": null,
  "/etc/python3": null,
  "/etc/localtime": { link: "/usr/share/zone" },
  "/usr/share/zone": "utc",
  "/live/hosts": "127.0.0.1 localhost",
  "/live/resolv.conf": "",
});

const seen = (binds: readonly Bind[]) => binds.map((bind) => `${bind.source} ${bind.target} ${bind.access}`);

test("mounts: of the host a task sees the system's folders and what programs look up, for reading, and no secrets", () => {
  const view = hostView(HOST, "/live");
  expect(seen(view.binds)).toEqual([
    "/usr /usr read",
    "/lib /lib read",
    "/etc/passwd /etc/passwd read",
    "/etc/ssl/certs /etc/ssl/certs read",
    "/etc/python3 /etc/python3 read",
    "/live/resolv.conf /etc/resolv.conf read",
    "/live/hosts /etc/hosts read",
  ]);
  expect(view.links).toEqual([
    { path: "/bin", target: "usr/bin" },
    { path: "/etc/localtime", target: "/usr/share/zone" },
  ]);
});

test("mounts: an image's folders stand under their names, its links are its own, and it cannot take the place of what is the task's", () => {
  const image = fakeFiles({
    "/image/usr": null,
    "/image/bin": { link: "/usr/bin" },
    "/image/etc": null,
    "/image/etc/hosts": "of the image",
    "/image/etc/resolv.conf": { link: "/run/resolv.conf" },
    "/image/proc": null,
    "/image/alloc": { link: "/" },
    "/image/.edgectl": null,
    "/live/hosts": "of the machine",
    "/live/resolv.conf": "of the machine",
  });
  const view = imageView(image, "/image", "/live");
  expect(seen(view.binds)).toEqual(["/image/usr /usr read", "/image/etc /etc read", "/live/hosts /etc/hosts read"]);
  expect(view.links).toEqual([{ path: "/bin", target: "/usr/bin" }]);
});

test("mounts: what is mounted within a folder comes along, for reading too; beside it nothing does", () => {
  const usr: Bind = { source: "/usr", target: "/usr", kind: "folder", access: "read" };
  const own: Bind = { source: "/alloc/x/alloc", target: "/alloc", kind: "folder", access: "write" };
  const below = withMountsBelow([usr, own], ["/", "/usr/local", "/usrlocal", "/alloc/x/alloc/deep"]);
  expect(seen(below)).toEqual(["/usr /usr read", "/usr/local /usr/local read", "/alloc/x/alloc /alloc write"]);
});

test("mounts: nothing but the task's own may be written, nothing gives devices or a setuid bit, and names are escaped", () => {
  const binds: Bind[] = [
    { source: "/usr", target: "/usr", kind: "folder", access: "read" },
    { source: "/data dir/al\\loc", target: "/alloc", kind: "folder", access: "write" },
  ];
  const table = mountTable({ root: "/roots/1", binds, proc: "private", sharedMemory: "private", devices: "common" });
  const lines = table
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "));
  expect(lines[0]).toEqual(["/roots/1", "/roots/1", "none", "bind,ro,nosuid,nodev", "0", "0"]);
  expect(lines.find((line) => line[1] === "/roots/1/alloc")?.[0]).toBe("/data\\040dir/al\\134loc");
  for (const [, target = "", , options = ""] of lines) {
    const flags = options.split(",");
    expect(flags).toContain("nosuid");
    const isDevice = /\/dev\/(?:pts|null|zero|full|random|urandom|tty)$/.test(target);
    expect([target, flags.includes("nodev")]).toEqual([target, !isDevice]);
    const isOwn = /\/(?:alloc|dev\/pts|dev\/shm)$/.test(target);
    expect([target, flags.includes("ro")]).toEqual([target, !isOwn]);
  }
});

test("mounts: with the host's processes and memory in sight these are bound, and with devices of its own /dev is empty first", () => {
  const plan = { root: "/r", binds: [], proc: "host", sharedMemory: "host", devices: "own" } as const;
  const table = mountTable(plan);
  expect(table).toContain("/proc /r/proc none bind,ro,");
  expect(deviceTable(plan)).toContain("/dev/shm /r/dev/shm none bind,");
  expect(table).not.toContain("/dev/shm");
  expect(table).toContain("dev /r/dev tmpfs nosuid,noexec,");
  expect(table).not.toContain("/dev/null");
});

test("mounts: the root folder has a place for each thing, its parents first, and none within what is mounted whole", () => {
  const entries = rootEntries({
    binds: [
      { source: "/image/etc", target: "/etc", kind: "folder", access: "read" },
      { source: "/live/hosts", target: "/etc/hosts", kind: "file", access: "read" },
      { source: "/etc/ssl/certs", target: "/opt/ssl/certs", kind: "folder", access: "read" },
    ],
    links: [{ path: "/bin", target: "usr/bin" }],
  });
  const paths = entries.map((entry) => entry.path);
  expect(paths).not.toContain("/etc/hosts");
  expect(paths.indexOf("/opt/ssl")).toBeLessThan(paths.indexOf("/opt/ssl/certs"));
  expect(paths.indexOf("/opt")).toBeLessThan(paths.indexOf("/opt/ssl"));
  for (const path of ["/proc", "/sys", "/tmp", "/alloc", "/local", "/secrets", "/dev/null", "/dev/fd", "/bin"]) expect(paths).toContain(path);
  expect(new Set(paths).size).toBe(paths.length);
});
