// What servers of one region say to each other: a standby says who it is, the leader shows that it lives and how
// far it is. What changed is read from the store itself.

import type { AutopilotConfig, KnownRegions } from "../domain/setting.ts";

export const SERVER_PROTOCOL_VERSION = 1;
/** Where a leader accepts the other servers. */
export const SERVER_CONNECT_PATH = "/v1/internal/server";

/** A server as others know it. */
export interface ServerFacts {
  /** Chosen by the process, so that a restart is another server. */
  readonly id: string;
  readonly name: string;
  /** host:port under which it answers. */
  readonly address: string;
  readonly region: string;
  readonly datacenter: string;
  readonly version: string;
  readonly schema: number;
}

/** How a server does, as the leader sees it: cut off or killed is `failed`, stopped in good order is `left`. */
export type ServerStatus = "alive" | "failed" | "left";

export interface Member {
  readonly facts: ServerFacts;
  readonly status: ServerStatus;
}

/** What a leader tells: who there is, which a new leader goes on with; the rest is in the state, and told for older programs. */
export interface SharedFacts {
  readonly members: readonly Member[];
  readonly autopilot: AutopilotConfig;
  /** Other regions that joined. */
  readonly regions: KnownRegions;
}

/** From a standby. */
export type StandbyMessage =
  | { readonly kind: "hello"; readonly protocol: number; readonly server: ServerFacts }
  /** Answers a sign of life: its copy of the state is at this index. */
  | { readonly kind: "here"; readonly index: number }
  /** It stops in good order. */
  | { readonly kind: "leaving" };

/** From the leader. */
export type LeaderMessage =
  /** A sign of life under its authority; everything up to `index` is durable. */
  | { readonly kind: "alive"; readonly epoch: number; readonly index: number }
  | ({ readonly kind: "shared" } & SharedFacts)
  /** It hands the lease over to this one of them, in a moment. */
  | { readonly kind: "yield"; readonly to: string };

/** Null for what is no such message, also for a kind that a later version knows. */
export function parseServerMessage<M extends StandbyMessage | LeaderMessage>(data: string | Uint8Array, kinds: readonly M["kind"][]): M | null {
  if (typeof data !== "string") return null;
  try {
    const message: unknown = JSON.parse(data);
    const isKnown = typeof message === "object" && message !== null && "kind" in message && kinds.some((kind) => kind === message.kind);
    return isKnown ? (message as M) : null; // both ends are this program
  } catch {
    // Not JSON: not from a server of ours.
    return null;
  }
}
