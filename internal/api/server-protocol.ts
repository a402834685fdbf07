// What servers of one region say to each other: a standby says who it is, the leader shows that it lives and how
// far it is. What changed is read from the store itself.

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

/** From a standby. */
export interface StandbyMessage {
  readonly kind: "hello";
  readonly protocol: number;
  readonly server: ServerFacts;
}

/** From the leader: a sign of life under its authority; everything up to `index` is durable. */
export interface LeaderMessage {
  readonly kind: "alive";
  readonly epoch: number;
  readonly index: number;
}

/** Null for what is no such message. */
export function parseServerMessage<M extends StandbyMessage | LeaderMessage>(data: string | Uint8Array, kind: M["kind"]): M | null {
  if (typeof data !== "string") return null;
  try {
    const message: unknown = JSON.parse(data);
    const isKind = typeof message === "object" && message !== null && "kind" in message && message.kind === kind;
    return isKind ? (message as M) : null; // both ends are this program
  } catch {
    // Not JSON: not from a server of ours.
    return null;
  }
}
