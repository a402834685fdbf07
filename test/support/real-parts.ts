// The real things that some tests run against (emulators, engines, other shells), and what to do where one is missing:
// the test is skipped and says why, or fails when EDGECTL_TEST_REQUIRE=1.
import { test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { findPostgresPrograms } from "./postgres.ts";

export type RealPart = keyof typeof parts;

export type PartState = { readonly kind: "present"; readonly version: string } | { readonly kind: "missing"; readonly fix: string };

/** A test that needs real parts; `body` runs only when all are there. */
export function testWith(needs: readonly RealPart[], title: string, body: () => unknown, timeoutMs = 30_000): void {
  const missing = needs.flatMap((name) => {
    const state = findPart(name);
    return state.kind === "missing" ? [`${name} (${state.fix})`] : [];
  });
  if (missing.length === 0) {
    test(title, body as () => Promise<void>, timeoutMs);
    return;
  }
  const reason = `${title}: no ${missing.join(", no ")}`;
  if (process.env.EDGECTL_TEST_REQUIRE === "1") {
    test(title, () => {
      throw new Error(`EDGECTL_TEST_REQUIRE=1 and a real part is missing: ${reason}`);
    });
    return;
  }
  console.log(`skipped: ${reason}`);
  test.skip(reason, () => {});
}

/** Whether the part is on this machine, in which version, or how to get it. Looked up once. */
export function findPart(name: RealPart): PartState {
  const known = found.get(name);
  if (known !== undefined) return known;
  const state = parts[name]();
  found.set(name, state);
  return state;
}

// --- internal ---

const found = new Map<string, PartState>();

const parts = {
  root: () => (process.getuid?.() === 0 ? present("yes") : missing("run the tests as root")),
  "qemu-arm": () => command(["qemu-arm-static", "--version"], "install the Debian package qemu-user-static"),
  "qemu-aarch64": () => command(["qemu-aarch64-static", "--version"], "install the Debian package qemu-user-static"),
  "qemu-x86_64": () => command(["qemu-x86_64-static", "--version"], "install the Debian package qemu-user-static"),
  "armhf libraries": () => library("/usr/arm-linux-gnueabihf/lib", "libc6-armhf-cross libstdc++6-armhf-cross libatomic1-armhf-cross"),
  "arm64 libraries": () => library("/usr/aarch64-linux-gnu/lib", "libc6-arm64-cross libstdc++6-arm64-cross"),
  "armel apt": () => command(["apt-get", "--version"], "only Debian has the armel Node that the test runs"),
  script: () => command(["script", "--version"], "install the Debian package bsdutils"),
  unshare: () => command(["unshare", "--version"], "install the Debian package util-linux"),
  nsenter: () => command(["nsenter", "--version"], "install the Debian package util-linux"),
  "x64 machine": () => (process.arch === "x64" ? present("yes") : missing("the test compares with an x64 machine")),
  bash: () => command(["bash", "--version"], "install the Debian package bash"),
  zsh: () => command(["zsh", "--version"], "install the Debian package zsh"),
  fish: () => command(["fish", "--version"], "install the Debian package fish"),
  dash: () => package_("dash", "dash"),
  busybox: () => command(["busybox"], "install the Debian package busybox-static"),
  strace: () => command(["strace", "--version"], "install the Debian package strace"),
  ip: () => command(["ip", "-V"], "install the Debian package iproute2"),
  faketime: () =>
    spawnSync("sh", ["-c", "ls /usr/lib/*/faketime/libfaketime.so.1"]).status === 0
      ? present("libfaketime")
      : missing("install the Debian package faketime"),
  zstd: () => command(["zstd", "--version"], "install the Debian package zstd"),
  "systemd-analyze": () => command(["systemd-analyze", "--version"], "install the Debian package systemd"),
  "mkfs.ext4": () => command(["mkfs.ext4", "-V"], "install the Debian package e2fsprogs"),
  python: () => command(["python3", "--version"], "install the Debian packages python3-venv and python3-pip"),
  node: () => command(["node", "--version"], "install Node 18 or newer"),
  java: () => command(["java", "-version"], "install the Debian package default-jre-headless"),
  "linux kernel": () => command(["apt-get", "--version"], "only Debian has the kernel that the test boots"),
  "qemu-system": () => command(["qemu-system-x86_64", "--version"], "install the Debian package qemu-system-x86"),
  docker: () => command(["dockerd", "--version"], "install the Debian package docker.io"),
  podman: () => command(["podman", "--version"], "install the Debian packages podman and catatonit"),
  postgresql: () => postgresql(),
  "cgroup v2": () => (existsSync("/sys/fs/cgroup/cgroup.controllers") ? present("v2") : missing("mount cgroup2 on /sys/fs/cgroup")),
} as const satisfies Record<string, () => PartState>;

function present(version: string): PartState {
  return { kind: "present", version };
}

function missing(fix: string): PartState {
  return { kind: "missing", fix };
}

function command(line: readonly string[], fix: string): PartState {
  const [program = "", ...rest] = line;
  const child = spawnSync(program, rest, { encoding: "utf8", timeout: 20_000 });
  // A busybox without arguments prints its version and ends with 0; so do all others here.
  if (child.error !== undefined || child.status !== 0) return missing(fix);
  const output = `${child.stdout}${child.stderr}`;
  return present(/\d+(?:\.\d+)+/.exec(output)?.[0] ?? "?");
}

/** dash has no option that prints its version. */
function package_(program: string, debianPackage: string): PartState {
  if (Bun.which(program) === null) return missing(`install the Debian package ${debianPackage}`);
  return present(installedVersion(debianPackage) ?? "?");
}

function installedVersion(debianPackage: string): string | undefined {
  const status = existsSync("/var/lib/dpkg/status") ? readFileSync("/var/lib/dpkg/status", "utf8") : "";
  const entry = status.split("\n\n").find((text) => text.startsWith(`Package: ${debianPackage}\n`));
  return entry === undefined ? undefined : /^Version: (.*)$/m.exec(entry)?.[1];
}

function library(folder: string, packages: string): PartState {
  const wanted = packages.includes("armhf") ? ["libc.so.6", "libstdc++.so.6", "libatomic.so.1"] : ["libc.so.6", "libstdc++.so.6"];
  const isComplete = wanted.every((file) => existsSync(`${folder}/${file}`));
  if (!isComplete) return missing(`install the Debian packages ${packages}`);
  return present(installedVersion(packages.split(" ")[0] ?? "") ?? "?");
}

function postgresql(): PartState {
  const found = findPostgresPrograms();
  return found === null ? missing("install the Debian package postgresql") : present(found.version);
}

if (import.meta.main) {
  // .ci/run asks: one line "name version" or "name missing: fix" for each part named.
  for (const name of process.argv.slice(2)) {
    if (!(name in parts)) throw new Error(`no real part "${name}"; known: ${Object.keys(parts).join(", ")}`);
    const state = findPart(name as RealPart);
    console.log(state.kind === "present" ? `${name} ${state.version}` : `${name} missing: ${state.fix}`);
  }
}
