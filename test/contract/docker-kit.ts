// The docker driver as the drivers' contract opens it, on an engine of docker's or podman's.

import { type DockerParts, dockerDriver } from "../../internal/runner/drivers/docker/driver.ts";
import { DOCKER_DEFAULTS, type DockerSettings } from "../../internal/runner/drivers/docker/settings.ts";
import type { Driver } from "../../internal/runner/drivers/driver.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { IMAGE } from "../support/docker-engine.ts";
import { type DriverKit, onDeath } from "./driver-bench.ts";

export interface DockerKit extends DriverKit {
  stop(): void;
}

export function dockerKit(options: {
  readonly name: string;
  readonly missing: string | null;
  endpoint(): string;
  settings?(): Partial<DockerSettings>;
}): DockerKit {
  const drivers: Driver[] = [];
  return {
    name: options.name,
    missing: options.missing,
    async open(ofAgent, folder) {
      const driver = dockerDriver(dockerParts(ofAgent, folder, { endpoint: options.endpoint(), ...options.settings?.() }));
      drivers.push(driver);
      onDeath(ofAgent, () => driver.stop?.());
      await new Promise<void>((resolve) => driver.watch?.((state) => state.healthy && resolve()));
      return driver;
    },
    // With an init: the first process of a container ignores the signals that it does not handle.
    script: (text) => ({ image: IMAGE, command: "/bin/sh", args: ["-c", text], init: true }),
    absent: () => ({ image: IMAGE, command: "/nowhere/sensor" }),
    hasShim: false,
    workDirectory: () => "/",
    isWorkDirectoryMade: true,
    stop() {
      for (const driver of drivers) driver.stop?.();
    },
  };
}

export function dockerParts(runtime: Runtime, folder: string, settings: Partial<DockerSettings>): DockerParts {
  return {
    runtime,
    settings: { ...DOCKER_DEFAULTS, ...settings },
    allocRoot: `${folder}/alloc`,
    directory: `${folder}/client`,
    nodeId: "node",
    node: { cpuMHz: 1000, cores: 1, address: "127.0.0.1" },
    warn: (message) => console.log(message),
  };
}
