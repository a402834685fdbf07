// edgectl job action: runs one of a job's actions inside its task, or lists them.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../../cli/command.ts";
import { EXEC_OPTIONS, modeOf } from "../../cli/exec-options.ts";
import { findAlloc, findJob, jobPath } from "../../cli/find.ts";
import { runRemote } from "../../cli/remote-command.ts";

export default defineEdgeCommand({
  description: `An action is a command that the job's file names for a task. It runs as \`edgectl exec\` runs one.
Without a name the job's actions are listed.`,
  operands: "[ACTION]",
  examples: [
    ["job action --job hello", "which actions there are"],
    ["job action --job hello --task main flush", "run one"],
  ],
  options: {
    job: { type: "string", description: "the job", valueHint: "JOB" },
    ...EXEC_OPTIONS,
    allocation: { type: "string", description: "which of the job's allocations (default: one that runs)", valueHint: "ALLOC" },
    json: { type: "boolean", description: "print the list as JSON" },
  },
  async run(call) {
    if (!call.options.job) throw new EdgeError("invalid", "--job is missing", { hint: "edgectl job action --job JOB [ACTION]" });
    const job = await findJob(call.api, call.options.job);
    const actions = (await call.api.get<readonly WireAction[] | null>(jobPath(job, "/actions"), { namespace: job.namespace })) ?? [];
    const [name] = call.operands;
    if (name === undefined) return list(call, actions);
    const action = chosen(actions, name, call);
    const alloc = call.options.allocation ? await findAlloc(call.api, call.options.allocation) : null;
    const mode = modeOf(call);
    const query = {
      namespace: job.namespace,
      action: name,
      task: action.TaskName,
      group: action.TaskGroupName,
      allocID: alloc?.ID,
      tty: String(mode.terminal !== "none"),
    };
    return runRemote(call, { path: jobPath(job, "/action"), query, ...mode });
  },
});

// --- internal ---

interface WireAction {
  readonly Name: string;
  readonly Command: string;
  readonly Args: readonly string[] | null;
  readonly TaskName: string;
  readonly TaskGroupName: string;
}

function list(call: Call, actions: readonly WireAction[]): number {
  if (call.options.json) call.output.json(actions);
  else
    call.output.table(
      ["Action", "Group", "Task", "Command"],
      actions.map((action) => [action.Name, action.TaskGroupName, action.TaskName, [action.Command, ...(action.Args ?? [])].join(" ")]),
    );
  return DONE;
}

function chosen(actions: readonly WireAction[], name: string, call: Call): WireAction {
  const { group, task } = call.options;
  const fits = actions.filter((action) => action.Name === name && (!group || action.TaskGroupName === group) && (!task || action.TaskName === task));
  const [only] = fits;
  if (only && fits.length === 1) return only;
  if (only)
    throw new EdgeError(
      "invalid",
      `several tasks have an action "${name}": ${fits.map((one) => `${one.TaskGroupName}/${one.TaskName}`).join(", ")}`,
      {
        hint: "say which: --group GROUP --task TASK",
      },
    );
  const names = actions.map((action) => action.Name).join(", ");
  throw new EdgeError("not-found", `the job has no action "${name}"`, { hint: names === "" ? "it has none" : `it has ${names}` });
}
