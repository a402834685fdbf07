// All connected nodes of a leader: joining, heartbeats, and the orders that go out when a commit is durable.

import { checkHello, checkNodeSpec, type Hello } from "../api/hello.ts";
import type { DesiredAlloc, NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import { desiredOf, FIRST_CALLS } from "../api/node-protocol.ts";
import { protocolFor } from "../api/protocol-version.ts";
import { isGuess, type JoinTerms } from "../cluster/admission.ts";
import { noteNodeEvents } from "../cluster/node-events.ts";
import { applyFires } from "../cluster/node-fires.ts";
import { applyReports, registerNode } from "../cluster/nodes.ts";
import type { Alloc } from "../domain/alloc.ts";
import { isClientTerminal } from "../domain/alloc.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { firesOnNodes } from "../domain/fires.ts";
import { HEARTBEAT_DEFAULTS, type HeartbeatSettings } from "../domain/heartbeat.ts";
import { joinTokenIdOf } from "../domain/join-token.ts";
import { LIMITS } from "../domain/limits.ts";
import { type Node, type NodeEvent, type NodeSpec, RESET_IDENTITY } from "../domain/node.ts";
import type { ChangeSet, JobVersion } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { computedClassOf } from "./computed-class.ts";
import { Guesses } from "./guesses.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { Ledger } from "./ledger.ts";
import { NodeSession } from "./node-session.ts";
import { Refusals } from "./refusals.ts";

const PING_WAIT_MS = 1500;

export interface NodeSessionsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly epoch: number;
  readonly clusterId: string;
  /** This program's version. */
  readonly program: string;
  /** Nomad's unless given. */
  readonly heartbeats?: HeartbeatSettings;
  /** Whether a node that is not known needs a token. */
  readonly join: JoinPolicy;
  hasAuthority(): boolean;
}

export type JoinPolicy = "open" | "token";

type NodeTransport = Transport<ServerMessage, NodeMessage>;

export class NodeSessions {
  readonly #parts: NodeSessionsParts;
  readonly #sessions = new Map<string, NodeSession>();
  readonly #transports = new Set<NodeTransport>();
  readonly #heartbeats: Heartbeats;
  readonly #guesses: Guesses;
  readonly refusals = new Refusals();
  #isStopped = false;

