// The lines that edgectl and a driver of somebody else's exchange, read with distrust. docs/external-drivers.md tells them.

import type { Exit } from "../../../device/restart.ts";
import type { Json, JsonMap } from "../../../domain/job.ts";
import { LIMITS } from "../../../domain/limits.ts";
import type { DriverState } from "../driver.ts";
import { type ConfigTable, readConfigTable } from "./config-table.ts";

export const PROTOCOL = 1;

export type Heard =
  | { readonly kind: "result"; readonly id: number; readonly result: JsonMap }
  | { readonly kind: "error"; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: "event"; readonly event: string; readonly params: JsonMap }
  | { readonly kind: "broken"; readonly reason: string };

/** What one line says; "broken" when it is none of the protocol's. */
export function readLine(line: string): Heard {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { kind: "broken", reason: `it wrote a line that is no JSON: ${shown(line)}` };
  }
  if (!isMap(value)) return { kind: "broken", reason: `it wrote a line that is no object: ${shown(line)}` };
  if (typeof value.event === "string") return { kind: "event", event: value.event, params: isMap(value.params) ? value.params : {} };
  if (!Number.isSafeInteger(value.id)) return { kind: "broken", reason: `it wrote a line with neither id nor event: ${shown(line)}` };
  const id = Number(value.id);
  if (isMap(value.error)) {
    const { code, message } = value.error;
    return { kind: "error", id, code: String(code ?? "failed"), message: clipped(String(message ?? "the driver gives no reason")) };
  }
  if (isMap(value.result)) return { kind: "result", id, result: value.result };
  return { kind: "broken", reason: `its answer has neither result nor error: ${shown(line)}` };
}

/** Lines out of pieces; null once one is longer than it may be. */
export class LineReader {
  readonly #decoder = new TextDecoder();
  #rest = "";

  push(bytes: Uint8Array): readonly string[] | null {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    if ([this.#rest, ...lines].some((line) => line.length > LIMITS.driverLineCharsMax)) return null;
    return lines.filter((line) => line.trim() !== "");
  }
}

/** What a driver says of itself when it is greeted. */
export interface Introduction {
  readonly version: string;
  readonly abilities: readonly string[];
  readonly config: ConfigTable;
  readonly stopSignal: string;
}

export function readIntroduction(result: JsonMap): Introduction | string {
  if (result.protocol !== PROTOCOL) return `it speaks protocol ${shown(JSON.stringify(result.protocol ?? null))}, edgectl speaks ${PROTOCOL}`;
  const config = readConfigTable(result.config ?? {});
  if (typeof config === "string") return `the config of its hello ${config}`;
  const stopSignal = String(result.stop_signal ?? "SIGTERM");
  if (!/^SIG[A-Z0-9]{2,10}$/.test(stopSignal)) return `its stop_signal ${shown(stopSignal)} is no signal`;
  const abilities = (Array.isArray(result.abilities) ? result.abilities.map(String) : []).filter((name) => /^[a-z][a-z_-]{0,31}$/.test(name));
  return { version: clipped(String(result.version ?? "")), abilities, config, stopSignal };
}

export function readState(result: JsonMap): DriverState {
  const attributes = isMap(result.attributes) ? result.attributes : {};
  const entries = Object.entries(attributes).slice(0, LIMITS.driverAttributesMax);
  return {
    detected: result.detected !== false,
    healthy: result.healthy === true,
    description: clipped(String(result.description ?? (result.healthy === true ? "Healthy" : "the driver says it is not healthy"))),
    attributes: Object.fromEntries(entries.map(([key, value]) => [key, clipped(String(value))])),
  };
}

/** An answer that says no code is of a task whose end nobody knows. */
export function readExit(result: JsonMap): Exit {
  const whole = (value: Json | undefined, max: number) =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) <= max ? Number(value) : null;
  return { code: whole(result.exit_code, 255), signal: whole(result.signal, 64) ?? 0, isOom: result.oom === true };
}

export type Found =
  | { readonly state: "running"; readonly handle: Json }
  | { readonly state: "ended"; readonly exit: Exit }
  | { readonly state: "unknown" };

export function readFound(result: JsonMap): Found {
  if (result.state === "running" && isHandle(result.handle ?? null)) return { state: "running", handle: result.handle ?? null };
  if (result.state === "ended") return { state: "ended", exit: readExit(isMap(result.exit) ? result.exit : {}) };
  return { state: "unknown" };
}

/** What a driver gives to find its task again: anything, as long as it is small. */
export function isHandle(value: Json): boolean {
  return JSON.stringify(value).length <= LIMITS.driverHandleCharsMax;
}

export function isMap(value: unknown): value is JsonMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// --- internal ---

const SHOWN_CHARS = 100;

function shown(text: string): string {
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}...` : text;
}

function clipped(text: string): string {
  return text.slice(0, LIMITS.problemCharsMax);
}
