// One external driver's process, over all its lives: started when it is needed, greeted, asked, started again after a pause
// when it dies, hangs or says what it must not. Whoever waits is told that it is gone, and may ask again.

import { EdgeError, messageOf } from "../../../domain/errors.ts";
import type { JsonMap } from "../../../domain/job.ts";
import { LIMITS } from "../../../domain/limits.ts";
import type { Runtime, Timer } from "../../../runtime/runtime.ts";
import { SAFE_PATH } from "../../sandbox/tools.ts";
import type { DriverState } from "../driver.ts";
import { DriverGone } from "./gone.ts";
import { Life } from "./life.ts";
import { type Introduction, PROTOCOL, readIntroduction, readState } from "./protocol.ts";

export interface HostParts {
  readonly runtime: Runtime;
  readonly name: string;
  /** The executable. */
  readonly path: string;
  /** A folder of the driver's own, which outlives it. */
  readonly folder: string;
  readonly node: { readonly id: string; readonly name: string };
  readonly settings: JsonMap;
  readonly version: string;
  log(level: "info" | "warn", message: string): void;
  /** It found out more about its health. */
  changed(state: DriverState): void;
  /** Of a task that is being started: for people. */
  said(task: string, message: string): void;
}

export class DriverHost {
  readonly #parts: HostParts;
  #life: Promise<Life> | null = null;
  #introduction: Introduction | null = null;
  #failures = 0;
  #notBeforeMs = 0;
  #holders = 0;
  #pending = 0;
  #idle: Timer | null = null;
  #ping: Timer | null = null;
  #isStopped = false;

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /** What it last said of itself; null before it was first greeted. */
  get introduction(): Introduction | null {
    return this.#introduction;
  }

  /** Starts it for the first time; its health is told. */
  look(): void {
    void this.introduce().catch(() => undefined);
  }

  /** Greets it where nobody has. Rejects with `DriverGone`. */
  async introduce(): Promise<Introduction> {
    await this.#alive();
    this.#armIdle();
    return this.#introduction as Introduction; // greeted is alive
  }

  /** Its answer. Rejects with `DriverGone`, or with its own refusal as an EdgeError. Without a time it may take for ever. */
  async ask(method: string, params: JsonMap, timeoutMs: number | null = LIMITS.driverAnswerMsMax): Promise<JsonMap> {
    this.#pending += 1;
    try {
      const life = await this.#alive();
      return await life.ask(method, params, timeoutMs);
    } finally {
      this.#pending -= 1;
      this.#armIdle();
    }
  }

  /** Keeps the process for as long as a task needs it. */
  hold(): () => void {
    this.#holders += 1;
    this.#armPing();
    let isHeld = true;
    return () => {
      if (isHeld) this.#holders -= 1;
      isHeld = false;
      this.#armIdle();
    };
  }

  /** Lets go of it: its tasks run on. */
  stop(): void {
    this.#isStopped = true;
    this.#idle?.cancel();
    this.#ping?.cancel();
    void this.#life?.then((life) => life.end()).catch(() => undefined);
  }

  // --- internal ---

