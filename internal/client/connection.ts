// Keeps the node connected: dials, says hello, sends heartbeats, comes back with growing pauses.

import type { NodeMemory, NodeMessage, OrderPosition, ServerMessage } from "../api/node-protocol.ts";
import { KNOWN_CALLS } from "../api/node-protocol.ts";
import { OWN_RANGE } from "../api/protocol-version.ts";
import { messageOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NodeSpec } from "../domain/node.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Dial, NodeTransport } from "./transports.ts";

export interface ConnectionParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly dial: Dial;
  readonly secret: string;
  /** Shown to a server that does not know this node yet; read when it is needed. */
  joinToken(): string | null;
  node(): NodeSpec;
  lastOrder(): OrderPosition | null;
  memory(): NodeMemory | null;
  /** The connection stands: everything unacknowledged goes out again. */
  joined(memory: NodeMemory, linkWindowBytes: number | null): void;
  message(message: ServerMessage): void;
  /** The connection is gone: calls of the server end. */
  lost(): void;
}

export class Connection {
  readonly #parts: ConnectionParts;
  readonly #processId: string;
  #transport: NodeTransport | null = null;
  #isJoined = false;
  #isStopped = false;
  /** The connection is ended from this side, for nothing is heard on it. */
  #isGivenUp = false;
  #failures = 0;
  /** Refusals in a row that nothing changes but people. */
  #refusals = 0;
  /** This connection ends with a refusal, which was told. */
  #isRefused = false;
  #retry: Timer | null = null;
  #heartbeat: Timer | null = null;
  #lastHeardMs = 0;
  #lastTold = "";
  #refusal = "";

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#processId = parts.runtime.chance.uuid();
  }

  get isJoined(): boolean {
    return this.#isJoined;
  }

  /** Why the last server refused this node; "" where none did since it joined. */
  get refusal(): string {
    return this.#refusal;
  }

  start(): void {
    void this.#connect();
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry?.cancel();
    this.#heartbeat?.cancel();
    this.#transport?.close("the agent stops");
  }

  /** Dropped while there is no connection: what matters is sent again by its owner. */
  send(message: NodeMessage): void {
    if (this.#isJoined) this.#transport?.send(message);
  }

  /** Instant (monotonic) of the last message of any server; that of the start before there was one. */
  get lastHeardMs(): number {
    return this.#lastHeardMs;
  }

  bufferedBytes(): number {
    return this.#transport?.bufferedBytes() ?? 0;
  }

  // --- internal ---

  async #connect(): Promise<void> {
    if (this.#isStopped) return;
    try {
      const transport = await this.#parts.dial();
      if (this.#isStopped) return transport.close("the agent stops");
      this.#transport = transport;
      this.#lastHeardMs = this.#parts.runtime.clock.monotonicMs();
      transport.onMessage((message) => this.#message(message));
      transport.onClose((reason) => this.#closed(reason));
      const joinToken = this.#parts.memory() === null || this.#refusals > 0 ? this.#parts.joinToken() : null;
      transport.send({
        kind: "hello",
        protocol: OWN_RANGE.max,
        protocolMin: OWN_RANGE.min,
        node: this.#parts.node(),
        secret: this.#parts.secret,
        lastOrder: this.#parts.lastOrder(),
        memory: this.#parts.memory(),
        processId: this.#processId,
        calls: KNOWN_CALLS,
        linkWindowBytes: LIMITS.linkWindowBytes,
        ...(joinToken === null ? {} : { joinToken }),
      });
      this.#armHeartbeat(LIMITS.heartbeatTtlMsMin);
    } catch (error) {
      this.#closed(messageOf(error));
    }
  }

  #message(message: ServerMessage): void {
    if (this.#isStopped) return;
    this.#lastHeardMs = this.#parts.runtime.clock.monotonicMs();
    switch (message.kind) {
      case "welcome":
        if (message.protocol < OWN_RANGE.min || message.protocol > OWN_RANGE.max) {
          this.#tell(
            `the server speaks node protocol ${message.protocol}, this node ${OWN_RANGE.min} to ${OWN_RANGE.max}: upgrade the older of the two`,
          );
          return this.#giveUp("no common protocol");
        }
        this.#isJoined = true;
        this.#failures = 0;
        this.#refusals = 0;
        this.#refusal = "";
        this.#lastTold = "";
        this.#parts.log.info("joined the server", { epoch: message.epoch });
        this.#armHeartbeat(message.heartbeatTtlMs);
        this.#parts.joined(
          {
            clusterId: message.clusterId,
            incarnation: message.incarnation,
            ...(message.succession ? { succession: message.succession } : {}),
          },
          message.linkWindowBytes ?? null,
        );
        return;
      case "refused":
        this.#tell(`the server refused this node: ${message.message}${message.hint === "" ? "" : ` (${message.hint})`}`);
        this.#isRefused = true;
        this.#refusal = message.message;
        if (message.isFinal) this.#refusals += 1;
        return;
      case "ping":
        return this.send({ kind: "heartbeat" });
      case "heartbeat-ack":
        this.#armHeartbeat(message.heartbeatTtlMs);
        return;
      default:
        this.#parts.message(message);
    }
  }

  #armHeartbeat(ttlMs: number): void {
    this.#heartbeat?.cancel();
    const { clock } = this.#parts.runtime;
    this.#heartbeat = clock.after(
      ttlMs / 2,
      () => {
        if (clock.monotonicMs() - this.#lastHeardMs > ttlMs + LIMITS.heartbeatGraceMs) return this.#giveUp("the server is silent");
        this.send({ kind: "heartbeat" });
        this.#armHeartbeat(ttlMs);
      },
      { keepsAlive: false },
    );
  }

  #giveUp(reason: string): void {
    this.#isGivenUp = true;
    this.#transport?.close(reason);
  }

  #closed(reason: string): void {
    this.#heartbeat?.cancel();
    this.#transport = null;
    // An end that came from the other side is a word of it too: until then the connection stood.
    if (this.#isJoined && !this.#isGivenUp) this.#lastHeardMs = this.#parts.runtime.clock.monotonicMs();
    this.#isGivenUp = false;
    if (this.#isJoined) {
      this.#isJoined = false;
      this.#parts.lost();
    }
    if (this.#isStopped) return;
    if (!this.#isRefused) this.#tell(`not connected to a server: ${reason}`);
    this.#isRefused = false;
    const { clock, chance } = this.#parts.runtime;
    const failedMs = Math.min(LIMITS.connectBackoffMsMin * 2 ** Math.min(this.#failures, 10), LIMITS.connectBackoffMsMax);
    const refusedMs = Math.min(LIMITS.connectBackoffMsMax * 2 ** Math.min(this.#refusals - 1, 10), LIMITS.refusedBackoffMsMax);
    const baseMs = this.#refusals > 0 ? refusedMs : failedMs;
    this.#failures += 1;
    // Half of the pause is chance, so that a fleet does not come back in step. It keeps the agent alive.
    this.#retry = clock.after(baseMs * (0.5 + chance.fraction() / 2), () => void this.#connect());
  }

  /** The same trouble is told once, not at each attempt. */
  #tell(text: string): void {
    if (text === this.#lastTold) return;
    this.#lastTold = text;
    this.#parts.log.warn(text);
  }
}
