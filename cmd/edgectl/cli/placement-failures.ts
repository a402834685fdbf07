// Why work could not be placed, in Nomad's sentences: what filtered how many nodes, and which resource ran out.

import type { WireMetric } from "./wire-types.ts";

/** Lines for each group that could not be placed; empty when all were. */
export function placementFailureLines(failed: Readonly<Record<string, WireMetric>> | null | undefined): string[] {
  return Object.entries(failed ?? {}).flatMap(([group, metric]) => {
    const count = (metric.CoalescedFailures ?? 0) + 1;
    return [
      `Task Group "${group}" (failed to place ${count} allocation${count === 1 ? "" : "s"}):`,
      ...metricLines(metric).map((line) => `  * ${line}`),
    ];
  });
}

/** One sentence for each reason. */
export function metricLines(metric: WireMetric): string[] {
  const lines: string[] = [];
  const available = Object.entries(metric.NodesAvailable ?? {});
  if (metric.NodesEvaluated === 0) {
    lines.push(
      metric.NodesInPool === 0 ? "No node of the job's pool is ready and eligible (edgectl node status)" : "No nodes were eligible for evaluation",
    );
    for (const [datacenter, count] of available) if (count === 0) lines.push(`No nodes are available in datacenter "${datacenter}"`);
  }
  for (const [name, count] of Object.entries(metric.ClassFiltered ?? {})) lines.push(`Class "${name}": ${nodes(count)} excluded by filter`);
  for (const [name, count] of Object.entries(metric.ConstraintFiltered ?? {})) lines.push(`Constraint "${name}": ${nodes(count)} excluded by filter`);
  if (metric.NodesExhausted > 0) lines.push(`Resources exhausted on ${nodes(metric.NodesExhausted)}`);
  for (const [name, count] of Object.entries(metric.DimensionExhausted ?? {})) lines.push(`Dimension "${name}" exhausted on ${nodes(count)}`);
  return lines.length === 0 ? ["No reason was recorded"] : lines;
}

// --- internal ---

function nodes(count: number): string {
  return `${count} node${count === 1 ? "" : "s"}`;
}
