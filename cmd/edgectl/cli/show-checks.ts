// The checks of an allocation as a table.

import type { Call } from "./command.ts";
import { ago } from "./times.ts";

export interface WireCheck {
  readonly ID: string;
  readonly Check: string;
  readonly Group: string;
  readonly Mode: string;
  readonly Output: string;
  readonly Service: string;
  readonly Task: string;
  readonly Status: string;
  readonly StatusCode: number;
  readonly Timestamp: number;
}

export type WireChecks = Readonly<Record<string, WireCheck>>;

/** As their node knows them now; where it cannot be asked, as it told them last. */
export async function checksOf(call: Call, alloc: { readonly ID: string; readonly Namespace: string }): Promise<readonly WireCheck[]> {
  const query = { namespace: alloc.Namespace };
  const told = () => call.api.get<WireChecks>(`/v1/allocation/${alloc.ID}/checks`, query);
  const live = await call.api.get<WireChecks>(`/v1/client/allocation/${alloc.ID}/checks`, query).catch(() => null);
  const found = live !== null && Object.keys(live).length > 0 ? live : await told();
  return Object.values(found).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

export function showChecks(call: Call, checks: readonly WireCheck[]): void {
  const nowMs = call.runtime.clock.nowMs();
  call.output.table(
    ["Service", "Task", "Name", "Mode", "Status", "Last", "Output"],
    checks.map((check) => [
      check.Service,
      check.Task || "(group)",
      check.Check,
      check.Mode,
      check.Status,
      check.Timestamp === 0 ? "not yet" : ago(check.Timestamp * 1000, nowMs),
      call.isVerbose ? check.Output : firstLine(check.Output),
    ]),
  );
}

// --- internal ---

const OUTPUT_SHOWN = 60;

function keyOf(check: WireCheck): string {
  return [check.Service, check.Task, check.Check, check.ID].join("\u001f");
}

function firstLine(text: string): string {
  const [first = "", ...rest] = text.trim().split("\n");
  return first.length > OUTPUT_SHOWN || rest.length > 0 ? `${first.slice(0, OUTPUT_SHOWN)}...` : first;
}
