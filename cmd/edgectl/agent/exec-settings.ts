// The settings of the exec driver: which users it lends, which capabilities jobs may ask for, or that it is switched off.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { UNUSED_MS_MAX } from "../../../internal/runner/disuse.ts";
import type { ExecSettings } from "../../../internal/runner/drivers/exec.ts";
import { capabilityName, DEFAULT_CAPABILITIES, KNOWN_CAPABILITIES } from "../../../internal/runner/sandbox/capabilities.ts";
import type { SettingValues } from "./settings.ts";

const UID_MAX = 2 ** 31 - 1;

/** Null when the driver is switched off. Throws `config` with the setting and what is wrong with it. */
export function execSettingsOf(values: SettingValues): ExecSettings | null {
  const [min, max] = [Number(values.get("client.dynamic_user_min") ?? 80_000), Number(values.get("client.dynamic_user_max") ?? 89_999)];
  if (min < 1 || min > max || max > UID_MAX)
    throw new EdgeError("config", `the dynamic users ${min} to ${max} are no range between 1 and ${UID_MAX}`, {
      hint: "set client.dynamic_user_min and client.dynamic_user_max",
    });
  const listed = values.get("client.exec_allow_caps") as readonly string[] | undefined; // a checked list
  const unknown = (listed ?? []).filter((name) => capabilityName(name) === null);
  if (unknown.length > 0) throw new EdgeError("config", `client.exec_allow_caps names no capability: ${unknown.join(", ")}`);
  const names = (listed ?? DEFAULT_CAPABILITIES).map((name) => capabilityName(name) ?? "");
  const allowCaps = names.includes("all") ? KNOWN_CAPABILITIES : [...new Set(names)];
  const imageGcDelayMs = Number(values.get("client.exec_gc_image_delay") ?? UNUSED_MS_MAX);
  return values.get("client.exec") === false ? null : { users: { min, max }, allowCaps, imageGcDelayMs };
}
