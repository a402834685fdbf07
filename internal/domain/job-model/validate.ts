// All rules a job must keep that need no knowledge of nodes or other jobs.

import type { JobSpec } from "../job.ts";
import { LIMITS } from "../limits.ts";
import { checkTable } from "./check.ts";
import { type JobProblem, shorten } from "./read.ts";
import { groupProblems } from "./rules-group.ts";
import { jobProblems } from "./rules-job.ts";

/** Every breach of a rule, at most `problemsPerJobMax`; empty for a good job. */
export function validateJob(spec: JobSpec): JobProblem[] {
  const groups = spec.groups.flatMap((group, index) => groupProblems(group, index, spec));
  const problems = [...checkTable(spec), ...jobProblems(spec), ...groups].slice(0, LIMITS.problemsPerJobMax);
  return problems.map((problem) => ({ ...problem, message: shorten(problem.message) }));
}
