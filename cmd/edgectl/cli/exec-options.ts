// The options that all commands inside tasks share, and what they come to.

import type { Call } from "./command.ts";
import type { RemoteCommand } from "./remote-command.ts";

export const EXEC_OPTIONS = {
  group: { type: "string", description: "which of the job's groups", valueHint: "GROUP" },
  task: { type: "string", description: "the task, where there are several", valueHint: "TASK" },
  i: { type: "boolean", description: "pass standard input on (default; -i=false: the command finds it empty)" },
  t: { type: "boolean", description: "give the command a terminal (default: when this is one)" },
  e: {
    type: "string",
    description: "character that, typed at a line's beginning and followed by a dot, leaves (default ~; none)",
    valueHint: "CHAR",
  },
} as const;

/** Whether the command gets a terminal, its input, and the way out. */
export function modeOf(call: Call): Pick<RemoteCommand, "terminal" | "hasInput" | "escape"> {
  const { stdin, stdout } = call.runtime.host.isTerminal;
  const hasInput = call.options.i !== false;
  const asked = call.options.t;
  return {
    terminal: asked === true ? "demanded" : asked === false || !stdin || !stdout || !hasInput ? "none" : "wished",
    hasInput,
    escape: typeof call.options.e === "string" ? call.options.e : "~",
  };
}
