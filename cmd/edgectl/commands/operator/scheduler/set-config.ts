// edgectl operator scheduler set-config: changes the switches that are named and leaves the others.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand, type OptionDefinition } from "../../../cli/command.ts";
import { wholeNumber } from "../../../cli/numbers.ts";
import { readSchedulerConfig, SCHEDULER_CONFIG_PATH, type WireSchedulerConfig } from "../../../cli/scheduler-config.ts";

/** A switch as Nomad's flags have it: alone it is on, `=false` turns it off. */
const toggle = (description: string) =>
  ({
    type: "string",
    description,
    valueHint: "true|false",
    bare: { value: "true", valuePattern: /^(?:true|false|1|0|t|f)$/i },
  }) as const satisfies OptionDefinition;

export default defineEdgeCommand({
  description: "It is set only if nobody changed it meanwhile; status 1 says that somebody did.",
  operands: "",
  examples: [
    ["operator scheduler set-config --scheduler-algorithm=spread", "even load instead of full nodes"],
    ["operator scheduler set-config --preempt-service-scheduler=true", "services may take the place of what matters less"],
    ["operator scheduler set-config --pause-eval-broker=true", "keep evaluations and run none, until it is false again"],
  ],
  options: {
    "check-index": { type: "string", description: "only if its modify index is N", valueHint: "N" },
    "scheduler-algorithm": { type: "string", description: "binpack or spread", valueHint: "NAME" },
    "memory-oversubscription": toggle("tasks may use memory_max where a node has room"),
    "reject-job-registration": toggle("let no job in: registration, dispatch and scale are refused"),
    "pause-eval-broker": toggle("keep evaluations and run none"),
    "preempt-batch-scheduler": toggle("batch jobs may take the place of others"),
    "preempt-service-scheduler": toggle("service jobs may take the place of others"),
    "preempt-sysbatch-scheduler": toggle("sysbatch jobs may take the place of others"),
    "preempt-system-scheduler": toggle("system jobs may take the place of others"),
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const checkIndex = wholeNumber("check-index", call.options["check-index"]);
    const before = await readSchedulerConfig(call);
    if (checkIndex !== undefined && checkIndex > 0 && before.ModifyIndex !== checkIndex)
      throw new EdgeError("conflict", `check-index ${checkIndex} does not match the current one, ${before.ModifyIndex}`, {
        hint: "`edgectl operator scheduler get-config` shows what stands",
      });
    const reply = await call.api.put<{ readonly Updated: boolean }>(SCHEDULER_CONFIG_PATH, changed(call, before), {
      cas: String(before.ModifyIndex),
    });
    if (!reply.Updated)
      throw new EdgeError("conflict", "somebody changed the scheduler's config meanwhile: nothing was set", { hint: "look at it and try again" });
    if (call.options.json) call.output.json(await readSchedulerConfig(call));
    else call.output.line("Scheduler configuration updated!");
    return DONE;
  },
});

// --- internal ---

function changed({ options }: Pick<Call, "options">, before: WireSchedulerConfig): WireSchedulerConfig {
  const preemption = before.PreemptionConfig;
  const isOn = (name: string, was: boolean) => switchOf(name, options[name]) ?? was;
  const algorithm = options["scheduler-algorithm"];
  return {
    ...before,
    SchedulerAlgorithm: typeof algorithm === "string" && algorithm !== "" ? algorithm : before.SchedulerAlgorithm,
    MemoryOversubscriptionEnabled: isOn("memory-oversubscription", before.MemoryOversubscriptionEnabled),
    RejectJobRegistration: isOn("reject-job-registration", before.RejectJobRegistration),
    PauseEvalBroker: isOn("pause-eval-broker", before.PauseEvalBroker),
    PreemptionConfig: {
      SystemSchedulerEnabled: isOn("preempt-system-scheduler", preemption.SystemSchedulerEnabled),
      SysBatchSchedulerEnabled: isOn("preempt-sysbatch-scheduler", preemption.SysBatchSchedulerEnabled),
      BatchSchedulerEnabled: isOn("preempt-batch-scheduler", preemption.BatchSchedulerEnabled),
      ServiceSchedulerEnabled: isOn("preempt-service-scheduler", preemption.ServiceSchedulerEnabled),
    },
  };
}

/** Undefined where it was not given. */
function switchOf(name: string, value: string | boolean | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  const text = String(value).toLowerCase();
  if (["true", "1", "t"].includes(text)) return true;
  if (["false", "0", "f"].includes(text)) return false;
  throw new EdgeError("invalid", `--${name} "${value}" is neither true nor false`);
}
