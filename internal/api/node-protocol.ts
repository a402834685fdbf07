// What node and server say to each other over one connection: the messages, their version, their text form.
// The same messages travel over a WebSocket or, inside one process, from object to object.

import type { Alloc, AllocReport, AllocResources, AllocResume, ClientStatus, DesiredStatus } from "../domain/alloc.ts";
import { EdgeError } from "../domain/errors.ts";
import type { FireReport } from "../domain/fires.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NodeEvent, NodeSpec, NodeSuccession } from "../domain/node.ts";
import type { DynamicMeta } from "../domain/node-meta.ts";
import type { JobVersion } from "../domain/tables.ts";

/** The newest and the oldest version that this program speaks, as a server and as a node. */
export const PROTOCOL_VERSION = 1;
export const PROTOCOL_VERSION_MIN = 1;

/** An alloc as its node needs it. `jobKey` names an entry of the message's `jobs`. */
export interface DesiredAlloc {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly jobId: string;
  readonly jobKey: string;
  readonly group: string;
  readonly desiredStatus: DesiredStatus;
  readonly desiredDescription: string;
  readonly clientStatus: ClientStatus;
  readonly resources: AllocResources;
  readonly previousAlloc: string;
  /** Of one that goes on where another failed; only for nodes whose attribute edgectl.resume says that they know how. */
  readonly resumes?: AllocResume;
  /** Whose data becomes its own, where that is there. */
  readonly takesDataOf?: string;
  /** It ends without shutdown delays. */
  readonly skipsShutdownDelay?: boolean;
  /** Those that make room for it, should they still run. */
  readonly preemptedAllocs?: readonly string[];
  /** "" = it came with no roll-out; absent from servers that know of none. */
  readonly deploymentId?: string;
  /** Of a job that nodes fire: up to which second the server knows this node's fires. */
  readonly settledUntilS?: number;
  readonly createdAtMs: number;
  readonly modifyIndex: number;
}

/** Which life of a node this is, as its server counts them; kept in the node's journal. */
export interface NodeMemory {
  readonly clusterId: string;
  readonly incarnation: number;
  /** What it counts as, where it took another's place. */
  readonly succession?: NodeSuccession;
}

/** Position of an order: a node refuses those at or below the last one of the same cluster. */
export interface OrderPosition {
  readonly clusterId: string;
  readonly epoch: number;
  readonly index: number;
}

export type NodeCall =
  | {
      readonly method: "logs";
      readonly allocId: string;
      readonly task: string;
      readonly stream: "stdout" | "stderr";
      readonly offset: number;
      readonly origin: "start" | "end";
      readonly isFollowing: boolean;
    }
  | {
      readonly method: "file-stream";
      readonly allocId: string;
      readonly path: string;
      readonly offset: number;
      readonly origin: "start" | "end";
      readonly isFollowing: boolean;
    }
  | { readonly method: "file-read"; readonly allocId: string; readonly path: string; readonly offset: number; readonly limit: number }
  | { readonly method: "file-list"; readonly allocId: string; readonly path: string }
  | { readonly method: "file-stat"; readonly allocId: string; readonly path: string }
  | { readonly method: "restart"; readonly allocId: string; readonly task: string; readonly isAllTasks: boolean }
  /** Has a task with a schedule, or with "" each that has one, rest or run whatever it says, or follow it again. */
  | { readonly method: "schedule-set"; readonly allocId: string; readonly task: string; readonly state: "pause" | "run" | "scheduled" }
  | { readonly method: "schedule-get"; readonly allocId: string; readonly task: string }
  | { readonly method: "signal"; readonly allocId: string; readonly task: string; readonly signal: string }
  | {
      readonly method: "exec";
      readonly allocId: string;
      readonly task: string;
      readonly command: readonly string[];
      /** Its words are of the job's file: `${...}` in them is replaced by the node. Earlier versions leave it as it stands. */
      readonly isOfJob?: boolean;
      /** Null = no terminal. */
      readonly terminal: { readonly columns: number; readonly rows: number } | null;
    }
  /** Fires a job whose fires are the node's to decide, named by the alloc that says so. */
  | { readonly method: "fire"; readonly allocId: string }
  | { readonly method: "host-stats" }
  /** What the agent logs from now on, at this level and above. */
  | { readonly method: "monitor"; readonly level: "debug" | "info" | "warn" | "error"; readonly format: "text" | "json" }
  | { readonly method: "alloc-checks"; readonly allocId: string }
  /** Its meta, after these changes; null: as it is. */
  | { readonly method: "node-meta"; readonly changes: DynamicMeta | null }
  /** Lets go of what ended: all of it, or that one. */
  | { readonly method: "node-gc" }
  | { readonly method: "alloc-gc"; readonly allocId: string }
  /** Of nodes whose attribute edgectl.upgrade says that they know of it. */
  | { readonly method: "upgrade-offer"; readonly sha256: string; readonly sizeBytes: number }
  | { readonly method: "upgrade-piece"; readonly sha256: string; readonly offset: number; readonly packing: "none" | "gzip"; readonly data: string }
  | {
      readonly method: "upgrade-apply";
      readonly id: string;
      readonly sha256: string;
      readonly signature: string;
      readonly isForced: boolean;
      readonly healthyWithinMs: number;
      readonly healthyForMs: number;
    }
  | { readonly method: "upgrade-status"; readonly id: string }
  /** Measuring its files takes a while: only where it is asked for, and by nodes that know it. */
  | { readonly method: "alloc-stats"; readonly allocId: string; readonly withDisk?: boolean };

