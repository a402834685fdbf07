// The changes of one group while they are being decided: what stays, what counts towards the group's count, and what goes.

import type { Alloc } from "../domain/alloc.ts";
import type { CutOff, GroupChanges, GroupInput, Later, Place, Stop } from "./changes.ts";
import { allocName, isOfThisVersion, STOP_TEXT } from "./changes.ts";
import type { Classified } from "./classify.ts";
import { type Decided, type Decision, isChange } from "./decision.ts";
import type { Gate } from "./gate.ts";
import { type TaskChanges, taskChanges } from "./task-change.ts";

const CANARY = { kind: "canary", reason: "it is to show that the new version is good" } as const;

type OwnDecision = Decision extends infer D ? (D extends { readonly alloc: Alloc } ? Omit<D, "group" | "name"> : never) : never;

export class Draft {
  /** Run on, as far as their node is concerned. */
  kept: Alloc[] = [];
  /** Kept beside the count until they are promoted. */
  canaries: Alloc[] = [];
  /** Out of reach, and waited for. */
  unknown: Alloc[] = [];
  /** Need no successor: batch allocs that completed, failed ones that are out of attempts. */
  readonly settled: Alloc[] = [];
  /** Failed ones whose successor is placed later: they hold their place. */
  readonly counted: Alloc[] = [];
  canariesLater = 0;
  later: Later[] = [];
  /** Instants that unknown allocs wait for. */
  readonly waits: Later[] = [];
  readonly stops: Stop[] = [];
  readonly places: Place[] = [];
  readonly inPlace: Alloc[] = [];
  readonly unknowns: CutOff[] = [];
  readonly reconnects: Alloc[] = [];
  readonly input: GroupInput;
  /** By the alloc, or by the name of what is placed: what is decided later of the same counts. */
  readonly #decisions = new Map<string, Decision>();
  #held = 0;

  readonly #changes: TaskChanges;
  /** One for all that are placed for the count. */
  readonly #wanted: Decided & { readonly kind: "place" };

  constructor(input: GroupInput) {
    this.input = input;
    this.#changes = taskChanges(input.view, input.job, input.group);
    this.#wanted = { kind: "place", reason: `the count is ${input.group.count}` };
  }

  decide(decision: OwnDecision): void {
    // The two that were left out are the alloc's own.
    if (this.input.isExplained || isChange(decision))
      this.#decisions.set(decision.alloc.id, { ...decision, group: this.input.group.name, name: decision.alloc.name } as Decision);
  }

  stop(alloc: Alloc, description: string, reason: string): void {
    this.stops.push({ alloc, description });
    this.decide({ kind: "stop", alloc, reason });
  }

  place(place: Place): void {
    this.places.push(place);
  }

  /** It stays as it is until the one that goes on in its stead has a place. */
  resume({ alloc, reason }: Classified): void {
    const isBound = alloc.isToResume === "on-its-node" || this.input.job.type === "sysbatch";
    this.stops.push({ alloc, description: STOP_TEXT.resumed });
    this.decide({ kind: "resume", alloc, reason: isBound ? `${reason} on its node, ${alloc.nodeName}` : `${reason}, wherever there is room` });
    this.place({
      name: alloc.name,
      previous: alloc,
      rescheduleDelayMs: null,
      nodeId: isBound ? alloc.nodeId : null,
      kind: "resume",
      decided: this.successorOf(alloc),
    });
  }

  placeNew(number: number, { isCanary }: { readonly isCanary?: true }): void {
    const { job, group } = this.input;
    const name = allocName(job.id, group.name, number);
    const decided = isCanary ? CANARY : this.#wanted;
    this.places.push({ name, previous: null, rescheduleDelayMs: null, nodeId: null, kind: "place", ...(isCanary ? { isCanary } : {}), decided });
    if (this.input.isExplained) this.#decisions.set(`${decided.kind} ${name}`, { ...decided, group: group.name, name });
  }

  /** What is said of the one that takes the place of another, of which something was decided just now. */
  successorOf(alloc: Alloc): Decided {
    const reason = this.#decisions.get(alloc.id)?.reason;
    return { kind: "place", reason: `it takes the place of ${alloc.id.slice(0, 8)}${reason ? `: ${reason}` : ""}` };
  }

  /** A new one that has but this node to go to. */
  placeOnNode(place: Place): void {
    this.places.push(place);
    if (this.input.isExplained)
      this.#decisions.set(`place ${place.nodeId}`, { ...place.decided, kind: "place", group: this.input.group.name, name: place.name });
  }

  /** One place less of those that count; false when there is none. */
  dropPlace(): boolean {
    for (let at = this.places.length - 1; at >= 0; at--) {
      if (this.places[at]?.isCanary) continue;
      this.places.splice(at, 1);
      return true;
    }
    return false;
  }

  hold(name: string, reason: string): void {
    this.#held += 1;
    if (this.input.isExplained) this.#decisions.set(`hold ${this.#held}`, { kind: "hold", group: this.input.group.name, name, reason });
  }

  updateInPlace(alloc: Alloc): void {
    this.inPlace.push(alloc);
    this.decide({ kind: "update-in-place", alloc, reason: "the new version changes nothing that its tasks see" });
  }

  /** Whether it is of an older version, and its tasks would run differently in this one. */
  isOld(alloc: Alloc): boolean {
    return !isOfThisVersion(this.input.job, alloc) && this.#changes.needsReplacing(alloc);
  }

  /** Whether it is one of this roll-out's canaries that is not promoted yet. */
  isCanary(alloc: Alloc): boolean {
    const { deployment, group } = this.input;
    if (alloc.health?.isCanary !== true || deployment === null || alloc.deploymentId !== deployment.id) return false;
    return deployment.groups[group.name]?.isPromoted === false;
  }

  setCanariesApart(): void {
    this.canaries = this.kept.filter((alloc) => this.isCanary(alloc));
    this.kept = this.kept.filter((alloc) => !this.isCanary(alloc));
    for (const alloc of this.canaries) this.decide({ kind: "keep", alloc, reason: "it is a canary of the new version" });
  }

  /** Canaries that are there or will be. */
  canaryCount(): number {
    return this.canaries.length + this.canariesLater + this.places.filter((place) => place.isCanary).length;
  }

  /** How much of the group's count is taken. */
  occupied(): number {
    const places = this.places.filter((place) => !place.isCanary).length;
    return this.kept.length + this.unknown.length + places + this.settled.length + this.counted.length;
  }

  finish(gate: Gate, left: number): GroupChanges {
    const { job, group, allocs } = this.input;
    const isTouched = this.places.some((place) => place.jobVersion === undefined) || this.inPlace.length > 0 || left > 0;
    const isUpdate = left > 0 || this.inPlace.length > 0 || this.places.some((place) => place.kind === "destructive" || place.isCanary);
    const isPending = this.places.length + this.inPlace.length + this.later.length + this.unknowns.length + this.#held + left > 0;
    return {
      stops: this.stops,
      places: this.places,
      inPlace: this.inPlace,
      later: [...this.later, ...this.waits],
      unknowns: this.unknowns,
      reconnects: this.reconnects,
      decisions: [...this.#decisions.values()],
      ignored: this.kept.length + this.canaries.length + this.unknown.length - this.inPlace.length + this.settled.length + this.later.length,
      rollout: {
        // A version that has begun already is not rolled out anew for a lost alloc.
        isNeeded: isTouched && (isUpdate || !allocs.some((alloc) => isOfThisVersion(job, alloc))),
        canaries: gate.canaries,
        total: group.count,
        isDone: !isPending && gate.canaries === 0,
      },
    };
  }
}
