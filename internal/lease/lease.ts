// The leader lease as a state machine: (state, event, now) -> state and effects. Pure; its argument for safety
// stands in DESIGN.md beside it. `now` is the process's own monotonic clock in milliseconds; instants in the row
// are information only.

/** What the lease row says of its holder, as far as this process can tell. */
export type HolderStanding = "self" | "none" | "gone" | "alive" | "unknown";

export interface LeaseView {
  readonly epoch: number;
  readonly holder: HolderStanding;
  /** The store has a newer schema than this program knows: it may follow, and never lead. */
  readonly isBeyond: boolean;
  /** Token of a server that doubts the holder, "" for none. */
  readonly challenge: string;
}

interface Following {
  readonly kind: "follower";
  /** The epoch whose leader is watched; -1 before the first look at the row. */
  readonly epoch: number;
  /** Last sign of life of that leader, or the instant from which one is expected. */
  readonly heardAtMs: number;
  readonly nextReadAtMs: number;
  /** A lease that this server gave up itself, or that was promised to another one, is left to others until then. */
  readonly restUntilMs: number;
  /** A leader that answered a challenge lives, although this server does not hear it: it is left alone until then. */
  readonly trustUntilMs: number;
}

export type LeaseState =
  | Following
  /** The token is being written. */
  | { readonly kind: "challenging"; readonly epoch: number }
  /** The token stands: the lease may be taken at `takeAtMs` if it still does. */
  | { readonly kind: "waiting"; readonly epoch: number; readonly token: string; readonly takeAtMs: number; readonly nextReadAtMs: number }
  | { readonly kind: "taking"; readonly fromEpoch: number; readonly startedAtMs: number }
  | {
      readonly kind: "leader";
      readonly epoch: number;
      readonly authorityEndsAtMs: number;
      readonly nextConfirmAtMs: number;
      readonly readIssuedAtMs: number;
    }
  | { readonly kind: "released" };

export type LeaseEvent =
  | { readonly kind: "tick" }
  | { readonly kind: "row-read"; readonly startedAtMs: number; readonly row: LeaseView }
  | { readonly kind: "read-failed" }
  /** A sign of life of the leader of that epoch came over the connection to it. */
  | { readonly kind: "heard"; readonly epoch: number }
  /** That connection broke. */
  | { readonly kind: "lost"; readonly epoch: number }
  /** The token is durable in the row. */
  | { readonly kind: "challenged"; readonly token: string }
  | { readonly kind: "challenge-refused" }
  /** The store was locked by another process for longer than the ttl. */
  | { readonly kind: "blocked" }
  | { readonly kind: "taken"; readonly epoch: number }
  | { readonly kind: "take-refused" }
  /** The challenge to this leader was removed by a write that began at `startedAtMs`. */
  | { readonly kind: "cleared"; readonly startedAtMs: number }
  | { readonly kind: "fenced" }
  /** The store's content was replaced under this leader's epoch: it is loaded again, under a new one. */
  | { readonly kind: "replaced" }
  /** Hand the lease over to another server. */
  | { readonly kind: "yield" }
  /** The leader is about to hand it to a server that is not this one: a free lease is left to that one for a ttl. */
  | { readonly kind: "rest" }
  | { readonly kind: "stop" };

export type LeaseEffect =
  | { readonly kind: "read-row" }
  /** Listen to the leader of that epoch. */
  | { readonly kind: "watch"; readonly epoch: number }
  | { readonly kind: "challenge"; readonly epoch: number }
  | { readonly kind: "clear"; readonly epoch: number; readonly token: string }
  | { readonly kind: "take"; readonly fromEpoch: number; readonly challenge: string }
  | { readonly kind: "lead"; readonly epoch: number }
  | { readonly kind: "step-down"; readonly reason: string }
  | { readonly kind: "release"; readonly epoch: number }
  /** The holder is stopped inside a transaction: end it, if it is still that very process. */
  | { readonly kind: "kill-holder"; readonly epoch: number };

