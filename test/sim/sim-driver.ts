// A driver whose processes are the machine's: they outlive the agent, end as their job says, and are counted.

import { EdgeError } from "../../internal/domain/errors.ts";
import type { Driver, TaskHandle } from "../../internal/runner/drivers/driver.ts";
import { controlDirectory } from "../../internal/runner/layout.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import type { Machine, Program, TaskProcess } from "./machines.ts";

/** What the job's config says: how long it runs, how it ends, whether it obeys. */
interface Behaviour {
  readonly runMs: number;
  readonly exitCode: number;
  readonly ignoresTerm: boolean;
}

export interface SimDriverParts {
  readonly runtime: Runtime;
  readonly program: Program;
  readonly allocRoot: string;
  /** Called for every start that happens, before it does. */
  starting(machine: Machine, process: { readonly allocId: string; readonly task: string; readonly attempt: number }): void;
}

export function simDriver(parts: SimDriverParts): Driver {
  const { runtime, program, allocRoot } = parts;
  const { machine } = program;
  const keyOf = (request: { readonly allocId: string; readonly task: { readonly name: string }; readonly attempt: number }) =>
    `${request.allocId}/${request.task.name}/${request.attempt}`;
  const handleOf = (process: TaskProcess): TaskHandle => ({
    startedAtMs: process.startedAtMs,
    exited: new Promise((resolve) => {
      void process.ended.then((code) =>
        program.run(() =>
          resolve(code > 128 ? { code, signal: code - 128, isOom: false } : { code: code < 0 ? null : code, signal: 0, isOom: false }),
        ),
      );
    }),
    signal(name) {
      if (process.exitCode !== null) return false;
      if (!process.ignoresTerm || name === "SIGKILL") machine.time.after(5, () => process.end(name === "SIGKILL" ? 137 : 130));
      return true;
    },
    async kill() {
      process.end(137);
    },
    usage: () => null,
  });
  return {
    name: "raw_exec",
    defaultSignal: "SIGINT",
    async start(request) {
      const behaviour = behaviourOf(request.task.config);
      const key = keyOf(request);
      runtime.files.makeDirectory(controlDirectory(allocRoot, request.allocId, request.task.name, request.attempt));
      await runtime.clock.sleep(3);
      if (machine.tasks.has(key)) throw new EdgeError("internal", "the shim ended before the task began");
      parts.starting(machine, { allocId: request.allocId, task: request.task.name, attempt: request.attempt });
      const process = startProcess(machine, { ...request, task: request.task.name, key }, behaviour);
      return handleOf(process);
    },
    async recover(request) {
      const process = machine.tasks.get(keyOf(request));
      return process ? handleOf(process) : null;
    },
  };
}

// --- internal ---

function behaviourOf(config: Readonly<Record<string, unknown>>): Behaviour {
  const args = Array.isArray(config.args) ? config.args.map(String) : [];
  return { runMs: Number(args[0] ?? 0), exitCode: Number(args[1] ?? 0), ignoresTerm: args[2] === "stubborn" };
}

function startProcess(
  machine: Machine,
  own: { readonly key: string; readonly allocId: string; readonly task: string; readonly attempt: number },
  behaviour: Behaviour,
): TaskProcess {
  let resolveEnded: (code: number) => void = () => undefined;
  const process: TaskProcess = {
    key: own.key,
    allocId: own.allocId,
    task: own.task,
    attempt: own.attempt,
    ignoresTerm: behaviour.ignoresTerm,
    startedAtMs: machine.wallMs,
    exitCode: null,
    ended: new Promise((resolve) => {
      resolveEnded = resolve;
    }),
    end(code) {
      if (process.exitCode !== null) return;
      process.exitCode = code;
      resolveEnded(code);
    },
  };
  machine.tasks.set(own.key, process);
  if (behaviour.runMs > 0) machine.time.after(behaviour.runMs, () => process.end(behaviour.exitCode));
  return process;
}
