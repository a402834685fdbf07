// What the checks of a service say, as nodes report it and servers show it.

/** As the wire has them; a script may warn, which the field's own checks cannot. */
export type CheckStatus = "pending" | "success" | "warning" | "failure";

/** The standing of one check of an alloc. Told when its status changes, not with each result. */
export interface AllocCheck {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  /** "" = the group's. */
  readonly task: string;
  /** Whether roll-outs wait for it. */
  readonly mode: "healthiness" | "readiness";
  readonly status: CheckStatus;
  /** When the status became what it is. */
  readonly changedAtMs: number;
  /** What the result said that changed it, cut. */
  readonly output: string;
}

/** One check as its node knows it this moment. */
export interface CheckReading extends AllocCheck {
  /** When it was last made, 0 = not yet. */
  readonly checkedAtMs: number;
  /** HTTP status, or a script's exit code; 0 where there is none. */
  readonly code: number;
}
