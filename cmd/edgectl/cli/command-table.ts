// Every command: the words that name it, what it does, and where it is. Nothing is loaded before it is run.

import type { Command } from "./command.ts";

export type Loaded = { readonly default: Command };

export interface CommandEntry {
  /** As typed: `run`, `job inspect`. */
  readonly words: string;
  /** Other words for it, Nomad's among them. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Left out of the list in help. */
  readonly isHidden?: true;
  load(): Promise<Loaded>;
}

/** In the order of help: daily verbs first, then noun groups. */
export const COMMANDS: readonly CommandEntry[] = [
  entry("run", "start a job, or change it to what its file says", () => import("../commands/run.ts"), { aliases: ["job run"] }),
  entry("status", "list jobs, or show one job, allocation, evaluation or node", () => import("../commands/status.ts"), { aliases: ["job status"] }),
  entry("logs", "show what a task wrote", () => import("../commands/logs.ts"), { aliases: ["alloc logs"] }),
  entry("exec", "run a command inside a task that runs", () => import("../commands/exec.ts")),
  entry("stop", "stop a job", () => import("../commands/stop.ts"), { aliases: ["job stop"] }),
  entry("plan", "show what running a job file would change", () => import("../commands/plan.ts"), { aliases: ["job plan"] }),
  entry("validate", "check a job file", () => import("../commands/validate.ts"), { aliases: ["job validate"] }),
  entry("init", "write an example job file", () => import("../commands/init.ts"), { aliases: ["job init"] }),
  entry("explain", "say why something runs where it does, or does not run, and what happens next", () => import("../commands/explain.ts")),
  entry("doctor", "say what is wrong with this device and how to mend it", () => import("../commands/doctor.ts")),
  entry("job inspect", "print a job as JSON", () => import("../commands/job/inspect.ts"), { aliases: ["inspect"] }),
  entry("job allocs", "list a job's allocations", () => import("../commands/job/allocs.ts")),
  entry("job history", "list a job's versions", () => import("../commands/job/history.ts")),
  entry("job revert", "go back to an earlier version of a job", () => import("../commands/job/revert.ts")),
  entry("job scale", "change the count of a job's group", () => import("../commands/job/scale.ts")),
  entry("job dispatch", "run a parameterized job", () => import("../commands/job/dispatch.ts")),
  entry("job periodic force", "run a periodic job now", () => import("../commands/job/periodic-force.ts")),
  entry("job priority", "change a job's priority, also of what waits", () => import("../commands/job/priority.ts")),
  entry("job eval", "evaluate a job again", () => import("../commands/job/eval.ts")),
  entry("job deployments", "list a job's deployments", () => import("../commands/job/deployments.ts")),
  entry("job promote", "replace a job's older allocations by what its canaries are", () => import("../commands/job/promote.ts")),
  entry("job start", "run a stopped job again", () => import("../commands/job/start.ts")),
  entry("job resume", "let a failed batch job go on where it stopped", () => import("../commands/job/resume.ts")),
  entry("job action", "run an action of a job inside its task", () => import("../commands/job/action.ts"), { aliases: ["action"] }),
  entry("job tag apply", "name a version of a job, and keep it", () => import("../commands/job/tag/apply.ts")),
  entry("job tag unset", "take the name from a version of a job", () => import("../commands/job/tag/unset.ts")),
  entry("job schema", "print the JSON Schema of job files, for editors", () => import("../commands/job/schema.ts")),
  entry("deployment list", "list deployments", () => import("../commands/deployment/list.ts")),
  entry("deployment status", "show a deployment", () => import("../commands/deployment/status.ts")),
  entry("deployment promote", "let a deployment's canaries replace the older allocations", () => import("../commands/deployment/promote.ts")),
  entry("deployment fail", "end a deployment: its version is no good", () => import("../commands/deployment/fail.ts")),
  entry("deployment pause", "hold a deployment where it is", () => import("../commands/deployment/pause.ts")),
  entry("deployment resume", "let a paused deployment go on", () => import("../commands/deployment/resume.ts")),
  entry("deployment unblock", "let a blocked deployment go on", () => import("../commands/deployment/unblock.ts")),
  entry("alloc status", "list allocations, or show one", () => import("../commands/alloc/status.ts")),
  entry("alloc stop", "stop an allocation; another takes its place", () => import("../commands/alloc/stop.ts")),
  entry("alloc restart", "restart the tasks of an allocation", () => import("../commands/alloc/restart.ts")),
  entry("alloc signal", "send a signal to the tasks of an allocation", () => import("../commands/alloc/signal.ts")),
  entry("alloc pause", "have tasks rest or run, whatever their schedule says", () => import("../commands/alloc/pause.ts")),
  entry("alloc checks", "show how the checks of an allocation stand", () => import("../commands/alloc/checks.ts")),
  entry("alloc exec", "run a command inside a task of an allocation", () => import("../commands/alloc/exec.ts")),
  entry("alloc fs", "list or print the files of an allocation", () => import("../commands/alloc/fs.ts")),
  entry("node status", "list nodes, or show one", () => import("../commands/node/status.ts")),
  entry("node drain", "empty a node, or follow that", () => import("../commands/node/drain.ts")),
  entry("node eligibility", "let a node take new work, or not", () => import("../commands/node/eligibility.ts")),
  entry("node meta apply", "set or unset meta of a node while it runs", () => import("../commands/node/meta/apply.ts")),
  entry("node meta read", "show a node's meta, and where it is from", () => import("../commands/node/meta/read.ts")),
  entry("node purge", "forget a node that does not come back", () => import("../commands/node/purge.ts")),
  entry("node reset-identity", "make this device another node than the one it is a copy of", () => import("../commands/node/reset-identity.ts")),
  entry("node token create", "let devices join by a token", () => import("../commands/node/token/create.ts"), { aliases: ["node intro create"] }),
  entry("node token list", "list the join tokens", () => import("../commands/node/token/list.ts")),
  entry("node token revoke", "let nobody join by a token any more", () => import("../commands/node/token/revoke.ts")),
  entry("node pool apply", "make a node pool, or change it", () => import("../commands/node/pool/apply.ts")),
  entry("node pool list", "list the node pools", () => import("../commands/node/pool/list.ts")),
  entry("node pool info", "show a node pool", () => import("../commands/node/pool/info.ts")),
  entry("node pool nodes", "list the nodes in a pool", () => import("../commands/node/pool/nodes.ts")),
  entry("node pool jobs", "list the jobs that ask for a pool", () => import("../commands/node/pool/jobs.ts")),
  entry("node pool delete", "forget a node pool", () => import("../commands/node/pool/delete.ts")),
  entry("node pool init", "write an example of a node pool's file", () => import("../commands/node/pool/init.ts")),
  entry("service list", "list the services", () => import("../commands/service/list.ts")),
  entry("service info", "show where a service is reached", () => import("../commands/service/info.ts")),
  entry("service delete", "take one registration out of a service", () => import("../commands/service/delete.ts")),
  entry("eval status", "show an evaluation", () => import("../commands/eval/status.ts")),
  entry("eval list", "list evaluations, or what waits", () => import("../commands/eval/list.ts")),
  entry("eval queue", "put an evaluation first or last", () => import("../commands/eval/queue.ts")),
  entry("eval delete", "forget evaluations", () => import("../commands/eval/delete.ts")),
  entry("server members", "list the servers", () => import("../commands/server/members.ts")),
  entry("server join", "make another region known", () => import("../commands/server/join.ts")),
  entry("operator raft list-peers", "list the servers that can lead", () => import("../commands/operator/raft-list-peers.ts")),
  entry("operator transfer-leadership", "let another server lead", () => import("../commands/operator/transfer-leadership.ts"), {
    aliases: ["operator raft transfer-leadership"],
  }),
  entry("operator snapshot save", "write everything a region's servers hold to a file", () => import("../commands/operator/snapshot/save.ts")),
  entry("operator snapshot inspect", "show what a snapshot holds", () => import("../commands/operator/snapshot/inspect.ts")),
  entry("operator snapshot restore", "replace everything by what a snapshot holds", () => import("../commands/operator/snapshot/restore.ts")),
  entry("operator store migrate", "move a server's state to another store", () => import("../commands/operator/store/migrate.ts")),
  entry("operator scheduler get-config", "show how the scheduler places", () => import("../commands/operator/scheduler/get-config.ts")),
  entry("operator scheduler set-config", "change how the scheduler places", () => import("../commands/operator/scheduler/set-config.ts")),
  entry("operator autopilot health", "show whether all servers are well", () => import("../commands/operator/autopilot-health.ts")),
  entry("event stream", "print what happens, as it happens", () => import("../commands/event-stream.ts")),
  entry("monitor", "show what an agent logs, as it does", () => import("../commands/monitor.ts")),
  entry("driver check", "try whether an executable keeps what a driver promises", () => import("../commands/driver/check.ts")),
  entry("system gc", "forget what has ended, now", () => import("../commands/system/gc.ts")),
  entry("system reconcile summaries", "count jobs' allocations anew, for Nomad's scripts", () => import("../commands/system/reconcile-summaries.ts")),
  entry("agent reload", "have the agent read its settings anew", () => import("../commands/agent/reload.ts")),
  entry("agent upgrade", "let the agent on this machine go on as another program", () => import("../commands/agent/upgrade.ts")),
  entry("agent-info", "show what the agent says of itself", () => import("../commands/agent-info.ts")),
  entry("completion", "print a completion script for a shell", () => import("../commands/completion.ts")),
  entry("version", "show the version", () => import("../commands/version.ts")),
];

// --- internal ---

function entry(
  words: string,
  summary: string,
  load: () => Promise<unknown>,
  more: { readonly aliases?: readonly string[]; readonly isHidden?: true } = {},
): CommandEntry {
  // A command's own options are narrower than the table's: how it reads them is its own business.
  return { words, summary, load: load as CommandEntry["load"], ...more };
}
