// What is wrong with the driver config in a job, in words, before any server sees it.

import type { JobSpec } from "../../../internal/domain/job.ts";

export async function driverProblems(spec: JobSpec): Promise<readonly string[]> {
  const [{ driverConfigProblems }, { describePath }] = await Promise.all([
    import("../../../internal/runner/drivers/registry.ts"),
    import("../../../internal/domain/job-model/paths.ts"),
  ]);
  return driverConfigProblems(spec).map((problem) => `${describePath(spec, problem.path)}: ${problem.message}`);
}
