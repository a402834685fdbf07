// A job file to a JobSpec: TOML, or Nomad's JSON. Every problem is found in one go and tied to its line and column.

import type { JobSpec } from "../domain/job.ts";
import { canonicalizeJob } from "../domain/job-model/defaults.ts";
import { sourcePathOf } from "../domain/job-model/paths.ts";
import { type JobProblem, type PathPart, type ReadProblem, readJob, type SourceForm } from "../domain/job-model/read.ts";
import { unsupportedFeatures } from "../domain/job-model/unsupported.ts";
import { validateJob } from "../domain/job-model/validate.ts";
import { jobWarnings } from "../domain/job-model/warnings.ts";
import { LIMITS } from "../domain/limits.ts";
import { type Locator, locate } from "./locate.ts";
import { nearest } from "./nearest.ts";
import { linesOf, type Position, type ProblemText, problemAt, type SourceProblem } from "./source-problem.ts";
import { readToml, type TomlRefusal } from "./toml-source.ts";
import { tidyTopLevel } from "./top-level.ts";
import { readVariables, substitute, type VariableInputs, type VariableProblem } from "./variables.ts";

export interface ParseOptions {
  /** Shown in problems; nothing is read from it. */
  readonly fileName: string;
  readonly variables?: VariableInputs;
  /** The form of the text, when the caller knows it; otherwise it is found by looking. */
  readonly lookAs?: "toml" | "json";
  /** Rules that stand elsewhere, for instance of drivers: their problems come with all others. */
  readonly moreRules?: (spec: JobSpec) => readonly JobProblem[];
}

export type ParsedJobFile =
  | { readonly kind: "job"; readonly spec: JobSpec; readonly warnings: readonly string[] }
  | { readonly kind: "problems"; readonly problems: readonly SourceProblem[] };

/** The job of a file with every default filled in, or all that is wrong with it (`problemsPerJobMax` at most). */
export async function parseJobFile(text: string, options: ParseOptions): Promise<ParsedJobFile> {
  const file: SourceFile = {
    fileName: options.fileName,
    moreRules: options.moreRules ?? (() => []),
    text: text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n"),
  };
  if (bytesOf(text) > LIMITS.jobFileBytesMax) {
    return refuse(
      file,
      { line: 1, column: 1 },
      `a job file may have ${LIMITS.jobFileBytesMax} bytes at most (jobFileBytesMax), this one has ${bytesOf(text)}`,
    );
  }
  const form = options.lookAs ?? (/^\s*\{/.test(file.text) ? "json" : "toml");
  return form === "json" ? parseJson(file) : parseToml(file, options.variables ?? {});
}

// --- internal ---

interface SourceFile {
  readonly fileName: string;
  readonly moreRules: (spec: JobSpec) => readonly JobProblem[];
  readonly text: string;
}

/** A problem with its place in the source's own keys. */
interface PlacedProblem extends ProblemText {
  readonly sourcePath: readonly PathPart[];
  readonly at: "key" | "value";
}

async function parseToml(file: SourceFile, inputs: VariableInputs): Promise<ParsedJobFile> {
  const source = await readToml(file.text);
  if (source.kind !== "table") return refuseToml(file, source);
  const locator = async (): Promise<Locator> => {
    const { tomlPositions } = await import("./toml-positions.ts");
    return { spots: tomlPositions(file.text), form: "toml", prefix: [] };
  };
  const placed: PlacedProblem[] = [];
  const report = (problem: VariableProblem) => placed.push({ ...problem, sourcePath: asGroupPath(problem.sourcePath), at: "value" });
  source.problems.forEach(report);
  const table = new Map(source.table);
  const variables = await readVariables(table.get("variables"), inputs);
  table.delete("variables");
  placed.push(...variables.problems.map((problem) => ({ ...problem, at: "key" as const })));
  const substituted = file.text.includes("${") ? substitute(table, variables, report) : table;
  const tidied = tidyTopLevel(substituted, (problem) => placed.push(problem));
  return finish(file, { locator, source: tidied, earlier: placed, others: variables.otherProblems, form: "toml" });
}

/** [task.NAME] is read as a group of that name, so its paths are the group's. */
function asGroupPath(path: readonly PathPart[]): readonly PathPart[] {
  const [root, name, ...rest] = path;
  return root === "task" && name !== undefined ? ["group", name, "task", name, ...rest] : path;
}

async function parseJson(file: SourceFile): Promise<ParsedJobFile> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(file.text);
  } catch {
    // The parser's own message has no line; the scanner finds the place.
    const { scanJson } = await import("./json-positions.ts");
    const problem = scanJson(file.text).problem;
    return refuse(file, problem ?? { line: 1, column: 1 }, `this is not JSON: ${problem?.message ?? "it cannot be read"}`);
  }
  const { job, prefix } = unwrap(parsed);
  return finish(file, {
    locator: async () => {
      const { scanJson } = await import("./json-positions.ts");
      return { spots: scanJson(file.text).spots, form: "wire", prefix };
    },
    source: job,
    earlier: [],
    others: [],
    form: "wire",
  });
}

