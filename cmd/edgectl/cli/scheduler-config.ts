// The scheduler's config on the wire, and as people read it.

import type { Call } from "./command.ts";
import type { Pair } from "./output.ts";

export interface WireSchedulerConfig {
  readonly SchedulerAlgorithm: string;
  readonly PreemptionConfig: {
    readonly SystemSchedulerEnabled: boolean;
    readonly SysBatchSchedulerEnabled: boolean;
    readonly BatchSchedulerEnabled: boolean;
    readonly ServiceSchedulerEnabled: boolean;
  };
  readonly MemoryOversubscriptionEnabled: boolean;
  readonly RejectJobRegistration: boolean;
  readonly PauseEvalBroker: boolean;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
}

export const SCHEDULER_CONFIG_PATH = "/v1/operator/scheduler/configuration";

export async function readSchedulerConfig(call: Pick<Call, "api">): Promise<WireSchedulerConfig> {
  return (await call.api.get<{ readonly SchedulerConfig: WireSchedulerConfig }>(SCHEDULER_CONFIG_PATH)).SchedulerConfig;
}

export function schedulerConfigRows(config: WireSchedulerConfig): readonly Pair[] {
  return [
    ["Scheduler Algorithm", config.SchedulerAlgorithm],
    ["Memory Oversubscription", config.MemoryOversubscriptionEnabled],
    ["Reject Job Registration", config.RejectJobRegistration],
    ["Pause Eval Broker", config.PauseEvalBroker],
    ["Preemption System Scheduler", config.PreemptionConfig.SystemSchedulerEnabled],
    ["Preemption Service Scheduler", config.PreemptionConfig.ServiceSchedulerEnabled],
    ["Preemption Batch Scheduler", config.PreemptionConfig.BatchSchedulerEnabled],
    ["Preemption SysBatch Scheduler", config.PreemptionConfig.SysBatchSchedulerEnabled],
    ["Modify Index", config.ModifyIndex],
  ];
}
