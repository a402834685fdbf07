// When a periodic job runs next, computed here as Nomad's own command line does.

import { messageOf } from "../../../internal/domain/errors.ts";
import { ago, instantText } from "./times.ts";
import type { WireJob } from "./wire-types.ts";

/** "2026-01-01T00:00:00Z (in 5m)", or why there is no next time. */
export async function nextFireText(job: Pick<WireJob, "Periodic" | "Stop">, nowMs: number): Promise<string> {
  const { Periodic: periodic } = job;
  if (!periodic) return "none (not periodic)";
  if (!periodic.Enabled) return "none (periodic is not enabled)";
  if (job.Stop) return "none (job stopped)";
  const { parseSchedule } = await import("../../../internal/cluster/cron.ts");
  const crons = periodic.Specs && periodic.Specs.length > 0 ? periodic.Specs : [periodic.Spec ?? ""];
  try {
    const next = parseSchedule(crons, periodic.TimeZone || "UTC").nextAfter(nowMs);
    return next === null ? "none (the schedule has ended)" : `${instantText(next)} (${ago(next, nowMs)})`;
  } catch (error) {
    return `unknown (${messageOf(error)})`;
  }
}