/** What was found before the job's own tables are read. */
interface Findings {
  readonly form: SourceForm;
  readonly source: unknown;
  readonly earlier: readonly PlacedProblem[];
  readonly others: readonly SourceProblem[];
  readonly locator: () => Promise<Locator>;
}

/** Reads the draft, applies every rule, and places whatever was found. */
async function finish(file: SourceFile, { form, source, earlier, others, locator }: Findings): Promise<ParsedJobFile> {
  const { draft, problems } = readJob(source, form);
  const read = problems.map(placeRead);
  // A mistyped job type still says which rules were meant.
  const guessedType = read.find((problem) => problem.sourcePath.join() === (form === "toml" ? "type" : "Type"))?.suggestion;
  const type = (["service", "batch", "system", "sysbatch"] as const).find((known) => known === guessedType);
  const spec = canonicalizeJob(type ? { ...draft, type } : draft);
  // One value gets one reading problem: a variable without a value is no string either.
  const taken = new Set(earlier.map((problem) => problem.sourcePath.join("\0")));
  const known = [...earlier, ...read.filter((problem) => !taken.has(problem.sourcePath.join("\0")))];
  const rules = [...validateJob(spec), ...unsupportedFeatures(spec), ...file.moreRules(spec)].map((problem) => placeRule(problem, spec, form));
  const isReadable = known.every((problem) => problem.sourcePath.length > 0);
  const all = !isReadable ? known : [...known, ...rules.filter((problem) => !isExplained(problem, known))];
  if (all.length === 0 && others.length === 0) return { kind: "job", spec, warnings: jobWarnings(spec) };
  return { kind: "problems", problems: [...others, ...(await locateAll(file, all, locator))].slice(0, LIMITS.problemsPerJobMax) };
}

function placeRead(problem: ReadProblem): PlacedProblem {
  const word = problem.at === "key" ? String(problem.sourcePath.at(-1)) : (/found the string "(.*)"$/.exec(problem.message)?.[1] ?? "");
  return { ...problem, suggestion: problem.knownKeys ? nearest(word, problem.knownKeys) : undefined };
}

function placeRule(problem: JobProblem, spec: JobSpec, form: SourceForm): PlacedProblem {
  return { message: problem.message, sourcePath: sourcePathOf(spec, problem.path, form), at: "value" };
}

/** Whether a broken rule only follows from something already named: the value that could not be read, the key that was mistyped. */
function isExplained(problem: PlacedProblem, known: readonly PlacedProblem[]): boolean {
  const path = problem.sourcePath.join("\0");
  return known.some((cause) => {
    const meant = cause.at === "key" && cause.suggestion !== undefined ? [...cause.sourcePath.slice(0, -1), cause.suggestion] : cause.sourcePath;
    const causePath = meant.join("\0");
    return causePath !== "" && (path === causePath || path.startsWith(`${causePath}\0`));
  });
}

async function locateAll(file: SourceFile, problems: readonly PlacedProblem[], makeLocator: Findings["locator"]): Promise<readonly SourceProblem[]> {
  if (problems.length === 0) return [];
  const locator = await makeLocator();
  const lines = linesOf(file.text);
  const seen = new Set<string>();
  const placed = problems.flatMap((problem) => {
    const position = locate(locator, problem.sourcePath, problem.at);
    const key = `${position.line}:${position.column}:${problem.message}`;
    // What a job says for all its groups is found once per group.
    if (seen.has(key)) return [];
    seen.add(key);
    return [problemAt(file.fileName, lines, position, problem)];
  });
  return placed.sort((a, b) => a.line - b.line || a.column - b.column);
}

/** Nomad's JSON files hold the job itself or an object with the job in it. */
function unwrap(parsed: unknown): { readonly job: unknown; readonly prefix: readonly PathPart[] } {
  const isWrapped = typeof parsed === "object" && parsed !== null && "Job" in parsed;
  return isWrapped ? { job: parsed.Job, prefix: ["Job"] } : { job: parsed, prefix: [] };
}

function refuseToml(file: SourceFile, source: TomlRefusal): ParsedJobFile {
  const hcl = /^[ \t]*(?:job|variable|variables|locals)\b[^\n=[\]]*\{/m.exec(file.text);
  if (hcl) {
    const line = file.text.slice(0, hcl.index).split("\n").length;
    const message = "this is HCL, which edgectl does not read yet; convert it once: nomad job run -output FILE.nomad > job.json, then use job.json";
    return refuse(file, { line, column: 1 }, message);
  }
  return refuse(file, source, source.kind === "syntax" ? `this is not TOML: ${lowerFirst(source.message)}` : source.message);
}

function refuse(file: SourceFile, position: Position, message: string): ParsedJobFile {
  const lines = file.text.length > LIMITS.jobFileBytesMax ? [] : linesOf(file.text);
  const { line, column } = position;
  return { kind: "problems", problems: [problemAt(file.fileName, lines, { line, column }, { message })] };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function bytesOf(text: string): number {
  // Counting is only needed near the limit: UTF-8 takes one to three bytes per unit.
  return text.length * 3 <= LIMITS.jobFileBytesMax ? text.length : new TextEncoder().encode(text).length;
}
