// One line of the doctor.

export interface Finding {
  readonly check: string;
  readonly result: "ok" | "warn" | "fail";
  readonly message: string;
  /** What to type or change; "" when there is nothing to mend. */
  readonly fix: string;
}

export function ok(check: string, message: string): Finding {
  return { check, result: "ok", message, fix: "" };
}

export function warn(check: string, message: string, fix: string): Finding {
  return { check, result: "warn", message, fix };
}

export function fail(check: string, message: string, fix: string): Finding {
  return { check, result: "fail", message, fix };
}
