// Variables of a job file: their declarations, where their values come from, and their place in the file's values.

import { describe, type PathPart } from "../domain/job-model/read.ts";
import { LIMITS } from "../domain/limits.ts";
import { nearest } from "./nearest.ts";
import { pathKey } from "./positions.ts";
import { linesOf, type ProblemText, problemAt, problemWithoutLine, type SourceProblem } from "./source-problem.ts";
import { readToml, type TomlTable } from "./toml-source.ts";

/** Where values come from, weakest first. Both environments are whole environments, names with their prefix. */
export interface VariableInputs {
  readonly nomadEnv?: Readonly<Record<string, string | undefined>>;
  readonly edgectlEnv?: Readonly<Record<string, string | undefined>>;
  readonly varFiles?: readonly { readonly fileName: string; readonly text: string }[];
  readonly vars?: Readonly<Record<string, string>>;
}

export interface VariableProblem extends ProblemText {
  readonly sourcePath: readonly PathPart[];
}

export interface Variables {
  readonly values: ReadonlyMap<string, unknown>;
  readonly declared: readonly string[];
  /** Problems in the job file. */
  readonly problems: readonly VariableProblem[];
  /** Problems elsewhere: in a variables file, in a flag. */
  readonly otherProblems: readonly SourceProblem[];
}

type VariableType = "string" | "number" | "bool" | "list" | "map" | "any";

interface Declaration {
  readonly name: string;
  readonly type: VariableType;
  readonly initial: unknown;
}

/** The value of every variable the table declares. */
export async function readVariables(table: unknown, inputs: VariableInputs): Promise<Variables> {
  const problems: VariableProblem[] = [];
  const otherProblems: SourceProblem[] = [];
  const declarations = declare(table, problems);
  const values = new Map<string, unknown>();
  for (const { name, initial } of declarations.values()) if (initial !== undefined) values.set(name, initial);
  for (const [prefix, env] of [
    ["NOMAD_VAR_", inputs.nomadEnv ?? {}],
    ["EDGECTL_VAR_", inputs.edgectlEnv ?? {}],
  ] as const) {
    for (const declaration of declarations.values()) {
      const name = `${prefix}${declaration.name}`;
      const text = Object.hasOwn(env, name) ? env[name] : undefined;
      if (text === undefined) continue;
      const wrong = await setFromText(declaration, text, values);
      if (wrong !== null) otherProblems.push(problemWithoutLine(name, wrong));
    }
  }
  for (const file of inputs.varFiles ?? []) otherProblems.push(...(await readVarFile(file, declarations, values)));
  for (const [name, text] of Object.entries(inputs.vars ?? {})) {
    const declaration = declarations.get(name);
    const wrong = declaration ? await setFromText(declaration, text, values) : undeclared(name, declarations);
    if (wrong !== null) otherProblems.push(problemWithoutLine(`--var ${name}`, wrong));
  }
  for (const { name } of declarations.values()) {
    if (values.has(name)) continue;
    const message = `the variable "${name}" has no value: give it a default, --var ${name}=..., or EDGECTL_VAR_${name}`;
    if (!otherProblems.some((problem) => problem.fileName.endsWith(name))) problems.push({ sourcePath: ["variables", name], message });
  }
  return { values, declared: [...declarations.keys()], problems, otherProblems };
}

/** The table with every `${var.x}` in its values replaced. References only a node can resolve stay as they stand. */
export function substitute(table: TomlTable, variables: Variables, report: (problem: VariableProblem) => void): TomlTable {
  const entries = [...table].map(([key, value]) => [key, substituteValue(value, [key], { variables, report })] as const);
  return new Map(entries);
}

// --- internal ---

interface Substitution {
  readonly variables: Variables;
  readonly report: (problem: VariableProblem) => void;
}

/** Kinds of reference that are resolved where the task runs. */
const RUNTIME_KINDS = ["node", "attr", "meta", "env", "device", "secret"];

