// A job file to a JobSpec: TOML, or Nomad's JSON. Every problem is found in one go and tied to its line and column.

import type { JobSpec } from "../domain/job.ts";
import { canonicalizeJob } from "../domain/job-model/defaults.ts";
import { type JobProblem, type PathPart, type ReadProblem, readJob, type SourceForm } from "../domain/job-model/read.ts";
import { unsupportedFeatures } from "../domain/job-model/unsupported.ts";
import { validateJob } from "../domain/job-model/validate.ts";
import { jobWarnings } from "../domain/job-model/warnings.ts";
import { LIMITS } from "../domain/limits.ts";
import { type Locator, locate, sourcePathOfProblem } from "./locate.ts";
import { nearest } from "./nearest.ts";
import { linesOf, type Position, type ProblemText, problemAt, type SourceProblem } from "./source-problem.ts";
import { readToml } from "./toml-source.ts";
import { tidyTopLevel } from "./top-level.ts";
import { readVariables, substitute, type VariableInputs } from "./variables.ts";

export interface ParseOptions {
  /** Shown in problems; nothing is read from it. */
  readonly fileName: string;
  readonly variables?: VariableInputs;
  /** The form of the text, when the caller knows it; otherwise it is found by looking. */
  readonly lookAs?: "toml" | "json";
}

export type ParsedJobFile =
  | { readonly kind: "job"; readonly spec: JobSpec; readonly warnings: readonly string[] }
  | { readonly kind: "problems"; readonly problems: readonly SourceProblem[] };

/** The job of a file with every default filled in, or all that is wrong with it (`problemsPerJobMax` at most). */
export async function parseJobFile(text: string, options: ParseOptions): Promise<ParsedJobFile> {
  const file: SourceFile = { fileName: options.fileName, text: text.replace(/^\uFEFF/, "") };
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
  readonly text: string;
}

/** A problem with its place in the source's own keys. */
interface PlacedProblem extends ProblemText {
  readonly sourcePath: readonly PathPart[];
  readonly at: "key" | "value";
}

async function parseToml(file: SourceFile, inputs: VariableInputs): Promise<ParsedJobFile> {
  const source = await readToml(file.text);
  if (source.kind === "syntax") return refuseSyntax(file, source);
  const placed: PlacedProblem[] = source.problems.map((problem) => ({ ...problem, at: "value" }));
  const { variables: declared, ...top } = Object.fromEntries(source.table);
  const variables = await readVariables(declared, inputs);
  placed.push(...variables.problems.map((problem) => ({ ...problem, at: "key" as const })));
  const table = new Map([...source.table].filter(([key]) => key in top));
  const substituted = file.text.includes("${") ? substitute(table, variables, (problem) => placed.push({ ...problem, at: "value" })) : table;
  const tidied = tidyTopLevel(substituted, (problem) => placed.push(problem));
  return finish(file, "toml", tidied, placed, variables.otherProblems);
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
  return finish(file, "wire", unwrap(parsed).job, [], []);
}

/** Reads the draft, applies every rule, and places whatever was found. */
async function finish(
  file: SourceFile,
  form: SourceForm,
  source: unknown,
  earlier: readonly PlacedProblem[],
  others: readonly SourceProblem[],
): Promise<ParsedJobFile> {
  const { draft, problems } = readJob(source, form);
  const read = problems.map(placeRead);
  // A mistyped job type still says which rules were meant.
  const guessedType = read.find((problem) => problem.sourcePath.join() === (form === "toml" ? "type" : "Type"))?.suggestion;
  const type = (["service", "batch", "system", "sysbatch"] as const).find((known) => known === guessedType);
  const spec = canonicalizeJob(type ? { ...draft, type } : draft);
  const known = [...earlier, ...read];
  const rules = [...validateJob(spec), ...unsupportedFeatures(spec)].map((problem) => placeRule(problem, spec, form));
  const all = [...known, ...rules.filter((problem) => !isExplained(problem, known))];
  if (all.length === 0 && others.length === 0) return { kind: "job", spec, warnings: jobWarnings(spec) };
  return { kind: "problems", problems: [...others, ...(await locateAll(file, form, all))].slice(0, LIMITS.problemsPerJobMax) };
}

function placeRead(problem: ReadProblem): PlacedProblem {
  const word = problem.at === "key" ? String(problem.sourcePath.at(-1)) : (/found the string "(.*)"$/.exec(problem.message)?.[1] ?? "");
  return { ...problem, suggestion: problem.knownKeys ? nearest(word, problem.knownKeys) : undefined };
}

function placeRule(problem: JobProblem, spec: JobSpec, form: SourceForm): PlacedProblem {
  return { message: problem.message, sourcePath: sourcePathOfProblem(spec, problem.path, form), at: "value" };
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

async function locateAll(file: SourceFile, form: SourceForm, problems: readonly PlacedProblem[]): Promise<readonly SourceProblem[]> {
  if (problems.length === 0) return [];
  const locator = await makeLocator(file, form);
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

async function makeLocator(file: SourceFile, form: SourceForm): Promise<Locator> {
  if (form === "toml") {
    const { tomlPositions } = await import("./toml-positions.ts");
    return { spots: tomlPositions(file.text) ?? new Map(), form, prefix: [] };
  }
  const { scanJson } = await import("./json-positions.ts");
  return { spots: scanJson(file.text).spots, form, prefix: unwrap(JSON.parse(file.text)).prefix };
}

/** Nomad's JSON files hold the job itself or an object with the job in it. */
function unwrap(parsed: unknown): { readonly job: unknown; readonly prefix: readonly PathPart[] } {
  const isWrapped = typeof parsed === "object" && parsed !== null && "Job" in parsed;
  return isWrapped ? { job: parsed.Job, prefix: ["Job"] } : { job: parsed, prefix: [] };
}

async function refuseSyntax(file: SourceFile, source: { readonly message: string; readonly line: number }): Promise<ParsedJobFile> {
  const hcl = /^[ \t]*(?:job|variable|variables|locals)\b[^\n=[\]]*\{/m.exec(file.text);
  if (hcl) {
    const line = file.text.slice(0, hcl.index).split("\n").length;
    const message = "this is HCL, which edgectl does not read yet; convert it once: nomad job run -output FILE.nomad > job.json, then use job.json";
    return refuse(file, { line, column: 1 }, message);
  }
  const { tomlSyntaxProblem } = await import("./toml-positions.ts");
  const precise = tomlSyntaxProblem(file.text);
  const position = precise ?? { line: source.line, column: 1 };
  return refuse(file, position, `this is not TOML: ${precise ? lowerFirst(precise.message) : lowerFirst(source.message)}`);
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