/** Of a program that a server hands to a node: how many bytes the node has, and how further ones may be packed. */
export interface UpgradeHeld {
  readonly offset: number;
  readonly packings: readonly string[];
}

/** A state of device/upgrade.ts, or `unchanged`: that program runs already. */
export interface UpgradeProgress {
  readonly state: string;
  readonly reason: string;
}

/** How many bytes of pieces of streams may be on their way to who says so; absent from versions that do not tell what arrived. */
export type LinkWindowBytes = number;

/** What a node can be asked: from the first version on, or since it says so itself. */
const CALLS: Readonly<Record<NodeCall["method"], "first" | "said">> = {
  logs: "first",
  "file-stream": "first",
  "file-read": "first",
  "file-list": "first",
  "file-stat": "first",
  restart: "first",
  signal: "first",
  exec: "said",
  "schedule-set": "said",
  "schedule-get": "said",
  fire: "said",
  "host-stats": "first",
  monitor: "said",
  "alloc-checks": "said",
  "node-meta": "said",
  "node-gc": "said",
  "alloc-gc": "said",
  "upgrade-offer": "said",
  "upgrade-piece": "said",
  "upgrade-apply": "said",
  "upgrade-status": "said",
  "alloc-stats": "first",
};
export const KNOWN_CALLS: readonly string[] = Object.keys(CALLS);
/** Of nodes that do not say what they know. */
export const FIRST_CALLS: readonly string[] = KNOWN_CALLS.filter((name) => CALLS[name as NodeCall["method"]] === "first"); // its keys

/** The answer to a command that has ended. */
export interface ExecResult {
  readonly exitCode: number;
}

export interface ListedFile {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  readonly mode: string;
  readonly modifiedAtMs: number;
  readonly contentType: string;
}

