// Which executables of the plug-in folder are drivers: each by its file's name, and none that others than its owner may change.

import { LIMITS } from "../../../domain/limits.ts";
import { join } from "../../../domain/paths.ts";
import type { Runtime } from "../../../runtime/runtime.ts";

export interface FoundDrivers {
  readonly drivers: readonly { readonly name: string; readonly path: string }[];
  /** What is there and is not used, with the reason. */
  readonly refused: readonly { readonly name: string; readonly reason: string; readonly fix: string }[];
}

export function findExternalDrivers({ files, host }: Pick<Runtime, "files" | "host">, folder: string, taken: readonly string[]): FoundDrivers {
  const drivers: { readonly name: string; readonly path: string }[] = [];
  const refused: { readonly name: string; readonly reason: string; readonly fix: string }[] = [];
  const OTHERS_MAY_WRITE = 0o022;
  for (const name of [...(files.list(folder) ?? [])].sort()) {
    const path = join(folder, name);
    const info = files.stat(path);
    const refuse = (reason: string, fix: string) => refused.push({ name, reason, fix });
    if (name.startsWith(".") || !info?.isFile) continue;
    if (!/^[a-z][a-z0-9_-]{0,62}$/.test(name)) refuse("its name is no driver's", "use small letters, digits, - and _, and no ending");
    else if (taken.includes(name)) refuse("edgectl has a driver of that name", "rename it");
    else if (!files.isExecutable(path)) refuse("it is not executable", `chmod 755 ${path}`);
    else if ((info.mode & OTHERS_MAY_WRITE) !== 0 || ((files.stat(folder)?.mode ?? 0) & OTHERS_MAY_WRITE) !== 0)
      refuse(`others than its owner may change it, and it would run as user ${host.uid}`, `chmod go-w ${folder} ${path}`);
    else if (drivers.length === LIMITS.externalDriversMax)
      refuse(`there are more than ${LIMITS.externalDriversMax} (externalDriversMax)`, "remove some");
    else drivers.push({ name, path });
  }
  return { drivers, refused };
}
