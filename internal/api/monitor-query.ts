// What /v1/agent/monitor is asked for.

import { EdgeError } from "../domain/errors.ts";

export interface MonitorQuery {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "text" | "json";
  readonly isPlain: boolean;
  /** "" = the agent that is asked. */
  readonly nodeId: string;
  readonly serverId: string;
}

/** Throws `invalid` as Nomad does. */
export function parseMonitorQuery(params: URLSearchParams): MonitorQuery {
  const level = params.get("log_level") || "info";
  const known = LEVELS[level.trim().toLowerCase()];
  if (known === undefined)
    throw new EdgeError("invalid", `Unknown log level: ${level.slice(0, 100)}`, { hint: "trace, debug, info, warn and error are known" });
  const [nodeId, serverId] = [params.get("node_id") ?? "", params.get("server_id") ?? ""];
  if (nodeId !== "" && serverId !== "") throw new EdgeError("invalid", "Cannot target node and server simultaneously");
  return {
    level: known,
    format: booleanOf(params, "log_json") ? "json" : "text",
    isPlain: booleanOf(params, "plain"),
    nodeId,
    serverId,
  };
}

// --- internal ---

const LEVELS: Readonly<Record<string, MonitorQuery["level"]>> = { trace: "debug", debug: "debug", info: "info", warn: "warn", error: "error" };

function booleanOf(params: URLSearchParams, name: string): boolean {
  const text = params.get(name) ?? "";
  if (text === "" || /^(?:0|f|false)$/i.test(text)) return false;
  if (/^(?:1|t|true)$/i.test(text)) return true;
  throw new EdgeError("invalid", `Unknown option for ${name.replace("_", " ")}: "${text.slice(0, 100)}" is not a boolean`);
}
