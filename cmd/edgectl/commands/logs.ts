// edgectl logs: what a task wrote, of running and of finished work, followed across restarts of the agent.

import { parseDurationMs } from "../../../internal/domain/duration.ts";
import { EdgeError } from "../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../cli/command.ts";
import { followLog, framesOf } from "../cli/log-follow.ts";
import { tailOf } from "../cli/log-tail.ts";
import { chooseTask, findLogAlloc } from "../cli/log-target.ts";
import { type WantedEnd, wantedEnd } from "../cli/tail-options.ts";
import type { WireAlloc, WireFile } from "../cli/wire-types.ts";

export default defineEdgeCommand({
  description: `Shows everything that is still kept, from the oldest byte, unless --tail says otherwise. A JOB means its newest
allocation that runs, else its newest; for a periodic or parameterized job, that of its newest run.
The task's standard output goes to standard output and its standard error to standard error; with --stdout or --stderr
alone, that one goes to standard output. With -f a broken connection is made again, and the output goes on at the same byte.`,
  operands: "[JOB|ALLOC] [TASK]",
  examples: [
    ["logs hello", "everything the job's task wrote"],
    ["logs -f --tail 20 hello", "the last 20 lines, and what comes"],
    ["logs --stderr 3f2a main", "standard error of one task of an allocation"],
  ],
  options: {
    f: { type: "boolean", description: "follow: show what comes, until the task ends", alias: ["follow"] },
    tail: {
      type: "string",
      description: "only the last N lines (10 when N is left out)",
      valueHint: "N",
      bare: { value: "", valuePattern: /^\d+$/ },
    },
    n: { type: "string", description: "the same as --tail N", valueHint: "N" },
    c: { type: "string", description: "only the last N bytes", valueHint: "N" },
    all: { type: "boolean", description: "everything still kept, whatever --tail says (as without any option)" },
    since: {
      type: "string",
      description: "nothing of a stream that was last written longer ago (lines carry no time: a newer stream is shown whole)",
      valueHint: "DURATION",
    },
    stdout: { type: "boolean", description: "only standard output" },
    stderr: { type: "boolean", description: "only standard error" },
    task: { type: "string", description: "the task, where there are several", valueHint: "TASK" },
    alloc: { type: "string", description: "which of the job's allocations", valueHint: "ALLOC" },
    group: { type: "string", description: "which of the job's groups", valueHint: "GROUP" },
    job: { type: "string", description: "a job, as the argument (called so by Nomad)", valueHint: "JOB", isHidden: true },
    verbose: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    endWanted(call);
    const target = await findTarget(call);
    const streams = (["stdout", "stderr"] as const).filter((name) => call.options[name] || (!call.options.stdout && !call.options.stderr));
    const shown = await Promise.all(streams.map(async (name) => ((await isRecent(call, target, name)) ? name : null)));
    const wanted = shown.filter((name) => name !== null);
    const isOne = streams.length === 1;
    if (!call.options.f) for (const name of wanted) await show(call, target, name, isOne);
    else await Promise.all(wanted.map((name) => show(call, target, name, isOne)));
    return DONE;
  },
});

// --- internal ---

interface Target {
  readonly allocId: string;
  readonly namespace: string;
  readonly task: string;
}

/** Nomad's `-job JOB` may come as a switch before the name or with it. */
async function findTarget(call: Call): Promise<Target> {
  const job = textOption(call, "job");
  const [name, second] = job === undefined ? call.operands : [job, ...call.operands];
  if (name === undefined) throw new EdgeError("invalid", "JOB or ALLOC is missing", { hint: "`edgectl status` lists the jobs" });
  const [alloc, group] = [textOption(call, "alloc"), textOption(call, "group")];
  const stub = await findLogAlloc(call, name, { ...(alloc ? { alloc } : {}), ...(group ? { group } : {}), isJob: job !== undefined });
  const full = await call.api.get<WireAlloc>(`/v1/allocation/${stub.ID}`, { namespace: stub.Namespace });
  return { allocId: stub.ID, namespace: stub.Namespace, task: chooseTask(full, textOption(call, "task") ?? second) };
}

function textOption(call: Call, name: string): string | undefined {
  const value = call.options[name];
  return typeof value === "string" ? value : undefined;
}

