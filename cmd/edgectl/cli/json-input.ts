// What --json means on run, plan and validate: our output, or, called as nomad, Nomad's input.

import type { Call } from "./command.ts";

/** The kind of the input when the command line says it; otherwise it is found by looking. */
export function inputKind(call: Call): "json" | undefined {
  return call.calledAs === "nomad" && call.options.json === true ? "json" : undefined;
}

/** Whether JSON is wanted as output. */
export function isJsonWanted(call: Call): boolean {
  return call.calledAs === "edgectl" && call.options.json === true;
}
