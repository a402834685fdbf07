// One evaluation for a person: why it was made, how it ended, what it could not place.

import type { Call } from "./command.ts";
import { placementFailureLines } from "./placement-failures.ts";
import { agoFromNanos, instantOrNothing, shortId } from "./times.ts";
import type { AllocStub, WireEval } from "./wire-types.ts";

export function showEval(call: Call, evaluation: WireEval, allocs: readonly AllocStub[]): void {
  const nowMs = call.runtime.clock.nowMs();
  const id = (text: string) => (text === "" ? "" : shortId(text, call.isVerbose));
  call.output.pairs([
    ["ID", evaluation.ID],
    ["Created", agoFromNanos(evaluation.CreateTime, nowMs)],
    ["Modified", agoFromNanos(evaluation.ModifyTime, nowMs)],
    ["Status", evaluation.Status],
    ["Status Description", evaluation.StatusDescription || evaluation.Status],
    ["Type", evaluation.Type],
    ["TriggeredBy", evaluation.TriggeredBy],
    ["Job ID", evaluation.JobID],
    ["Priority", evaluation.Priority],
    ["Placement Failures", Object.keys(evaluation.FailedTGAllocs ?? {}).length > 0],
    ["Wait Until", instantOrNothing(evaluation.WaitUntil)],
    ["Previous Eval", id(evaluation.PreviousEval)],
    ["Next Eval", id(evaluation.NextEval)],
    ["Blocked Eval", id(evaluation.BlockedEval)],
  ]);
  const failures = placementFailureLines(evaluation.FailedTGAllocs);
  if (failures.length > 0) call.output.title("Failed Placements");
  for (const line of failures) call.output.line(line);
  if (allocs.length === 0) return;
  call.output.title("Placed Allocations");
  call.output.table(
    ["ID", "Node Name", "Task Group", "Desired", "Status"],
    allocs.map((alloc) => [id(alloc.ID), alloc.NodeName, alloc.TaskGroup, alloc.DesiredStatus, alloc.ClientStatus]),
  );
}
