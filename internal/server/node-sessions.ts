// All connected nodes of a leader: joining, heartbeats, and the orders that go out when a commit is durable.

import type { DesiredAlloc, NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import { desiredOf, FIRST_CALLS, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN } from "../api/node-protocol.ts";
import { noteNodeEvents } from "../cluster/node-events.ts";
import { applyFires } from "../cluster/node-fires.ts";
import { applyReports, registerNode } from "../cluster/nodes.ts";
import type { Alloc } from "../domain/alloc.ts";
import { isClientTerminal } from "../domain/alloc.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { firesOnNodes } from "../domain/fires.ts";
import { HEARTBEAT_DEFAULTS, type HeartbeatSettings } from "../domain/heartbeat.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NodeEvent, NodeSpec } from "../domain/node.ts";
import type { ChangeSet, JobVersion } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { computedClassOf } from "./computed-class.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { Ledger } from "./ledger.ts";
import { NodeSession } from "./node-session.ts";

const PING_WAIT_MS = 1500;

export interface NodeSessionsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly epoch: number;
  readonly clusterId: string;
  /** Nomad's unless given. */
  readonly heartbeats?: HeartbeatSettings;
  hasAuthority(): boolean;
}

type NodeTransport = Transport<ServerMessage, NodeMessage>;

export class NodeSessions {
  readonly #parts: NodeSessionsParts;
  readonly #sessions = new Map<string, NodeSession>();
  readonly #transports = new Set<NodeTransport>();
  readonly #heartbeats: Heartbeats;
  #isStopped = false;

