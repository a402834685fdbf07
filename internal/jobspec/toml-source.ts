// TOML text to tables. Tables become Maps, because an object would put number-like keys first.
// One parser gives values and positions; it is loaded only when there is something to parse. (The other one
// tried, @ltd/j-toml, takes time in the square of a line's length: a minute for 400 KB of brackets.)

import type { AST } from "toml-eslint-parser";
import type { PathPart } from "../domain/job-model/read.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Position } from "./source-problem.ts";

export type TomlTable = Map<string, unknown>;

export type TomlSource =
  | { readonly kind: "table"; readonly table: TomlTable; readonly problems: readonly ValueProblem[]; readonly program: AST.TOMLProgram }
  | ({ readonly kind: "syntax"; readonly message: string } & Position);

/** A value that is valid TOML and that a job cannot hold. */
export interface ValueProblem {
  readonly sourcePath: readonly PathPart[];
  readonly message: string;
}

export async function readToml(text: string): Promise<TomlSource> {
  const { ParseError, parseTOML } = await import("toml-eslint-parser");
  try {
    const program = parseTOML(text, { tomlVersion: "1.0" });
    const problems: ValueProblem[] = [];
    return { kind: "table", table: toTable(program, problems), problems, program };
  } catch (error) {
    if (error instanceof ParseError) return { kind: "syntax", message: error.message, line: error.lineNumber, column: error.column + 1 };
    // The parser calls itself for what is nested and passes a text's characters as arguments: both run out of stack.
    if (error instanceof RangeError)
      return { kind: "syntax", message: "it is nested too deeply, or holds a text of more than 100,000 characters", line: 1, column: 1 };
    throw error;
  }
}

// --- internal ---

type Problems = ValueProblem[];

function toTable(program: AST.TOMLProgram, problems: Problems): TomlTable {
  const root: TomlTable = new Map();
  for (const node of program.body[0].body) {
    if (node.type === "TOMLKeyValue") setPair(root, node, [], problems);
    else fillTable(root, node, problems);
  }
  return root;
}

function fillTable(root: TomlTable, node: AST.TOMLTable, problems: Problems): void {
  let table = root;
  const path = node.resolvedKey;
  for (const [index, part] of path.entries()) {
    if (typeof part === "number") continue;
    const place = path[index + 1];
    table = typeof place === "number" ? itemOf(table, part, place) : tableOf(table, part);
  }
  for (const pair of node.body) setPair(table, pair, path, problems);
}

function setPair(table: TomlTable, node: AST.TOMLKeyValue, parent: readonly PathPart[], problems: Problems): void {
  const names = node.key.keys.map((key) => (key.type === "TOMLBare" ? key.name : key.value));
  const holder = names.slice(0, -1).reduce(tableOf, table);
  holder.set(names.at(-1) ?? "", toValue(node.value, [...parent, ...names], problems));
}

function toValue(node: AST.TOMLContentNode, path: readonly PathPart[], problems: Problems): unknown {
  if (node.type === "TOMLValue") return toScalar(node, path, problems);
  if (path.length > LIMITS.jobFileDepthMax * 2) {
    problems.push({ sourcePath: path, message: `nested deeper than ${LIMITS.jobFileDepthMax * 2} levels` });
    return undefined;
  }
  if (node.type === "TOMLArray") return node.elements.map((element, index) => toValue(element, [...path, index], problems));
  const table: TomlTable = new Map();
  for (const pair of node.body) setPair(table, pair, path, problems);
  return table;
}

function toScalar(node: AST.TOMLValue, path: readonly PathPart[], problems: Problems): unknown {
  if (node.kind !== "integer" || Number.isSafeInteger(Number(node.bigint))) return node.kind === "integer" ? Number(node.bigint) : node.value;
  problems.push({ sourcePath: path, message: `the number ${node.number.slice(0, 40)} is too large (±${Number.MAX_SAFE_INTEGER} at most)` });
  return undefined;
}

/** The table under a key, made when a dotted key or header names it first. The parser has refused what does not fit. */
function tableOf(table: TomlTable, key: string): TomlTable {
  const found = table.get(key);
  if (found instanceof Map) return found;
  const made: TomlTable = new Map();
  table.set(key, made);
  return made;
}

function itemOf(table: TomlTable, key: string, index: number): TomlTable {
  const found = table.get(key);
  const list: unknown[] = Array.isArray(found) ? found : [];
  if (list !== found) table.set(key, list);
  const item = list[index];
  if (item instanceof Map) return item;
  const made: TomlTable = new Map();
  list[index] = made;
  return made;
}
