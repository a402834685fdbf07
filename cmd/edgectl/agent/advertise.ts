// The address under which this server is told to others: what is set, else where it listens.

import { EdgeError } from "../../../internal/domain/errors.ts";

/** A host with an optional port; null for no such text. An IPv6 address stands in brackets, with or without a port. */
export function parseAdvertise(text: string): { readonly host: string; readonly port: number | null } | null {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[2] === undefined ? null : Number(match[2]);
  return match?.[1] === undefined || port === 0 || (port ?? 1) > 65_535 ? null : { host: match[1], port };
}

/** Throws `config` for an address that nobody could dial. */
export function checkAdvertise(text: string): void {
  if (text === "" || parseAdvertise(text)) return;
  throw new EdgeError("config", `advertise "${text}" is neither a host nor host:port`, { hint: "write it like 10.0.0.5 or 10.0.0.5:4646" });
}

/** host:port. Whoever listens on every address and says nothing is found by its own machine alone. */
export function advertisedAddress({ advertise, bind, port }: { readonly advertise: string; readonly bind: string; readonly port: number }): string {
  const said = parseAdvertise(advertise);
  if (said) return `${said.host}:${said.port ?? port}`;
  if (bind === "0.0.0.0") return `127.0.0.1:${port}`;
  if (bind === "::") return `[::1]:${port}`;
  return `${bind.includes(":") ? `[${bind}]` : bind}:${port}`;
}
