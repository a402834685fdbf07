// The settings of drivers that come as executables of their own.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { JsonMap } from "../../../internal/domain/job.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import { join, pathFrom } from "../../../internal/domain/paths.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import type { SettingValues } from "./settings.ts";

/** Throws `config` with the setting and what is wrong with it. */
export function pluginSettingsOf(
  values: SettingValues,
  runtime: Runtime,
  dataDirectory: string,
): { readonly folder: string; readonly settings: Readonly<Record<string, JsonMap>> } {
  // A driver is started elsewhere.
  const folder = pathFrom(runtime.host.cwd, String(values.get("plugin_dir") ?? join(dataDirectory, "plugins")));
  const tables = Object.entries((values.get("plugin") as Readonly<Record<string, unknown>> | undefined) ?? {}); // of that kind by the settings table
  return { folder, settings: Object.fromEntries(tables.map(([name, value]) => [name, tableOf(name, value)])) };
}

// --- internal ---

/** As JSON has it: dates, large numbers and the like become texts. */
function tableOf(name: string, value: unknown): JsonMap {
  if (typeof value === "string") return { value };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new EdgeError("config", `plugin.${name}: must be a table or a string`);
  const text = JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? String(item) : item));
  if (text.length > LIMITS.driverHandleCharsMax)
    throw new EdgeError("config", `plugin.${name}: is longer than ${LIMITS.driverHandleCharsMax} characters as JSON (driverHandleCharsMax)`);
  return JSON.parse(text) as JsonMap; // a map goes in
}
