// podman's service in a temporary folder, with the image that the tests run.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE, makeRoot } from "./docker-engine.ts";

export class PodmanEngine {
  readonly folder = mkdtempSync(join(tmpdir(), "edgectl-podman-"));
  readonly #socket = join(this.folder, "p.sock");
  #service: ChildProcess | null = null;

  get endpoint(): string {
    return `unix://${this.#socket}`;
  }

  async start(): Promise<void> {
    // Its own limits ask for more than a machine without CAP_SYS_RESOURCE gives.
    writeFileSync(join(this.folder, "containers.conf"), '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n');
    const imported = this.#run("import", makeRoot(this.folder), IMAGE);
    if (imported.status !== 0) throw new Error(`podman import: ${imported.stderr}`);
    this.#service = spawn("podman", [...this.#flags(), "system", "service", "--time", "0", this.endpoint], { stdio: "ignore", env: this.#env() });
    const deadline = Date.now() + 15_000;
    while (!existsSync(this.#socket)) {
      if (Date.now() > deadline) throw new Error("podman's service did not start");
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async close(): Promise<void> {
    if (this.#service === null) return;
    this.#run("rm", "--all", "--force", "--time", "0");
    this.#service.kill("SIGKILL");
    spawnSync("sh", ["-c", `grep -o "${this.folder}[^ ]*" /proc/mounts | sort -r | xargs -r umount -l`]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  // --- internal ---

  #flags(): string[] {
    const folders = ["--root", join(this.folder, "root"), "--runroot", join(this.folder, "run"), "--tmpdir", join(this.folder, "tmp")];
    return [...folders, "--cgroup-manager", "cgroupfs", "--events-backend", "file"];
  }

  #env() {
    return { ...process.env, CONTAINERS_CONF: join(this.folder, "containers.conf") };
  }

  #run(...words: readonly string[]) {
    return spawnSync("podman", [...this.#flags(), ...words], { encoding: "utf8", timeout: 60_000, env: this.#env() });
  }
}
