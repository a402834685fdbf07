// Job files of one docker task, as text.

import { IMAGE } from "./docker-engine.ts";

export interface DockerJob {
  readonly id: string;
  readonly type?: string;
  /** Run by the image's shell, unless the config has a command of its own. */
  readonly script?: string;
  /** More of the driver's config. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Lines inserted into the task. */
  readonly task?: string;
  /** Lines inserted into the group. */
  readonly group?: string;
  readonly memory?: number;
}

/** As JSON the config may hold whatever a hostile job would. */
export function dockerJob(job: DockerJob): string {
  const script = job.script === undefined ? {} : { command: "sh", args: ["-c", job.script] };
  return `id = ${JSON.stringify(job.id)}
type = "${job.type ?? "batch"}"
[group.g]
restart = { attempts = 0, mode = "fail" }
reschedule = { attempts = 0, unlimited = false }
${job.group ?? ""}
[group.g.task.main]
driver = "docker"
config = ${inline({ image: IMAGE, ...script, ...job.config })}
resources = { cpu = 50, memory = ${job.memory ?? 32} }
${job.task ?? ""}
`;
}

// --- internal ---

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, entry]) => `${JSON.stringify(key)} = ${inline(entry)}`)
      .join(", ")} }`;
  return JSON.stringify(value);
}
