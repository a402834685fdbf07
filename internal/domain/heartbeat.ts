// How often nodes say that they live.

import { LIMITS } from "./limits.ts";

export interface HeartbeatSettings {
  /** What a node is told at least: it speaks twice in that time. */
  readonly ttlMsMin: number;
  /** How long after it the node is still waited for. */
  readonly graceMs: number;
  /** Of all nodes together: beyond it each of them is asked for fewer. */
  readonly perSecond: number;
}

/** Nomad's defaults. */
export const HEARTBEAT_DEFAULTS: HeartbeatSettings = { ttlMsMin: LIMITS.heartbeatTtlMsMin, graceMs: LIMITS.heartbeatGraceMs, perSecond: 50 };
