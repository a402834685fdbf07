// The settings of the qemu driver: which images, emulators and options jobs may use, or that it is switched off.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { QemuSettings } from "../../../internal/runner/drivers/qemu/driver.ts";
import type { SettingValues } from "./settings.ts";

/** Null when the driver is switched off. Throws `config` with the setting and what is wrong with it. */
export function qemuSettingsOf(values: SettingValues): QemuSettings | null {
  const list = (key: string) => values.get(`client.qemu.${key}`) as readonly string[] | undefined; // a checked list
  const imagePaths = list("image_paths") ?? [];
  const wrongPath = imagePaths.find((path) => !path.startsWith("/") || path.split("/").includes(".."));
  if (wrongPath !== undefined) throw new EdgeError("config", `client.qemu.image_paths: "${wrongPath}" is no whole path of a folder`);
  const allowedArgs = list("args_allowlist") ?? null;
  const wrongArg = allowedArgs?.find((arg) => !arg.startsWith("-"));
  if (wrongArg !== undefined)
    throw new EdgeError("config", `client.qemu.args_allowlist: "${wrongArg}" is no option`, { hint: "write it with its dash, such as -smp" });
  if (values.get("client.qemu.enabled") === false) return null;
  // Any option amounts to any program: where those are refused, so are these until the operator lists some.
  const otherwise = values.get("client.raw_exec") === false ? [] : null;
  return { imagePaths, allowedArgs: allowedArgs ?? otherwise, allowedEmulators: list("emulators_allowlist") ?? null };
}
