// Whether a run came to its own end. Tasks that were ended by an order make an allocation complete as well.

import type { Alloc } from "./alloc.ts";
import type { TaskGroup } from "./job.ts";

/** Of an allocation whose tasks have ended: those that decide about its end ran and ended by themselves; others are ended with their leader. */
export function hasRunToItsEnd(group: TaskGroup | undefined, alloc: Pick<Alloc, "taskStates">): boolean {
  const mains = group?.tasks.filter((task) => task.lifecycle === null) ?? [];
  const leaders = mains.filter((task) => task.leader);
  const deciding = leaders.length > 0 ? leaders : mains;
  return deciding.every((task) => {
    const state = alloc.taskStates[task.name];
    return typeof state?.startedAtMs === "number" && !state.events.some((event) => event.type === "Killed");
  });
}
