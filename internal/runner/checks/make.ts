// Makes one check once: asks, and says what came of it in words. Never throws: what stands in the way is a failure.

import type { CheckResult } from "../../device/checks.ts";
import { messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { ExecSession, TaskHandle } from "../drivers/driver.ts";
import type { PlannedCheck, Probe } from "./plan.ts";

export interface CheckTools {
  readonly clock: Clock;
  handle(task: string): TaskHandle | null;
}

/** `over` resolves when nothing of the check runs any more, which may be after its time was up. */
export interface MadeCheck {
  readonly result: CheckResult;
  readonly over: Promise<unknown>;
}

export async function makeCheck(check: PlannedCheck, tools: CheckTools): Promise<MadeCheck> {
  const { probe, timeoutMs } = check;
  try {
    if (probe.kind === "script") return await runScript(probe, timeoutMs, tools);
    return { result: await ask(probe, timeoutMs), over: NOTHING };
  } catch (error) {
    return { result: critical(messageOf(error)), over: NOTHING };
  }
}

// --- internal ---

const NOTHING = Promise.resolve();

async function ask(probe: Exclude<Probe, { readonly kind: "script" }>, timeoutMs: number): Promise<CheckResult> {
  if (probe.kind === "none") return critical(probe.reason);
  // Whoever has no checks does not pay for loading it.
  const { probeHttp, probeTcp } = await import("../../runtime/probe.ts");
  if (probe.kind === "tcp") {
    await probeTcp(probe.address, probe.port, timeoutMs);
    return { kind: "passing", output: `tcp ok: ${probe.address}:${probe.port}`, code: 0 };
  }
  const { status, text } = await probeHttp(probe, { timeoutMs, bodyBytesMax: LIMITS.checkOutputBytesMax });
  return { kind: status >= 200 && status < 300 ? "passing" : "critical", output: text === "" ? `http: ${status}` : text, code: status };
}

/** 0 is passing, 1 a warning, anything else critical, as the field's scripts say it. */
async function runScript(probe: Probe & { readonly kind: "script" }, timeoutMs: number, tools: CheckTools): Promise<MadeCheck> {
  const handle = tools.handle(probe.task);
  if (!handle) return { result: critical(`task "${probe.task}" does not run`), over: NOTHING };
  if (!handle.exec) return { result: critical(`the driver of task "${probe.task}" runs no commands in a task`), over: NOTHING };
  const session = await handle.exec({ command: probe.command, terminal: null });
  session.endInput();
  const ended = readToEnd(session);
  const exit = await within(ended, timeoutMs, tools.clock);
  if (exit === null) {
    session.close();
    return { result: critical("the script did not end in time"), over: ended.catch(() => undefined) };
  }
  const kind = exit.code === 0 ? "passing" : exit.code === 1 ? "warning" : "critical";
  return { result: { kind, output: exit.text, code: exit.code }, over: NOTHING };
}

async function readToEnd(session: ExecSession): Promise<{ readonly code: number; readonly text: string }> {
  const pieces: Uint8Array[] = [];
  let left: number = LIMITS.checkOutputBytesMax;
  for await (const { bytes } of session.output) {
    if (left <= 0) continue;
    pieces.push(bytes.subarray(0, left));
    left -= bytes.length;
  }
  const code = await session.exitCode();
  session.close();
  return { code, text: Buffer.concat(pieces).toString("utf8") };
}

/** What it resolves with, or null when the time is up before. */
function within<T>(work: Promise<T>, timeoutMs: number, clock: Clock): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => resolve(null), { keepsAlive: false });
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

function critical(output: string): CheckResult {
  return { kind: "critical", output, code: 0 };
}
