// Candidates by the values they have for the group's spreads: those of one tuple have the same spread term whatever stands where.

import type { SpreadTerms } from "./candidates.ts";
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
export function spreadTuples(feasible: Int32Array, standing: Standing): SpreadTuples {
  const tupleOf = new Int32Array(feasible.length);
  const positions: number[] = [];
  const byValues = new Map<string, number>();
  const byValue = standing.spreads.map(() => new Map<string, number[]>());
  for (let candidate = 0; candidate < feasible.length; candidate++) {
    const position = feasible[candidate] as number; // within
    const values = standing.spreads.map((one) => one.valueAt(position));
    const key = values.length === 1 ? keyOf(values[0]) : JSON.stringify(values.map(keyOf));
    let tuple = byValues.get(key);
    if (tuple === undefined) {
      tuple = positions.length;
      byValues.set(key, tuple);
      positions.push(position);
      for (const [at, value] of values.entries()) {
        if (value === undefined) continue;
        const tuples = byValue[at]?.get(value);
        if (tuples) tuples.push(tuple);
        else byValue[at]?.set(value, [tuple]);
      }
    }
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

// --- internal ---

/** A node without the value is another than one whose value is empty. */
function keyOf(value: string | undefined): string {
  return value === undefined ? "-" : `=${value}`;
}
