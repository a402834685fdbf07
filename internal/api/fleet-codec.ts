// A roll-out over the fleet on the wire.

import { EdgeError } from "../domain/errors.ts";
import type { FleetProgram, FleetUpgrade } from "../domain/fleet-upgrade.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node } from "../domain/node.ts";
import type { JsonObject } from "./wire.ts";

export interface DecodedFleetInput {
  readonly programs: readonly FleetProgram[];
  readonly filter: string;
  readonly nodePool: string;
  readonly wave: { readonly count: number } | { readonly percent: number };
  readonly pauseMs: number;
  readonly healthyWithinMs: number;
  readonly healthyForMs: number;
  readonly isForced: boolean;
}

/** Throws `invalid` with the field that is wrong. */
export function decodeFleetInput(body: JsonObject): DecodedFleetInput {
  const { Programs, Wave } = body;
  if (!Array.isArray(Programs) || Programs.length === 0 || Programs.length > LIMITS.fleetProgramsMax)
    throw new EdgeError("invalid", `Programs must be a list of 1 to ${LIMITS.fleetProgramsMax} (fleetProgramsMax)`);
  const programs = Programs.map(decodeProgram);
  if (new Set(programs.map(({ architecture }) => architecture)).size < programs.length)
    throw new EdgeError("invalid", "two programs are for the same processor");
  return {
    programs,
    filter: textOf(body, "Filter"),
    nodePool: textOf(body, "NodePool"),
    wave: decodeWave(Wave),
    pauseMs: durationOf(body, "PauseMs", 0),
    healthyWithinMs: durationOf(body, "HealthyWithinMs", 1),
    healthyForMs: durationOf(body, "HealthyForMs", 1),
    isForced: body.Force === true,
  };
}

export function encodeFleetUpgrade(
  upgrade: FleetUpgrade,
  more: { readonly missing: readonly string[]; readonly node: (id: string) => Node | undefined },
): JsonObject {
  return {
    ID: upgrade.id,
    State: upgrade.state,
    Reason: upgrade.reason,
    Programs: upgrade.programs.map(({ architecture, sha256, sizeBytes, signature }) => ({
      Architecture: architecture,
      SHA256: sha256,
      SizeBytes: sizeBytes,
      Signed: signature !== "",
    })),
    MissingPrograms: [...more.missing],
    Wave: upgrade.wave,
    Waves: upgrade.waves,
    PauseMs: upgrade.pauseMs,
    StartedAt: new Date(upgrade.startedAtMs).toISOString(),
    ChangedAt: new Date(upgrade.changedAtMs).toISOString(),
    Nodes: Object.entries(upgrade.nodes).map(([id, { wave, state, reason, changedAtMs }]) => ({
      ID: id,
      Name: more.node(id)?.name ?? "",
      Version: more.node(id)?.version ?? "",
      Wave: wave,
      State: state,
      Reason: reason,
      ChangedAt: new Date(changedAtMs).toISOString(),
    })),
  };
}

// --- internal ---

function decodeProgram(value: unknown): FleetProgram {
  const { Architecture, SHA256, SizeBytes, Signature } = (typeof value === "object" && value !== null ? value : {}) as JsonObject; // each field is looked at
  if (typeof Architecture !== "string" || Architecture === "") throw new EdgeError("invalid", "a program has no Architecture");
  if (typeof SHA256 !== "string" || !/^[0-9a-f]{64}$/.test(SHA256)) throw new EdgeError("invalid", "a program's SHA256 is not 64 digits");
  if (typeof SizeBytes !== "number" || !Number.isSafeInteger(SizeBytes) || SizeBytes <= 0 || SizeBytes > LIMITS.upgradeProgramBytesMax)
    throw new EdgeError("invalid", `a program's SizeBytes is not between 1 and ${LIMITS.upgradeProgramBytesMax} (upgradeProgramBytesMax)`);
  const signature = Signature ?? "";
  if (typeof signature !== "string" || signature.length > LIMITS.upgradeKeyCharsMax)
    throw new EdgeError("invalid", `a program's Signature is no text of up to ${LIMITS.upgradeKeyCharsMax} characters (upgradeKeyCharsMax)`);
  return { architecture: Architecture, sha256: SHA256, sizeBytes: SizeBytes, signature };
}

function decodeWave(value: unknown): DecodedFleetInput["wave"] {
  const match = /^(\d{1,6})(%?)$/.exec(typeof value === "string" ? value : "");
  const number = Number(match?.[1] ?? 0);
  if (match?.[2] === "%" && number >= 1 && number <= 100) return { percent: number };
  if (match?.[2] === "" && number >= 1) return { count: number };
  throw new EdgeError("invalid", `Wave "${String(value)}" is neither a number of nodes nor a share such as 10%`);
}

function textOf(body: JsonObject, name: string): string {
  const value = body[name] ?? "";
  if (typeof value !== "string") throw new EdgeError("invalid", `${name} must be a text`);
  return value;
}

function durationOf(body: JsonObject, name: string, least: number): number {
  const value = body[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > LIMITS.upgradeHealthyWithinMsMax)
    throw new EdgeError("invalid", `${name} is no number of milliseconds up to ${LIMITS.upgradeHealthyWithinMsMax} (upgradeHealthyWithinMsMax)`);
  return value;
}
