// Names that people give to versions of a job: a tagged version is kept, and is found by its tag.

import { EdgeError } from "../domain/errors.ts";
import type { VersionTag } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JobVersion } from "../domain/tables.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { existing } from "./jobs.ts";

export interface TagInput {
  readonly namespace: string;
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** null = the newest. */
  readonly version: number | null;
}

/** The tag stands on one version of the job at most; said again of the same one it takes the new description. */
export function tagVersion(view: View, input: TagInput, context: Context): Outcome<VersionTag> {
  const job = existing(view, input.namespace, input.id, "not-found");
  const versions = view.jobVersions(input.namespace, input.id);
  const number = input.version ?? job.version;
  const version = versions.find((candidate) => candidate.version === number);
  if (!version) throw new EdgeError("not-found", `job "${input.id}" in namespace "${input.namespace}" at version ${number} not found`);
  if (input.name.length > LIMITS.nameCharsMax)
    throw new EdgeError("invalid", `the tag is over the limit of ${LIMITS.nameCharsMax} characters (nameCharsMax)`);
  if (input.description.length > LIMITS.uiTextCharsMax)
    throw new EdgeError("invalid", `the description is over the limit of ${LIMITS.uiTextCharsMax} characters (uiTextCharsMax)`);
  const holder = versions.find((candidate) => candidate.versionTag?.name === input.name);
  if (holder && holder !== version)
    throw new EdgeError("invalid", `tag "${input.name}" already exists on a different version of job "${input.id}"`, {
      hint: `it is version ${holder.version}: edgectl job tag unset --name ${input.name} ${input.id}`,
    });
  const tag: VersionTag = { name: input.name, description: input.description, taggedAtMs: context.nowMs };
  return { changes: [put("job_versions", { ...version, versionTag: tag })], result: tag };
}

export function untagVersion(view: View, input: { readonly namespace: string; readonly id: string; readonly name: string }): Outcome<null> {
  existing(view, input.namespace, input.id, "not-found");
  const version = taggedVersion(view.jobVersions(input.namespace, input.id), input.name);
  if (!version) throw new EdgeError("not-found", `tag "${input.name}" not found on job "${input.id}"`);
  return { changes: [put("job_versions", { ...version, versionTag: null })], result: null };
}

export function taggedVersion(versions: readonly JobVersion[], name: string): JobVersion | undefined {
  return versions.find((version) => version.versionTag?.name === name);
}
