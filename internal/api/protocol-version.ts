// Which version of the node protocol two programs speak with each other: the highest that both know.

import { EdgeError } from "../domain/errors.ts";
import type { Hello } from "./hello.ts";
import { PROTOCOL_VERSION, PROTOCOL_VERSION_MIN } from "./node-protocol.ts";

/** Both ends included. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

export interface Speaker {
  /** "" = not known. */
  readonly program: string;
  readonly range: ProtocolRange;
}

export const OWN_RANGE: ProtocolRange = { min: PROTOCOL_VERSION_MIN, max: PROTOCOL_VERSION };

/** Null where there is none. */
export function commonProtocol(one: ProtocolRange, other: ProtocolRange): number | null {
  const highest = Math.min(one.max, other.max);
  return highest >= Math.max(one.min, other.min) ? highest : null;
}

/** What to tell people where there is no common version. */
export function noCommonProtocol(server: Speaker, node: Speaker): { readonly message: string; readonly hint: string } {
  const isNodeOlder = node.range.max < server.range.min;
  return {
    message: `the server (${programText(server.program)}) speaks node protocol ${rangeText(server.range)}, the node (${programText(node.program)}) ${rangeText(node.range)}`,
    hint: isNodeOlder ? "upgrade edgectl on the node" : "upgrade edgectl on the servers, then on the nodes",
  };
}

/** The version to speak. Throws `unsupported` where there is none in common, `invalid` for what is no hello. */
export function protocolFor(hello: Hello, program: string): number {
  const { protocol: max, protocolMin: min = max } = hello;
  if (!isVersion(max) || !isVersion(min) || min > max) throw new EdgeError("invalid", "the hello of a node names no version of the protocol");
  const range = { min, max };
  const common = commonProtocol(OWN_RANGE, range);
  if (common === null) {
    const said: unknown = hello.node?.version;
    const node = { program: typeof said === "string" ? said.slice(0, PROGRAM_CHARS_MAX) : "", range };
    const { message, hint } = noCommonProtocol({ program, range: OWN_RANGE }, node);
    throw new EdgeError("unsupported", message, { hint });
  }
  return common;
}

// --- internal ---

const PROGRAM_CHARS_MAX = 64;

function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}

function programText(program: string): string {
  return program === "" ? "an edgectl of unknown version" : `edgectl ${program}`;
}

function rangeText({ min, max }: ProtocolRange): string {
  return min === max ? String(min) : `${min} to ${max}`;
}
