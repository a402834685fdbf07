// Candidates by the values they have for the group's spreads: those of one tuple have the same spread term whatever stands where.

import type { NodeLoads } from "../domain/node-loads.ts";
import type { SpreadTerms } from "./candidates.ts";
import { isOfOneNode } from "./feasible.ts";
import type { Standing } from "./standing.ts";

export interface SpreadTuples extends SpreadTerms {
  /** By candidate. */
  readonly tupleOf: Int32Array;
  /** One node's place in the columns for each tuple. */
  readonly positions: readonly number[];
  /** Tuples with any of the values that the node there has: their counts change with its. */
  tuplesBeside(position: number): readonly number[];
}

/** `feasible` are the candidates' places in the columns. */
export function spreadTuples(feasible: Int32Array, loads: NodeLoads, standing: Standing): SpreadTuples {
  const tupleOf = new Int32Array(feasible.length);
  const positions: number[] = [];
  const byValues = new Map<string, number>();
  const byValue = standing.spreads.map(() => new Map<string, number[]>());
  /** One more than the tuple of each class, where all nodes of a class have the same values. */
  const ofClass = standing.spreads.some((one) => isOfOneNode({ attribute: one.spread.attribute, value: "" }))
    ? null
    : new Int32Array(loads.classes.length);
  const tupleAt = (position: number): number => {
    const values = standing.spreads.map((one) => one.valueAt(position));
    const key = JSON.stringify(values.map((value) => value ?? null));
    const known = byValues.get(key);
    if (known !== undefined) return known;
    const tuple = positions.length;
    byValues.set(key, tuple);
    positions.push(position);
    for (const [at, value] of values.entries()) {
      if (value === undefined) continue;
      const tuples = byValue[at]?.get(value);
      if (tuples) tuples.push(tuple);
      else byValue[at]?.set(value, [tuple]);
    }
    return tuple;
  };
  for (let candidate = 0; candidate < feasible.length; candidate++) {
    const position = feasible[candidate] as number; // within
    const at = loads.classOf[position] as number; // as many as there are nodes
    const known = ofClass?.[at] ?? 0;
    const tuple = known > 0 ? known - 1 : tupleAt(position);
    if (ofClass) ofClass[at] = tuple + 1;
    tupleOf[candidate] = tuple;
  }
  return {
    tupleOf,
    positions,
    termOf: (tuple) => standing.spreadTerm(positions[tuple] as number), // tuples are numbered by that list
    signatureOf: (tuple) => standing.spreadSignature(positions[tuple] as number), // so here
    tuplesBeside: (position) => {
      const of = (at: number) => {
        const value = standing.spreads[at]?.valueAt(position);
        return value === undefined ? [] : (byValue[at]?.get(value) ?? []);
      };
      return standing.spreads.length === 1 ? of(0) : [...new Set(standing.spreads.flatMap((_, at) => of(at)))];
    },
  };
}
