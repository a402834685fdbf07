// Positions of keys and values, by path: what the TOML and the JSON side have in common.

import type { PathPart } from "../domain/job-model/read.ts";
import type { Position } from "./source-problem.ts";

export interface Spot {
  readonly key: Position;
  readonly value: Position;
}

export type Spots = ReadonlyMap<string, Spot>;

export function pathKey(path: readonly PathPart[]): string {
  return JSON.stringify(path);
}
