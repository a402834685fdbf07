// Where each key and value of a parsed TOML text stands. Built only when a problem must be shown.

import type { AST } from "toml-eslint-parser";
import type { PathPart } from "../domain/job-model/read.ts";
import { pathKey, type Spot, type Spots } from "./positions.ts";
import type { Position } from "./source-problem.ts";

export function tomlPositions(program: AST.TOMLProgram): Spots {
  const spots = new Map<string, Spot>();
  for (const node of program.body[0].body) {
    if (node.type === "TOMLKeyValue") addPair(node, [], spots);
    else addTable(node, spots);
  }
  return spots;
}

// --- internal ---

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