type StreamName = "stdout" | "stderr";

async function show(call: Call, target: Target, name: StreamName, isOne: boolean): Promise<void> {
  const write = writerOf(call, name === "stderr" && !isOne);
  const position = await showBeginning(call, target, name, write);
  if (call.options.f !== true) return;
  const source = {
    open: (offset: number) => openStream(call, target, { type: name, origin: "start", offset, follow: true }),
    isEnded: () => isTaskDead(call, target),
  };
  await followLog(
    { clock: call.runtime.clock, source, write, notice: (text) => call.progress.warn(`${name} of task "${target.task}": ${text}`) },
    position,
  );
}

/** What is there already. Returns where a follower goes on; a follower of everything reads it all by itself. */
async function showBeginning(call: Call, target: Target, name: StreamName, write: (bytes: Uint8Array) => Promise<void>): Promise<number> {
  const end = endWanted(call);
  if (end?.kind === "lines") {
    const tail = await tailOf((window) => openStream(call, target, { type: name, origin: "end", offset: window }), end.count);
    await write(tail.bytes);
    return tail.endOffset;
  }
  if (call.options.f && end === null) return 0;
  let position = 0;
  for await (const frame of framesOf(
    await openStream(call, target, { type: name, ...(end === null ? { origin: "start", offset: 0 } : { origin: "end", offset: end.count }) }),
  )) {
    await write(frame.bytes);
    position = frame.endOffset;
  }
  return position;
}

function endWanted(call: Call): WantedEnd | null {
  const { tail, n, c } = call.options;
  return call.options.all ? null : wantedEnd({ tail, n, c });
}

/** A stream sends a sign of life every second: one that is silent for this long is broken. */
const SILENCE_MS_MAX = 15_000;

interface Opening {
  readonly type: StreamName;
  readonly origin: string;
  readonly offset: number;
  readonly follow?: boolean;
}

async function openStream(call: Call, target: Target, opening: Opening): Promise<AsyncIterable<Uint8Array>> {
  const abort = new AbortController();
  const query = { namespace: target.namespace, task: target.task, ...opening };
  return watched(call, await call.api.stream(`/v1/client/fs/logs/${target.allocId}`, query, abort.signal), abort);
}

async function* watched(call: Call, chunks: AsyncIterable<Uint8Array>, abort: AbortController): AsyncIterable<Uint8Array> {
  const arm = () => call.runtime.clock.after(SILENCE_MS_MAX, () => abort.abort(), { keepsAlive: false });
  let timer = arm();
  try {
    for await (const chunk of chunks) {
      timer.cancel();
      timer = arm();
      yield chunk;
    }
  } finally {
    timer.cancel();
  }
}

function writerOf(call: Call, isToError: boolean): (bytes: Uint8Array) => Promise<void> {
  if (!isToError) return (bytes) => call.runtime.terminal.outBytes(bytes);
  const decoder = new TextDecoder();
  return async (bytes) => call.runtime.terminal.error(decoder.decode(bytes, { stream: true }));
}

async function isTaskDead(call: Call, target: Target): Promise<boolean> {
  const alloc = await call.api.get<WireAlloc>(`/v1/allocation/${target.allocId}`, { namespace: target.namespace });
  const isAllocOver = ["complete", "failed", "lost"].includes(alloc.ClientStatus);
  return isAllocOver || alloc.TaskStates?.[target.task]?.State === "dead";
}

async function isRecent(call: Call, target: Target, name: StreamName): Promise<boolean> {
  const since = textOption(call, "since");
  if (since === undefined) return true;
  const ageMs = parseDurationMs(since);
  if (ageMs === null || ageMs < 0) throw new EdgeError("invalid", `--since "${since}" is no duration`, { hint: "write it like 30s, 5m or 1h30m" });
  const files = await call.api.get<readonly WireFile[] | null>(`/v1/client/fs/ls/${target.allocId}`, {
    namespace: target.namespace,
    path: "/alloc/logs",
  });
  const file = (files ?? []).find((candidate) => candidate.Name === `${target.task}.${name}.0`);
  return call.options.f === true || (file !== undefined && Date.parse(file.ModTime) >= call.runtime.clock.nowMs() - ageMs);
}