function declare(table: unknown, problems: VariableProblem[]): ReadonlyMap<string, Declaration> {
  const declarations = new Map<string, Declaration>();
  if (table === undefined) return declarations;
  if (!(table instanceof Map)) {
    problems.push({ sourcePath: ["variables"], message: `\`variables\` must be a table, found ${describe(table)}` });
    return declarations;
  }
  if (table.size > LIMITS.variablesPerJobMax) {
    problems.push({
      sourcePath: ["variables"],
      message: `a job may have ${LIMITS.variablesPerJobMax} variables at most (variablesPerJobMax), this one has ${table.size}`,
    });
    return declarations;
  }
  for (const [key, value] of table) {
    const name = String(key);
    if (!/^[A-Za-z_][\w-]*$/.test(name))
      problems.push({ sourcePath: ["variables", name], message: `"${name}" is no name for a variable (letters, digits, - and _)` });
    const declaration = isDeclaration(value) ? declareTyped(name, value, problems) : { name, type: typeOf(value), initial: value };
    declarations.set(name, declaration);
  }
  return declarations;
}

/** A table with nothing but type, default and description declares; any other table is a default. */
function isDeclaration(value: unknown): value is ReadonlyMap<string, unknown> {
  if (!(value instanceof Map) || value.size === 0) return false;
  return [...value.keys()].every((key) => key === "type" || key === "default" || key === "description");
}

function declareTyped(name: string, body: ReadonlyMap<string, unknown>, problems: VariableProblem[]): Declaration {
  const initial = body.get("default");
  const written = body.get("type");
  if (written === undefined) return { name, type: initial === undefined ? "string" : typeOf(initial), initial };
  const type = typeof written === "string" ? parseType(written) : null;
  if (type === null) {
    const message = `the type of "${name}" must be string, number, bool, list(...), map(...) or any, found ${describe(written)}`;
    problems.push({
      sourcePath: ["variables", name, "type"],
      message,
      suggestion: nearest(String(written), ["string", "number", "bool", "list(string)", "map(string)", "any"]),
    });
    return { name, type: "any", initial };
  }
  if (initial !== undefined && !fits(type, initial)) {
    problems.push({ sourcePath: ["variables", name, "default"], message: `the default of "${name}" must be a ${type}, found ${describe(initial)}` });
  }
  return { name, type, initial };
}

function parseType(text: string): VariableType | null {
  switch (/^(string|number|bool|any|list|set|map|object)(\(.*\))?$/.exec(text.trim())?.[1]) {
    case "string":
      return "string";
    case "number":
      return "number";
    case "bool":
      return "bool";
    case "any":
      return "any";
    case "list":
    case "set":
      return "list";
    case "map":
    case "object":
      return "map";
    default:
      return null;
  }
}

function typeOf(value: unknown): VariableType {
  if (typeof value === "string") return "string";
  if (typeof value === "number") return "number";
  if (typeof value === "boolean") return "bool";
  if (Array.isArray(value)) return "list";
  return value instanceof Map ? "map" : "any";
}

function fits(type: VariableType, value: unknown): boolean {
  return type === "any" || typeOf(value) === type;
}

/** Sets a variable from text, read by its type; says what is wrong when it cannot. */
async function setFromText(declaration: Declaration, text: string, values: Map<string, unknown>): Promise<ProblemText | null> {
  const value = await fromText(declaration.type, text);
  if (value !== undefined) {
    values.set(declaration.name, value);
    return null;
  }
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return { message: `the variable "${declaration.name}" is a ${declaration.type}, "${shown}" is none` };
}

async function fromText(type: VariableType, text: string): Promise<unknown> {
  if (type === "string") return text;
  if (type === "number") return /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(text) ? Number(text) : undefined;
  if (type === "bool") return text === "true" ? true : text === "false" ? false : undefined;
  const source = text.length > LIMITS.jobFileBytesMax ? null : await readToml(`value = ${text}`);
  const value = source?.kind === "table" && source.table.size === 1 && source.problems.length === 0 ? source.table.get("value") : undefined;
  if (value === undefined) return type === "any" ? text : undefined;
  return fits(type, value) ? value : undefined;
}

