// edgectl agent upgrade --fleet: sends the programs to the server that leads, begins the roll-out, and follows it.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import type { Api } from "../cli/api.ts";
import { DONE, FAILED } from "../cli/command.ts";
import type { Output } from "../cli/output.ts";
import type { Progress } from "../cli/progress.ts";
import { architectureOf } from "./upgrade-elf.ts";
import { checkProgram } from "./upgrade-verify.ts";

export interface FleetCall {
  readonly runtime: Runtime;
  readonly api: Api;
  readonly output: Output;
  readonly progress: Progress;
  readonly isJson: boolean;
}

export interface FleetRequest {
  /** One for each kind of processor. */
  readonly files: readonly string[];
  /** Texts of signatures, in the order of the files; none, or one for each. */
  readonly signatures: readonly string[];
  readonly key: string | null;
  readonly filter: string;
  readonly nodePool: string;
  readonly wave: string;
  readonly pauseMs: number;
  readonly healthyWithinMs: number;
  readonly healthyForMs: number;
  readonly isForced: boolean;
  readonly isDetached: boolean;
}

interface FleetAnswer {
  readonly State: string;
  readonly Reason: string;
  readonly Wave: number;
  readonly Waves: number;
  readonly MissingPrograms: readonly string[];
  readonly Nodes: readonly {
    readonly ID: string;
    readonly Name: string;
    readonly Version: string;
    readonly Wave: number;
    readonly State: string;
    readonly Reason: string;
  }[];
}

interface LocalProgram {
  readonly file: string;
  readonly Architecture: string;
  readonly SHA256: string;
  readonly SizeBytes: number;
  readonly Signature: string;
}

export async function startFleet(call: FleetCall, request: FleetRequest): Promise<number> {
  const { api, output } = call;
  if (request.files.length === 0)
    throw new EdgeError("invalid", "the file of the new program is missing", { hint: "edgectl agent upgrade --fleet FILE..." });
  if (request.signatures.length > 0 && request.signatures.length !== request.files.length)
    throw new EdgeError("invalid", `${request.signatures.length} signatures were given for ${request.files.length} files`);
  const programs: LocalProgram[] = [];
  for (const [at, file] of request.files.entries())
    programs.push(await describe(call.runtime, file, { signature: request.signatures[at] ?? "", key: request.key }));
  for (const program of programs) await send(call, program);
  const begun = await api.put<FleetAnswer>("/v1/operator/upgrade", {
    Programs: programs.map(({ file: _, ...told }) => told),
    Filter: request.filter,
    NodePool: request.nodePool,
    Wave: request.wave,
    PauseMs: request.pauseMs,
    HealthyWithinMs: request.healthyWithinMs,
    HealthyForMs: request.healthyForMs,
    Force: request.isForced,
  });
  if (!request.isDetached) return follow(call, programs);
  show(call, begun);
  if (!call.isJson) output.line("\nedgectl agent upgrade --fleet --status shows how it goes, --stop ends it");
  return DONE;
}

export async function showFleet(call: FleetCall): Promise<number> {
  const answer = await call.api.get<FleetAnswer | null>("/v1/operator/upgrade");
  if (answer === null && !call.isJson) call.output.line("nothing was ever rolled out over the fleet");
  else show(call, answer);
  return DONE;
}

export async function stopFleet(call: FleetCall): Promise<number> {
  show(call, await call.api.delete<FleetAnswer>("/v1/operator/upgrade"));
  return DONE;
}

// --- internal ---

async function describe(
  runtime: Runtime,
  file: string,
  { signature, key }: { readonly signature: string; readonly key: string | null },
): Promise<LocalProgram> {
  const info = runtime.files.stat(file);
  if (!info?.isFile) throw new EdgeError("not-found", `there is no file ${file}`);
  const machine = architectureOf((await runtime.files.readAt(file, 0, 64)) ?? new Uint8Array());
  if (machine === null)
    throw new EdgeError("invalid", `${file} is no executable`, { hint: "give the files edgectl-linux-ARCH of a release, unpacked" });
  const SHA256 = await checkProgram(runtime, file, { sha256: "", signature, key });
  return { file, Architecture: NODE_NAMES[machine] ?? machine, SHA256, SizeBytes: info.sizeBytes, Signature: signature };
}

/** As nodes name their processor, in `cpu.arch`. */
const NODE_NAMES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

async function send({ runtime, api, progress, isJson }: FleetCall, program: LocalProgram): Promise<void> {
  if (!isJson) progress.info(`sending ${program.file} (${program.Architecture}) to the server`);
  const body = runtime.files.readBytes(program.file);
  if (body === null) throw new EdgeError("not-found", `there is no file ${program.file}`);
  await api.raw("PUT", `/v1/operator/upgrade/program/${program.SHA256}`, { body });
}

/** Until it has ended; a server that came to lead without the programs is sent them again. Leaving early changes nothing. */
async function follow(call: FleetCall, programs: readonly LocalProgram[]): Promise<number> {
  const { runtime, api, progress, isJson } = call;
  const told = new Map<string, string>();
  for (;;) {
    const answer = await patiently(runtime, () => api.get<FleetAnswer>("/v1/operator/upgrade"));
    for (const node of answer.Nodes) {
      const line = `${node.Name}: ${node.State}${node.Reason === "" ? "" : ` (${node.Reason})`}`;
      if (told.get(node.ID) === line || node.State === "waiting") continue;
      told.set(node.ID, line);
      if (!isJson) progress.info(node.Wave === 0 ? line : `wave ${node.Wave} of ${answer.Waves}, ${line}`);
    }
    if (answer.State !== "running") {
      show(call, answer);
      return answer.State === "done" ? DONE : FAILED;
    }
    for (const program of programs) if (answer.MissingPrograms.includes(program.SHA256)) await send(call, program);
    await runtime.clock.sleep(LIMITS.fleetLookMs);
  }
}

/** While servers change over nobody can say how it goes, and it goes on. */
async function patiently<T>(runtime: Runtime, ask: () => Promise<T>): Promise<T> {
  const deadlineMs = runtime.clock.monotonicMs() + ASK_MS_MAX;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isPassing = error instanceof EdgeError && ["no-leader", "unreachable"].includes(error.code);
      if (!isPassing || runtime.clock.monotonicMs() >= deadlineMs) throw error;
      await runtime.clock.sleep(LIMITS.fleetLookMs);
    }
  }
}

const ASK_MS_MAX = 60_000;

function show({ output, isJson }: FleetCall, answer: FleetAnswer | null): void {
  if (isJson) return output.json(answer);
  if (answer === null) return;
  output.pairs([
    ["State", answer.State],
    ...(answer.Reason === "" ? [] : [["Reason", answer.Reason] as const]),
    ["Wave", `${answer.Wave} of ${answer.Waves}`],
    ...(answer.MissingPrograms.length === 0
      ? []
      : [["Waits for", "its programs: begin it again with the same files, or let --fleet run on"] as const]),
  ]);
  output.title("Nodes");
  output.table(
    ["Wave", "Name", "Version", "State", "Reason"],
    answer.Nodes.map((node) => [node.Wave === 0 ? "-" : String(node.Wave), node.Name, node.Version, node.State, node.Reason]),
  );
}
