// What an invariant may look at: each commit, each start of a process, each tick, and the state after healing.

import type { Commit, Restore } from "../history.ts";
import type { Machine } from "../machines.ts";
import type { World } from "../world.ts";

export interface Checker {
  readonly name: string;
  committed?(world: World, commit: Commit): void;
  restored?(world: World, restore: Restore): void;
  starting?(world: World, machine: Machine, process: { readonly allocId: string; readonly task: string; readonly attempt: number }): void;
  /** Every tenth of a virtual second. */
  tick?(world: World): void;
  /** After everything was mended and had time to come to rest. */
  settled?(world: World): void;
}
