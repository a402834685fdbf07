// What a user was told happened stays: the job of each acknowledged step, or of a later one, is what the leader shows.

import { Violation } from "../history.ts";
import type { Workload } from "../workload.ts";
import type { Checker } from "./checker.ts";

export function acknowledgedChecker(workload: Workload): Checker {
  const check: NonNullable<Checker["tick"]> = (world) => {
    const leader = world.leader;
    if (!leader?.isLeading) return;
    const { view } = leader.leader;
    // A leader that did not yet load what was restored shows what is gone; that it does in the end is another promise.
    if (view.restoredIndex !== world.history.restoredIndex) return;
    for (const job of workload.jobs) {
      const told = job.acknowledged;
      if (!told || world.history.operations.some((one) => one.jobId === job.id && one.outcome === "running")) continue;
      const shown = view.job("default", job.id);
      const step = Number(shown?.meta.step ?? 0);
      // A step whose outcome nobody knows may have taken its place.
      const isExplained = job.doubtful.some((one) =>
        one.kind === "run" ? one.step === step && !shown?.stop : one.kind === "stop" ? shown?.stop : !shown,
      );
      if (isExplained) continue;
      if (told.kind === "purge") {
        if (shown) throw new Violation("acknowledged", `${job.id} was purged by step ${told.step} and is there again with step ${step}`);
      } else if (told.kind === "run") {
        if (step !== told.step || shown?.stop)
          throw new Violation("acknowledged", `${job.id} was told step ${told.step}, the leader shows ${step}${shown?.stop ? ", stopped" : ""}`);
      } else if (!shown?.stop) throw new Violation("acknowledged", `${job.id} was stopped by step ${told.step} and is not`);
    }
    for (const [token, children] of workload.dispatched)
      if (children.size > 1) throw new Violation("one effect", `token ${token} made ${[...children].join(" and ")}`);
  };
  return { name: "acknowledged", tick: check, settled: check, restored: (_world, restore) => workload.restored(restore) };
}
