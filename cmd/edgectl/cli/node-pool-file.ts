// A node pool's file: TOML with the keys of Nomad's block, or the JSON that `node pool info --json` prints.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import { pathFrom } from "../../../internal/domain/paths.ts";
import { nearest } from "../../../internal/jobspec/nearest.ts";
import type { Call } from "./command.ts";

/** The pool as the API takes it. */
export interface WireNodePool {
  readonly Name: string;
  readonly Description: string;
  readonly Meta: Readonly<Record<string, string>> | null;
  readonly SchedulerConfiguration: { readonly SchedulerAlgorithm?: string; readonly MemoryOversubscriptionEnabled?: boolean | null } | null;
}

export const EXAMPLE_POOL = `# A set of nodes that jobs can ask for by node_pool = "example". Make it: edgectl node pool apply FILE
name = "example"
description = "Example node pool"

# Shown beside the pool; it means nothing to the scheduler.
[meta]
environment = "prod"
owner = "sre"

# What differs from the region's own (edgectl operator scheduler get-config).
[scheduler_config]
scheduler_algorithm = "spread"
memory_oversubscription_enabled = true
`;

/** Throws `invalid` with what is wrong and where. `-` is standard input. */
export async function readNodePoolFile(call: Pick<Call, "runtime">, path: string): Promise<WireNodePool> {
  const { terminal, host, files } = call.runtime;
  const full = pathFrom(host.cwd, path);
  const text = path === "-" ? await terminal.readInput(LIMITS.jobFileBytesMax) : files.readText(full);
  if (text === null) throw new EdgeError("invalid", `the file ${path} does not exist`, { hint: "`edgectl node pool init` writes an example" });
  const fileName = path === "-" ? "standard input" : path;
  return /^\s*\{/.test(text) ? poolOfJson(text, fileName) : poolOfTable(await tableOf(text, fileName), fileName);
}

// --- internal ---

const KEYS = ["name", "description", "meta", "scheduler_config"];
const SCHEDULER_KEYS = ["scheduler_algorithm", "memory_oversubscription_enabled"];

type Table = ReadonlyMap<string, unknown>;

async function tableOf(text: string, fileName: string): Promise<Table> {
  const { readToml } = await import("../../../internal/jobspec/toml-source.ts");
  const source = await readToml(text);
  if (source.kind !== "table") throw new EdgeError("invalid", `${fileName}:${source.line}:${source.column}: ${source.message}`);
  const [problem] = source.problems;
  if (problem) throw new EdgeError("invalid", `${fileName}: ${problem.sourcePath.join(".")}: ${problem.message}`);
  return source.table;
}

function poolOfTable(table: Table, fileName: string): WireNodePool {
  checkKeys(table, KEYS, fileName);
  const scheduler = inner(table, "scheduler_config", fileName);
  if (scheduler) checkKeys(scheduler, SCHEDULER_KEYS, fileName);
  const oversubscription = scheduler?.get("memory_oversubscription_enabled") ?? null;
  if (oversubscription !== null && typeof oversubscription !== "boolean")
    throw new EdgeError("invalid", `${fileName}: memory_oversubscription_enabled must be true or false`);
  const meta = inner(table, "meta", fileName);
  return {
    Name: text(table, "name", fileName),
    Description: text(table, "description", fileName),
    Meta: meta ? Object.fromEntries([...meta].map(([key, value]) => [key, String(value)])) : null,
    SchedulerConfiguration: scheduler
      ? { SchedulerAlgorithm: text(scheduler, "scheduler_algorithm", fileName), MemoryOversubscriptionEnabled: oversubscription }
      : null,
  };
}

function poolOfJson(json: string, fileName: string): WireNodePool {
  try {
    return JSON.parse(json) as WireNodePool; // the server checks it field by field
  } catch (error) {
    throw new EdgeError("invalid", `${fileName} is no JSON: ${error instanceof Error ? error.message : "unreadable"}`, { cause: error });
  }
}

function checkKeys(table: Table, known: readonly string[], fileName: string): void {
  for (const key of table.keys()) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    throw new EdgeError("invalid", `${fileName}: a node pool has no "${key}"`, {
      hint: near ? `did you mean ${near}?` : `it has ${known.join(", ")}`,
    });
  }
}

function text(table: Table, key: string, fileName: string): string {
  const value = table.get(key) ?? "";
  if (typeof value !== "string") throw new EdgeError("invalid", `${fileName}: ${key} must be text in quotes`);
  return value;
}

function inner(table: Table, key: string, fileName: string): Table | null {
  const value = table.get(key);
  if (value === undefined) return null;
  if (!(value instanceof Map)) throw new EdgeError("invalid", `${fileName}: ${key} must be a table: [${key}]`);
  return value;
}
