// Who answers reads: the leader from its own state, or a standby from its copy when the caller accepts stale answers.

import type { View } from "../domain/view.ts";
import type { RecentSets } from "./recent-sets.ts";
import type { Waiters } from "./waiters.ts";

export interface Reader {
  readonly view: View;
  readonly waiters: Waiters;
  readonly recent: RecentSets;
  /** Everything up to here is durable and in the view. */
  readonly durableIndex: number;
  /** Resolves when everything the view shows is durable; rejects with outcome-unknown when it may never be. */
  settled(): Promise<void>;
  /** Milliseconds since the leader was heard; 0 for the leader itself. */
  readonly lastContactMs: number;
  readonly isLeaderKnown: boolean;
}
