// The checks of an alloc as this node makes them: whom they ask, how often, and for which tasks. Pure.

import type { CheckRule } from "../../device/checks.ts";
import type { CheckStatus } from "../../domain/check.ts";
import type { ServiceCheck, TaskGroup } from "../../domain/job.ts";
import { addressOf, type ServiceAddress } from "../../domain/service-address.ts";
import type { HttpProbe } from "../../runtime/probe.ts";
import { hostAddressOf, type OwnedService, type ServiceOwner, servicesOf, serviceTexts } from "../service-env.ts";

export type Probe =
  | ({ readonly kind: "tcp" } & ServiceAddress)
  | ({ readonly kind: "http" } & HttpProbe)
  | { readonly kind: "script"; readonly task: string; readonly command: readonly string[] }
  /** It cannot be made as it stands; each try says why. */
  | { readonly kind: "none"; readonly reason: string };

export interface PlannedCheck {
  /** Stays the same over starts of the alloc. */
  readonly key: string;
  readonly name: string;
  readonly service: string;
  /** "" = the group's. */
  readonly task: string;
  readonly onUpdate: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rule: CheckRule;
  readonly probe: Probe;
  /** Made while all of these run; a restart is theirs. */
  readonly tasks: readonly string[];
}

export function planChecks(owner: ServiceOwner): readonly PlannedCheck[] {
  return servicesOf(owner.group).flatMap((owned, place) =>
    owned.service.checks.map((check, index) => planOne(owner, owned, check, `${place}.${index}`)),
  );
}

// --- internal ---

const INITIAL: Readonly<Record<string, CheckStatus>> = { passing: "success", warning: "warning", critical: "failure" };

function planOne(owner: ServiceOwner, owned: OwnedService, check: ServiceCheck, place: string): PlannedCheck {
  const { service } = owned;
  const task = check.task || owned.task;
  const text = serviceTexts(owner, task);
  const name = text(service.name);
  return {
    key: `${place}/${name}/${check.name}`,
    name: text(check.name) || `service: "${name}" check`,
    service: name,
    task,
    onUpdate: check.onUpdate || service.onUpdate,
    intervalMs: check.intervalMs,
    timeoutMs: check.timeoutMs,
    rule: {
      initial: INITIAL[check.initialStatus] ?? "pending",
      successBeforePassing: check.successBeforePassing,
      failuresBeforeWarning: check.failuresBeforeWarning,
      failuresBeforeCritical: check.failuresBeforeCritical,
      restart: check.checkRestart ?? service.checkRestart,
    },
    probe: probeOf(owner, owned, check, text),
    tasks: task === "" ? mainTasks(owner.group) : [task],
  };
}

function mainTasks(group: TaskGroup): readonly string[] {
  return group.tasks.filter((task) => task.lifecycle === null || task.lifecycle.sidecar).map((task) => task.name);
}

function probeOf(owner: ServiceOwner, owned: OwnedService, check: ServiceCheck, text: (text: string) => string): Probe {
  if (check.type === "script")
    return { kind: "script", task: check.task || owned.task, command: [text(check.command), ...check.args.map((word) => text(word))] };
  if (check.type === "grpc") return { kind: "none", reason: "grpc checks are not carried out" };
  const port = text(check.port || owned.service.port);
  const found = addressOf(port, owner.alloc.resources.ports, hostAddressOf(owner.node));
  if (found === null || found.port === 0) return { kind: "none", reason: `the group has no port "${port}"` };
  if (check.type === "tcp") return { kind: "tcp", ...found };
  const header = Object.entries(check.header).map(([key, values]) => [text(key), values.map((value) => text(value))] as const);
  return {
    kind: "http",
    ...found,
    protocol: check.protocol === "https" ? "https" : "http",
    path: text(check.path).replace(/^\/?/, "/"),
    method: check.method || "GET",
    headers: Object.fromEntries(header),
    body: text(check.body),
    isVerified: !check.tlsSkipVerify,
    serverName: text(check.tlsServerName),
  };
}
