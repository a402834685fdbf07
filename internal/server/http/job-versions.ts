// /v1/job/:id/versions with the differences between them, and the tags that versions carry.

import { encodeJob } from "../../api/job-codec.ts";
import { isSet } from "../../api/query.ts";
import type { JsonObject } from "../../api/wire.ts";
import { timeText } from "../../api/wire.ts";
import { taggedVersion, tagVersion, untagVersion } from "../../cluster/version-tags.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Job } from "../../domain/job.ts";
import type { JobVersion } from "../../domain/tables.ts";
import { isTrue, jsonBody, numberField, textField } from "./body.ts";
import { jobDiff } from "./job-diff.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";

export function jobVersions(exchange: Exchange, id: string): Promise<Response> {
  const { namespace, all: params } = exchange.query;
  return read(exchange, [`jobs:${namespace}/${id}`], (view) => {
    const head = view.job(namespace, id);
    const versions = view.jobVersions(namespace, id);
    if (!head || versions.length === 0) return { index: view.tableIndex("job_versions"), body: null, missing: "job versions not found" };
    const jobs = versions.map((version) => asJob(version, head));
    const withDiffs = isSet(exchange.query, "diffs") || params.has("diff_version") || params.has("diff_tag");
    const Diffs = withDiffs ? diffsOf(jobs, baseOf(versions, params)) : null;
    return {
      index: Math.max(head.modifyIndex, ...versions.map((version) => version.modifyIndex)),
      body: { Versions: jobs.map(encodeJob), Diffs, Index: head.modifyIndex, LastContact: 0, KnownLeader: true, NextToken: "" },
    };
  });
}

/** The path below `job/` names a version's tag: `ID/versions/TAG/tag`. */
export function tagPathOf(path: string): { readonly id: string; readonly name: string } | null {
  const match = /^(.+)\/versions\/([^/]+)\/tag$/s.exec(path);
  return match ? { id: match[1] ?? "", name: match[2] ?? "" } : null;
}

export async function tagRoute(exchange: Exchange, { id, name }: { readonly id: string; readonly name: string }): Promise<Response> {
  const { namespace } = exchange.query;
  const { ledger } = exchange.server.leader;
  const meta = { LastContact: 0, KnownLeader: false, NextToken: "" };
  if (exchange.request.method === "DELETE") {
    const { index } = await ledger.write((view) => untagVersion(view, { namespace, id, name }));
    return written(exchange, index, { Name: "", Description: "", TaggedTime: 0, Index: index, ...meta });
  }
  if (exchange.request.method !== "PUT" && exchange.request.method !== "POST") throw new EdgeError("method-not-allowed", "Invalid method");
  const body = await jsonBody(exchange);
  const version = isTrue(body, "Latest") ? null : numberField(body, "Version");
  const input = { namespace, id, name, description: textField(body, "Description"), version };
  const { result, index } = await ledger.write((view, context) => tagVersion(view, input, context));
  const TaggedTime = timeText(result.taggedAtMs);
  return written(exchange, index, { Name: result.name, Description: result.description, TaggedTime, Index: index, ...meta });
}

// --- internal ---

/** Status belongs to the job as a whole: each version shows the one that counts now. */
function asJob(version: JobVersion, head: Job): Job {
  return { ...version, status: head.status, statusDescription: head.statusDescription };
}

/** The one version that all are compared with; null = each with the one before it. */
function baseOf(versions: readonly JobVersion[], params: URLSearchParams): JobVersion | null {
  const [number, tag] = [params.get("diff_version"), params.get("diff_tag")];
  if (number === null && tag === null) return null;
  if (number !== null && tag !== null) throw new EdgeError("invalid", "can not compare with a version and with a tag at once");
  if (number !== null && !/^\d+$/.test(number)) throw new EdgeError("invalid", `diff_version "${number}" is no version`);
  const found = number !== null ? versions.find((version) => version.version === Number(number)) : taggedVersion(versions, tag ?? "");
  if (!found) throw new EdgeError("not-found", number !== null ? `version ${number} not found` : `tag "${tag}" not found`);
  return found;
}

function diffsOf(jobs: readonly Job[], base: JobVersion | null): readonly JsonObject[] {
  if (base !== null) return jobs.filter((job) => job.version !== base.version).map((job) => jobDiff(started(base), job, {}));
  return jobs.slice(0, -1).map((job, at) => jobDiff(started(jobs[at + 1]), job, {}));
}

/** What a version says, whether it was stopped or not: the diff of a stopped job is one of everything. */
function started(version: JobVersion | undefined): Job | undefined {
  return version && ({ ...version, status: "pending", statusDescription: "", stop: false } as Job);
}
