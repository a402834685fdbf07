// Rules of update, reschedule, restart, migrate, disconnect and scaling.

import { formatDuration } from "../duration.ts";
import type { Disconnect, Migrate, Reschedule, Restart, Scaling, Update } from "../job.ts";
import type { JobProblem, PathPart } from "./read.ts";

type Path = readonly PathPart[];

export function updateProblems(update: Update, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof Update, message: string) => problems.push({ path: [...path, key], message });
  if (update.healthyDeadlineMs <= 0) at("healthyDeadlineMs", "`healthy_deadline` must be above 0");
  if (update.minHealthyTimeMs >= update.healthyDeadlineMs) {
    at(
      "minHealthyTimeMs",
      `\`min_healthy_time\` (${formatDuration(update.minHealthyTimeMs)}) must be below \`healthy_deadline\` (${formatDuration(update.healthyDeadlineMs)})`,
    );
  }
  if (update.progressDeadlineMs !== 0 && update.healthyDeadlineMs >= update.progressDeadlineMs) {
    at(
      "healthyDeadlineMs",
      `\`healthy_deadline\` (${formatDuration(update.healthyDeadlineMs)}) must be below \`progress_deadline\` (${formatDuration(update.progressDeadlineMs)})`,
    );
  }
  if (update.autoPromote && update.canary === 0) at("autoPromote", "`auto_promote` needs `canary` above 0");
  if (update.staggerMs <= 0) at("staggerMs", "`stagger` must be above 0");
  return problems;
}

export function rescheduleProblems(reschedule: Reschedule, path: Path): readonly JobProblem[] {
  const { attempts, intervalMs, delayMs, maxDelayMs, delayFunction, unlimited } = reschedule;
  if (attempts === 0 && !unlimited) return [];
  const problems: JobProblem[] = [];
  const at = (key: keyof Reschedule, message: string) => problems.push({ path: [...path, key], message });
  if (delayMs < 5000) at("delayMs", `\`delay\` of reschedule must be at least 5s, is ${formatDuration(delayMs)}`);
  if (delayFunction !== "constant" && maxDelayMs < delayMs) {
    at("maxDelayMs", `\`max_delay\` (${formatDuration(maxDelayMs)}) must not be below \`delay\` (${formatDuration(delayMs)})`);
  }
  if (unlimited) {
    if (attempts > 0) at("attempts", "`attempts` and `unlimited = true` exclude each other");
    return problems;
  }
  if (intervalMs < 15_000) at("intervalMs", `\`interval\` of a limited reschedule must be at least 15s, is ${formatDuration(intervalMs)}`);
  else if (totalDelayMs(reschedule) > intervalMs) {
    at("attempts", `${attempts} attempts do not fit into the interval of ${formatDuration(intervalMs)}: their delays add up to more`);
  }
  return problems;
}

export function restartProblems(restart: Restart, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof Restart, message: string) => problems.push({ path: [...path, key], message });
  if (restart.intervalMs < 5000) at("intervalMs", `\`interval\` of restart must be at least 5s, is ${formatDuration(restart.intervalMs)}`);
  if (restart.attempts * restart.delayMs > restart.intervalMs) {
    at(
      "attempts",
      `${restart.attempts} restarts with a delay of ${formatDuration(restart.delayMs)} do not fit into the interval of ${formatDuration(restart.intervalMs)}`,
    );
  }
  if (restart.attempts === 0 && restart.mode === "delay") at("mode", '`mode = "delay"` needs `attempts` above 0');
  return problems;
}

export function migrateProblems(migrate: Migrate, path: Path): readonly JobProblem[] {
  if (migrate.minHealthyTimeMs < migrate.healthyDeadlineMs) return [];
  return [{ path: [...path, "minHealthyTimeMs"], message: "`min_healthy_time` must be below `healthy_deadline`" }];
}

export function disconnectProblems(disconnect: Disconnect, path: Path): readonly JobProblem[] {
  if (disconnect.lostAfterMs === 0 || disconnect.stopOnClientAfterMs === null) return [];
  return [{ path: [...path, "stopOnClientAfterMs"], message: "`lost_after` and `stop_on_client_after` exclude each other" }];
}

export function scalingProblems(scaling: Scaling, path: Path, count: number): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof Scaling, message: string) => problems.push({ path: [...path, key], message });
  if (scaling.max < scaling.min) at("max", `\`max\` (${scaling.max}) must not be below \`min\` (${scaling.min})`);
  else if (count > scaling.max) at("max", `the group's \`count\` (${count}) must not be above \`max\` (${scaling.max})`);
  if (count < scaling.min) at("min", `the group's \`count\` (${count}) must not be below \`min\` (${scaling.min})`);
  return problems;
}

// --- internal ---

/** What the delays of all attempts add up to. Stops adding once it is beyond the interval. */
function totalDelayMs(reschedule: Reschedule): number {
  if (reschedule.delayFunction === "constant") return reschedule.attempts * reschedule.delayMs;
  let [before, delay, total] = [0, reschedule.delayMs, 0];
  for (let attempt = 0; attempt < reschedule.attempts && total <= reschedule.intervalMs; attempt++) {
    total += Math.min(delay, reschedule.maxDelayMs);
    [before, delay] = [delay, reschedule.delayFunction === "exponential" ? delay * 2 : before + delay];
  }
  return total;
}
