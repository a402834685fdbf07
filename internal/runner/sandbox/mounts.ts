// What a task in a file system of its own sees, as lines for mount: pure, from what the machine has.
// The host's folders and an image are never writable; only what is the task's own is.

import { join } from "../../domain/paths.ts";
import type { FileInfo, Files } from "../../runtime/runtime.ts";

/** What the folder that becomes the task's root must hold for others to be mounted upon, and its links. */
export type RootEntry =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** Something of the machine that appears in the task. */
export interface Bind {
  readonly source: string;
  /** As the task sees it. */
  readonly target: string;
  readonly kind: "folder" | "file";
  readonly access: "read" | "write";
}

export interface View {
  readonly binds: readonly Bind[];
  readonly links: readonly { readonly path: string; readonly target: string }[];
}

export const DEVICE_FILES = ["null", "zero", "full", "random", "urandom", "tty"] as const;
export const DEVICE_LINKS: Readonly<Record<string, string>> = {
  fd: "/proc/self/fd",
  stdin: "/proc/self/fd/0",
  stdout: "/proc/self/fd/1",
  stderr: "/proc/self/fd/2",
  ptmx: "pts/ptmx",
};

/** The host's programs and libraries, and of its settings what programs look up: names, certificates, time zone. */
export function hostView(files: Files, liveFiles: string): View {
  const system = SYSTEM_FOLDERS.map((name) => entryOf(files, `/${name}`, `/${name}`));
  const etcNames = [...ETC, ...(files.list("/etc") ?? []).filter((name) => /^(?:java|python3|perl|ld-musl)/.test(name))];
  const etc = etcNames.map((name) => entryOf(files, `/etc/${name}`, `/etc/${name}`));
  return merge([...system, ...etc, ...LIVE_FILES.map((name) => entryOf(files, join(liveFiles, name), `/etc/${name}`))]);
}

/** An image's folders; names and addresses are the machine's where the image leaves a plain file for them. */
export function imageView(files: Files, image: string, liveFiles: string): View {
  const own = (files.list(image) ?? []).filter((name) => !RESERVED.includes(name));
  const live = LIVE_FILES.filter((name) => files.lstat(join(image, "etc"))?.isDirectory && files.lstat(join(image, "etc", name))?.isFile);
  return merge([
    ...own.map((name) => imageEntry(files, join(image, name), `/${name}`)),
    ...live.map((name) => entryOf(files, join(liveFiles, name), `/etc/${name}`)),
  ]);
}

/** Folders mounted below others do not come along with a plain bind: each gets its own line. */
export function withMountsBelow(binds: readonly Bind[], mountPoints: readonly string[]): readonly Bind[] {
  return binds.flatMap((bind) => {
    if (bind.access !== "read" || bind.kind !== "folder") return [bind];
    const below = mountPoints.filter((point) => point.startsWith(`${bind.source}/`));
    return [bind, ...below.map((point) => ({ ...bind, source: point, target: bind.target + point.slice(bind.source.length) }))];
  });
}

export interface MountPlan {
  /** Where the task's root is put together. */
  readonly root: string;
  readonly binds: readonly Bind[];
  readonly proc: "private" | "host";
  readonly sharedMemory: "private" | "host";
  /** Whether /dev is the task's own, to be filled with devices, or the common few. */
  readonly devices: "common" | "own";
}

/** Lines of an fstab, in the order in which they must be mounted. A /dev of the task's own comes empty. */
export function mountTable(plan: MountPlan): string {
  const { root } = plan;
  const inside = (path: string) => join(root, path);
  const lines: readonly Line[] = [
    [root, root, "none", "bind,ro,nosuid,nodev"],
    ...plan.binds.map((bind): Line => [bind.source, inside(bind.target), "none", OPTIONS[bind.access]]),
    plan.proc === "private"
      ? ["proc", inside("proc"), "proc", "ro,nosuid,nodev,noexec"]
      : ["/proc", inside("proc"), "none", "bind,ro,nosuid,nodev,noexec"],
    ["/sys", inside("sys"), "none", "bind,ro,nosuid,nodev,noexec"],
    ...(plan.devices === "own"
      ? [["dev", inside("dev"), "tmpfs", "nosuid,noexec,mode=755,size=64k,nr_inodes=64"] as const]
      : [...DEVICE_FILES.map((name): Line => [`/dev/${name}`, inside(`dev/${name}`), "none", OPTIONS.device]), ...belowDevices(plan)]),
  ];
  return textOf(lines);
}

/** Lines for what is mounted within a /dev of the task's own, once it has the folders for it. */
export function deviceTable(plan: MountPlan): string {
  return textOf(belowDevices(plan));
}

