// /v1/jobs, /v1/jobs/parse, /v1/validate/job: the list, registration, and the checks before it.

import { readJobs } from "../../api/reads.ts";
import type { JsonObject } from "../../api/wire.ts";
import { registerJob } from "../../cluster/jobs.ts";
import { jobPoolProblem } from "../../cluster/node-pools.ts";
import { admitting } from "../../cluster/settings.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { View } from "../../domain/view.ts";
import { admissionProblems, admit, multiError, warningsText } from "./admission.ts";
import { isTrue, jsonBody, mapField, numberField, textField } from "./body.ts";
import { forwardToRegion } from "./regions.ts";
import type { Exchange } from "./reply.ts";
import { json, read, written } from "./reply.ts";

export function listJobs(exchange: Exchange): Promise<Response> {
  return read(exchange, ["jobs", "allocs", "evals"], (view) => readJobs(view, exchange.query));
}

export async function putJob(exchange: Exchange, idInPath: string | null): Promise<Response> {
  const body = await jsonBody(exchange);
  const wire = body.Job;
  if (wire === undefined || wire === null) throw new EdgeError("invalid", "Job must be specified");
  const id = typeof wire === "object" && "ID" in wire ? wire.ID : undefined;
  if (typeof id !== "string" || id === "") throw new EdgeError("invalid", "Job ID hasn't been provided");
  if (idInPath !== null && id !== idInPath) throw new EdgeError("invalid", "Job ID does not match name");
  const elsewhere = forwardJob(exchange, body);
  if (elsewhere !== null) return elsewhere;
  const { spec, warnings } = admit(withPlace(wire, exchange), exchange.server.leader.view);
  checkPlace(exchange, spec);
  const submission = submissionOf(body);
  const input = {
    spec,
    submission,
    enforceIndex: isTrue(body, "EnforceIndex") ? (numberField(body, "JobModifyIndex") ?? 0) : null,
    preserveCounts: isTrue(body, "PreserveCounts"),
    evalPriority: numberField(body, "EvalPriority") ?? 0,
  };
  const { result, index } = await exchange.server.leader.ledger.write(
    admitting((view, context) => {
      requirePool(view, spec);
      return registerJob(view, input, context);
    }),
  );
  return written(exchange, index, {
    EvalID: result.evalId,
    EvalCreateIndex: result.evalCreateIndex,
    JobModifyIndex: result.jobModifyIndex,
    Warnings: warningsText(warnings),
    Index: index,
    LastContact: 0,
    KnownLeader: false,
    NextToken: "",
  });
}

export async function validateJobRoute(exchange: Exchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const wire = body.Job;
  if (wire === undefined || wire === null) throw new EdgeError("invalid", "Job must be specified");
  const { problems, warnings } = admissionProblems(withPlace(wire, exchange), exchange.server.isLeading ? exchange.server.leader.view : null);
  const error = problems.length === 0 ? "" : multiError(problems);
  return json(exchange, {
    DriverConfigValidated: true,
    ValidationErrors: problems.length === 0 ? null : problems,
    Error: error,
    Warnings: warningsText(warnings),
    Index: 0,
    LastContact: 0,
    KnownLeader: false,
    NextToken: "",
  });
}

/** A job file's text to a job: TOML or JSON. HCL has to be converted by its own tools. */
export async function parseJobRoute(exchange: Exchange): Promise<Response> {
  const body = await jsonBody(exchange);
  const text = textField(body, "JobHCL");
  if (text === "") throw new EdgeError("invalid", "Job spec is empty");
  const { parseJobFile } = await import("../../jobspec/parse-job-file.ts");
  const { formatProblems } = await import("../../jobspec/source-problem.ts");
  const { encodeJobSpec } = await import("../../api/job-codec.ts");
  const variables = textField(body, "Variables");
  const parsed = await parseJobFile(text, {
    fileName: "job",
    variables: { nomadEnv: {}, edgectlEnv: {}, varFiles: variables === "" ? [] : [{ fileName: "variables", text: variables }], vars: {} },
  });
  if (parsed.kind === "problems") throw new EdgeError("invalid", `Failed to parse job: ${formatProblems(parsed.problems)}`);
  return json(exchange, encodeJobSpec(parsed.spec));
}

/** The request's namespace and this region count where the job itself names none; `global` is what clients say by default. */
export function withPlace(wire: unknown, exchange: Exchange): unknown {
  if (typeof wire !== "object" || wire === null) return wire;
  const job = wire as JsonObject;
  const given = exchange.query.all.get("namespace");
  const namespace = given && !job.Namespace ? { Namespace: given } : {};
  return { ...job, ...namespace, Region: isUnsaidRegion(job.Region) ? exchange.server.options.region : job.Region };
}

export function checkPlace(exchange: Exchange, spec: { readonly id: string; readonly namespace: string; readonly region: string }): void {
  if (spec.namespace !== "default") throw new EdgeError("invalid-job", `job "${spec.id}" is in nonexistent namespace "${spec.namespace}"`);
  if (spec.region !== exchange.server.options.region) throw new EdgeError("internal", "No path to region");
}

/** Throws for a job that names a pool nobody made. */
export function requirePool(view: View, spec: { readonly id: string; readonly nodePool: string }): void {
  const problem = jobPoolProblem(view, spec);
  if (problem !== null) throw new EdgeError("invalid-job", multiError([problem]), { hint: "`edgectl node pool list` shows the pools" });
}

/** The answer of the region that the job itself names, null where that is this one. */
export function forwardJob({ server, request, context }: Exchange, body: JsonObject): Promise<Response> | null {
  const region = (body.Job as { readonly Region?: unknown }).Region; // the caller has looked that it is an object
  if (isUnsaidRegion(region) || typeof region !== "string" || region === server.options.region) return null;
  const url = new URL(request.url);
  url.searchParams.set("region", region);
  const again = new Request(url, { method: request.method, headers: request.headers, body: JSON.stringify(body), signal: request.signal });
  again.headers.delete("content-length");
  return forwardToRegion({ server, request: again, context, region });
}

// --- internal ---

function isUnsaidRegion(region: unknown): boolean {
  return region === undefined || region === null || region === "" || region === "global";
}

function submissionOf(body: JsonObject) {
  const submission = body.Submission;
  if (typeof submission !== "object" || submission === null) return null;
  const fields = submission as JsonObject;
  return {
    source: textField(fields, "Source"),
    format: textField(fields, "Format"),
    variables: textField(fields, "Variables"),
    variableFlags: mapField(fields, "VariableFlags"),
  };
}
