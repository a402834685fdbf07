// What a server is started with.

import type { GcSettings } from "../cluster/gc-rules.ts";
import type { HeartbeatSettings } from "../domain/heartbeat.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";
import type { JoinPolicy } from "./node-sessions.ts";
import type { SnapshotSettings } from "./snapshot-loop.ts";

export interface ServerOptions {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly store: Store;
  /** host:port under which this server answers the others. */
  readonly address: string;
  readonly region: string;
  readonly datacenter: string;
  readonly name: string;
  readonly version: string;
  /** Servers of other regions, URLs by name. */
  readonly regions?: Readonly<Record<string, readonly string[]>>;
  /** Who may join that is not known: anybody unless given. Of several servers the leader's word counts. */
  readonly join?: JoinPolicy;
  /** Ages at which what has ended goes; Nomad's unless given. */
  readonly gc?: GcSettings;
  /** How often nodes speak; as in Nomad unless given. */
  readonly heartbeats?: HeartbeatSettings;
  /** Snapshots that it makes by itself while it leads; none unless given. */
  readonly snapshots?: SnapshotSettings;
  /** Where a store over the network is kept as it was before its schema is raised; not at all unless given. */
  readonly snapshotFolder?: string;
  /** Where programs wait that are handed to nodes. */
  readonly programFolder: string;
  /** What to do about damaged data, for the log. */
  wayBack?(): string;
}