/** From the node. */
export type NodeMessage =
  | {
      readonly kind: "hello";
      /** The newest version that the node speaks. */
      readonly protocol: number;
      /** The oldest one; absent from those that speak one alone. */
      readonly protocolMin?: number;
      readonly node: NodeSpec;
      readonly secret: string;
      readonly lastOrder: OrderPosition | null;
      /** Null when the node remembers no life in any cluster. */
      readonly memory: NodeMemory | null;
      /** Distinguishes two living agents that claim one identity. */
      readonly processId: string;
      /** What this node can be asked; absent from those of earlier versions. */
      readonly calls?: readonly string[];
      readonly linkWindowBytes?: LinkWindowBytes;
      /** Shown by a node that was not admitted yet; servers of earlier versions admit all. */
      readonly joinToken?: string;
    }
  | { readonly kind: "heartbeat" }
  | { readonly kind: "node-updated"; readonly node: NodeSpec }
  /** To be remembered with the node; servers that do not know it leave it out. */
  | { readonly kind: "node-events"; readonly events: readonly NodeEvent[] }
  /** Sequences rise while an agent lives, over all its connections; those at or below the last one are duplicates. */
  | { readonly kind: "report"; readonly incarnation: number; readonly sequence: number; readonly allocs: readonly AllocReport[] }
  /** Fires that this node decided, the oldest first: acknowledged as reports are, with whom they share the sequence. */
  | { readonly kind: "fires"; readonly incarnation: number; readonly sequence: number; readonly fires: readonly FireReport[] }
  | { readonly kind: "reply"; readonly call: number; readonly result: unknown }
  /** The result came before this as pieces of JSON, for it is larger than a frame. */
  | { readonly kind: "reply-end"; readonly call: number }
  | { readonly kind: "call-failed"; readonly call: number; readonly code: string; readonly message: string }
  /** A piece of a stream; `offset` is its position in the file it came from. */
  | { readonly kind: "data"; readonly call: number; readonly file: string; readonly offset: number; readonly bytes: Uint8Array }
  /** So many bytes of pieces of streams arrived, over all of them. */
  | { readonly kind: "arrived"; readonly bytes: number }
  /** The command of a call took this many bytes more of its input. */
  | { readonly kind: "input-credit"; readonly call: number; readonly bytes: number }
  | { readonly kind: "end"; readonly call: number };

/** From the server. */
export type ServerMessage =
  | {
      readonly kind: "welcome";
      /** What both speak from now on. */
      readonly protocol: number;
      readonly clusterId: string;
      readonly epoch: number;
      /** The life this connection belongs to: the node notes it before it reports anything. */
      readonly incarnation: number;
      readonly heartbeatTtlMs: number;
      readonly serverTimeMs: number;
      readonly linkWindowBytes?: LinkWindowBytes;
      readonly succession?: NodeSuccession;
    }
  /** As the node's. */
  | { readonly kind: "arrived"; readonly bytes: number }
  | { readonly kind: "refused"; readonly code: string; readonly message: string; readonly hint: string; readonly isFinal: boolean }
  /** Asks for a sign of life at once: any message answers. */
  | { readonly kind: "ping" }
  | { readonly kind: "heartbeat-ack"; readonly heartbeatTtlMs: number }
  | {
      readonly kind: "desired";
      readonly position: OrderPosition;
      /** The whole set: what is not among `allocs` or `known` may be forgotten. */
      readonly isFull: boolean;
      readonly allocs: readonly DesiredAlloc[];
      /** Ended allocs that the server still shows: their files are kept. */
      readonly known: readonly string[];
      readonly jobs: Readonly<Record<string, JobVersion>>;
    }
  /** The server shows these ended allocs no more: their files may go. */
  | { readonly kind: "forget"; readonly ids: readonly string[] }
  /** That report is durable; it says nothing of earlier ones. */
  | { readonly kind: "report-ack"; readonly sequence: number }
  /** That report could not be stored now: the node sends its content again, a little later. */
  | { readonly kind: "report-refused"; readonly sequence: number; readonly message: string }
  /** `takesPieces`: a large result may come in pieces; earlier versions take whole ones alone. */
  | { readonly kind: "call"; readonly call: number; readonly request: NodeCall; readonly takesPieces?: boolean }
  /** The reader of a stream took this many bytes more. */
  | { readonly kind: "credit"; readonly call: number; readonly bytes: number }
  /** Input for the command of a call: no more than the window ahead of what it took. */
  | { readonly kind: "data"; readonly call: number; readonly file: string; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "input-end"; readonly call: number }
  | { readonly kind: "resize"; readonly call: number; readonly columns: number; readonly rows: number }
  | { readonly kind: "cancel"; readonly call: number };

