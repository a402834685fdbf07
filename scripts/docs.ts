// Writes docs/job-file.md and docs/settings.md from the tables that the program itself reads.
// bun scripts/docs.ts [--check]: with --check nothing is written, and a difference fails.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SETTINGS, variableOf } from "../cmd/edgectl/agent/settings.ts";
import { jobReference } from "../internal/jobspec/reference.ts";
import { root } from "./bases.ts";

/** Each document by its path. */
export function documents(): ReadonlyMap<string, string> {
  return new Map([
    ["docs/job-file.md", jobFile()],
    ["docs/settings.md", settings()],
  ]);
}

// --- internal ---

function jobFile(): string {
  const rows = jobReference().map((row) => [
    row.form === "" ? "(top)" : `\`${row.form}\``,
    `\`${row.key}\``,
    cell(row.type),
    cell(row.default),
    cell(row.doc),
    row.isCarriedOut ? "" : "not yet",
  ]);
  const titles = ["block", "key", "type", "default", "meaning", "carried out"];
  return `# The job file

Every block and key, generated from the job model (\`bun scripts/docs.ts\`). The job's own keys stand at the top with
\`id\`; a labelled block is a table \`[x.y]\`, a single block \`[x]\`, a repeatable block \`[[x]]\`. A \`[task.NAME]\` at the
top is a group of that name with that one task. \`edgectl job schema\` prints the same for editors.
What is marked "not yet" is checked, and then refused by name.

${table(titles, rows)}
`;
}

function settings(): string {
  const rows = SETTINGS.map((setting) => [
    setting.flags.map((flag) => `\`--${flag}\``).join(" "),
    `\`${variableOf(setting)}\``,
    `\`${setting.key}\``,
    cell(setting.help),
    setting.isReloadable ? "yes" : "",
  ]);
  return `# Settings of the agent

Generated from the table the agent reads (\`bun scripts/docs.ts\`). A flag wins over a variable, a variable over the
file given with \`--config\`; tables are merged key by key. A key with a dot stands in that table: \`client.node_class\`
is \`node_class\` under \`[client]\`. What is marked in the last column takes effect while the agent runs, with \`edgectl agent reload\`,
\`PUT /v1/agent/reload\` or SIGHUP; all else with a restart, which ends no task.

${table(["flag", "variable", "key", "meaning", "reloaded"], rows)}

## What a node offers

Folders, further addresses and devices are tables by name; a short text, which flags and variables take too, stands for
the common case. What the machine has not got (an address that is not up, a device whose path does not exist) is left
out and told by \`edgectl node status\` as a condition; a folder that does not exist is refused at the start.

\`\`\`toml
[client.host_volume.data]
path = "/srv/data"
read_only = true

[client.host_network.lan]
cidr = "10.0.0.0/8" # the first address of the machine in it; or interface = "eth1", or both
reserved_ports = "22,8000-8010"

[client.device."nvidia/gpu/k80"] # vendor/type/name; or vendor, type and name inside
ids = ["GPU-1", "GPU-2"] # or paths = ["/dev/video0"], which are there while the files are
attributes = { memory = "11 GiB", cores = 3584 }
\`\`\`

A task learns what it was given from its environment: \`NOMAD_CPU_CORES\` (such as 0-2,5), \`EDGECTL_DEVICE_IDS\` (every
id), \`NOMAD_DEVICE_<VENDOR>_<TYPE>_<NAME>\` (the ids of one kind, as in \`NOMAD_DEVICE_NVIDIA_GPU_K80\`), of a share
\`NOMAD_DEVICE_SHARE_<...>\` with its size, and \`NVIDIA_VISIBLE_DEVICES\` for GPUs of nvidia. That a task keeps to its share
of a device is the task's own affair. \`NOMAD_IP_<label>\` and its kin hold the address of the port's host network.
`;
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}

function cell(value: unknown): string {
  return (typeof value === "string" ? value : JSON.stringify(value ?? "")).replaceAll("|", "\\|").replaceAll("\n", " ");
}

if (import.meta.main) {
  const isCheck = process.argv.includes("--check");
  for (const [path, text] of documents()) {
    const full = join(root, path);
    if (isCheck && readFileSync(full, "utf8") !== text) throw new Error(`${path} is out of date: bun scripts/docs.ts`);
    mkdirSync(join(root, "docs"), { recursive: true });
    if (!isCheck) writeFileSync(full, text);
  }
}