  constructor(parts: NodeSessionsParts) {
    this.#parts = parts;
    this.#guesses = new Guesses(parts.runtime.clock);
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

  /** Takes over a fresh connection: the first message must be `hello`. This very process's own node needs no token. */
  accept(transport: NodeTransport, { isOwn }: { readonly isOwn: boolean }): void {
    if (this.#isStopped) return transport.close("this server does not lead");
    this.#transports.add(transport);
    let session: NodeSession | null = null;
    let hasSaidHello = false;
    const { clock } = this.#parts.runtime;
    const timer = clock.after(LIMITS.helloWaitMsMax, () => transport.close("no hello came"), { keepsAlive: false });
    transport.onMessage((message) => {
      if (session) return this.#handle(session, message);
      if (message.kind !== "hello" || hasSaidHello) return transport.close("the first message must be hello, and the only one");
      hasSaidHello = true;
      timer.cancel();
      void this.#join(transport, message, { isOwn }).then((joined) => {
        session = joined;
      });
    });
    transport.onClose((reason) => {
      timer.cancel();
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

  /** The node's row is gone. One that cannot come back without a new token is told to end what it runs; others join again, and hear it then. */
  purged(nodeId: string): void {
    const session = this.#sessions.get(nodeId);
    if (!session) return;
    if (this.#parts.join === "token") session.send(this.#lastOrder(nodeId));
    session.close("the node was purged");
  }

  stop(reason: string): void {
    this.#isStopped = true;
    this.#heartbeats.stop();
    for (const session of this.#sessions.values()) session.close(reason);
    for (const transport of this.#transports) transport.close(reason);
    this.#sessions.clear();
  }

  // --- internal ---

  async #join(transport: NodeTransport, said: Hello, { isOwn }: { readonly isOwn: boolean }): Promise<NodeSession | null> {
    const { runtime, ledger, clusterId, epoch, log } = this.#parts;
    let protocol: number;
    let hello: Hello;
    let node: Node;
    try {
      // Of a node that speaks another version nothing else need be of a form that this one knows.
      protocol = protocolFor(said, this.#parts.program);
      hello = checkHello(said);
      await this.#refuseTwin(hello);
      const input = {
        spec: hello.node,
        secretHash: runtime.hashing.sha256Hex(hello.secret),
        classOf: (spec: NodeSpec) => computedClassOf(spec, runtime.hashing),
        remembered: hello.memory?.clusterId === clusterId ? hello.memory.incarnation : 0,
        join: this.#termsFor(hello, isOwn),
      };
      const registered = ledger.apply((view, context) => registerNode(view, input, context));
      node = registered.result;
      // Until that is durable it has no connection that counts, and is not silent either.
      this.#heartbeats.joining(hello.node.id);
      await ledger.untilDurable(registered.index);
    } catch (error) {
      const known = error instanceof EdgeError ? error : new EdgeError("internal", messageOf(error));
      const [nodeName, nodeId] = [shortened(said.node?.name), shortened(said.node?.id)];
      log.warn("a node was refused", { node: nodeName, id: nodeId, reason: known.message });
      if (!known.isRetryable) this.refusals.note({ nodeId, nodeName, reason: known.message }, runtime.clock.nowMs());
      transport.send({ kind: "refused", code: known.code, message: known.message, hint: known.hint ?? "", isFinal: !known.isRetryable });
      transport.close("refused");
      return null;
    }
    if (this.#isStopped || !this.#transports.has(transport)) return null;
    const heartbeatTtlMs = this.#heartbeats.drawTtlMs();
    const { incarnation, succession } = node;
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
    this.refusals.joined(hello.node.id);
    session.send({
      kind: "welcome",
      protocol,
      clusterId,
      epoch,
      incarnation,
      heartbeatTtlMs,
      serverTimeMs: runtime.clock.nowMs(),
      linkWindowBytes: LIMITS.linkWindowBytes,
      ...(succession ? { succession } : {}),
    });
    session.send(this.#fullOrder(hello.node.id));
    log.info("node joined", { node: node.name, id: hello.node.id });
    return session;
  }

  /** What this node has to show should it not be known. Throws `busy` where somebody tries out secrets. */
  #termsFor(hello: Hello, isOwn: boolean): JoinTerms {
    const { runtime, ledger, join } = this.#parts;
    const isTokenRequired = join === "token" && !isOwn;
    if (hello.joinToken === undefined || ledger.view.node(hello.node.id)) return { isTokenRequired };
    const id = joinTokenIdOf(hello.joinToken);
    if (id === null) return { isTokenRequired, token: null };
    if (this.#guesses.areTooMany(id))
      throw new EdgeError("busy", `too many nodes showed a wrong secret for join token ${id.slice(0, 8)}: try again in a minute`, {
        isRetryable: true,
      });
    const token = { id, secretHash: runtime.hashing.sha256Hex(hello.joinToken) };
    if (isGuess(ledger.view, token)) this.#guesses.note(id);
    return { isTokenRequired, token };
  }

  /**
   * Two living agents with one identity: a cloned card, or a copied data directory. Both are named; the later is
   * refused. A connection that is only half dead, as after a power cut, does not answer and gives way.
   */
  async #refuseTwin(hello: Hello): Promise<void> {
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
      { hint: `on the copy: ${RESET_IDENTITY}` },
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
        return this.#skip(session, message);
    }
  }

  /** A second hello, or what only a later version says. */
  #skip(session: NodeSession, message: NodeMessage): void {
    const kind = session.unknown.first(message);
    if (kind !== null) this.#parts.log.warn("a node said what this version does not know: it is skipped", { node: session.nodeId, kind });
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

  async #applyUpdate(session: NodeSession, said: NodeSpec): Promise<void> {
    const { ledger, runtime, log } = this.#parts;
    const known = ledger.view.node(session.nodeId);
    if (known === undefined || said?.id !== session.nodeId) return;
    const { secretHash, incarnation: remembered } = known;
    try {
      const input = { spec: checkNodeSpec(said), secretHash, classOf: (spec: NodeSpec) => computedClassOf(spec, runtime.hashing), remembered };
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

  #lastOrder(nodeId: string): ServerMessage {
    const { view, durableIndex } = this.#parts.ledger;
    const held = [...view.openAllocsOfNode(nodeId)].filter((alloc) => alloc.modifyIndex <= durableIndex);
    const ended = held.map((alloc): Alloc => ({ ...alloc, desiredStatus: "stop", desiredDescription: "node was purged" }));
    const known = view.allocIdsOfNode(nodeId).filter((id) => !ended.some((alloc) => alloc.id === id));
    return this.#order(ended, durableIndex, known, { isFull: true });
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

/** For the log: what comes from anywhere may be anything. */
function shortened(said: unknown): string {
  return String(said).slice(0, 100);
}

function shortMachine(machineId: string): string {
  return machineId === "" ? "unknown" : machineId.slice(0, 8);
}
