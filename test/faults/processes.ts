// What really runs on the nodes of a test: the tasks' own processes, found by what is in their environment.

import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { pidsWith } from "../e2e/place.ts";

export interface TaskProcess {
  readonly pid: number;
  readonly allocId: string;
  /** The data directory of the agent that started it. */
  readonly dataDirectory: string;
}

/** Processes under this folder that have become their task: the workload's tasks sleep. */
export function taskProcesses(folder: string): TaskProcess[] {
  return pidsWith(`NOMAD_ALLOC_DIR=${folder}/`).flatMap((pid) => {
    const found = read(pid);
    return found?.program === "sleep" ? [found.process] : [];
  });
}

// --- internal ---

function read(pid: number): { readonly program: string; readonly process: TaskProcess } | null {
  try {
    const program = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    const value = (name: string) => entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
    // DATA/alloc/ID/alloc is the shared folder.
    const dataDirectory = dirname(dirname(dirname(value("NOMAD_ALLOC_DIR"))));
    return { program, process: { pid, allocId: value("NOMAD_ALLOC_ID"), dataDirectory } };
  } catch {
    return null; // it ended between listing and looking
  }
}
