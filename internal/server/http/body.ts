// Request bodies: bounded, parsed once, read field by field.

import type { JsonObject } from "../../api/wire.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Exchange } from "./reply.ts";

/** The body as a JSON object; an empty body is an empty object. */
export async function jsonBody(exchange: Exchange): Promise<JsonObject> {
  const text = await readText(exchange);
  if (text === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EdgeError("invalid", `the request body is no JSON: ${error instanceof Error ? error.message : "unreadable"}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new EdgeError("invalid", "the request body must be a JSON object");
  return value as JsonObject;
}

export function textField(body: JsonObject, name: string): string {
  const value = body[name];
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw new EdgeError("invalid", `field "${name}" must be a string`);
  return value;
}

/** Null when the field is absent. */
export function numberField(body: JsonObject, name: string): number | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isFinite(value)) throw new EdgeError("invalid", `field "${name}" must be a number`);
  return value;
}

export function isTrue(body: JsonObject, name: string): boolean {
  return body[name] === true;
}

export function mapField(body: JsonObject, name: string): Readonly<Record<string, string>> {
  const value = body[name];
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw new EdgeError("invalid", `field "${name}" must be an object`);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, String(entry)]));
}

// --- internal ---

/** The runtime breaks a body off that grows beyond the limit; how it says so differs. */
async function readText(exchange: Exchange): Promise<string> {
  try {
    return await exchange.request.text();
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    throw new EdgeError("too-large", `the request body broke off, or is larger than ${LIMITS.requestBodyBytesMax} bytes (requestBodyBytesMax)`, {
      cause: error,
    });
  }
}
