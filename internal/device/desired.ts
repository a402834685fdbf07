// Desired against actual on one node: orders come in, steps come out. Pure and repeatable.

import type { ClientStatus, DesiredStatus } from "../domain/alloc.ts";

export interface WantedAlloc {
  readonly id: string;
  readonly desiredStatus: DesiredStatus;
  readonly previousAlloc: string;
  readonly modifyIndex: number;
  /** It ends without shutdown delays. */
  readonly skipsShutdownDelay?: boolean;
  /** What the server knows of it. */
  readonly clientStatus: ClientStatus;
}

export interface HeldAlloc {
  readonly id: string;
  /** Every task ended and cleaned up. */
  readonly isDone: boolean;
  readonly isStopping: boolean;
  /** It is to stop and has a shutdown delay before. */
  readonly isHeldBack: boolean;
  readonly modifyIndex: number;
  readonly clientStatus: ClientStatus;
}

export type Step =
  | { readonly kind: "start"; readonly id: string }
  /** Not held, yet to be ended: what is on disk of it is taken up and stopped, so that its end is reported. */
  | { readonly kind: "end"; readonly id: string }
  | { readonly kind: "stop"; readonly id: string }
  | { readonly kind: "update"; readonly id: string }
  /** The server has it wrong, as one whose state was restored: what was acknowledged before is told again. */
  | { readonly kind: "report"; readonly id: string }
  /** The server forgot it: stop it if it runs, then remove its files. */
  | { readonly kind: "forget"; readonly id: string };

export interface DesiredInput {
  readonly wanted: readonly WantedAlloc[];
  /** Only a full set says that what it leaves out may be forgotten. */
  readonly isFull: boolean;
  readonly known: readonly string[];
  readonly held: ReadonlyMap<string, HeldAlloc>;
}

export function decideSteps(input: DesiredInput): Step[] {
  const steps: Step[] = [];
  for (const alloc of input.wanted) {
    const held = input.held.get(alloc.id);
    if (alloc.desiredStatus !== "run") {
      if (!held) steps.push({ kind: "end", id: alloc.id });
      else if (!held.isDone && (!held.isStopping || (held.isHeldBack && alloc.skipsShutdownDelay))) steps.push({ kind: "stop", id: alloc.id });
    } else if (!held) steps.push({ kind: "start", id: alloc.id });
    else if (alloc.modifyIndex > held.modifyIndex && !held.isDone) steps.push({ kind: "update", id: alloc.id });
  }
  for (const { id, clientStatus } of input.wanted)
    if ((input.isFull || clientStatus === "unknown") && (input.held.get(id)?.clientStatus ?? clientStatus) !== clientStatus)
      steps.push({ kind: "report", id });
  if (input.isFull) {
    const named = new Set([...input.wanted.map((alloc) => alloc.id), ...input.known]);
    for (const id of input.held.keys()) if (!named.has(id)) steps.push({ kind: "forget", id });
  }
  return steps;
}
