// A container engine of a test's own: dockerd in a temporary folder, on a bridge of its own, with an image made of busybox.

import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { closeSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const IMAGE = "busybox:test";
"cat date dd echo env false head hostname httpd id kill ls mkdir mount nc printf ps seq sh sleep stat tail test touch true wc wget".split(" ");

export class DockerEngine {
  readonly folder = mkdtempSync(join(tmpdir(), "edgectl-docker-"));
  readonly socket = join(this.folder, "d.sock");
  readonly #bridge: string;
  #process: ChildProcess | null = null;
  /** A process of its own, as on real machines: containers and their supervisor outlive a dockerd that is killed. */
  #containerd: ChildProcess | null = null;

  constructor() {
    // Names of interfaces have at most 15 characters; the pid keeps engines of tests that run at once apart.
    this.#bridge = `edge${process.pid}`;
  }

  get endpoint(): string {
    return `unix://${this.socket}`;
  }

  get log(): string {
    return readFileSync(join(this.folder, "log"), "utf8");
  }

  /** Starts it, the first time with its image, and waits until it answers. */
  async start(more: readonly string[] = []): Promise<void> {
    this.#makeBridge();
    const log = openSync(join(this.folder, "log"), "a");
    const flags = ["--data-root", join(this.folder, "root"), "--exec-root", join(this.folder, "exec"), "-p", join(this.folder, "pid")];
    await this.#startContainerd(log);
    this.#process = spawn("dockerd", [...flags, "--containerd", join(this.folder, "c.sock"), "-b", this.#bridge, "-H", this.endpoint, ...more], {
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    const deadline = Date.now() + 30_000;
    while (spawnSync("docker", ["-H", this.endpoint, "version"]).status !== 0) {
      if (Date.now() > deadline || this.#process.exitCode !== null) throw new Error(`dockerd did not start\n${this.log.slice(-3000)}`);
      await new Promise((done) => setTimeout(done, 100));
    }
    if (this.try("image", "inspect", IMAGE).status !== 0) this.docker("import", makeRoot(this.folder), IMAGE);
  }

  /** What the docker CLI says; throws when it fails. */
  docker(...words: readonly string[]): string {
    const done = this.try(...words);
    if (done.status !== 0) throw new Error(`docker ${words.join(" ")}: ${done.stderr}`);
    return done.stdout;
  }

  /** The same for what asks this very process, which must go on meanwhile. */
  async dockerAside(...words: readonly string[]): Promise<void> {
    await promisify(execFile)("docker", ["-H", this.endpoint, ...words]);
  }

  try(...words: readonly string[]) {
    return spawnSync("docker", ["-H", this.endpoint, ...words], { encoding: "utf8", timeout: 60_000 });
  }

  /** Names of all containers, ended ones too. */
  containers(): readonly string[] {
    return this.docker("ps", "--all", "--format", "{{.Names}}").split("\n").filter(Boolean);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const running = this.#process;
    this.#process = null;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    running.kill(signal);
    await new Promise((done) => running.once("exit", done));
    rmSync(this.socket, { force: true });
  }

  /** Ends it with everything it runs. */
  async close(): Promise<void> {
    if (this.#process) {
      const all = this.try("ps", "--all", "--quiet").stdout.split("\n").filter(Boolean);
      if (all.length > 0) this.try("rm", "--force", "--volumes", ...all);
    }
    await this.stop();
    this.#containerd?.kill("SIGKILL");
    // What supervises a container names the folder, and nobody else does.
    const left = spawnSync("pgrep", ["-f", this.folder], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
    for (const pid of left) spawnSync("kill", ["-9", pid]);
    spawnSync("ip", ["link", "del", this.#bridge]);
    spawnSync("sh", ["-c", `grep -o "${this.folder}[^ ]*" /proc/mounts | sort -r | xargs -r umount -l`]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  // --- internal ---

  async #startContainerd(log: number): Promise<void> {
    if (this.#containerd) return;
    const address = join(this.folder, "c.sock");
    const words = ["--root", join(this.folder, "c-root"), "--state", join(this.folder, "c-state"), "--address", address, "--log-level", "warn"];
    const config = join(this.folder, "containerd.toml");
    writeFileSync(config, 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    this.#containerd = spawn("containerd", ["--config", config, ...words], { stdio: ["ignore", log, log], detached: true });
    const deadline = Date.now() + 15_000;
    while (!existsSync(address) && Date.now() < deadline) await new Promise((done) => setTimeout(done, 20));
  }

  #makeBridge(): void {
    if (existsSync(`/sys/class/net/${this.#bridge}`)) return;
    const second = 16 + (process.pid % 200);
    spawnSync("ip", ["link", "add", this.#bridge, "type", "bridge"]);
    spawnSync("ip", ["addr", "add", `10.${second}.0.1/24`, "dev", this.#bridge]);
    spawnSync("ip", ["link", "set", this.#bridge, "up"]);
  }
}

/** A tarball of a root folder: busybox, and the names it is called by. */
export function makeRoot(folder: string): string {
  const path = join(folder, "busybox.tar");
  if (existsSync(path)) return path;
  const root = join(folder, "busybox");
  mkdirSync(join(root, "bin"), { recursive: true });
  for (const name of ["tmp", "data", "proc", "dev", "etc", "usr"]) mkdirSync(join(root, name));
  const busybox = spawnSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).stdout.trim();
  copyFileSync(busybox, join(root, "bin/busybox"));
  const applets = spawnSync(busybox, ["--list"], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((name) => name !== "" && name !== "busybox");
  for (const applet of applets) symlinkSync("busybox", join(root, "bin", applet));
  spawnSync("tar", ["-C", root, "-cf", path, "."]);
  return path;
}
