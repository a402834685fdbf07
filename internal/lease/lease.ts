// The leader lease as a state machine: (state, event, now) -> state and effects. Pure.
// `now` is the process's own monotonic clock in milliseconds; instants in the row are information only.

/** What the lease row says of its holder, as far as this process can tell. */
export type HolderStanding = "self" | "none" | "gone" | "alive" | "unknown";

export interface LeaseView {
  readonly epoch: number;
  readonly holder: HolderStanding;
}

export type LeaseState =
  | { readonly kind: "follower"; readonly nextReadAtMs: number }
  | { readonly kind: "taking"; readonly fromEpoch: number; readonly startedAtMs: number }
  | { readonly kind: "leader"; readonly epoch: number; readonly authorityEndsAtMs: number; readonly nextConfirmAtMs: number }
  | { readonly kind: "released" };

export type LeaseEvent =
  | { readonly kind: "tick" }
  | { readonly kind: "row-read"; readonly startedAtMs: number; readonly row: LeaseView }
  | { readonly kind: "read-failed" }
  | { readonly kind: "taken"; readonly epoch: number }
  | { readonly kind: "take-refused" }
  | { readonly kind: "fenced" }
  | { readonly kind: "stop" };

export type LeaseEffect =
  | { readonly kind: "read-row" }
  | { readonly kind: "take"; readonly fromEpoch: number }
  | { readonly kind: "lead"; readonly epoch: number }
  | { readonly kind: "step-down"; readonly reason: string }
  | { readonly kind: "release"; readonly epoch: number };

export interface LeaseStep {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

export interface LeaseTimes {
  readonly ttlMs: number;
}

export const SQLITE_LEASE: LeaseTimes = { ttlMs: 3000 };

export function newLease(): LeaseState {
  return { kind: "follower", nextReadAtMs: 0 };
}

/** Whether a leader may still act: place, order, fire. Checked at each effect, never cached. */
export function hasAuthority(state: LeaseState, nowMs: number): boolean {
  return state.kind === "leader" && nowMs < state.authorityEndsAtMs;
}

/** The instant of the next tick that has something to do; null when nothing is due by time. */
export function nextTickAtMs(state: LeaseState): number | null {
  switch (state.kind) {
    case "follower":
      return state.nextReadAtMs;
    // Authority is asked for at each effect, so its end needs no tick of its own.
    case "leader":
      return state.nextConfirmAtMs;
    case "taking":
    case "released":
      return null;
  }
}

export function stepLease(state: LeaseState, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  if (event.kind === "stop") return stop(state);
  switch (state.kind) {
    case "released":
      return stay(state);
    case "follower":
      return follow(state, event, nowMs, times);
    case "taking":
      return take(state, event, nowMs, times);
    case "leader":
      return lead(state, event, nowMs, times);
  }
}

// --- internal ---

function stay(state: LeaseState, ...effects: readonly LeaseEffect[]): LeaseStep {
  return { state, effects };
}

function stop(state: LeaseState): LeaseStep {
  return { state: { kind: "released" }, effects: state.kind === "leader" ? [{ kind: "release", epoch: state.epoch }] : [] };
}

function follow(state: LeaseState & { kind: "follower" }, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  const later: LeaseState = { kind: "follower", nextReadAtMs: nowMs + times.ttlMs / 4 };
  if (event.kind === "tick") return nowMs >= state.nextReadAtMs ? stay(later, { kind: "read-row" }) : stay(state);
  if (event.kind !== "row-read") return stay(later);
  // A holder of this very process number and start time can only be an earlier state of this process.
  const isFree = event.row.holder === "none" || event.row.holder === "gone" || event.row.holder === "self";
  if (!isFree) return stay(later);
  return stay({ kind: "taking", fromEpoch: event.row.epoch, startedAtMs: nowMs }, { kind: "take", fromEpoch: event.row.epoch });
}

function take(state: LeaseState & { kind: "taking" }, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  if (event.kind === "taken") {
    const leader: LeaseState = {
      kind: "leader",
      epoch: event.epoch,
      authorityEndsAtMs: state.startedAtMs + (times.ttlMs * 2) / 3,
      nextConfirmAtMs: state.startedAtMs + times.ttlMs / 4,
    };
    return stay(leader, { kind: "lead", epoch: event.epoch });
  }
  if (event.kind === "take-refused" || event.kind === "read-failed") return stay({ kind: "follower", nextReadAtMs: nowMs + times.ttlMs / 4 });
  return stay(state);
}

function lead(state: LeaseState & { kind: "leader" }, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  const stepDown = (reason: string): LeaseStep => stay({ kind: "follower", nextReadAtMs: nowMs }, { kind: "step-down", reason });
  if (event.kind === "fenced") return stepDown("another server took the lease");
  if (event.kind === "tick") {
    // Authority may lapse while a loop is late; the read that is due now can still renew it, under the same epoch.
    if (nowMs >= state.nextConfirmAtMs) return stay({ ...state, nextConfirmAtMs: nowMs + times.ttlMs / 4 }, { kind: "read-row" });
    return stay(state);
  }
  if (event.kind !== "row-read") return stay(state);
  if (event.row.epoch !== state.epoch) return stepDown(`the lease is at epoch ${event.row.epoch}, this server led ${state.epoch}`);
  return stay({ ...state, authorityEndsAtMs: Math.max(state.authorityEndsAtMs, event.startedAtMs + (times.ttlMs * 2) / 3) });
}
