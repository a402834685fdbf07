// edgectl job scale: another count for one group.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { type Call, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import type { EvalReply, WireJob } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "GROUP may be left out when the job has one.",
  operands: "JOB [GROUP] COUNT",
  examples: [
    ["job scale web 3", "a job of one group"],
    ["job scale web api 0", "no instance of group api"],
  ],
  options: {
    ...FOLLOW_OPTIONS,
    "check-index": { type: "string", description: "only if the job's modify index is N", valueHint: "N" },
  },
  async run(call) {
    const [name = "", ...rest] = call.operands;
    const count = rest.at(-1) ?? "";
    if (!/^\d{1,9}$/.test(count)) throw new EdgeError("invalid", `COUNT "${count}" is no whole number`);
    const job = await findJob(call.api, name);
    const group = rest.length > 1 ? (rest[0] ?? "") : await onlyGroup(call, job);
    const reply = await call.api.put<EvalReply>(
      jobPath(job, "/scale"),
      {
        Count: Number(count),
        Target: { Job: job.id, Group: group },
        Message: "submitted using the edgectl CLI",
        JobModifyIndex: wholeNumber("check-index", call.options["check-index"]) ?? 0,
      },
      { namespace: job.namespace },
    );
    return followWrite(call, reply, job.namespace);
  },
});

// --- internal ---

async function onlyGroup(call: Call, found: { readonly id: string; readonly namespace: string }): Promise<string> {
  const { TaskGroups: groups } = await call.api.get<WireJob>(jobPath(found), { namespace: found.namespace });
  const [group] = groups;
  if (group && groups.length === 1) return group.Name;
  throw new EdgeError("invalid", `job "${found.id}" has several groups`, { hint: `say which: ${groups.map((item) => item.Name).join(", ")}` });
}
