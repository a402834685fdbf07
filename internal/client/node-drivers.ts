// The drivers of the real machine, as the settings allow and the fingerprint found: with their scripts in the node's folder.

import type { NodeSpec } from "../domain/node.ts";
import { join } from "../domain/paths.ts";
import { findCgroups } from "../runner/cgroups.ts";
import { dockerDriver } from "../runner/drivers/docker/driver.ts";
import type { Driver } from "../runner/drivers/driver.ts";
import { execDriver } from "../runner/drivers/exec.ts";
import { externalDriver } from "../runner/drivers/external/driver.ts";
import { findExternalDrivers } from "../runner/drivers/external/find.ts";
import { javaDriver } from "../runner/drivers/java.ts";
import { qemuDriver } from "../runner/drivers/qemu/driver.ts";
import { rawExecDriver } from "../runner/drivers/raw-exec.ts";
import { OWN_DRIVERS } from "../runner/drivers/registry.ts";
import { ProgramAnswers } from "../runner/program-answers.ts";
import { SANDBOX_SCRIPT, SANDBOX_TASK_SCRIPT } from "../runner/sandbox/scripts.ts";
import { findTools } from "../runner/sandbox/tools.ts";
import { SHIM_SCRIPT, TASK_SCRIPT } from "../runner/shim-scripts.ts";
import type { Log } from "../runtime/log.ts";
import type { Files, Runtime } from "../runtime/runtime.ts";
import type { ClientSettings } from "./fingerprint/fingerprint.ts";

export interface NodeDriverParts {
  readonly log: Log;
  readonly runtime: Runtime;
  /** The node's own folder below the data directory. */
  readonly directory: string;
  readonly allocRoot: string;
  readonly settings: ClientSettings;
  readonly node: NodeSpec;
}

/** By name. A driver that is switched off is absent; one that lacks something is here, so that it can still end what it began. */
export function makeNodeDrivers(parts: NodeDriverParts): ReadonlyMap<string, Driver> {
  const { runtime, log, directory, allocRoot, settings, node } = parts;
  const script = (name: string, text: string) => writtenScript(runtime.files, join(directory, name), text);
  const shim = { runtime, allocRoot, cgroups: findCgroups(runtime.files), shimPath: script("shim.sh", SHIM_SCRIPT) };
  const drivers: Driver[] = [];
  if (settings.isRawExecEnabled) drivers.push(rawExecDriver({ ...shim, taskScriptPath: script("task.sh", TASK_SCRIPT) }));
  if (settings.exec && runtime.host.uid === 0) {
    const sandbox = {
      ...shim,
      settings: settings.exec,
      directory,
      sandboxScriptPath: script("sandbox.sh", SANDBOX_SCRIPT),
      sandboxTaskScriptPath: script("sandbox-task.sh", SANDBOX_TASK_SCRIPT),
      tools: findTools(runtime.files),
      mhzPerCore: node.resources.cpuMHz / Math.max(1, node.resources.cores),
    };
    drivers.push(execDriver(sandbox));
    if (settings.isJavaEnabled) drivers.push(javaDriver(sandbox));
  }
  if (settings.qemu) {
    const answers = new ProgramAnswers(runtime, join(directory, "programs.json"));
    drivers.push(qemuDriver({ ...shim, taskScriptPath: script("task.sh", TASK_SCRIPT), settings: settings.qemu, answers }));
  }
  if (settings.docker)
    drivers.push(
      dockerDriver({
        runtime,
        allocRoot,
        settings: settings.docker,
        directory,
        nodeId: node.id,
        node: { ...node.resources, address: node.attributes["unique.network.ip-address"] ?? "127.0.0.1" },
        warn: (message, fields) => log.warn(message, fields),
      }),
    );
  for (const { name, path } of findExternalDrivers(runtime, settings.plugins?.folder ?? "", OWN_DRIVERS).drivers)
    drivers.push(
      externalDriver({
        runtime,
        name,
        path,
        folder: join(directory, "drivers", name),
        node: { id: node.id, name: node.name },
        settings: settings.plugins?.settings[name] ?? {},
        version: settings.version,
        allocRoot,
        cgroups: shim.cgroups,
        directory,
        log: (level, message) => log[level](`driver ${name}: ${message}`),
      }),
    );
  return new Map(drivers.map((driver) => [driver.name, driver]));
}

// --- internal ---

/** Written only when it differs: a restart of an agent that changed nothing writes nothing. */
function writtenScript(files: Files, path: string, text: string): string {
  if (files.readText(path) !== text) files.writeAtomic(path, text);
  return path;
}
