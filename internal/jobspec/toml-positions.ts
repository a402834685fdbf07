// Where each key and value of a TOML text stands, and where it stops being TOML. Loaded only when a problem must be shown;
// what is valid and what the values are is not decided here.

import { type AST, ParseError, parseTOML } from "toml-eslint-parser";
import type { PathPart } from "../domain/job-model/read.ts";
import { pathKey, type Spot, type Spots } from "./positions.ts";
import type { Position } from "./source-problem.ts";

/** Positions by path; none where this parser cannot read what the other one could. */
export function tomlPositions(text: string): Spots {
  const spots = new Map<string, Spot>();
  const program = parse(text);
  if (program instanceof Error) return spots;
  for (const node of program.body[0].body) {
    if (node.type === "TOMLKeyValue") addPair(node, [], spots);
    else addTable(node, spots);
  }
  return spots;
}

/** What this parser finds wrong with a text that is not TOML; null when it finds nothing. */
export function tomlSyntaxProblem(text: string): (Position & { readonly message: string }) | null {
  const parsed = parse(text);
  return parsed instanceof ParseError ? { message: parsed.message, line: parsed.lineNumber, column: parsed.column + 1 } : null;
}

// --- internal ---

function parse(text: string): AST.TOMLProgram | ParseError | RangeError {
  try {
    return parseTOML(text, { tomlVersion: "1.0" });
  } catch (error) {
    // It passes a string's characters as arguments: one of more than 100,000 runs out of stack.
    if (error instanceof ParseError || error instanceof RangeError) return error;
    throw error;
  }
}

function addTable(node: AST.TOMLTable, spots: Map<string, Spot>): void {
  const path = node.resolvedKey;
  let names = 0;
  for (let length = 1; length <= path.length; length++) {
    if (typeof path[length - 1] === "string") names++;
    const key = start(node.key.keys[names - 1] ?? node.key);
    // A table is where it is first named, an item of a list where its own header stands.
    if (length === path.length || !spots.has(pathKey(path.slice(0, length)))) setOnce(spots, path.slice(0, length), { key, value: key });
  }
  for (const pair of node.body) addPair(pair, path, spots);
}

function addPair(node: AST.TOMLKeyValue, parent: readonly PathPart[], spots: Map<string, Spot>): void {
  const path = [...parent];
  for (const key of node.key.keys) {
    path.push(key.type === "TOMLBare" ? key.name : key.value);
    setOnce(spots, path, { key: start(key), value: key === node.key.keys.at(-1) ? start(node.value) : start(key) });
  }
  addValue(node.value, path, spots);
}

function addValue(node: AST.TOMLContentNode, path: readonly PathPart[], spots: Map<string, Spot>): void {
  if (node.type === "TOMLInlineTable") for (const pair of node.body) addPair(pair, path, spots);
  if (node.type !== "TOMLArray") return;
  for (const [index, element] of node.elements.entries()) {
    setOnce(spots, [...path, index], { key: start(element), value: start(element) });
    addValue(element, [...path, index], spots);
  }
}

function setOnce(spots: Map<string, Spot>, path: readonly PathPart[], spot: Spot): void {
  const key = pathKey(path);
  if (!spots.has(key)) spots.set(key, spot);
}

function start(node: AST.TOMLNode): Position {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}
