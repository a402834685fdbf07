// Why a job is here, as far as its device can tell by itself: nobody asks a scheduler.

import { encodeFiring, encodeSteps, instant } from "../api/explain-codec.ts";
import type { Read } from "../api/list.ts";
import { jobRead } from "../api/reads.ts";
import { firingsOf, firingText } from "../cluster/firings.ts";
import { lastFires, nextOfJob } from "../cluster/outlook.ts";
import type { View } from "../domain/view.ts";

export function explainHere(view: View, { namespace, id, nowMs }: { readonly namespace: string; readonly id: string; readonly nowMs: number }): Read {
  return jobRead(view, namespace, id, (job) => {
    const firings = firingsOf(view, job, nowMs);
    const allocs = [...view.openAllocsOfJob(namespace, id)];
    const running = allocs.map(
      (alloc) =>
        `allocation ${alloc.id.slice(0, 8)} is ${alloc.clientStatus} here${alloc.clientDescription === "" ? "" : `: ${alloc.clientDescription}`}`,
    );
    return {
      body: {
        Kind: "job",
        JobID: job.id,
        Namespace: job.namespace,
        Type: job.type,
        Status: job.status,
        Priority: job.priority,
        Version: job.version,
        Stop: job.stop,
        NodeID: "",
        NodeName: "",
        Summary:
          firings.length > 0 ? firings.map((firing) => firingText(firing, instant)) : running.length > 0 ? running : ["nothing of it runs here"],
        Groups: [],
        Decisions: [],
        Fires: lastFires(view, job).map((fire) => ({
          At: instant(fire.scheduledAtS * 1000),
          Status: fire.status,
          ChildID: fire.childId,
          Reason: fire.reason,
        })),
        Firings: firings.map(encodeFiring),
        LastFailure: null,
        Next: encodeSteps(nextOfJob(view, job, nowMs)),
      },
    };
  });
}