  #alive(): Promise<Life> {
    if (this.#isStopped) return Promise.reject(new DriverGone("the agent leaves"));
    if (this.#life === null) {
      const life = this.#begin();
      this.#life = life;
      life.catch((error) => {
        if (this.#life === life) this.#died(messageOf(error));
      });
    }
    return this.#life;
  }

  async #begin(): Promise<Life> {
    const { runtime, name, path, folder } = this.#parts;
    const waitMs = this.#notBeforeMs - runtime.clock.monotonicMs();
    if (waitMs > 0) await new Promise<void>((resolve) => runtime.clock.after(waitMs, resolve, { keepsAlive: false }));
    if (this.#isStopped) throw new DriverGone("the agent leaves");
    runtime.files.makeDirectory(folder, 0o700);
    const begunAtMs = runtime.clock.monotonicMs();
    const life = new Life({
      runtime,
      path,
      env: { PATH: SAFE_PATH, LANG: "C.UTF-8", HOME: "/" },
      folder,
      event: (event, params) => this.#heard(event, params),
      log: (line) => this.#parts.log("info", line),
      ended: (reason, isExpected) => {
        if (isExpected) this.#life = null;
        else if (this.#life !== null) {
          if (runtime.clock.monotonicMs() - begunAtMs > STEADY_MS) this.#failures = 0;
          this.#died(reason);
        }
      },
    });
    const hello = {
      protocol: [PROTOCOL],
      agent: `edgectl ${this.#parts.version}`,
      driver: name,
      data: folder,
      node: { ...this.#parts.node },
      settings: this.#parts.settings,
    };
    const introduction = readIntroduction(await life.ask("hello", hello, LIMITS.driverAnswerMsMax));
    if (typeof introduction === "string") return life.giveUp(introduction);
    this.#introduction = introduction;
    const state = readState(await life.ask("fingerprint", {}, LIMITS.driverAnswerMsMax));
    this.#tell(state);
    return life;
  }

  #heard(event: string, params: JsonMap): void {
    if (event === "fingerprint") this.#tell(readState(params));
    else if (event === "log")
      this.#parts.log(params.level === "warn" ? "warn" : "info", String(params.message ?? "").slice(0, LIMITS.problemCharsMax));
    else if (event === "say") this.#parts.said(String(params.task ?? ""), String(params.message ?? "").slice(0, LIMITS.problemCharsMax));
  }

  #tell(state: DriverState): void {
    const { name } = this.#parts;
    const config = JSON.stringify(this.#introduction?.config ?? {});
    const standing = {
      [`driver.${name}`]: "1",
      [`driver.${name}.version`]: this.#introduction?.version ?? "",
      [`driver.${name}.config`]: config,
      [`driver.${name}.abilities`]: [...(this.#introduction?.abilities ?? [])].sort().join(","),
    };
    const own = Object.fromEntries(Object.entries(state.attributes).map(([key, value]) => [`driver.${name}.${key}`, value]));
    this.#parts.changed({ ...state, attributes: state.healthy ? { ...own, ...standing } : {} });
  }

  /** Told, and begun again by itself: a driver whose process died holds tasks that still run. */
  #died(reason: string): void {
    this.#life = null;
    if (this.#isStopped) return;
    const { clock } = this.#parts.runtime;
    const pauseMs = Math.min(LIMITS.driverRestartMsMin * 2 ** this.#failures, LIMITS.driverRestartMsMax);
    this.#failures += 1;
    this.#notBeforeMs = clock.monotonicMs() + pauseMs;
    const description = `the driver's process failed: ${reason}; it is started again after ${pauseMs / 1000} s`;
    this.#parts.changed({ detected: true, healthy: false, description, attributes: {} });
    this.look();
  }

  #armIdle(): void {
    this.#idle?.cancel();
    this.#idle = null;
    if (this.#holders > 0 || this.#pending > 0 || this.#isStopped) return;
    const end = () => void this.#life?.then((life) => life.end()).catch(() => undefined);
    this.#idle = this.#parts.runtime.clock.after(LIMITS.driverIdleMs, end, { keepsAlive: false });
  }

  #armPing(): void {
    if (this.#ping !== null || this.#isStopped) return;
    const ping = () => {
      this.#ping = null;
      if (this.#holders === 0) return;
      this.ask("ping", {}).catch((error) => {
        if (error instanceof EdgeError) this.#parts.log("warn", `the driver does not answer a ping: ${error.message}`);
      });
      this.#armPing();
    };
    this.#ping = this.#parts.runtime.clock.after(LIMITS.driverPingMs, ping, { keepsAlive: false });
  }
}

// --- internal ---

/** A process that lived so long begins with the shortest pause again. */
const STEADY_MS = 60_000;
