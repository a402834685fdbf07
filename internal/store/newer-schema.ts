// The words for a store that a newer program has written: refused, since this one cannot know what it would break.

import { EdgeError } from "../domain/errors.ts";

export interface NewerSchema {
  readonly schema: number;
  /** What this program knows. */
  readonly known: number;
  /** Version of the program that led last, "" where the store does not say. */
  readonly program: string;
}

export function newerSchema(store: string, { schema, known, program }: NewerSchema): EdgeError {
  return new EdgeError("config", `${store} has schema ${schema}, this program knows ${known}`, {
    hint: `start the newer edgectl that wrote it${program === "" ? "" : `, ${program}`}; to go back instead, put the copy from before the upgrade in its place (README, Upgrades)`,
  });
}
