// What a job from outside must pass before a handler sees it: form, rules, features, driver config.

import { decodeJobSpec } from "../../api/job-codec.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { JobSpec } from "../../domain/job.ts";
import { describePath } from "../../domain/job-model/paths.ts";
import type { JobProblem } from "../../domain/job-model/read.ts";
import { unsupportedFeatures } from "../../domain/job-model/unsupported.ts";
import { validateJob } from "../../domain/job-model/validate.ts";
import { jobWarnings, oversubscriptionWarnings } from "../../domain/job-model/warnings.ts";
import { schedulerConfigFor } from "../../domain/setting.ts";
import type { View } from "../../domain/view.ts";
import { driverConfigProblems } from "../../runner/drivers/registry.ts";
import { externalConfigProblems } from "./external-config.ts";

export interface Admitted {
  readonly spec: JobSpec;
  readonly warnings: readonly string[];
}

/** Problems in words, each with its place in the job; empty when the job may be registered. Without a view no setting is looked at. */
export function admissionProblems(
  wire: unknown,
  view: View | null,
): {
  readonly problems: readonly string[];
  readonly spec: JobSpec | null;
  readonly warnings: readonly string[];
} {
  const decoded = decodeJobSpec(wire);
  if ("problems" in decoded)
    return { problems: decoded.problems.map((problem) => `${problem.path.join(".")}: ${problem.message}`), spec: null, warnings: [] };
  const { spec } = decoded;
  const problems = [
    ...validateJob(spec),
    ...unsupportedFeatures(spec),
    ...driverConfigProblems(spec),
    ...(view ? externalConfigProblems(spec, view) : []),
  ];
  return { problems: problems.map((problem) => inWords(spec, problem)), spec, warnings: [...jobWarnings(spec), ...settingWarnings(spec, view)] };
}

/** The spec of a job that may be registered. Throws invalid-job with every problem, in the layout that scripts read. */
export function admit(wire: unknown, view: View): Admitted {
  const { problems, spec, warnings } = admissionProblems(wire, view);
  if (spec === null || problems.length > 0) throw new EdgeError("invalid-job", multiError(problems));
  return { spec, warnings };
}

export function multiError(problems: readonly string[]): string {
  const count = problems.length === 1 ? "1 error occurred" : `${problems.length} errors occurred`;
  return `${count}:\n${problems.map((problem) => `\t* ${problem}\n`).join("")}\n`;
}

export function warningsText(warnings: readonly string[]): string {
  if (warnings.length === 0) return "";
  const count = warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`;
  return `${count}:\n\n${warnings.map((warning) => `* ${warning}`).join("\n")}`;
}

// --- internal ---

/** What of the job does nothing by what operators set. */
function settingWarnings(spec: JobSpec, view: View | null): readonly string[] {
  if (view === null || schedulerConfigFor(view.schedulerConfig(), view.nodePool(spec.nodePool)).memoryOversubscription) return [];
  return oversubscriptionWarnings(spec);
}

function inWords(spec: JobSpec, problem: JobProblem | { readonly path: readonly (string | number)[]; readonly message: string }): string {
  const place = describePath(spec, problem.path);
  return place === "" ? problem.message : `${place}: ${problem.message}`;
}
