// What the node keeps on disk of a task's container, so that an agent that takes over finds it again.

import type { Exit } from "../../../device/restart.ts";
import { join } from "../../../domain/paths.ts";
import { decodeIdentity, encodeIdentity, type ProcessIdentity } from "../../../runtime/process-identity.ts";
import type { Files } from "../../../runtime/runtime.ts";
import { parseObject } from "./engine-json.ts";

export interface ContainerRecord {
  /** Written before the container is made: what carries it may exist. */
  readonly name: string;
  /** "" until the container was made. */
  readonly id: string;
  /** Null until it was started. */
  readonly started: {
    readonly atMs: number;
    readonly imageId: string;
    readonly stopSignal: string;
    /** "" where its output is not collected. */
    readonly logPath: string;
    /** Its first process, where the agent can see it. */
    readonly process: ProcessIdentity | null;
  } | null;
}

export function writeRecord(files: Files, control: string, record: ContainerRecord): void {
  const { started } = record;
  const text = JSON.stringify({
    ...record,
    started: started && { ...started, process: started.process === null ? "" : encodeIdentity(started.process) },
  });
  files.writeText(join(control, "container.new"), text);
  files.rename(join(control, "container.new"), join(control, "container"));
}

export function readRecord(files: Files, control: string): ContainerRecord | null {
  const text = files.readText(join(control, "container"));
  if (text === null) return null;
  const told = parseObject(text);
  const started = told.at("started");
  return {
    name: told.text("name"),
    id: told.text("id"),
    started:
      started.number("atMs") === 0
        ? null
        : {
            atMs: started.number("atMs"),
            imageId: started.text("imageId"),
            stopSignal: started.text("stopSignal"),
            logPath: started.text("logPath"),
            process: decodeIdentity(started.text("process")),
          },
  };
}

/** How it ended, written before its container is removed: the engine knows nothing of it then. */
export function writeExit(files: Files, control: string, exit: Exit): void {
  files.writeText(join(control, "exit.new"), JSON.stringify(exit));
  files.rename(join(control, "exit.new"), join(control, "exit"));
}

export function readExit(files: Files, control: string): Exit | null {
  const text = files.readText(join(control, "exit"));
  if (text === null) return null;
  const told = parseObject(text);
  const isKnown = /"code":\d/.test(text);
  return { code: isKnown ? told.number("code") : null, signal: told.number("signal"), isOom: told.bool("isOom") };
}
