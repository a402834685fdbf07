// What earlier agents left that still runs, found by what their tasks left on the disk.

import type { Runtime } from "../runtime/runtime.ts";
import { newestAttempt, straysOf } from "./adopt.ts";
import type { Driver, TaskHandle } from "./drivers/driver.ts";
import { controlRoot } from "./layout.ts";

export interface TaskLeft {
  readonly allocId: string;
  readonly task: string;
  /** Each of which ends it. */
  readonly handles: readonly TaskHandle[];
}

/** Each allocation's tasks by their newest attempts. */
export async function tasksLeftRunning(runtime: Runtime, allocRoot: string, drivers: readonly Driver[]): Promise<readonly TaskLeft[]> {
  const { files } = runtime;
  const found: TaskLeft[] = [];
  for (const allocId of straysOf(files, allocRoot, new Set()))
    for (const task of files.list(controlRoot(allocRoot, allocId)) ?? []) {
      const attempt = newestAttempt(files, allocRoot, allocId, task);
      if (attempt === 0) continue;
      // Which driver's it was nobody says: those that share a shim all find it.
      const handles = await Promise.all(drivers.map((driver) => driver.recover({ allocId, task: { name: task }, attempt })));
      found.push({ allocId, task, handles: handles.filter((handle) => handle !== null) });
    }
  const running = await Promise.all(found.map((task) => isRunning(runtime, task)));
  return found.filter((_task, at) => running[at]);
}

// --- internal ---

/** What has ended says so at once. */
async function isRunning({ clock }: Runtime, { handles }: TaskLeft): Promise<boolean> {
  const looks = handles.map(({ exited }) => Promise.race([exited.then(() => false), clock.sleep(ENDED_MS).then(() => true)]));
  return (await Promise.all(looks)).some((runs) => runs);
}

const ENDED_MS = 1000;
