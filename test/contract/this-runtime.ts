// The runtime that the suite runs on: Bun's under `bun test`, Node's under `node --test`.

import { createRequire } from "node:module";
import type { Runtime } from "../../internal/runtime/runtime.ts";

export async function thisRuntime(): Promise<Runtime> {
  if (process.versions.bun !== undefined) return (await import("../../internal/runtime/bun.ts")).bunRuntime();
  // edgectl's bundle for Node is CommonJS, where `require` is there; these sources run as modules.
  Object.assign(globalThis, { require: createRequire(import.meta.url) });
  const { nodeRuntime } = await import("../../internal/runtime/node.ts");
  return nodeRuntime({ isSingleExecutable: false, scriptPath: "edgectl" });
}

/** A folder that is gone when `use` has ended. */
export async function withFolder<T>(runtime: Runtime, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = runtime.files.temporaryDirectory("edgectl-contract-");
  try {
    return await use(folder);
  } finally {
    await runtime.files.removeTree(folder);
  }
}