/** One end of a connection, whatever carries it. */
export interface Transport<Out, In> {
  send(message: Out): void;
  close(reason: string): void;
  /** Bytes not yet handed to the network: streams wait while this is large. */
  bufferedBytes(): number;
  onMessage(call: (message: In) => void): void;
  onClose(call: (reason: string) => void): void;
}

export function desiredOf(alloc: Alloc, jobKey: string, settledUntilS?: number): DesiredAlloc {
  return {
    id: alloc.id,
    namespace: alloc.namespace,
    name: alloc.name,
    jobId: alloc.jobId,
    jobKey,
    group: alloc.group,
    desiredStatus: alloc.desiredStatus,
    desiredDescription: alloc.desiredDescription,
    clientStatus: alloc.clientStatus,
    resources: alloc.resources,
    previousAlloc: alloc.previousAlloc,
    ...(alloc.resumes ? { resumes: alloc.resumes } : {}),
    ...(alloc.takesDataOf ? { takesDataOf: alloc.takesDataOf } : {}),
    ...(alloc.skipsShutdownDelay ? { skipsShutdownDelay: true } : {}),
    ...(alloc.preemptedAllocs ? { preemptedAllocs: alloc.preemptedAllocs } : {}),
    deploymentId: alloc.deploymentId,
    ...(settledUntilS === undefined ? {} : { settledUntilS }),
    createdAtMs: alloc.createdAtMs,
    modifyIndex: alloc.allocModifyIndex,
  };
}

/** Whether a full order is older than the last one; the same again is none. */
export function isOlderOrder(position: OrderPosition, last: OrderPosition | null): boolean {
  if (last === null || last.clusterId !== position.clusterId) return false;
  return position.epoch < last.epoch || (position.epoch === last.epoch && position.index < last.index);
}

export function isNewerOrder(order: OrderPosition, last: OrderPosition | null): boolean {
  if (last === null || last.clusterId !== order.clusterId) return true;
  return order.epoch > last.epoch || (order.epoch === last.epoch && order.index > last.index);
}

/** Text, or for pieces of streams a binary frame: u32 header length, JSON header, bytes. */
export function encodeMessage(message: NodeMessage | ServerMessage): string | Uint8Array {
  if (message.kind !== "data") return JSON.stringify(message);
  const header = new TextEncoder().encode(JSON.stringify({ call: message.call, file: message.file, offset: message.offset }));
  const frame = new Uint8Array(4 + header.length + message.bytes.length);
  new DataView(frame.buffer).setUint32(0, header.length);
  frame.set(header, 4);
  frame.set(message.bytes, 4 + header.length);
  return frame;
}

/** Throws EdgeError `invalid` for what is no message, and `too-large` for one that is larger than any may be. Fields unknown to this version are kept. */
export function decodeMessage<M extends NodeMessage | ServerMessage>(frame: string | Uint8Array): M {
  if (frame.length > LIMITS.nodeMessageBytesMax)
    throw new EdgeError(
      "too-large",
      `a frame of the node connection has ${frame.length} bytes; ${LIMITS.nodeMessageBytesMax} are allowed (nodeMessageBytesMax)`,
    );
  try {
    if (typeof frame === "string") {
      const message: unknown = JSON.parse(frame);
      if (typeof message === "object" && message !== null && "kind" in message && typeof message.kind === "string") return message as M; // both ends are this program; kinds are switched on
    } else {
      const length = new DataView(frame.buffer, frame.byteOffset).getUint32(0);
      // A header with a kind of its own is of a later version.
      const header = JSON.parse(new TextDecoder().decode(frame.subarray(4, 4 + length))) as { call: number; file: string; offset: number }; // written by encodeMessage
      if (typeof header === "object" && header !== null) return { kind: "data", ...header, bytes: frame.subarray(4 + length) } as M; // as above
    }
  } catch (error) {
    throw new EdgeError("invalid", "a frame of the node connection cannot be read", { cause: error });
  }
  throw new EdgeError("invalid", "a frame of the node connection has no kind");
}
