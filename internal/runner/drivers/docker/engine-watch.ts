// Finds the engine, keeps one connection to its events, and notices when it goes and comes back. Containers outlive that:
// whoever waits for one is told to look again.

import { messageOf } from "../../../domain/errors.ts";
import type { Runtime, Timer } from "../../../runtime/runtime.ts";
import type { StreamAddress } from "../../../runtime/stream-socket.ts";
import type { DriverState } from "../driver.ts";
import { LABEL } from "./container.ts";
import { addressText, Engine, type EngineVersion, parseEndpoint } from "./engine.ts";
import { engineTls } from "./engine-tls.ts";
import type { DockerSettings } from "./settings.ts";

export interface EngineWatchParts {
  readonly runtime: Runtime;
  readonly settings: DockerSettings;
  readonly nodeId: string;
}

export class EngineWatch {
  readonly #parts: EngineWatchParts;
  #engine: Engine | null = null;
  #version: EngineVersion | null = null;
  #changed: (state: DriverState) => void = () => undefined;
  #lastTold = "";
  #trouble = "";
  #wasSeen = false;
  readonly #lookers = new Map<string, (why: LookReason) => void>();
  #waiters: (() => void)[] = [];
  #control = new AbortController();
  #isStarted = false;

  constructor(parts: EngineWatchParts) {
    this.#parts = parts;
  }

