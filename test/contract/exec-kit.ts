// The exec driver as an agent has it, on a folder of a test's own.

import { findCgroups } from "../../internal/runner/cgroups.ts";
import type { Driver } from "../../internal/runner/drivers/driver.ts";
import { type ExecParts, execDriver } from "../../internal/runner/drivers/exec.ts";
import { DEFAULT_CAPABILITIES } from "../../internal/runner/sandbox/capabilities.ts";
import { SANDBOX_SCRIPT, SANDBOX_TASK_SCRIPT } from "../../internal/runner/sandbox/scripts.ts";
import { findTools } from "../../internal/runner/sandbox/tools.ts";
import { SHIM_SCRIPT } from "../../internal/runner/shim-scripts.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";

export function openExec(runtime: Runtime, folder: string, own: Partial<ExecParts> = {}): Driver {
  return openSandbox(runtime, folder, execDriver, own);
}

/** Any driver that isolates its tasks as exec does. */
export function openSandbox(runtime: Runtime, folder: string, make: (parts: ExecParts) => Driver, own: Partial<ExecParts> = {}): Driver {
  const directory = `${folder}/client`;
  const script = (name: string, text: string) => {
    runtime.files.writeAtomic(`${directory}/${name}`, text);
    return `${directory}/${name}`;
  };
  return make({
    runtime,
    allocRoot: `${folder}/alloc`,
    cgroups: findCgroups(runtime.files),
    shimPath: script("shim.sh", SHIM_SCRIPT),
    settings: { users: { min: 80_000, max: 89_999 }, allowCaps: DEFAULT_CAPABILITIES, imageGcDelayMs: 90_000_000 },
    directory,
    sandboxScriptPath: script("sandbox.sh", SANDBOX_SCRIPT),
    sandboxTaskScriptPath: script("sandbox-task.sh", SANDBOX_TASK_SCRIPT),
    tools: findTools(runtime.files),
    mhzPerCore: 1000,
    ...own,
  });
}

/** Why exec cannot run here; null when it can. */
export function execMissing(runtime: Runtime): string | null {
  if (runtime.host.uid !== 0) return "the tests do not run as root";
  const { missing } = findTools(runtime.files);
  return missing.length === 0 ? null : `no ${missing.join(", ")} (install util-linux)`;
}