export interface LeaseStep {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

export interface LeaseTimes {
  readonly ttlMs: number;
}

export function newLease(): LeaseState {
  return { kind: "follower", epoch: -1, heardAtMs: 0, nextReadAtMs: 0, restUntilMs: 0, trustUntilMs: 0 };
}

/** Whether a leader may still act: place, order, fire. Checked at each effect, never cached. */
export function hasAuthority(state: LeaseState, nowMs: number): boolean {
  return state.kind === "leader" && nowMs < state.authorityEndsAtMs;
}

/** How often a leader shows its servers that it lives: twice before they would doubt it. */
export function signOfLifeMs(times: LeaseTimes): number {
  return times.ttlMs / 6;
}

/** The instant of the next tick that has something to do; null when nothing is due by time. */
export function nextTickAtMs(state: LeaseState): number | null {
  switch (state.kind) {
    case "follower":
      return state.nextReadAtMs;
    case "waiting":
      return Math.min(state.takeAtMs, state.nextReadAtMs);
    // Authority is asked for at each effect, so its end needs no tick of its own.
    case "leader":
      return state.nextConfirmAtMs;
    case "challenging":
    case "taking":
    case "released":
      return null;
  }
}

export function stepLease(state: LeaseState, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  if (event.kind === "stop")
    return { state: { kind: "released" }, effects: state.kind === "leader" ? [{ kind: "release", epoch: state.epoch }] : [] };
  switch (state.kind) {
    case "released":
      return stay(state);
    case "follower":
      return follow(state, event, nowMs, times);
    case "challenging":
      return challenge(state, event, nowMs, times);
    case "waiting":
      return wait(state, event, nowMs, times);
    case "taking":
      return take(state, event, nowMs, times);
    case "leader":
      return lead(state, event, nowMs, times);
  }
}

// --- internal ---

/** A leader that clears a challenge but is not heard is challenged again this many ttls later, not at once. */
const TRUST_TTLS = 10;

type At<K extends LeaseState["kind"]> = LeaseState & { readonly kind: K };

function stay(state: LeaseState, ...effects: readonly LeaseEffect[]): LeaseStep {
  return { state, effects };
}

/** Follows the leader of `epoch`, heard now or to be heard from now on. */
function following(epoch: number, nowMs: number, times: LeaseTimes, own: Partial<Following> = {}): Following {
  return { kind: "follower", epoch, heardAtMs: nowMs, nextReadAtMs: nowMs + times.ttlMs / 3, restUntilMs: 0, trustUntilMs: 0, ...own };
}

function follow(state: At<"follower">, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  const later: LeaseState = { ...state, nextReadAtMs: nowMs + times.ttlMs / 4 };
  switch (event.kind) {
    case "tick":
      return nowMs >= state.nextReadAtMs ? stay(later, { kind: "read-row" }) : stay(state);
    case "heard":
      if (event.epoch === state.epoch) return stay({ ...state, heardAtMs: nowMs, nextReadAtMs: nowMs + times.ttlMs / 3 });
      return event.epoch > state.epoch ? stay(later, { kind: "read-row" }) : stay(state);
    case "lost":
      if (event.epoch !== state.epoch) return stay(state);
      return stay({ ...state, heardAtMs: Number.NEGATIVE_INFINITY, nextReadAtMs: nowMs + times.ttlMs / 4 }, { kind: "read-row" });
    case "row-read":
      return look(state, event.row, nowMs, times);
    case "rest":
      return stay({ ...state, restUntilMs: nowMs + times.ttlMs });
    default:
      return stay(later);
  }
}

/** What a follower makes of the row. */
function look(state: At<"follower">, row: LeaseView, nowMs: number, times: LeaseTimes): LeaseStep {
  const later: LeaseState = { ...state, nextReadAtMs: nowMs + times.ttlMs / 4 };
  if (isFree(row)) {
    if (row.isBeyond || (row.holder === "none" && nowMs < state.restUntilMs)) return stay(later);
    return beginTake(row.epoch, row.challenge, nowMs);
  }
  if (row.epoch !== state.epoch) return stay(following(row.epoch, nowMs, times), { kind: "watch", epoch: row.epoch });
  const silentAtMs = state.heardAtMs + times.ttlMs / 3;
  if (nowMs < silentAtMs) return stay({ ...state, nextReadAtMs: silentAtMs });
  // What it cannot lead it does not ask for, and a leader that hands over falls silent.
  if (row.isBeyond || nowMs < state.restUntilMs) return stay(later);
  if (row.challenge !== "") return stay(waiting(row.epoch, row.challenge, nowMs, times));
  if (nowMs < state.trustUntilMs) return stay(later);
  return stay({ kind: "challenging", epoch: row.epoch }, { kind: "challenge", epoch: row.epoch });
}

/** A holder of this very process number and start time can only be an earlier state of this process. */
function isFree(row: LeaseView): boolean {
  return row.holder === "none" || row.holder === "gone" || row.holder === "self";
}

function beginTake(fromEpoch: number, token: string, nowMs: number): LeaseStep {
  return stay({ kind: "taking", fromEpoch, startedAtMs: nowMs }, { kind: "take", fromEpoch, challenge: token });
}

function waiting(epoch: number, token: string, nowMs: number, times: LeaseTimes): LeaseState {
  // A holder whose connection broke may be about to end: a moment later it is gone, and nobody has to wait for it.
  return { kind: "waiting", epoch, token, takeAtMs: nowMs + times.ttlMs, nextReadAtMs: nowMs + times.ttlMs / 30 };
}

function challenge(state: At<"challenging">, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  const again = following(state.epoch, nowMs, times, { heardAtMs: Number.NEGATIVE_INFINITY, nextReadAtMs: nowMs + times.ttlMs / 4 });
  switch (event.kind) {
    // The ttl counts from here: the write was acknowledged before this instant.
    case "challenged":
      return stay(waiting(state.epoch, event.token, nowMs, times));
    case "challenge-refused":
      return stay(again, { kind: "read-row" });
    case "blocked":
      return stay(again, { kind: "kill-holder", epoch: state.epoch });
    default:
      return stay(state);
  }
}

function wait(state: At<"waiting">, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  switch (event.kind) {
    case "rest":
      return stay(following(state.epoch, nowMs, times, { restUntilMs: nowMs + times.ttlMs }));
    case "heard":
      if (event.epoch < state.epoch) return stay(state);
      return event.epoch === state.epoch ? stay(following(state.epoch, nowMs, times)) : readAnew(nowMs, times);
    case "tick":
      if (nowMs >= state.takeAtMs) return beginTake(state.epoch, state.token, nowMs);
      if (nowMs < state.nextReadAtMs) return stay(state);
      return stay({ ...state, nextReadAtMs: nowMs + times.ttlMs / 4 }, { kind: "read-row" });
    case "row-read": {
      const { row } = event;
      if (row.epoch !== state.epoch || row.isBeyond) return look(following(-1, nowMs, times), row, nowMs, times);
      if (isFree(row)) return beginTake(row.epoch, row.challenge, nowMs);
      if (row.challenge === state.token) return stay(state);
      return stay(following(state.epoch, nowMs, times, { trustUntilMs: nowMs + times.ttlMs * TRUST_TTLS }));
    }
    default:
      return stay(state);
  }
}

function readAnew(nowMs: number, times: LeaseTimes): LeaseStep {
  return stay(following(-1, nowMs, times, { nextReadAtMs: nowMs + times.ttlMs / 4 }), { kind: "read-row" });
}

function take(state: At<"taking">, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  switch (event.kind) {
    case "taken": {
      const authorityEndsAtMs = state.startedAtMs + (times.ttlMs * 2) / 3;
      const nextConfirmAtMs = state.startedAtMs + times.ttlMs / 4;
      return stay(
        { kind: "leader", epoch: event.epoch, authorityEndsAtMs, nextConfirmAtMs, readIssuedAtMs: state.startedAtMs },
        { kind: "lead", epoch: event.epoch },
      );
    }
    case "blocked":
      return stay(following(-1, nowMs, times, { nextReadAtMs: nowMs + times.ttlMs / 4 }), { kind: "kill-holder", epoch: state.fromEpoch });
    case "take-refused":
    case "read-failed":
      return stay(following(-1, nowMs, times, { nextReadAtMs: nowMs + times.ttlMs / 4 }));
    default:
      return stay(state);
  }
}

function lead(state: At<"leader">, event: LeaseEvent, nowMs: number, times: LeaseTimes): LeaseStep {
  const stepDown = (reason: string): LeaseStep => stay(following(-1, nowMs, times, { nextReadAtMs: nowMs }), { kind: "step-down", reason });
  const confirmed = (startedAtMs: number): LeaseState => ({
    ...state,
    authorityEndsAtMs: Math.max(state.authorityEndsAtMs, startedAtMs + (times.ttlMs * 2) / 3),
  });
  switch (event.kind) {
    case "fenced":
      return stepDown("another server took the lease");
    case "replaced":
      return stepDown("the state was replaced");
    case "tick":
      if (nowMs < state.nextConfirmAtMs) return stay(state);
      // A loop that was late has asked nobody yet: the read that is due now can still renew its authority. A store that
      // does not answer such a read in time is gone for this server.
      if (nowMs >= state.authorityEndsAtMs + times.ttlMs / 3 && state.readIssuedAtMs >= state.authorityEndsAtMs)
        return stepDown("the lease could not be confirmed in time");
      return stay({ ...state, nextConfirmAtMs: nowMs + times.ttlMs / 4, readIssuedAtMs: nowMs }, { kind: "read-row" });
    case "row-read":
      if (event.row.epoch !== state.epoch) return stepDown(`the lease is at epoch ${event.row.epoch}, this server led ${state.epoch}`);
      if (event.row.isBeyond) return stepDown("a newer program has raised the store's schema");
      // A row under challenge confirms nothing: the challenger's time runs since before this read.
      if (event.row.challenge !== "") return stay(state, { kind: "clear", epoch: state.epoch, token: event.row.challenge });
      return stay(confirmed(event.startedAtMs));
    case "cleared":
      return stay(confirmed(event.startedAtMs));
    case "yield":
      return stay(
        // Another server takes it within milliseconds: who that is, is asked soon.
        following(state.epoch, nowMs, times, { nextReadAtMs: nowMs + times.ttlMs / 16, restUntilMs: nowMs + times.ttlMs }),
        { kind: "step-down", reason: "the lease is handed over" },
        { kind: "release", epoch: state.epoch },
      );
    default:
      return stay(state);
  }
}
