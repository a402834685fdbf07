// The drivers edgectl knows, and the check of each one's own config.

import type { JobSpec, JsonMap } from "../../domain/job.ts";
import { dockerConfigProblems } from "./docker/config.ts";
import { execConfigProblems } from "./exec-config.ts";
import { javaConfigProblems } from "./java-config.ts";
import { qemuConfigProblems } from "./qemu/config.ts";
import { rawExecConfigProblems } from "./raw-exec-config.ts";

export interface ConfigProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const CHECKS: Readonly<Record<string, (config: JsonMap) => readonly ConfigProblem[]>> = {
  raw_exec: rawExecConfigProblems,
  exec: execConfigProblems,
  java: javaConfigProblems,
  qemu: qemuConfigProblems,
  docker: dockerConfigProblems,
};

const WITHOUT_VOLUMES: readonly string[] = ["qemu"];

/** Names that no external driver may have. */
export const OWN_DRIVERS: readonly string[] = Object.keys(CHECKS);

/** Problems of every task's driver config, with their path in the job. A driver that is not known here is left to its nodes. */
export function driverConfigProblems(spec: JobSpec): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  spec.groups.forEach((group, g) => {
    group.tasks.forEach((task, t) => {
      for (const problem of CHECKS[task.driver]?.(task.config) ?? [])
        problems.push({ path: ["groups", g, "tasks", t, "config", ...problem.path], message: problem.message });
      if (WITHOUT_VOLUMES.includes(task.driver) && task.volumeMounts.length > 0)
        problems.push({
          path: ["groups", g, "tasks", t, "volumeMounts", 0],
          message: `the driver ${task.driver} gives its tasks no volumes: put what a machine needs on a disk of its own`,
        });
    });
  });
  return problems;
}
