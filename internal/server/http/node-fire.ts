// `job periodic force` of a job that nodes fire: each node that does, and is connected, makes a run now.

import { EdgeError } from "../../domain/errors.ts";
import type { Job } from "../../domain/job.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { JobExchange } from "./job.ts";

const LOOK_MS = 20;

/** The evaluation of the first run, once the server knows it; "" where the node has not told of it in time. Throws no-path where no node is connected. */
export async function forceOnNodes({ server }: JobExchange, job: Job): Promise<string> {
  const { view, sessions } = server.leader;
  const firing = [...view.liveAllocsOfJob(job.namespace, job.id)].filter((alloc) => alloc.jobCreateIndex === job.createIndex);
  if (firing.length === 0) throw new EdgeError("invalid", `job "${job.id}" has no node yet that fires it`, { hint: `edgectl explain ${job.id}` });
  const reached = firing.flatMap((alloc) => {
    const session = sessions.session(alloc.nodeId);
    return session ? [session.call({ method: "fire", allocId: alloc.id })] : [];
  });
  if (reached.length === 0)
    throw new EdgeError("no-path", `No path to node: job "${job.id}" is fired by ${firing.map((alloc) => alloc.nodeName).join(", ")}`, {
      hint: "it fires by its schedule meanwhile; force it once its node is connected",
    });
  const [first] = (await Promise.all(reached)) as readonly { readonly allocId: string }[]; // what nodes of this program answer
  const { clock } = server.options.runtime;
  for (let waitedMs = 0; waitedMs < LIMITS.writeRetryMsMax; waitedMs += LOOK_MS) {
    const alloc = view.alloc(first?.allocId ?? "");
    if (alloc) return alloc.evalId;
    await clock.sleep(LOOK_MS);
  }
  return "";
}
