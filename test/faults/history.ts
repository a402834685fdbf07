// What clients asked for and what they were told, with real instants, and which states that allows. Pure.

/** `unknown`: nobody knows whether it happened, and it may still happen at any later time. */
export type Outcome = "running" | "done" | "refused" | "unknown";

export type Change =
  | { readonly kind: "run"; readonly step: number; readonly count: number }
  | { readonly kind: "scale"; readonly count: number }
  | { readonly kind: "stop" };

export interface Operation {
  readonly jobId: string;
  readonly change: Change;
  readonly startedAtMs: number;
  endedAtMs: number;
  outcome: Outcome;
  /** The index that was answered, 0 without one. */
  index: number;
  /** What the answer said, for messages. */
  answer: string;
}

export interface JobState {
  readonly step: number;
  readonly count: number;
  readonly isStopped: boolean;
}

/** Every state that one job may be in after these operations, which one client sent one after another. Null: no such job. */
export function possibleStates(operations: readonly Operation[]): readonly (JobState | null)[] {
  const pending: Change[] = [];
  let states: readonly (JobState | null)[] = [null];
  for (const { change, outcome } of operations) {
    if (outcome === "refused") continue;
    if (outcome === "done") states = unique(states.flatMap((state) => applied(state, change)));
    else pending.push(change);
    states = withPending(states, pending);
  }
  return states;
}

export function sameState(a: JobState | null, b: JobState | null): boolean {
  return keyOf(a) === keyOf(b);
}

/** An answered index as seen by its caller. */
export interface SeenIndex {
  readonly name: string;
  /** A write has its index for itself; a read tells the newest index it includes. */
  readonly kind: "write" | "read";
  readonly index: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** Where the answers contradict the order of time: what ended before another began has a smaller index. */
export function indexProblems(seen: readonly SeenIndex[]): string[] {
  const problems: string[] = [];
  const byEnd = [...seen].sort((a, b) => a.endedAtMs - b.endedAtMs);
  let [next, newest]: [number, SeenIndex | null] = [0, null];
  for (const one of [...seen].sort((a, b) => a.startedAtMs - b.startedAtMs)) {
    for (let before = byEnd[next]; before && before.endedAtMs < one.startedAtMs; before = byEnd[++next])
      if (newest === null || before.index > newest.index) newest = before;
    if (newest !== null && (one.kind === "write" ? one.index <= newest.index : one.index < newest.index))
      problems.push(`${one.kind} ${one.name} was answered ${one.index} although ${newest.kind} ${newest.name} had ended with ${newest.index} before`);
  }
  const owners = new Map<number, string>();
  for (const { kind, index, name } of seen) {
    if (kind === "read") continue;
    const other = owners.get(index);
    if (other !== undefined) problems.push(`index ${index} was answered to ${other} and to ${name}`);
    owners.set(index, name);
  }
  return problems;
}

// --- internal ---

function applied(state: JobState | null, change: Change): readonly (JobState | null)[] {
  switch (change.kind) {
    case "run":
      return [{ step: change.step, count: change.count, isStopped: false }];
    case "scale":
      return state === null ? [] : [{ ...state, count: change.count }];
    case "stop":
      // As in Nomad, the end of a job that is not there is acknowledged.
      return [state === null ? null : { ...state, isStopped: true }];
  }
}

/** The states, and all those that changes of unknown outcome may make of them. */
function withPending(states: readonly (JobState | null)[], pending: readonly Change[]): readonly (JobState | null)[] {
  let all = states;
  for (;;) {
    const more = unique([...all, ...all.flatMap((state) => pending.flatMap((change) => applied(state, change)))]);
    if (more.length === all.length) return more;
    all = more;
  }
}

function unique(states: readonly (JobState | null)[]): readonly (JobState | null)[] {
  return [...new Map(states.map((state) => [keyOf(state), state])).values()];
}

function keyOf(state: JobState | null): string {
  return state === null ? "none" : `${state.step}/${state.count}/${state.isStopped}`;
}
