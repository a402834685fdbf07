// Rules of services and their checks.

import type { Service, ServiceCheck } from "../job.ts";
import type { JobProblem, PathPart } from "./read.ts";

type Path = readonly PathPart[];

export function serviceProblems(service: Service, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  // Names may hold ${...}, which is known only where the task runs.
  const name = service.name.replace(/\$\{[^{}]*\}/g, "x");
  if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(name)) {
    problems.push({
      path: [...path, "name"],
      message: `a service's name may hold letters, digits and -, 63 at most; "${service.name}" does not fit`,
    });
  }
  if (!["auto", "host", "driver", "alloc", "alloc_ipv6"].includes(service.addressMode)) {
    problems.push({ path: [...path, "addressMode"], message: "`address_mode` must be auto, host, driver, alloc or alloc_ipv6" });
  }
  if (service.address !== "" && service.addressMode !== "auto")
    problems.push({ path: [...path, "address"], message: '`address` needs `address_mode = "auto"`' });
  if (!["require_healthy", "ignore_warnings", "ignore"].includes(service.onUpdate)) {
    problems.push({ path: [...path, "onUpdate"], message: "`on_update` must be require_healthy, ignore_warnings or ignore" });
  }
  if (service.connect && service.provider === "nomad")
    problems.push({ path: [...path, "connect"], message: '`connect` needs `provider = "consul"`' });
  return [...problems, ...service.checks.flatMap((check, index) => checkProblems(check, service, [...path, "checks", index]))];
}

// --- internal ---

function checkProblems(check: ServiceCheck, service: Service, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof ServiceCheck, message: string) => problems.push({ path: [...path, key], message });
  if (check.intervalMs < 1000) at("intervalMs", "`interval` of a check must be at least 1s");
  if (check.timeoutMs < 1000) at("timeoutMs", "`timeout` of a check must be at least 1s");
  if (check.type === "http" && check.path === "") at("path", "an http check needs `path`");
  if (check.type === "http" && /^[a-z]+:\/\//.test(check.path)) at("path", "`path` must be relative, without a host");
  if (check.type === "script" && check.command === "") at("command", "a script check needs `command`");
  if (service.provider === "nomad" && (check.type === "grpc" || check.type === "script"))
    at("type", 'with `provider = "nomad"` checks are http or tcp');
  if (check.checkRestart && check.checkRestart.limit > 0 && check.onUpdate === "ignore") {
    at("checkRestart", '`check_restart` and `on_update = "ignore"` exclude each other');
  }
  return problems;
}
