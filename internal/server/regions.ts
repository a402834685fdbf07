// The other regions: where their servers are, and whether one of them answers. Those of the config are each server's own;
// those that joined are in this region's state.

import type { RegionGreeting } from "../api/region-codec.ts";
import { decodeGreeting, encodeGreeting, REGION_PATH } from "../api/region-codec.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { KnownRegions } from "../domain/setting.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface RegionsParts {
  readonly runtime: Runtime;
  readonly own: string;
  readonly configured: Readonly<Record<string, readonly string[]>>;
  joined(): KnownRegions;
}

/** An answer so young proves that the server still lives. */
const PROOF_MS = 1000;

export class Regions {
  readonly #parts: RegionsParts;
  /** Instants (monotonic) at which servers answered for their region, by URL. */
  readonly #provenAtMs = new Map<string, number>();

  /** What their servers said last, by region. */
  readonly #met = new Map<string, RegionGreeting>();

  constructor(parts: RegionsParts) {
    this.#parts = parts;
  }

  /** Names of all known regions, sorted. */
  names(): readonly string[] {
    const { own, configured } = this.#parts;
    return [...new Set([own, ...Object.keys(configured), ...Object.keys(this.#parts.joined())])].sort();
  }

  /** A server of the region that answers now. Throws for an unknown region, and `unreachable` within two seconds for a dead one. */
  async livingServer(region: string): Promise<string> {
    const urls = this.#urlsOf(region);
    if (urls.length === 0)
      throw new EdgeError("internal", "No path to region", {
        hint: `known regions: ${this.names().join(", ")}; another one is made known by \`edgectl server join REGION=URL\``,
      });
    const nowMs = this.#parts.runtime.clock.monotonicMs();
    const proven = urls.find((url) => nowMs - (this.#provenAtMs.get(url) ?? Number.NEGATIVE_INFINITY) < PROOF_MS);
    if (proven) return proven;
    const failures: string[] = [];
    const looks = urls.map(async (url) => {
      try {
        await this.prove(region, url);
        return url;
      } catch (error) {
        failures.push(`${url}: ${messageOf(error)}`);
        throw error;
      }
    });
    try {
      return await Promise.any(looks);
    } catch (error) {
      throw new EdgeError("unreachable", `region "${region}" does not answer (${failures.join("; ")})`, { isRetryable: true, cause: error });
    }
  }

  /** Throws unless a server of this region answers there in time. */
  async prove(region: string, url: string): Promise<void> {
    const greeting = await this.greet(url, null);
    if (greeting.region !== region) throw new EdgeError("conflict", `a server of region "${greeting.region}" answers`);
    const before = this.#met.get(region);
    if (before && before.clusterId !== greeting.clusterId && before.clusterId !== "" && greeting.clusterId !== "")
      throw new EdgeError("conflict", `two regions are called "${region}": the other one is at ${before.urls.join(", ")}`);
    this.#met.set(region, greeting);
    this.#provenAtMs.set(url, this.#parts.runtime.clock.monotonicMs());
  }

  /** Says who this is, or only asks; resolves with who answers. Throws what a person can act on. */
  async greet(url: string, own: RegionGreeting | null): Promise<RegionGreeting> {
    const { clock, network } = this.#parts.runtime;
    const late = new AbortController();
    const timer = clock.after(LIMITS.regionProbeMsMax, () => late.abort(), { keepsAlive: false });
    try {
      const init = own === null ? {} : { method: "PUT", body: JSON.stringify(encodeGreeting(own)) };
      const response = await network.fetch(`${url}${REGION_PATH}`, { ...init, signal: late.signal });
      const text = await response.text();
      if (response.status !== 200) throw new EdgeError("conflict", text || `it answers with status ${response.status}`);
      const greeting = decodeGreeting(parsed(text));
      if (greeting === null) throw new EdgeError("unreachable", "what answers is no server of edgectl");
      return { ...greeting, urls: [url, ...greeting.urls.filter((other) => other !== url)] };
    } catch (error) {
      if (error instanceof EdgeError) throw error;
      const reason = late.signal.aborted ? `no answer within ${LIMITS.regionProbeMsMax} ms` : messageOf(error);
      throw new EdgeError("unreachable", reason, { isRetryable: true, cause: error });
    } finally {
      timer.cancel();
    }
  }

  // --- internal ---

  #urlsOf(region: string): readonly string[] {
    const configured = Object.entries(this.#parts.configured).find(([name]) => name === region)?.[1] ?? [];
    const joined = Object.entries(this.#parts.joined()).find(([name]) => name === region)?.[1].urls ?? [];
    // Servers come and go: what the last of them that answered said of the others counts too.
    const met = configured.length + joined.length > 0 ? (this.#met.get(region)?.urls ?? []) : [];
    return [...new Set([...configured, ...joined, ...met])];
  }
}

// --- internal ---

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // not JSON: told as no server of ours
  }
}
