// Rules of services and their checks.

import type { Service, ServiceCheck, TaskGroup } from "../job.ts";
import { LIMITS } from "../limits.ts";
import { isPortNumber } from "../service-address.ts";
import type { JobProblem, PathPart } from "./read.ts";

type Path = readonly PathPart[];

/** `owner` is the task that the service stands in, "" for one of the group. */
export function serviceProblems(service: Service, path: Path, group: TaskGroup, owner: string): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof Service, message: string) => problems.push({ path: [...path, key], message });
  // Names may hold ${...}, which is known only where the task runs.
  const name = service.name.replace(/\$\{[^{}]*\}/g, "x");
  if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(name))
    at("name", `a service's name may hold letters, digits and -, 63 at most; "${service.name}" does not fit`);
  if (!["auto", "host", "driver", "alloc", "alloc_ipv6"].includes(service.addressMode))
    at("addressMode", "`address_mode` must be auto, host, driver, alloc or alloc_ipv6");
  if (service.address !== "" && service.addressMode !== "auto") at("address", '`address` needs `address_mode = "auto"`');
  if (!ON_UPDATE.includes(service.onUpdate)) at("onUpdate", "`on_update` must be require_healthy, ignore_warnings or ignore");
  if (service.connect && service.provider === "nomad") at("connect", '`connect` needs `provider = "consul"`');
  const wrongPort = portProblem(service.port, group);
  if (wrongPort !== null) at("port", wrongPort);
  const wrongTask = taskProblem(service.task, group);
  if (wrongTask !== null) at("task", wrongTask);
  return [...problems, ...service.checks.flatMap((check, index) => checkProblems(check, service, [...path, "checks", index], { group, owner }))];
}

/** How many services a group and its tasks have together, and checks. */
export function serviceCountProblems(group: TaskGroup, path: Path): readonly JobProblem[] {
  const services = [...group.services, ...group.tasks.flatMap((task) => task.services)];
  const checks = services.flatMap((service) => service.checks);
  const of = (count: number, max: number, noun: string, limit: string): readonly JobProblem[] =>
    count <= max ? [] : [{ path, message: `a group may have ${max} ${noun} at most with its tasks (${limit}), this one has ${count}` }];
  return [
    ...of(services.length, LIMITS.servicesPerGroupMax, "services", "servicesPerGroupMax"),
    ...of(checks.length, LIMITS.checksPerGroupMax, "checks", "checksPerGroupMax"),
  ];
}

// --- internal ---

const ON_UPDATE = ["require_healthy", "ignore_warnings", "ignore"];

interface Place {
  readonly group: TaskGroup;
  readonly owner: string;
}

function checkProblems(check: ServiceCheck, service: Service, path: Path, { group, owner }: Place): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof ServiceCheck, message: string) => problems.push({ path: [...path, key], message });
  if (check.intervalMs < 1000) at("intervalMs", "`interval` of a check must be at least 1s");
  if (check.timeoutMs < 1000) at("timeoutMs", "`timeout` of a check must be at least 1s");
  if (check.type === "http" && check.path === "") at("path", "an http check needs `path`");
  if (check.type === "http" && /^[a-z]+:\/\//.test(check.path)) at("path", "`path` must be relative, without a host");
  if (!["", "http", "https"].includes(check.protocol)) at("protocol", `\`protocol\` must be http or https, is "${check.protocol}"`);
  if (!/^[A-Za-z]*$/.test(check.method)) at("method", `\`method\` must be one such as GET, is "${check.method}"`);
  for (const [name, values] of Object.entries(check.header))
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || values.some((value) => /[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)))
      problems.push({ path: [...path, "header", name], message: `"${name}" is no HTTP header that can be sent` });
  if (check.type === "script") {
    if (check.command === "") at("command", "a script check needs `command`");
    if (owner === "" && service.task === "" && check.task === "")
      at("task", "a script check of a group's service needs `task`: the one whose command it is");
  }
  if (check.type === "http" || check.type === "tcp") {
    const wrong = portProblem(check.port, group);
    if (wrong !== null) at("port", wrong);
    else if (check.port === "" && service.port === "") at("port", `a ${check.type} check needs a \`port\`, its own or its service's`);
  }
  const wrongTask = taskProblem(check.task, group);
  if (wrongTask !== null) at("task", wrongTask);
  if (!["", "passing", "warning", "critical"].includes(check.initialStatus))
    at("initialStatus", "`initial_status` must be passing, warning or critical");
  if (!["", ...ON_UPDATE].includes(check.onUpdate)) at("onUpdate", "`on_update` must be require_healthy, ignore_warnings or ignore");
  const restart = check.checkRestart ?? service.checkRestart;
  if (restart && restart.limit > 0 && (check.onUpdate || service.onUpdate) === "ignore") {
    at("checkRestart", '`check_restart` and `on_update = "ignore"` exclude each other');
  }
  return problems;
}

/** What a node puts in place of ${...} is looked at there. */
function portProblem(port: string, group: TaskGroup): string | null {
  if (port === "" || port.includes("${") || isPortNumber(port)) return null;
  const labels = group.networks.flatMap((network) => network.ports.map((known) => known.label));
  return labels.includes(port) ? null : `the group has no port "${port}" (it has ${labels.join(", ") || "none"})`;
}

function taskProblem(name: string, group: TaskGroup): string | null {
  const names = group.tasks.map((task) => task.name);
  return name === "" || names.includes(name) ? null : `the group has no task "${name}" (it has ${names.join(", ")})`;
}