  constructor(parts: NodeSessionsParts) {
    this.#parts = parts;
    this.#heartbeats = new Heartbeats({
      runtime: parts.runtime,
      log: parts.log,
      ledger: parts.ledger,
      settings: parts.heartbeats ?? HEARTBEAT_DEFAULTS,
      sessions: () => this.#sessions,
      lapsed: (session) => {
        session.close("no heartbeat");
        // A peer that is gone does not answer the close either.
        this.#left(session, "no heartbeat");
      },
    });
  }

  watchKnownNodes(): void {
    this.#heartbeats.watchKnownNodes();
  }

  session(nodeId: string): NodeSession | undefined {
    return this.#sessions.get(nodeId);
  }

  get connectedCount(): number {
    return this.#sessions.size;
  }

  /** Takes over a fresh connection: the first message must be `hello`. */
  accept(transport: NodeTransport): void {
    if (this.#isStopped) return transport.close("this server does not lead");
    this.#transports.add(transport);
    let session: NodeSession | null = null;
    transport.onMessage((message) => {
      if (session) return this.#handle(session, message);
      if (message.kind !== "hello") return transport.close("the first message must be hello");
      void this.#join(transport, message).then((joined) => {
        session = joined;
      });
    });
    transport.onClose((reason) => {
      this.#transports.delete(transport);
      if (session) this.#left(session, reason);
    });
  }

  /** Sends each connected node what a durable commit changed for it. */
  push(sets: readonly ChangeSet[]): void {
    if (!this.#parts.hasAuthority()) return;
    const byNode = new Map<string, Map<string, Alloc>>();
    let index = 0;
    for (const set of sets) {
      index = set.index;
      for (const change of set.changes) {
        if (change.table !== "allocs" || change.op !== "put" || change.row.allocModifyIndex !== set.index) continue;
        const allocs = byNode.get(change.row.nodeId) ?? new Map<string, Alloc>();
        allocs.set(change.row.id, change.row);
        byNode.set(change.row.nodeId, allocs);
      }
    }
    for (const [nodeId, allocs] of byNode) this.#sessions.get(nodeId)?.send(this.#order([...allocs.values()], index, [], { isFull: false }));
  }

  /** These allocs are gone durably: the nodes may remove what they still hold of them. Others hear of it when they join. */
  forget(allocs: ReadonlyMap<string, readonly string[]>): void {
    for (const [nodeId, ids] of allocs) this.#sessions.get(nodeId)?.send({ kind: "forget", ids });
  }

  stop(reason: string): void {
    this.#isStopped = true;
    this.#heartbeats.stop();
    for (const session of this.#sessions.values()) session.close(reason);
    for (const transport of this.#transports) transport.close(reason);
    this.#sessions.clear();
  }

  // --- internal ---

  async #join(transport: NodeTransport, hello: NodeMessage & { kind: "hello" }): Promise<NodeSession | null> {
    const { runtime, ledger, clusterId, epoch, log } = this.#parts;
    let incarnation: number;
    try {
      if (hello.protocol < PROTOCOL_VERSION_MIN || hello.protocol > PROTOCOL_VERSION)
        throw new EdgeError(
          "unsupported",
          `this server speaks node protocol ${PROTOCOL_VERSION_MIN} to ${PROTOCOL_VERSION}, the node ${hello.protocol}`,
          { hint: "upgrade the older of the two" },
        );
      await this.#refuseTwin(hello);
      const input = {
        spec: hello.node,
        secretHash: runtime.hashing.sha256Hex(hello.secret),
        computedClass: computedClassOf(hello.node, runtime.hashing),
        remembered: hello.memory?.clusterId === clusterId ? hello.memory.incarnation : 0,
      };
      const registered = ledger.apply((view, context) => registerNode(view, input, context));
      incarnation = registered.result.incarnation;
      // Until that is durable it has no connection that counts, and is not silent either.
      this.#heartbeats.joining(hello.node.id);
      await ledger.untilDurable(registered.index);
    } catch (error) {
      const known = error instanceof EdgeError ? error : new EdgeError("internal", messageOf(error));
      log.warn("a node was refused", { node: hello.node.name, id: hello.node.id, reason: known.message });
      transport.send({ kind: "refused", code: known.code, message: known.message, hint: known.hint ?? "", isFinal: !known.isRetryable });
      transport.close("refused");
      return null;
    }
    if (this.#isStopped || !this.#transports.has(transport)) return null;
    const heartbeatTtlMs = this.#heartbeats.drawTtlMs();
    const session = new NodeSession({
      nodeId: hello.node.id,
      processId: hello.processId,
      incarnation,
      machineId: hello.node.machineId,
      transport,
      nowMs: runtime.clock.monotonicMs(),
      heartbeatTtlMs,
      knownCalls: hello.calls ?? FIRST_CALLS,
      linkWindowBytes: hello.linkWindowBytes ?? null,
    });
    this.#sessions.get(hello.node.id)?.close("replaced by a newer connection of the same node");
    this.#sessions.set(hello.node.id, session);
    this.#heartbeats.joined(hello.node.id);
    session.send({
      kind: "welcome",
      protocol: PROTOCOL_VERSION,
      clusterId,
      epoch,
      incarnation,
      heartbeatTtlMs,
      serverTimeMs: runtime.clock.nowMs(),
      linkWindowBytes: LIMITS.linkWindowBytes,
    });
    session.send(this.#fullOrder(hello.node.id));
    log.info("node joined", { node: hello.node.name, id: hello.node.id });
    return session;
  }

  /**
   * Two living agents with one identity: a cloned card, or a copied data directory. Both are named; the later is
   * refused. A connection that is only half dead, as after a power cut, does not answer and gives way.
   */
  async #refuseTwin(hello: NodeMessage & { kind: "hello" }): Promise<void> {
    const living = this.#sessions.get(hello.node.id);
    if (!living || living.processId === hello.processId) return;
    const { clock } = this.#parts.runtime;
    const askedMs = clock.monotonicMs();
    living.send({ kind: "ping" });
    for (let waitedMs = 0; waitedMs < PING_WAIT_MS && living.lastHeardMs <= askedMs && this.#sessions.get(hello.node.id) === living; waitedMs += 20)
      await clock.sleep(20);
    if (living.lastHeardMs <= askedMs || this.#sessions.get(hello.node.id) !== living) return;
    const known = this.#parts.ledger.view.node(hello.node.id);
    throw new EdgeError(
      "permission-denied",
      `node id ${hello.node.id} is in use by ${known?.name ?? "another node"} (machine ${shortMachine(living.machineId)}); ${hello.node.name} (machine ${shortMachine(hello.node.machineId)}) has a copy of its identity`,
      { hint: "on the copy: stop the agent, remove client/node.key from its data directory, start it again" },
    );
  }

  #handle(session: NodeSession, message: NodeMessage): void {
    // What a connection that was replaced still had on its way is not this node's word any more.
    if (this.#sessions.get(session.nodeId) !== session) return;
    session.lastHeardMs = this.#parts.runtime.clock.monotonicMs();
    if (session.handle(message)) return;
    switch (message.kind) {
      case "heartbeat":
        session.heartbeatTtlMs = this.#heartbeats.drawTtlMs();
        session.send({ kind: "heartbeat-ack", heartbeatTtlMs: session.heartbeatTtlMs });
        return;
      case "report":
        void this.#store(session, message.sequence, (view, context) =>
          applyReports(view, { nodeId: session.nodeId, incarnation: message.incarnation, reports: message.allocs }, context),
        );
        return;
      case "fires":
        void this.#store(session, message.sequence, (view, context) =>
          applyFires(view, { nodeId: session.nodeId, incarnation: message.incarnation, fires: message.fires }, context),
        );
        return;
      case "node-events":
        void this.#noteEvents(session, message.events);
        return;
      case "node-updated":
        void this.#applyUpdate(session, message.node);
        return;
      default:
        return; // a second hello, or a kind of a later version
    }
  }

  /** What a node tells, once. */
  async #store(session: NodeSession, sequence: number, apply: (view: View, context: Context) => Outcome<null>): Promise<void> {
    if (!session.isNewReport(sequence)) return;
    try {
      await this.#parts.ledger.write(apply);
      session.send({ kind: "report-ack", sequence });
    } catch (error) {
      // Unacknowledged: the node sends it again, here or to the next leader.
      this.#parts.log.warn("a status report could not be stored", { node: session.nodeId, error: messageOf(error) });
      session.send({ kind: "report-refused", sequence, message: messageOf(error) });
    }
  }

  /** Not acknowledged: what is lost with a leader was news, and no promise. */
  async #noteEvents(session: NodeSession, events: readonly NodeEvent[]): Promise<void> {
    if (!Array.isArray(events) || !session.mayTellEvents(this.#parts.runtime.clock.monotonicMs())) return;
    try {
      await this.#parts.ledger.write((view, context) => noteNodeEvents(view, { nodeId: session.nodeId, events }, context));
    } catch (error) {
      this.#parts.log.warn("what a node told of itself could not be stored", { node: session.nodeId, error: messageOf(error) });
    }
  }

  async #applyUpdate(session: NodeSession, spec: NodeSpec): Promise<void> {
    const { ledger, runtime, log } = this.#parts;
    const known = ledger.view.node(session.nodeId);
    if (known === undefined || spec.id !== session.nodeId) return;
    const input = { spec, secretHash: known.secretHash, computedClass: computedClassOf(spec, runtime.hashing), remembered: known.incarnation };
    try {
      await ledger.write((view, context) => registerNode(view, input, context));
    } catch (error) {
      log.warn("a node's new description could not be stored", { node: session.nodeId, error: messageOf(error) });
    }
  }

  #left(session: NodeSession, reason: string): void {
    session.ended(reason);
    if (this.#sessions.get(session.nodeId) !== session) return;
    this.#sessions.delete(session.nodeId);
    this.#heartbeats.left(session);
  }

  #fullOrder(nodeId: string): ServerMessage {
    const { view, durableIndex } = this.#parts.ledger;
    // What is not durable yet is no order yet: it follows with its commit, and must not be forgotten until then.
    // One that was given up as lost may run on there: the node is told what became of it.
    const mayLive = (alloc: Alloc) => !isClientTerminal(alloc) || alloc.clientStatus === "lost";
    const living = [...view.openAllocsOfNode(nodeId)].filter((alloc) => mayLive(alloc) && alloc.modifyIndex <= durableIndex);
    const told = new Set(living.map((alloc) => alloc.id));
    const known = view.allocIdsOfNode(nodeId).filter((id) => !told.has(id));
    return this.#order(living, durableIndex, known, { isFull: true });
  }

  #order(
    allocs: readonly Alloc[],
    index: number,
    known: readonly string[],
    { isFull }: { readonly isFull: boolean },
  ): ServerMessage & { kind: "desired" } {
    const { clusterId, epoch, ledger } = this.#parts;
    const jobs: Record<string, JobVersion> = {};
    const desired: DesiredAlloc[] = allocs.map((alloc) => {
      const key = `${alloc.namespace}/${alloc.jobId}/${alloc.jobCreateIndex}/${alloc.jobVersion}`;
      const job = ledger.view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
      // A node may not hold what it is to stop: it never heard of it, or forgot. It needs the job to tell the end.
      if (job && (isFull || !isClientTerminal(alloc))) jobs[key] ??= job;
      const settledUntilS = job && firesOnNodes(job) ? this.#settledUntilS(alloc) : undefined;
      return desiredOf(alloc, key, settledUntilS);
    });
    return { kind: "desired", position: { clusterId, epoch, index }, isFull, allocs: desired, known, jobs };
  }

  #settledUntilS({ namespace, jobId, jobCreateIndex, nodeId }: Alloc): number {
    return this.#parts.ledger.view.watermark(namespace, jobId, jobCreateIndex, nodeId)?.settledUntilS ?? 0;
  }
}

// --- internal ---

function shortMachine(machineId: string): string {
  return machineId === "" ? "unknown" : machineId.slice(0, 8);
}
