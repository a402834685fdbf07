// Reads the agent's settings anew while it runs: what can change does, what cannot is named. Settings that are wrong change
// nothing at all.

import type { ReloadOutcome } from "../../../internal/api/reload-codec.ts";
import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import type { Log } from "../../../internal/runtime/log.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { type AgentConfig, configOf, readSettings } from "./config.ts";
import { SETTINGS, type SettingValues } from "./settings.ts";

export interface ReloadsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  /** Has the agent go by these settings. */
  apply(config: AgentConfig): void;
}

export class Reloads {
  readonly #parts: ReloadsParts;
  /** What the agent goes by now. */
  #config: AgentConfig;
  #last: Promise<unknown> = Promise.resolve();

  constructor(config: AgentConfig, parts: ReloadsParts) {
    this.#config = config;
    this.#parts = parts;
  }

  get config(): AgentConfig {
    return this.#config;
  }

  /** One after another. Throws `config` with what is wrong and where: then nothing has changed. */
  reload(): Promise<ReloadOutcome> {
    const turn = this.#last.then(() => this.#reload());
    this.#last = turn.catch(() => undefined); // whoever asked for it is told
    return turn;
  }

  // --- internal ---

  async #reload(): Promise<ReloadOutcome> {
    const { runtime, log, apply } = this.#parts;
    const { said, argv, isDev, dataDirectory } = this.#config;
    let outcome: ReloadOutcome;
    try {
      const { values } = await readSettings(runtime, argv);
      // All of it must be right, also what only a restart would use.
      configOf(runtime, { argv, values, isDev }, dataDirectory);
      const { merged, ...found } = compareSettings(said, values);
      const config = configOf(runtime, { argv, values: merged, isDev }, dataDirectory);
      if (found.applied.length > 0) apply(config);
      this.#config = config;
      outcome = found;
    } catch (error) {
      log.error("the settings could not be read anew, nothing has changed", { error: messageOf(error) });
      throw error instanceof EdgeError
        ? error
        : new EdgeError("config", `the settings could not be read anew: ${messageOf(error)}`, { cause: error });
    }
    log.info("the settings were read anew", { applied: outcome.applied, needs_restart: outcome.needsRestart });
    return outcome;
  }
}

/** Which settings differ, and what the agent goes by from now on: the new value of each that may change while it runs. */
export function compareSettings(running: SettingValues, read: SettingValues): ReloadOutcome & { readonly merged: SettingValues } {
  const changed = SETTINGS.filter(({ key }) => JSON.stringify(running.get(key)) !== JSON.stringify(read.get(key)));
  const merged = new Map(running);
  for (const { key, isReloadable } of changed) {
    const value = read.get(key);
    if (!isReloadable) continue;
    if (value === undefined) merged.delete(key);
    else merged.set(key, value);
  }
  const keys = (isReloadable: boolean) => changed.filter((setting) => (setting.isReloadable === true) === isReloadable).map(({ key }) => key);
  return { applied: keys(true), needsRestart: keys(false), merged };
}
