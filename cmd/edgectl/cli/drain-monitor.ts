// Follows a drain to its end: what becomes of the node's drain, and of each allocation on it, told as it happens.

import { formatDuration } from "../../../internal/domain/duration.ts";
import type { Call } from "./command.ts";
import { DONE, FAILED } from "./command.ts";
import { blockingRead } from "./monitor.ts";
import { instantText, shortId } from "./times.ts";
import type { WireAlloc, WireNode } from "./wire-types.ts";

type DrainCall = Pick<Call, "runtime" | "api" | "progress" | "isVerbose"> & { say(line: string): void };

/** Resolves with 0 when the drain is complete or was none, 1 when somebody ended it before. */
export async function monitorDrain(call: DrainCall, node: Pick<WireNode, "ID" | "Name">): Promise<number> {
  const say = (line: string) => call.say(`${instantText(call.runtime.clock.nowMs())}: ${line}`);
  say(`Monitoring node "${node.ID}": Ctrl-C to detach monitoring`);
  const news = createDrainNews(call);
  const tell = (allocs: readonly WireAlloc[]) => news.of(allocs).forEach(say);
  const state = { isOver: false };
  const followed = followAllocs(call, node.ID, state, tell);
  const isComplete = await Promise.race([followNode(call, node.ID, say), followed.then(() => true)]);
  state.isOver = true;
  tell(await readAllocs(call, node.ID));
  if (isComplete) say(`All allocations on node "${node.ID}" that were to leave it have stopped`);
  return isComplete ? DONE : FAILED;
}

/** Tells each fact about allocations once; what had ended before the first look is old. */
export function createDrainNews(call: Pick<Call, "isVerbose">): { of(allocs: readonly WireAlloc[]): string[] } {
  const known = new Map<string, { status: string; isDraining: boolean; isMarked: boolean }>();
  return {
    of: (allocs) =>
      [...allocs]
        .sort((a, b) => a.CreateIndex - b.CreateIndex || (a.ID < b.ID ? -1 : 1))
        .flatMap((alloc) => {
          const before = known.get(alloc.ID);
          const now = {
            status: alloc.ClientStatus,
            isDraining: alloc.DesiredStatus !== "run",
            isMarked: alloc.DesiredTransition?.Migrate === true || alloc.DesiredStatus !== "run",
          };
          known.set(alloc.ID, now);
          if (!before && ENDED.has(alloc.ClientStatus)) return [];
          const name = `Alloc "${shortId(alloc.ID, call.isVerbose)}" of job "${alloc.JobID}"`;
          return [
            ...(now.isMarked && !before?.isMarked ? [`${name} marked for migration`] : []),
            ...(now.isDraining && !before?.isDraining ? [`${name} draining`] : []),
            ...(before && before.status !== now.status ? [`${name} status ${before.status} -> ${now.status}`] : []),
          ];
        }),
  };
}

// --- internal ---

const ENDED = new Set(["complete", "failed", "lost"]);
/** Long enough to spare the server; a change answers at once. */
const WAIT_MS = 10_000;

/** Whether the drain went to its end. */
async function followNode(call: DrainCall, id: string, say: (line: string) => void): Promise<boolean> {
  let index = 0;
  let strategy = "";
  let status = "";
  for (;;) {
    const reply = await blockingRead<WireNode>(call, `/v1/node/${id}`, {}, index, WAIT_MS);
    const node = reply.body;
    if (node.Status !== status && (status !== "" || node.Status !== "ready")) say(`Node "${node.ID}" is ${node.Status}`);
    status = node.Status;
    if (!node.DrainStrategy) {
      const isCanceled = node.LastDrain?.Status === "canceled";
      if (!node.LastDrain || (index === 0 && strategy === "" && isCanceled)) say(`No drain strategy set for node ${node.ID}`);
      else say(isCanceled ? `Drain of node ${node.ID} was canceled` : `Drain complete for node ${node.ID}`);
      return !isCanceled || strategy === "";
    }
    const told = strategyText(node.DrainStrategy);
    if (strategy !== "" && told !== strategy) say(`Node "${node.ID}" drain strategy updated: ${told}`);
    else if (strategy === "") say(`Node "${node.ID}" drains: ${told}`);
    strategy = told;
    index = reply.index;
  }
}

function strategyText({ Deadline, IgnoreSystemJobs, ForceDeadline }: NonNullable<WireNode["DrainStrategy"]>): string {
  const until =
    Deadline < 0
      ? "by force, at once"
      : Deadline === 0
        ? "without a deadline"
        : `deadline ${formatDuration(Deadline / 1e6)}, at ${ForceDeadline.replace(/\.\d+Z$/, "Z")}`;
  return IgnoreSystemJobs ? `${until}; system jobs stay` : until;
}

/** Ends when the drain does: its last words are read then. */
async function followAllocs(call: DrainCall, id: string, state: { isOver: boolean }, tell: (allocs: readonly WireAlloc[]) => void): Promise<never> {
  let index = 0;
  while (!state.isOver) {
    const reply = await blockingRead<readonly WireAlloc[] | null>(call, `/v1/node/${id}/allocations`, {}, index, WAIT_MS);
    if (!state.isOver) tell(reply.body ?? []);
    index = reply.index;
  }
  return new Promise(() => undefined);
}

async function readAllocs(call: DrainCall, id: string): Promise<readonly WireAlloc[]> {
  return (await blockingRead<readonly WireAlloc[] | null>(call, `/v1/node/${id}/allocations`, {}, 0, WAIT_MS)).body ?? [];
}
