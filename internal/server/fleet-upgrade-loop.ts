// Carries out a roll-out over many nodes while it runs: hands each node of the wave its program, tells it to become it, and
// asks how that went. Without one it does nothing. What it knows is in the row: the next leader goes on from there.

import type { NodeCall, UpgradeHeld, UpgradeProgress } from "../api/node-protocol.ts";
import { noteFleetNode, programFor, stepFleetUpgrade } from "../cluster/fleet-upgrade.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import type { FleetNodeState, FleetProgram, FleetUpgrade } from "../domain/fleet-upgrade.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeSession } from "./node-session.ts";
import type { NodeSessions } from "./node-sessions.ts";
import type { ProgramFiles } from "./program-files.ts";

export interface FleetLoopParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly sessions: NodeSessions;
  readonly programs: ProgramFiles;
}

export class FleetUpgradeLoop {
  readonly #parts: FleetLoopParts;
  /** Nodes that are being seen to. */
  readonly #busy = new Set<string>();
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(parts: FleetLoopParts) {
    this.#parts = parts;
  }

  /** Takes up the one that a loaded state holds. */
  restore(): void {
    if (this.#parts.ledger.view.setting("fleet-upgrade")?.value.state === "running") this.#arm(0);
  }

  note(set: ChangeSet): void {
    const isRunning = set.changes.some(
      (change) => change.table === "settings" && change.op === "put" && change.row.name === "fleet-upgrade" && change.row.value.state === "running",
    );
    if (isRunning) this.#arm(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  #arm(delayMs: number): void {
    if (this.#isStopped || this.#timer !== null) return;
    this.#timer = this.#parts.runtime.clock.after(delayMs, () => this.#step(), { keepsAlive: false });
  }

  #step(): void {
    this.#timer = null;
    const { ledger, sessions, log } = this.#parts;
    try {
      const isConnected = (nodeId: string) => sessions.session(nodeId) !== undefined;
      const { nodeIds, isOver } = ledger.apply((view, context) => stepFleetUpgrade(view, { isConnected }, context)).result;
      const upgrade = ledger.view.setting("fleet-upgrade")?.value;
      if (isOver) {
        if (upgrade) log.info(`the roll-out over the fleet ended: ${upgrade.state}`, { reason: upgrade.reason });
        return;
      }
      if (upgrade) for (const nodeId of nodeIds) void this.#see(upgrade, nodeId);
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      log.warn("the roll-out over the fleet could not go on now", { error: error.message });
    }
    this.#arm(LIMITS.fleetLookMs);
  }

  /** One node: how it stands, or the program and the word. A connection that ends is no failure: it goes on when the node is back. */
  async #see(upgrade: FleetUpgrade, nodeId: string): Promise<void> {
    const session = this.#parts.sessions.session(nodeId);
    if (!session || this.#busy.has(nodeId)) return;
    this.#busy.add(nodeId);
    try {
      const known = (await session.call({ method: "upgrade-status", id: upgrade.id })) as UpgradeProgress | null; // the node is this very program
      if (known !== null) this.#noteProgress(upgrade, nodeId, known);
      else if (upgrade.nodes[nodeId]?.state === "told") this.#note(upgrade, nodeId, "failed", "it forgot that it was told to upgrade");
      else await this.#give(upgrade, nodeId, session);
    } catch (error) {
      const isPassing = error instanceof EdgeError && (error.isRetryable || error.code === "no-path" || error.code === "busy");
      if (!isPassing) this.#note(upgrade, nodeId, "failed", messageOf(error));
    } finally {
      this.#busy.delete(nodeId);
    }
  }

  async #give(upgrade: FleetUpgrade, nodeId: string, session: NodeSession): Promise<void> {
    const { ledger, programs } = this.#parts;
    const node = ledger.view.node(nodeId);
    const program = node && programFor(node, upgrade.programs);
    if (!program) return this.#note(upgrade, nodeId, "failed", "there is no program for its processor");
    // Sent to a server that leads no more: whoever asked sends it again to this one.
    if (!programs.has(program.sha256)) return;
    await this.#send(program, session, upgrade);
    const { sha256, signature } = program;
    const { isForced, healthyWithinMs, healthyForMs, id } = upgrade;
    const apply: NodeCall = { method: "upgrade-apply", id, sha256, signature, isForced, healthyWithinMs, healthyForMs };
    this.#noteProgress(upgrade, nodeId, (await session.call(apply)) as UpgradeProgress); // as above
  }

  /** Piece by piece, each after the node took the last: what else goes over the connection waits for one piece at most. */
  async #send(program: FleetProgram, session: NodeSession, upgrade: FleetUpgrade): Promise<void> {
    const { sha256, sizeBytes } = program;
    const { compression } = this.#parts.runtime;
    let { offset, packings } = (await session.call({ method: "upgrade-offer", sha256, sizeBytes })) as UpgradeHeld; // as above
    while (offset < sizeBytes) {
      if (this.#isStopped || this.#parts.ledger.view.setting("fleet-upgrade")?.value.id !== upgrade.id) throw new EdgeError("busy", "it is over");
      const piece = await this.#parts.programs.read(sha256, offset, LIMITS.upgradePieceBytes);
      if (piece === null || piece.length === 0) throw new EdgeError("busy", "the program is gone from this server");
      const packing = packings.includes("gzip") ? "gzip" : "none";
      const data = Buffer.from(packing === "gzip" ? await compression.gzip(piece) : piece).toString("base64");
      const taken = (await session.call({ method: "upgrade-piece", sha256, offset, packing, data })) as UpgradeHeld; // as above
      // A node that does not get on would be sent the same for ever.
      if (taken.offset <= offset) throw new EdgeError("internal", `the node stays at byte ${taken.offset} of the program`);
      ({ offset, packings } = taken);
    }
  }

  #noteProgress(upgrade: FleetUpgrade, nodeId: string, progress: UpgradeProgress): void {
    const { state, reason } = progress;
    if (state === "healthy" || state === "unchanged")
      this.#note(upgrade, nodeId, "healthy", state === "unchanged" ? "it ran this program before" : reason);
    else if (state === "went-back" || state === "abandoned") this.#note(upgrade, nodeId, "failed", reason);
    else this.#note(upgrade, nodeId, "told", "");
  }

  #note(upgrade: FleetUpgrade, nodeId: string, state: FleetNodeState, reason: string): void {
    if (this.#isStopped) return;
    try {
      this.#parts.ledger.apply((view, context) => noteFleetNode(view, { id: upgrade.id, nodeId, state, reason }, context));
    } catch (error) {
      // Not noted, so found out again by the next look.
      this.#parts.log.warn("what became of a node's upgrade could not be stored", { node: nodeId, error: messageOf(error) });
    }
  }
}
