// How an agent looks from outside, over its own HTTP API: who it is, whether it is healthy, what it holds.

import type { AgentLook } from "../../../internal/device/upgrade.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

interface SelfAnswer {
  readonly config?: { readonly Version?: { readonly Version?: string; readonly Revision?: string }; readonly StartID?: string };
  readonly stats?: {
    readonly client?: { readonly node_id?: string };
    readonly allocs?: readonly { readonly ID: string; readonly ClientStatus: string }[];
  };
}

/** Null when it does not answer, or with something else. */
export async function lookAtAgent(runtime: Runtime, address: string): Promise<AgentLook | null> {
  const self = (await ask(runtime, `${address}/v1/agent/self`)) as SelfAnswer | null; // every field is looked at with care
  const health = (await ask(runtime, `${address}/v1/agent/health`)) as AgentLook["health"] | null; // as above
  if (self === null || health === null) return null;
  const { config, stats } = self;
  return {
    version: config?.Version?.Version ?? "",
    revision: config?.Version?.Revision ?? "",
    startId: config?.StartID ?? "",
    nodeId: stats?.client?.node_id ?? "",
    health,
    allocs: Object.fromEntries((stats?.allocs ?? []).map(({ ID, ClientStatus }) => [ID, ClientStatus])),
  };
}

// --- internal ---

/** A health that is bad comes with status 500: its body counts all the same. */
async function ask(runtime: Runtime, url: string): Promise<object | null> {
  const abort = new AbortController();
  const timer = runtime.clock.after(LIMITS.upgradeAnswerMsMax, () => abort.abort());
  try {
    const response = await runtime.network.fetch(url, { signal: abort.signal });
    const body: unknown = await response.json();
    return typeof body === "object" ? body : null;
  } catch {
    // Nobody there, nothing said in time, or no JSON: for who looks it is the same.
    return null;
  } finally {
    timer.cancel();
  }
}
