// What is said while a command works, to standard error: one consola instance, made at its first use.

import type { ConsolaInstance } from "consola";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

export interface Progress {
  info(text: string): void;
  warn(text: string): void;
  /** Resolves when everything said so far is written. */
  flush(): Promise<void>;
}

/** consola is loaded when there is something to say: most commands never do. */
export function createProgress(runtime: Pick<Runtime, "terminal">): Progress {
  let instance: Promise<ConsolaInstance> | undefined;
  let last: Promise<void> = Promise.resolve();
  const say = (type: "info" | "warn", text: string) => {
    instance ??= import("consola/core").then(({ createConsola }) => createConsola({ level: 3, reporters: [reporterTo(runtime)] }));
    const loaded = instance;
    last = last.then(async () => (await loaded)[type](text));
  };
  return { info: (text) => say("info", text), warn: (text) => say("warn", text), flush: () => last };
}

// --- internal ---

function reporterTo(runtime: Pick<Runtime, "terminal">) {
  return {
    log(entry: { readonly type: string; readonly args: readonly unknown[] }) {
      const prefix = entry.type === "warn" ? "Warning: " : "";
      runtime.terminal.error(`${prefix}${entry.args.join(" ")}\n`);
    },
  };
}
