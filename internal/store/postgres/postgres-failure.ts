// What PostgreSQL, the network or TLS said, as an error of ours: what failed, where, and what to do. Statements and their
// parameters, which hold jobs, never get into a message.

import { DrizzleQueryError } from "drizzle-orm";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import type { PostgresTarget } from "./postgres-url.ts";
import { titleOf } from "./postgres-url.ts";

/** Where it happened: one host while connecting, the whole store later. */
export interface Place {
  readonly target: PostgresTarget;
  readonly host: string;
}

/** The error below drizzle's wrapping, which quotes statements. */
export function innermost(error: unknown): unknown {
  let current = error;
  while (current instanceof DrizzleQueryError && current.cause !== undefined) current = current.cause;
  return current;
}

/** SQLSTATE, or the system's word for what went wrong with a socket. */
export function codeOf(error: unknown): string {
  return String((innermost(error) as { readonly code?: unknown } | null)?.code ?? "");
}

/** Whether the connection is gone, or of no use any more. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  return /^(?:CONNECTION_|E[A-Z]{3,})/.test(code) || LOST.includes(code);
}

export function describeFailure(error: unknown, { target, host }: Place): EdgeError {
  const cause = innermost(error);
  if (cause instanceof EdgeError) return cause;
  const [code, said] = [codeOf(cause), messageOf(cause)];
  const refused = (message: string, hint: string) => new EdgeError("config", message, { hint, cause });
  const away = (message: string, hint: string) => new EdgeError("unreachable", message, { hint, cause, isRetryable: true });
  switch (code) {
    case "28P01":
      return refused(
        `PostgreSQL at ${host} refuses the password of user "${target.user}"`,
        "check the password in the store's URL, or in PGPASSWORD where the URL has none",
      );
    case "28000":
      return refused(
        `PostgreSQL at ${host} does not let user "${target.user}" in: ${said}`,
        "look into the server's pg_hba.conf, and at sslmode in the URL",
      );
    case "3D000":
      return refused(`PostgreSQL at ${host} has no database "${target.database}"`, `create it: createdb -O ${target.user} ${target.database}`);
    case "42501":
      return refused(
        `user "${target.user}" may not do what edgectl needs in ${titleOf(target)}: ${said}`,
        `let the user own the schema: GRANT CREATE ON DATABASE ${target.database} TO ${target.user}`,
      );
    case "42P01":
    case "42703":
    case "3F000":
      return new EdgeError("store-corrupt", `the schema edgectl in ${titleOf(target)} is not as edgectl left it: ${said}`, {
        hint: "use a database whose schema edgectl is empty or edgectl's own, or bring back a backup",
        cause,
      });
    case "53100":
      return new EdgeError("store-full", `PostgreSQL at ${host} has no room left on its disk`, {
        hint: "free some space there; nothing was written",
        cause,
        isRetryable: true,
      });
    case "55P03":
      return new EdgeError("busy", `another process kept ${titleOf(target)} locked`, { cause, isRetryable: true });
    case "57014":
      return away(`PostgreSQL at ${host} took too long: ${said}`, "look at its load and its disk");
    case "25006":
      return away(`PostgreSQL at ${host} takes no writes: it is a standby`, "name the primary in the store's URL too, separated by a comma");
    case "57P03":
      return away(`PostgreSQL at ${host} takes no connections now: ${said}`, "it is tried again; the server's log says what it is busy with");
    case "53300":
      return away(`PostgreSQL at ${host} has no connection left`, "raise its max_connections; a server of edgectl needs four");
    case "ECONNREFUSED":
      return away(`nothing listens at ${host}`, "check host and port in the store's URL, and that PostgreSQL runs");
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "DNS_ENOTFOUND":
      return away(`the host of ${host} is not known here`, "check its name in the store's URL, and this machine's name server");
    case "ENOENT":
      return away(`there is no PostgreSQL socket for ${host}`, "check the folder in the store's URL, and that PostgreSQL runs");
  }
  if (isConnectionLost(cause))
    return away(`the connection to PostgreSQL at ${host} broke: ${said}`, "it is made again as soon as PostgreSQL answers");
  return new EdgeError("internal", `PostgreSQL at ${host} answered: ${said}${code === "" ? "" : ` (${code})`}`, { cause });
}

// --- internal ---

/** Shutdown, crash of another backend, not yet or no longer taking connections, idle for too long, a standby now. */
const LOST = ["57P01", "57P02", "57P03", "57P05", "25P03", "25006", "08006", "08003", "08000"];
