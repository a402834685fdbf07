// What nodes know of drivers that are not edgectl's own: a key that none of them takes, a volume that none of them gives,
// is refused at once.

import type { JobSpec } from "../../domain/job.ts";
import type { JobProblem } from "../../domain/job-model/read.ts";
import type { View } from "../../domain/view.ts";
import { type ConfigTable, readConfigTable, tableProblems } from "../../runner/drivers/external/config-table.ts";
import { OWN_DRIVERS } from "../../runner/drivers/registry.ts";
import { givesNoVolumes } from "../../scheduler/feasible.ts";

/** A driver that no node has yet is left to those that will; of several versions one that takes the config is enough. */
export function externalConfigProblems(spec: JobSpec, view: View): JobProblem[] {
  const tables = new Map<string, readonly ConfigTable[]>();
  return spec.groups.flatMap((group, g) =>
    group.tasks.flatMap((task, t) => {
      if (OWN_DRIVERS.includes(task.driver)) return [];
      const known = tables.get(task.driver) ?? tablesOf(task.driver, view);
      tables.set(task.driver, known);
      const problems = known.map((table) => tableProblems(task.driver, table, task.config));
      const first = problems.some((list) => list.length === 0) ? undefined : problems[0];
      const place = ["groups", g, "tasks", t];
      const found = (first ?? []).map(({ path, message }) => ({ path: [...place, "config", ...path], message }));
      if (task.volumeMounts.length === 0 || !isWithoutVolumes(task.driver, view)) return found;
      return [...found, { path: [...place, "volumeMounts", 0], message: `the driver ${task.driver} gives its tasks no volumes on any node` }];
    }),
  );
}

// --- internal ---

function tablesOf(driver: string, view: View): readonly ConfigTable[] {
  const texts = new Set<string>();
  for (const node of view.nodes()) {
    const text = node.attributes[`driver.${driver}.config`];
    if (text !== undefined) texts.add(text);
  }
  return [...texts].map(parse).filter((table): table is ConfigTable => typeof table !== "string");
}

function isWithoutVolumes(driver: string, view: View): boolean {
  const nodes = [...view.nodes()].filter((node) => node.attributes[`driver.${driver}.config`] !== undefined);
  return nodes.length > 0 && nodes.every((node) => givesNoVolumes(node, driver));
}

/** A node may be of another version: what cannot be read forbids nothing. */
function parse(text: string): ConfigTable | string {
  try {
    return readConfigTable(JSON.parse(text));
  } catch {
    return "is no JSON";
  }
}
