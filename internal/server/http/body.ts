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

/** The body as it came. Throws `too-large`, at the latest when more than the limit was read. */
export async function boundedBytes(request: Request, bytesMax: number, limitName: string): Promise<Uint8Array> {
  const tooLarge = (cause?: unknown) =>
    new EdgeError("too-large", `the request body broke off, or is larger than ${bytesMax} bytes (${limitName})`, { cause });
  const announced = request.headers.get("Content-Length");
  if (Number(announced ?? 0) > bytesMax) throw tooLarge();
  try {
    // What is announced is not exceeded: the runtime reads no more than that.
    if (announced !== null) return new Uint8Array(await request.arrayBuffer());
    return await readPieces(request, bytesMax, tooLarge);
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    // The runtime breaks a body off that grows beyond its own limit; how it says so differs.
    throw tooLarge(error);
  }
}

/** How large a request to this path may be: one says how much is read before anything else is known. */
export function bodyLimitOf(path: string): { readonly bytesMax: number; readonly limitName: string } {
  if (path.startsWith("/v1/operator/upgrade/program/")) return { bytesMax: LIMITS.upgradeProgramBytesMax, limitName: "upgradeProgramBytesMax" };
  return path === "/v1/operator/snapshot"
    ? { bytesMax: LIMITS.snapshotBytesMax, limitName: "snapshotBytesMax" }
    : { bytesMax: LIMITS.requestBodyBytesMax, limitName: "requestBodyBytesMax" };
}

// --- internal ---

async function readText({ request }: Exchange): Promise<string> {
  return new TextDecoder().decode(await boundedBytes(request, LIMITS.requestBodyBytesMax, "requestBodyBytesMax"));
}

async function readPieces(request: Request, bytesMax: number, tooLarge: () => EdgeError): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) break;
    length += piece.value.length;
    if (length > bytesMax) throw tooLarge();
    pieces.push(piece.value);
  }
  return Buffer.concat(pieces, length);
}
