// Runs a command inside a task of the allocation that was meant.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Call } from "./command.ts";
import { modeOf } from "./exec-options.ts";
import { chooseTask } from "./log-target.ts";
import { runRemote } from "./remote-command.ts";
import type { AllocStub, WireAlloc } from "./wire-types.ts";

export async function execInAlloc(call: Call, stub: AllocStub, command: readonly string[]): Promise<number> {
  if (command.length === 0) throw new EdgeError("invalid", "a command is missing", { hint: "for instance: edgectl exec hello -- sh" });
  const alloc = await call.api.get<WireAlloc>(`/v1/allocation/${stub.ID}`, { namespace: stub.Namespace });
  const named = typeof call.options.task === "string" ? call.options.task : undefined;
  const task = chooseTask(alloc, named, "say which: --task TASK");
  const mode = modeOf(call);
  const query = { namespace: stub.Namespace, task, tty: String(mode.terminal !== "none"), command: JSON.stringify(command) };
  return runRemote(call, { path: `/v1/client/allocation/${stub.ID}/exec`, query, ...mode });
}
