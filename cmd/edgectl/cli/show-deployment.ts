// Deployments for a person: found by the beginning of an id, told in one line, or shown whole.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Call } from "./command.ts";
import { isUuidPrefix } from "./find.ts";
import { instantOrNothing, shortId } from "./times.ts";
import type { WireDeployment } from "./wire-types.ts";

/** The one deployment whose id begins so. Throws `not-found` for none, `invalid` for several. */
export async function findDeployment(call: Call, prefix: string): Promise<WireDeployment> {
  const found = isUuidPrefix(prefix) ? await deploymentsByPrefix(call, prefix) : [];
  const [first] = found;
  if (!first)
    throw new EdgeError("not-found", `no deployment has the id "${prefix}" or begins with it`, { hint: "`edgectl deployment list` lists them" });
  if (found.length === 1) return first;
  const names = found.slice(0, NAMES_SHOWN_MAX).map((one) => `  ${one.ID} (job ${one.JobID}, ${one.Status})`);
  throw new EdgeError("invalid", `"${prefix}" is the beginning of several deployments:\n${names.join("\n")}`, { hint: "type more of the id" });
}

export async function deploymentsByPrefix(call: Pick<Call, "api">, prefix: string): Promise<readonly WireDeployment[]> {
  const digits = prefix.toLowerCase().replaceAll("-", "");
  const even = digits.length % 2 === 1 ? digits.slice(0, -1) : digits;
  const found = (await call.api.get<readonly WireDeployment[] | null>("/v1/deployments", { prefix: even })) ?? [];
  return found.filter((one) => one.ID.replaceAll("-", "").startsWith(digits));
}

export function hasEnded(deployment: Pick<WireDeployment, "Status">): boolean {
  return ["successful", "failed", "cancelled"].includes(deployment.Status);
}

/** Whether nothing goes on before somebody promotes it. */
export function awaitsPromotion(deployment: WireDeployment): boolean {
  const waiting = Object.values(deployment.TaskGroups ?? {}).filter((group) => group.DesiredCanaries > 0 && !group.Promoted);
  const isHealthy = waiting.every((group) => group.HealthyAllocs >= group.DesiredCanaries);
  return deployment.Status === "running" && waiting.length > 0 && isHealthy && !waiting.every((group) => group.AutoPromote);
}

/** How far it has come, in one line. */
export function deploymentLine(deployment: WireDeployment, isVerbose: boolean): string {
  const groups = Object.entries(deployment.TaskGroups ?? {}).map(([name, group]) => {
    const isCanarying = group.DesiredCanaries > 0 && !group.Promoted;
    const wanted = isCanarying ? `${group.DesiredCanaries} canaries` : String(group.DesiredTotal);
    return `${name}: ${group.HealthyAllocs} of ${wanted} healthy${group.UnhealthyAllocs > 0 ? `, ${group.UnhealthyAllocs} unhealthy` : ""}`;
  });
  return `Deployment "${shortId(deployment.ID, isVerbose)}" is ${deployment.Status}; ${groups.join("; ")}`;
}

export function showDeployment(call: Call, deployment: WireDeployment): void {
  call.output.pairs([
    ["ID", shortId(deployment.ID, call.isVerbose)],
    ["Job ID", deployment.JobID],
    ["Job Version", deployment.JobVersion],
    ["Status", deployment.Status],
    ["Description", deployment.StatusDescription],
  ]);
  showDeployed(call, deployment);
}

export function showDeployed(call: Call, deployment: WireDeployment): void {
  const groups = Object.entries(deployment.TaskGroups ?? {});
  const hasCanaries = groups.some(([, group]) => group.DesiredCanaries > 0);
  call.output.title("Deployed");
  call.output.table(
    [
      "Task Group",
      "Auto Revert",
      ...(hasCanaries ? ["Promoted"] : []),
      "Desired",
      ...(hasCanaries ? ["Canaries"] : []),
      "Placed",
      "Healthy",
      "Unhealthy",
      "Progress Deadline",
    ],
    groups.map(([name, group]) => [
      name,
      String(group.AutoRevert),
      ...(hasCanaries ? [group.DesiredCanaries > 0 ? String(group.Promoted) : "N/A"] : []),
      String(group.DesiredTotal),
      ...(hasCanaries ? [group.DesiredCanaries > 0 ? String(group.DesiredCanaries) : "N/A"] : []),
      String(group.PlacedAllocs),
      String(group.HealthyAllocs),
      String(group.UnhealthyAllocs),
      instantOrNothing(group.RequireProgressBy),
    ]),
  );
}

// --- internal ---

const NAMES_SHOWN_MAX = 10;
