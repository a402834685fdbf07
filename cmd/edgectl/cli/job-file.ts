// A job file from the command line: read, parsed with its variables, and encoded for the API.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { JobSpec, JsonMap } from "../../../internal/domain/job.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import { pathFrom } from "../../../internal/domain/paths.ts";
import { createApi } from "./api.ts";
import type { Call, OptionDefinitions } from "./command.ts";

/** The options of every command that reads a job file. */
export const JOB_FILE_OPTIONS = {
  var: { type: "string", description: "set a variable of the job file", valueHint: "NAME=VALUE", isRepeated: true },
  "var-file": { type: "string", description: "set variables from a TOML file", valueHint: "FILE", isRepeated: true },
} as const satisfies OptionDefinitions;

export interface JobFile {
  readonly spec: JobSpec;
  /** As the API takes it. */
  readonly wire: JsonMap;
  readonly warnings: readonly string[];
  readonly submission: {
    readonly Source: string;
    readonly Format: "toml" | "json";
    readonly Variables: string;
    readonly VariableFlags: Readonly<Record<string, string>> | null;
  };
}

/** Throws `invalid-job` with every problem at its line and column. `-` is standard input. */
export async function readJobFile(call: Call, path: string, lookAs?: "json"): Promise<JobFile> {
  const [{ parseJobFile }, { formatProblems }, { encodeJobSpec }, { driverConfigProblems }] = await Promise.all([
    import("../../../internal/jobspec/parse-job-file.ts"),
    import("../../../internal/jobspec/source-problem.ts"),
    import("../../../internal/api/job-codec.ts"),
    import("../../../internal/runner/drivers/registry.ts"),
  ]);
  const source = path === "-" ? await call.runtime.terminal.readInput(LIMITS.jobFileBytesMax) : readSource(call, path);
  const fileName = path === "-" ? "standard input" : path;
  const varFiles = call.repeated("var-file").map((file) => ({ fileName: file, text: readSource(call, file) }));
  const vars = Object.fromEntries(call.repeated("var").map(readVariable));
  const { env } = call.runtime.host;
  const format = lookAs ?? (/^\s*\{/.test(source) ? "json" : "toml");
  const parsed = await parseJobFile(source, {
    fileName,
    variables: { nomadEnv: env, edgectlEnv: env, varFiles, vars },
    lookAs: format,
    moreRules: driverConfigProblems,
  });
  if (parsed.kind === "problems") {
    const count = parsed.problems.length === 1 ? "a problem" : `${parsed.problems.length} problems`;
    throw new EdgeError("invalid-job", `${fileName} has ${count}:\n\n${formatProblems(parsed.problems)}`);
  }
  const spec = placed(call, parsed.spec);
  return {
    spec,
    wire: encodeJobSpec(spec),
    warnings: parsed.warnings,
    submission: {
      Source: source,
      Format: format,
      Variables: varFiles.map((file) => file.text).join("\n"),
      VariableFlags: Object.keys(vars).length === 0 ? null : vars,
    },
  };
}

/** The call as it goes on where the job is: its file may name another region. */
export function inRegionOf<C extends Call>(call: C, spec: Pick<JobSpec, "region">): C {
  const { connection } = call.api;
  if (connection.region !== "" || spec.region === "global") return call;
  return { ...call, api: createApi(call.runtime, { ...connection, region: spec.region }) };
}

// --- internal ---

function readSource(call: Call, path: string): string {
  const { files, host } = call.runtime;
  const full = pathFrom(host.cwd, path);
  const info = files.stat(full);
  if (info === null) throw new EdgeError("invalid", `the file ${path} does not exist`, { hint: "`edgectl init` writes an example job.toml" });
  if (info.isDirectory) throw new EdgeError("invalid", `${path} is a folder, not a job file`);
  if (info.sizeBytes > LIMITS.jobFileBytesMax)
    throw new EdgeError("too-large", `${path} has ${info.sizeBytes} bytes; a job file may have ${LIMITS.jobFileBytesMax} (jobFileBytesMax)`);
  const text = files.readText(full);
  if (text === null) throw new EdgeError("invalid", `the file ${path} cannot be read`);
  return text;
}

function readVariable(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new EdgeError("invalid", `--var "${text}" is not NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** The place named on the command line counts where the file names none of its own. */
function placed(call: Call, spec: JobSpec): JobSpec {
  const { namespace, region } = call.api.connection;
  return {
    ...spec,
    namespace: spec.namespace === "default" && namespace !== "" ? namespace : spec.namespace,
    region: spec.region === "global" && region !== "" ? region : spec.region,
  };
}
