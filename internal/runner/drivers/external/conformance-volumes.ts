// Whether a driver gives its tasks folders of the machine: one to write, one to read alone, and neither left mounted.

import { EdgeError } from "../../../domain/errors.ts";
import type { JsonMap } from "../../../domain/job.ts";
import { join } from "../../../domain/paths.ts";
import type { Files } from "../../../runtime/runtime.ts";

export interface VolumeTrial {
  /** As "start" tells them. */
  readonly volumes: readonly JsonMap[];
  /** What the task runs: it ends well when it saw what it should, else it says what it saw. */
  readonly script: string;
  /** Called once the task has ended, with its code and what it said. Throws what was wrong. */
  judge(code: number | null, said: string): string;
}

export function volumeTrial(files: Files, folder: string): VolumeTrial {
  const source = (name: string) => join(folder, `source-${name}`);
  for (const name of ["write", "read"]) {
    files.makeDirectory(source(name));
    files.writeText(join(source(name), "in"), `${name} me\n`);
  }
  const volume = (name: string) => ({ name, source: source(name), destination: `check-${name}`, read_only: name === "read" });
  return { volumes: [volume("write"), volume("read")], script: SCRIPT, judge: (code, said) => judge({ files, folder, source, code, said }) };
}

// --- internal ---

/** A place without a slash in front is in the task's folder, or in its own root where it has one. */
const SCRIPT = `cd "\${NOMAD_TASK_DIR%/*}/check-write" 2>/dev/null || cd /check-write || exit 9
[ "$(cat in)" = "write me" ] && echo written >out && cd ../check-read && [ "$(cat in)" = "read me" ] || exit 8
if (echo written >out) 2>/dev/null; then exit 7; fi`;

const WRONG: Readonly<Record<number, string>> = {
  7: "the task wrote to a volume that is to be read only",
  8: "the task could not read, or not write, what it should",
  9: "the task did not find a volume at its destination",
};

interface Seen {
  readonly files: Files;
  readonly folder: string;
  readonly source: (name: string) => string;
  readonly code: number | null;
  readonly said: string;
}

function judge({ files, folder, source, code, said }: Seen): string {
  if (code !== 0) throw new EdgeError("invalid", `${WRONG[code ?? -1] ?? `the task ended with ${code ?? "no code"}`} ${said}`.trim());
  if (files.readText(join(source("write"), "out")) !== "written\n")
    throw new EdgeError("invalid", "what the task wrote is not in the volume's folder");
  if ((files.readText("/proc/self/mountinfo") ?? "").includes(` ${folder}/`))
    throw new EdgeError("invalid", "something is still mounted on the machine");
  return "one written, one read, none left mounted";
}