/** The root folder that such a view needs, each folder before what it holds. */
export function rootEntries(view: View): readonly RootEntry[] {
  const entries = new Map<string, RootEntry>();
  const add = (entry: RootEntry) => {
    const parts = entry.path.split("/").slice(1, -1);
    for (let count = 1; count <= parts.length; count++) {
      const path = `/${parts.slice(0, count).join("/")}`;
      if (!entries.has(path)) entries.set(path, { kind: "folder", path });
    }
    if (!entries.has(entry.path)) entries.set(entry.path, entry);
  };
  for (const name of [...RESERVED.map((one) => `/${one}`), "/dev/pts", "/dev/shm"]) add({ kind: "folder", path: name });
  for (const name of DEVICE_FILES) add({ kind: "file", path: `/dev/${name}` });
  for (const [name, target] of Object.entries(DEVICE_LINKS)) add({ kind: "link", path: `/dev/${name}`, target });
  // What lies within another bind is there already, and is none of this folder's business.
  for (const bind of view.binds)
    if (!view.binds.some((other) => bind.target.startsWith(`${other.target}/`))) add({ kind: bind.kind, path: bind.target });
  for (const link of view.links) add({ kind: "link", ...link });
  return [...entries.values()];
}

/** Where a link points; null for everything else. */
export function linkTarget(files: Files, path: string): string | null {
  const info = files.lstat(path);
  if (info === null || info.isDirectory || info.isFile) return null;
  try {
    return files.readLink(path);
  } catch {
    return null; // a device or a socket
  }
}

/** Folders of the task's own root that an image's names do not shadow. */
export const TOOLS_FOLDER = ".edgectl";
const RESERVED: readonly string[] = ["proc", "sys", "dev", "tmp", "alloc", "local", "secrets", TOOLS_FOLDER];

/** Of /etc what changes under a task that runs on: kept as copies that are rewritten in place. */
export const LIVE_FILES = ["resolv.conf", "hosts"] as const;

// --- internal ---

type Line = readonly [source: string, target: string, type: string, options: string];

const OPTIONS: Readonly<Record<Bind["access"] | "device", string>> = {
  read: "bind,ro,nosuid,nodev",
  write: "bind,nosuid,nodev",
  device: "bind,ro,nosuid,noexec",
};

export const SYSTEM_FOLDERS: readonly string[] = ["bin", "sbin", "usr", "lib", "lib32", "lib64", "libx32", "nix"];

/** No keys, no password hashes, no settings of services: what a program needs to run at all. */
const ETC = [
  "alternatives",
  "ca-certificates",
  "ca-certificates.conf",
  "crypto-policies",
  "debian_version",
  "fonts",
  "gai.conf",
  "group",
  "host.conf",
  "hostname",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "locale.alias",
  "localtime",
  "lsb-release",
  "magic",
  "magic.mime",
  "mime.types",
  "networks",
  "nsswitch.conf",
  "os-release",
  "passwd",
  "pki/ca-trust",
  "pki/tls/certs",
  "protocols",
  "rpc",
  "services",
  "ssl/cert.pem",
  "ssl/certs",
  "ssl/openssl.cnf",
  "terminfo",
  "timezone",
];

type Found = Bind | { readonly path: string; readonly target: string } | null;

function merge(found: readonly Found[]): View {
  const binds = found.filter((one): one is Bind => one !== null && "source" in one);
  const links = found.filter((one): one is View["links"][number] => one !== null && "path" in one);
  return { binds, links };
}

/** A link within the system stays one; any other is followed to what it names. */
function entryOf(files: Files, source: string, target: string): Found {
  const link = linkTarget(files, source);
  if (link !== null && (target.lastIndexOf("/") === 0 || (files.realPath(source) ?? "").startsWith("/usr/")))
    return { path: target, target: target.lastIndexOf("/") === 0 ? link : (files.realPath(source) ?? link) };
  return bindOf(files.stat(source), source, target);
}

/** Links of an image are never followed here: their targets are the image's, not the host's. */
function imageEntry(files: Files, source: string, target: string): Found {
  const link = linkTarget(files, source);
  return link === null ? bindOf(files.lstat(source), source, target) : { path: target, target: link };
}

function bindOf(info: FileInfo | null, source: string, target: string): Found {
  if (info?.isDirectory) return { source, target, kind: "folder", access: "read" };
  return info?.isFile ? { source, target, kind: "file", access: "read" } : null;
}

function belowDevices(plan: MountPlan): readonly Line[] {
  const inside = (path: string) => join(plan.root, path);
  return [
    ["devpts", inside("dev/pts"), "devpts", "newinstance,ptmxmode=0666,mode=0620,nosuid,noexec"],
    plan.sharedMemory === "private"
      ? ["shm", inside("dev/shm"), "tmpfs", "nosuid,nodev,noexec,mode=1777,size=64m"]
      : ["/dev/shm", inside("dev/shm"), "none", "bind,nosuid,nodev,noexec"],
  ];
}

function textOf(lines: readonly Line[]): string {
  return lines.map((line) => `${line.map(escapeField).join(" ")} 0 0\n`).join("");
}

/** White space, backslashes and a comment's beginning, as fstab writes them. */
function escapeField(text: string): string {
  return text.replace(/[ \t\n\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
