// edgectl explain: why a job, an allocation or an evaluation is where it is, or nowhere, and what happens next.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { segment } from "../cli/api.ts";
import { type Call, DONE, defineEdgeCommand } from "../cli/command.ts";
import { type Explained, explanationLines, type WithLogs, withTasks } from "../cli/explain-text.ts";
import { allocsByPrefix, evalsByPrefix, findJobIfAny } from "../cli/find.ts";
import { lastLinesOf } from "../cli/last-lines.ts";

export default defineEdgeCommand({
  description: "What it says of placing is what the scheduler itself answers when it is asked now.",
  operands: "JOB|ALLOC|EVAL",
  examples: [
    ["explain web", "why it runs where it does, or does not, and what would help"],
    ["explain web --node kitchen", "why not, or why, on that very node"],
    ["explain 9c1b2f", "one allocation: its place among others, how its tasks ended, their last lines"],
  ],
  options: {
    node: { type: "string", description: "ask about this node alone, by id or name", valueHint: "NODE" },
    lines: { type: "string", description: "last lines of each log that tells of a failure (default 5; 0: none)", valueHint: "N" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids, and all score terms" },
  },
  async run(call) {
    const { kind, id, namespace } = await findSubject(call, call.operands[0] ?? "");
    const explained = await call.api.get<Explained>(`/v1/explain/${kind}/${segment(id)}`, { namespace, node: call.options.node });
    const whole = await addLogs(call, explained);
    if (call.options.json) call.output.json(whole);
    else
      for (const line of explanationLines(whole, { isVerbose: call.isVerbose, paint: call.output.paint, nowMs: call.runtime.clock.nowMs() }))
        call.output.line(line);
    return DONE;
  },
});

// --- internal ---

const LINES = 5;
const LINES_MAX = 1000;

interface Subject {
  readonly kind: "job" | "allocation" | "evaluation";
  readonly id: string;
  readonly namespace: string | undefined;
}

/** A job's id wins over the beginning of another's. */
async function findSubject(call: Call, text: string): Promise<Subject> {
  const job = await findJobIfAny(call.api, text);
  if (job?.isExact) return { kind: "job", id: job.id, namespace: job.namespace };
  const [allocs, evals] = await Promise.all([allocsByPrefix(call.api, text), evalsByPrefix(call.api, text)]);
  const found: Subject[] = [
    ...(job ? [{ kind: "job", id: job.id, namespace: job.namespace } as const] : []),
    ...allocs.map((alloc) => ({ kind: "allocation", id: alloc.ID, namespace: alloc.Namespace }) as const),
    ...evals.map((evaluation) => ({ kind: "evaluation", id: evaluation.ID, namespace: evaluation.Namespace }) as const),
  ];
  const [first] = found;
  if (!first)
    throw new EdgeError("not-found", `no job, allocation or evaluation has the id "${text}" or begins with it`, {
      hint: "`edgectl status` lists the jobs",
    });
  if (found.length > 1)
    throw new EdgeError(
      "invalid",
      `"${text}" is the beginning of several ids:\n${found
        .slice(0, 20)
        .map((one) => `  ${one.kind} ${one.id}`)
        .join("\n")}`,
      {
        hint: "type more of the id",
      },
    );
  return first;
}

/** The last lines of tasks that ended badly; a node that does not answer leaves them out. */
async function addLogs(call: Call, explained: Explained): Promise<WithLogs> {
  const count = Number(call.options.lines ?? LINES);
  if (!Number.isInteger(count) || count < 0 || count > LINES_MAX)
    throw new EdgeError("invalid", `--lines "${call.options.lines}" is no number from 0 to ${LINES_MAX}`);
  const of = withTasks(explained);
  if (count === 0 || of === null) return { ...explained, Logs: [] };
  const bad = of.Tasks.filter((task) => task.LastExit !== null && (task.Failed || task.Restarts > 0 || task.LastExit.Code !== 0));
  const logs = await Promise.all(
    bad.flatMap((task) => ["stderr", "stdout"].map((stream) => lastLinesOf(call, { allocId: of.AllocID, task: task.Name, stream, count }))),
  );
  return { ...explained, Logs: logs.filter((log) => log.Lines.length > 0) };
}
