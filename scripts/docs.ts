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
  ]);
  return `# Settings of the agent

Generated from the table the agent reads (\`bun scripts/docs.ts\`). A flag wins over a variable, a variable over the
file given with \`--config\`; tables are merged key by key. A key with a dot stands in that table: \`client.node_class\`
is \`node_class\` under \`[client]\`.

${table(["flag", "variable", "key", "meaning"], rows)}
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
