// Job files for the end-to-end tests, as text.

export interface ShellJob {
  readonly id: string;
  readonly type?: string;
  readonly script: string;
  /** Lines inserted at the top level. */
  readonly top?: string;
  /** Lines inserted into the task. */
  readonly task?: string;
  /** Lines inserted into the group; makes the group explicit. */
  readonly group?: string;
}

/** A job of one task `main` that runs a shell script. */
export function shellJob(job: ShellJob): string {
  const config = `config = { command = "/bin/sh", args = ["-c", ${JSON.stringify(job.script)}] }`;
  return `id = ${JSON.stringify(job.id)}
type = "${job.type ?? "batch"}"
${job.top ?? ""}
[group.g]
${job.group ?? ""}
[group.g.task.main]
driver = "raw_exec"
${config}
resources = { cpu = 10, memory = 10 }
${job.task ?? ""}
`;
}

/** A batch job of one task `main` of this driver that is tried once. */
export function driverJob(id: string, driver: string, config: string, task = ""): string {
  return `id = "${id}"
type = "batch"
[group.g]
restart = { attempts = 0, mode = "fail" }
reschedule = { attempts = 0, unlimited = false }
[group.g.task.main]
driver = "${driver}"
config = { ${config} }
${task}
`;
}

/** A job of one task `main` that runs a program. */
export function programJob(
  id: string,
  command: string,
  args: readonly string[] = [],
  more: { readonly type?: string; readonly task?: string; readonly group?: string } = {},
): string {
  return `id = ${JSON.stringify(id)}
type = "${more.type ?? "batch"}"
[group.g]
${more.group ?? ""}
[group.g.task.main]
driver = "raw_exec"
config = { command = ${JSON.stringify(command)}, args = ${JSON.stringify(args)} }
resources = { cpu = 10, memory = 10 }
${more.task ?? ""}
`;
}

/** A restart policy that fails at once, and no reschedule. */
export const NO_RETRY = `restart = { attempts = 0, mode = "fail" }
reschedule = { attempts = 0, unlimited = false }`;