  start(changed: (state: DriverState) => void): void {
    this.#changed = changed;
    if (this.#isStarted) return;
    this.#isStarted = true;
    void this.#run();
  }

  stop(): void {
    this.#control.abort();
  }

  /** The engine as long as it answers. */
  get engine(): Engine | null {
    return this.#engine;
  }

  /** Why there is none, as far as known. */
  get trouble(): string {
    return this.#trouble;
  }

  get isPodman(): boolean {
    return this.#version?.isPodman ?? false;
  }

  /** Waits for an engine that answers; null when the watch ends before. */
  async untilEngine(): Promise<Engine | null> {
    while (this.#engine === null && !this.#control.signal.aborted) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    return this.#engine;
  }

  /** Calls whenever the container may have ended, and when the engine goes or comes. */
  onContainer(id: string, look: (why: LookReason) => void): () => void {
    this.#lookers.set(id, look);
    return () => this.#lookers.delete(id);
  }

  // --- internal ---

  async #run(): Promise<void> {
    while (!this.#control.signal.aborted) {
      const failure = await this.#once();
      if (this.#control.signal.aborted) break;
      const wasThere = this.#engine !== null;
      this.#engine = null;
      this.#trouble = failure;
      this.#tell({ detected: this.#wasSeen, healthy: false, description: failure, attributes: {} });
      if (wasThere) for (const look of [...this.#lookers.values()]) look("gone");
      await this.#pause(wasThere ? PAUSE_MS_MIN : this.#lookers.size > 0 ? PAUSE_MS_BUSY : PAUSE_MS_IDLE);
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** One connection from its beginning to its end; says why it ended. */
  async #once(): Promise<string> {
    const address = this.#find();
    if (typeof address === "string") return address;
    this.#wasSeen = true;
    const engine = new Engine(address);
    const control = new AbortController();
    const give = () => control.abort();
    this.#control.signal.addEventListener("abort", give);
    let ping: Timer | null = null;
    try {
      // With a little of what was before: an end between the first look and the first event would be in neither.
      const since = Math.floor(this.#parts.runtime.clock.nowMs() / 1000) - 1;
      this.#version = await engine.connect();
      const attributes = await this.#attributes(engine);
      const filters = JSON.stringify({ type: ["container"], label: [`${LABEL.nodeId}=${this.#parts.nodeId}`] });
      const events = engine.lines({ method: "GET", path: `/events?since=${since}&filters=${encodeURIComponent(filters)}` }, control.signal);
      const first = events.next();
      this.#engine = engine;
      this.#tell({ detected: true, healthy: true, description: "Healthy", attributes });
      for (const wake of this.#waiters.splice(0)) wake();
      for (const look of [...this.#lookers.values()]) look("back");
      ping = this.#pingLater(engine, control);
      for (let next = await first; !next.done; next = await events.next())
        if (/^(?:die|died|destroy|remove|oom)$/.test(next.value.text("Action") || next.value.text("status")))
          this.#lookers.get(next.value.at("Actor").text("ID") || next.value.text("id"))?.("event");
      return `the container engine at ${addressText(address)} closed the connection`;
    } catch (error) {
      return messageOf(error);
    } finally {
      ping?.cancel();
      this.#control.signal.removeEventListener("abort", give);
      control.abort();
    }
  }

  /** An engine that hangs keeps its connections: it is asked now and then. */
  #pingLater(engine: Engine, control: AbortController): Timer {
    const { clock } = this.#parts.runtime;
    let timer = clock.after(PING_MS, () => void ask(), { keepsAlive: false });
    const ask = async () => {
      try {
        await engine.json("GET", "/_ping", undefined, { timeoutMs: PING_ANSWER_MS_MAX });
        // An event that was lost on its way would leave a task running for ever.
        for (const look of [...this.#lookers.values()]) look("event");
        if (!control.signal.aborted) timer = clock.after(PING_MS, () => void ask(), { keepsAlive: false });
      } catch {
        control.abort(); // whatever it was, the loop finds out by connecting again
      }
    };
    return { cancel: () => timer.cancel() };
  }

  /** The address to try, or why there is none. */
  #find(): StreamAddress | string {
    const { settings, runtime } = this.#parts;
    if (settings.endpoint !== "") {
      const address = parseEndpoint(settings.endpoint);
      if (address === null) return `client.docker.endpoint "${settings.endpoint}" is neither unix:///PATH nor tcp://HOST:PORT`;
      if ("path" in address) return runtime.files.stat(address.path) !== null ? address : `there is no socket ${address.path}`;
      const tls = engineTls(runtime.files, settings.tls);
      return typeof tls === "string" ? tls : { ...address, ...(tls === null ? {} : { tls }) };
    }
    const own = runtime.host.env.XDG_RUNTIME_DIR ?? "";
    const sockets = [...SOCKETS, ...(own === "" ? [] : [`${own}/docker.sock`, `${own}/podman/podman.sock`])];
    const path = sockets.find((candidate) => runtime.files.stat(candidate) !== null);
    return path === undefined ? "no container engine found: neither docker's nor podman's socket is there" : { path };
  }

  async #attributes(engine: Engine): Promise<Readonly<Record<string, string>>> {
    const { settings } = this.#parts;
    const info = await engine.json("GET", "/info");
    const bridge = await engine.json("GET", "/networks/bridge").catch(() => null); // podman calls its own by another name
    const gateway = bridge?.at("IPAM").list("Config")[0]?.text("Gateway") ?? "";
    return {
      "driver.docker": "1",
      "driver.docker.version": this.#version?.version ?? "",
      "driver.docker.api_version": this.#version?.apiVersion ?? "",
      "driver.docker.engine": this.isPodman ? "podman" : "docker",
      "driver.docker.os_type": info.text("OSType") || "linux",
      "driver.docker.runtimes": info.at("Runtimes").names().join(","),
      "driver.docker.live_restore": String(info.bool("LiveRestoreEnabled")),
      ...(gateway === "" ? {} : { "driver.docker.bridge_ip": gateway }),
      ...(settings.isVolumesEnabled ? { "driver.docker.volumes.enabled": "true" } : {}),
      ...(settings.isPrivilegedAllowed ? { "driver.docker.privileged.enabled": "true" } : {}),
    };
  }

  #tell(state: DriverState): void {
    const text = JSON.stringify(state);
    if (text === this.#lastTold) return;
    this.#lastTold = text;
    this.#changed(state);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.runtime.clock.after(delayMs, resolve, { keepsAlive: false });
      this.#control.signal.addEventListener(
        "abort",
        () => {
          timer.cancel();
          resolve();
        },
        { once: true },
      );
    });
  }
}

export type LookReason = "event" | "gone" | "back";

// --- internal ---

const SOCKETS = ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock"];
const PAUSE_MS_MIN = 100;
const PAUSE_MS_BUSY = 1000;
const PAUSE_MS_IDLE = 5000;
const PING_MS = 30_000;
const PING_ANSWER_MS_MAX = 15_000;
