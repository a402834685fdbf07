// The servers of a region as any of them knows them: a leader by their connections, a standby by what its leader told.
// Who they are is kept in memory alone: each says it again. What operators set is in the state.

import type { LeaderMessage, Member, ServerFacts, ServerStatus, SharedFacts } from "../api/server-protocol.ts";
import type { AutopilotConfig, KnownRegions } from "../domain/setting.ts";
import type { View } from "../domain/view.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { Peers } from "./peers.ts";

export interface MembershipParts {
  readonly runtime: Runtime;
  readonly self: ServerFacts;
  readonly ttlMs: number;
  readonly signOfLifeMs: number;
  sign(): LeaderMessage | null;
  /** The state as this server knows it; null before it was loaded. */
  view(): View | null;
  isLeading(): boolean;
  /** host:port of the leader while it is heard, else "". */
  leaderAddress(): string;
}

/** A server with how it does right now. */
export interface Standing {
  readonly facts: ServerFacts;
  readonly status: ServerStatus;
  readonly isLeader: boolean;
}

export class Membership {
  readonly peers: Peers;
  readonly #parts: MembershipParts;
  readonly #autopilotDefaults: AutopilotConfig;
  #told: readonly Member[] = [];
  /** Regions that a leader of an older program keeps in its memory. */
  #toldRegions: KnownRegions = {};

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#autopilotDefaults = {
      doesForgetDeadServers: true,
      // Twice the time between two signs of life, and a half.
      lastContactMsMax: parts.signOfLifeMs * 2.5,
      trailingIndexesMax: 250,
      stabilizationMs: 10_000,
      serversMin: 0,
      createIndex: 0,
      modifyIndex: 0,
    };
    this.peers = new Peers({
      runtime: parts.runtime,
      self: parts.self,
      signOfLifeMs: parts.signOfLifeMs,
      silentMsMax: parts.ttlMs,
      sign: () => parts.sign(),
      shared: () => ({ autopilot: this.autopilot, regions: this.regions }),
    });
  }

  /** This server first. */
  list(): readonly Standing[] {
    const { self } = this.#parts;
    const isLeading = this.#parts.isLeading();
    const leaderAddress = this.#parts.leaderAddress();
    const others = isLeading ? this.peers.list() : this.#told.filter((member) => member.facts.address !== self.address);
    return [
      { facts: self, status: "alive", isLeader: isLeading },
      ...others.map(({ facts, status }) => ({
        facts,
        status: this.#statusOf(facts, status),
        isLeader: !isLeading && facts.address === leaderAddress,
      })),
    ];
  }

  get autopilot(): AutopilotConfig {
    const set = this.#parts.view()?.setting("autopilot");
    return set ? { ...set.value, createIndex: set.createIndex, modifyIndex: set.modifyIndex } : this.#autopilotDefaults;
  }

  /** Other regions that joined this one. */
  get regions(): KnownRegions {
    const view = this.#parts.view();
    // Nothing was ever set here: a leader of an older program may know some all the same.
    const isUnset = view === null || (view.tableIndex("settings") === 0 && view.restoredIndex === 0);
    return view?.setting("regions")?.value ?? (isUnset ? this.#toldRegions : {});
  }

  /** What the leader told. */
  told(shared: SharedFacts): void {
    this.#told = shared.members;
    this.#toldBy = shared.members[0]?.facts.id ?? "";
    this.#toldRegions = shared.regions;
  }
  #toldBy = "";

  /** This server leads now. */
  lead(): void {
    this.peers.adopt(this.#told);
  }

  /** It leads no more. */
  stepDown(reason: string, status: "alive" | "left"): void {
    this.#told = this.peers.list().map(({ facts, status: last }) => ({ facts, status: last }));
    this.#toldBy = "";
    this.peers.closeAll(reason, status);
  }

  // --- internal ---

  /** A standby sees of its leader alone whether it lives; what it says of others stands until somebody says otherwise. */
  #statusOf(facts: ServerFacts, told: ServerStatus): ServerStatus {
    if (this.#parts.isLeading() || told !== "alive" || facts.id !== this.#toldBy) return told;
    return this.#parts.leaderAddress() === "" ? "failed" : told;
  }
}
