// What is new about allocs since the last look: each fact is told once.

import { shortId } from "./times.ts";
import type { AllocStub } from "./wire-types.ts";

export interface AllocNews {
  /** Lines not yet told, in order of time within each alloc. */
  of(allocs: readonly AllocStub[]): string[];
}

/** Tells of allocs that changed at or after an index; what happened to them before is old. */
export function createAllocNews(options: { readonly sinceIndex: number; readonly sinceMs: number; readonly isVerbose: boolean }): AllocNews {
  const told = new Set<string>();
  const once = (key: string, line: string) => {
    if (told.has(key)) return [];
    told.add(key);
    return [line];
  };
  return {
    of: (allocs) =>
      [...allocs]
        .filter((alloc) => alloc.ModifyIndex >= options.sinceIndex)
        .sort((a, b) => a.CreateIndex - b.CreateIndex || (a.Name < b.Name ? -1 : 1))
        .flatMap((alloc) => {
          const name = `Allocation "${shortId(alloc.ID, options.isVerbose)}"`;
          const isNew = alloc.CreateIndex >= options.sinceIndex;
          return [
            ...(isNew ? once(`${alloc.ID} placed`, `${name} created: group "${alloc.TaskGroup}", node "${alloc.NodeName}"`) : []),
            ...eventsOf(alloc)
              .filter((event) => isNew || event.atMs >= options.sinceMs)
              .flatMap((event) => once(`${alloc.ID} ${event.key}`, `${name} task "${event.task}": ${event.text}`)),
            ...(alloc.DeploymentStatus?.Healthy === true && isNew ? once(`${alloc.ID} healthy`, `${name} is healthy`) : []),
            ...(alloc.DeploymentStatus?.Healthy === false ? once(`${alloc.ID} unhealthy`, `${name} is unhealthy`) : []),
            ...(["complete", "failed", "lost"].includes(alloc.ClientStatus)
              ? once(`${alloc.ID} ${alloc.ClientStatus}`, `${name} is ${alloc.ClientStatus}`)
              : []),
          ];
        }),
  };
}

// --- internal ---

/** Events that only say that something is under way. */
const QUIET = new Set(["Received", "Task Setup", "Building Task Directory"]);

function eventsOf(alloc: AllocStub) {
  return Object.entries(alloc.TaskStates ?? {})
    .flatMap(([task, state]) =>
      (state.Events ?? [])
        .filter((event) => !QUIET.has(event.Type))
        .map((event) => ({
          task,
          atMs: event.Time / 1e6,
          key: `${task} ${event.Type} ${event.Time}`,
          text: event.DisplayMessage ? `${event.Type}: ${event.DisplayMessage}` : event.Type,
        })),
    )
    .sort((a, b) => a.atMs - b.atMs);
}