async function readVarFile(
  file: { readonly fileName: string; readonly text: string },
  declarations: ReadonlyMap<string, Declaration>,
  values: Map<string, unknown>,
): Promise<readonly SourceProblem[]> {
  if (file.text.length > LIMITS.jobFileBytesMax) {
    return [problemWithoutLine(file.fileName, { message: `a variables file may have ${LIMITS.jobFileBytesMax} bytes at most (jobFileBytesMax)` })];
  }
  const text = file.text.replace(/^\uFEFF/, "");
  const lines = linesOf(text);
  const source = await readToml(text);
  if (source.kind === "syntax") return [problemAt(file.fileName, lines, source, { message: `this is not TOML: ${source.message}` })];
  if (source.kind !== "table") return [problemAt(file.fileName, lines, source, source)];
  const refused: (readonly [string, ProblemText])[] = [];
  const refuse = (name: string, text: ProblemText) => void refused.push([name, text]);
  for (const [name, value] of source.table) {
    const declaration = declarations.get(name);
    if (!declaration) refuse(name, undeclared(name, declarations));
    else if (!fits(declaration.type, value))
      refuse(name, { message: `the variable "${name}" must be a ${declaration.type}, found ${describe(value)}` });
    else values.set(name, value);
  }
  for (const problem of source.problems) refuse(String(problem.sourcePath[0]), { message: problem.message });
  if (refused.length === 0) return [];
  const { tomlPositions } = await import("./toml-positions.ts");
  const spots = tomlPositions(text);
  return refused.map(([name, text]) => problemAt(file.fileName, lines, spots.get(pathKey([name]))?.key ?? { line: 1, column: 1 }, text));
}

function undeclared(name: string, declarations: ReadonlyMap<string, Declaration>): ProblemText {
  return { message: `the job declares no variable "${name}" in [variables]`, suggestion: nearest(name, [...declarations.keys()]) };
}

function substituteValue(value: unknown, path: readonly PathPart[], context: Substitution): unknown {
  if (typeof value === "string") return value.includes("${") ? substituteText(value, path, context) : value;
  if (Array.isArray(value)) return value.map((item: unknown, index) => substituteValue(item, [...path, index], context));
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([key, item]) => [String(key), substituteValue(item, [...path, String(key)], context)]));
}

function substituteText(text: string, path: readonly PathPart[], context: Substitution): unknown {
  const alone = /^\$\{\s*var\.([^{}\s]+)\s*\}$/.exec(text)?.[1];
  if (alone !== undefined) return variableValue(alone, path, context);
  return text.replace(/\$\$\{|\$\{([^{}]*)\}/g, (whole, inner: string | undefined) => {
    // As in Nomad's files, $${ is how a literal ${ is written.
    if (inner === undefined) return "${";
    const reference = inner.trim();
    if (reference.startsWith("var.")) return textOf(reference.slice("var.".length), whole, path, context);
    const [, kind = ""] = /^([A-Za-z_]\w*)(\.[\w-]+)+$/.exec(reference) ?? [];
    if (kind !== "" && !RUNTIME_KINDS.includes(kind) && !reference.startsWith("NOMAD_")) {
      const message = `\${${reference}} refers to nothing: known are var., node., attr., meta., env["X"] and NOMAD_X ($\${ writes a plain \${)`;
      context.report({ sourcePath: path, message, suggestion: suggestKind(kind, reference) });
    }
    return whole;
  });
}

function suggestKind(kind: string, reference: string): string | undefined {
  const near = kind === "local" ? "var" : nearest(kind, ["var", ...RUNTIME_KINDS]);
  return near === undefined ? undefined : `\${${near}${reference.slice(kind.length)}}`;
}

function variableValue(name: string, path: readonly PathPart[], { variables, report }: Substitution): unknown {
  if (variables.values.has(name)) return variables.values.get(name);
  // A declared variable without a value is named at its declaration.
  if (!variables.declared.includes(name)) {
    report({ sourcePath: path, message: `the job declares no variable "${name}" in [variables]`, suggestion: nearest(name, variables.declared) });
  }
  return undefined;
}

function textOf(name: string, whole: string, path: readonly PathPart[], context: Substitution): string {
  const value = variableValue(name, path, context);
  if (value === undefined) return whole;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  context.report({ sourcePath: path, message: `the variable "${name}" is ${describe(value)}, which cannot stand inside a text` });
  return whole;
}
