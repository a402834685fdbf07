// How regions are named to each other: addresses as people write them, and what servers of two regions say when they meet.

import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { KnownRegions } from "../domain/setting.ts";
import type { JsonObject } from "./wire.ts";

/** Where servers of a region introduce themselves, and are asked whether they live. */
export const REGION_PATH = "/v1/internal/region";

/** What a server says of its region. */
export interface RegionGreeting {
  readonly region: string;
  readonly clusterId: string;
  /** Where its servers are reached. */
  readonly urls: readonly string[];
}

/** A URL of a server, from a URL or host:port; null for anything else. */
export function parseServerUrl(text: string): string | null {
  const full = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(full)) return null;
  const url = new URL(full);
  const isBare = url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  return isBare && (text === full || url.port !== "") ? full.replace(/\/+$/, "") : null;
}

/** `east=http://host:4646`, or the address alone: then the server is asked for its name. Throws `invalid`. */
export function parseJoinAddress(text: string): { readonly region: string | null; readonly url: string } {
  const match = /^([^=/:]+)=(.+)$/s.exec(text);
  const url = parseServerUrl(match?.[2] ?? text);
  if (url === null)
    throw new EdgeError("invalid", `"${text}" is no address of a server`, { hint: "write REGION=URL, as in east=http://10.0.0.5:4646" });
  return { region: match?.[1] ?? null, url };
}

export function encodeGreeting(greeting: RegionGreeting): JsonObject {
  return { Region: greeting.region, ClusterID: greeting.clusterId, URLs: greeting.urls };
}

/** Null for what is no greeting. */
export function decodeGreeting(value: unknown): RegionGreeting | null {
  if (typeof value !== "object" || value === null) return null;
  const { Region: region, ClusterID: clusterId, URLs: urls } = value as JsonObject; // fields are checked below
  if (typeof region !== "string" || region === "" || typeof clusterId !== "string" || !Array.isArray(urls)) return null;
  return { region, clusterId, urls: urls.slice(0, LIMITS.serversMax).filter((url) => typeof url === "string" && parseServerUrl(url) === url) };
}

/** The regions with the servers of another one; throws `conflict` where two of them claim one name. */
export function withRegion(known: KnownRegions, own: Pick<RegionGreeting, "region" | "clusterId">, met: RegionGreeting): KnownRegions {
  const where = met.urls.join(", ");
  if (met.region === own.region) {
    if (met.clusterId === own.clusterId)
      throw new EdgeError("conflict", `the server at ${where} is of this very region: servers of one region need not join, they share a store`);
    throw new EdgeError("conflict", `two regions are called "${own.region}": this one, and another at ${where}`, {
      hint: "give one of them another name: region = NAME in its servers' config",
    });
  }
  const before = known[met.region];
  if (before && before.clusterId !== "" && before.clusterId !== met.clusterId)
    throw new EdgeError("conflict", `two regions are called "${met.region}": one at ${before.urls.join(", ")}, another at ${where}`, {
      hint: "give one of them another name: region = NAME in its servers' config",
    });
  return {
    ...known,
    [met.region]: { urls: [...new Set([...met.urls, ...(before?.urls ?? [])])].slice(0, LIMITS.serversMax), clusterId: met.clusterId },
  };
}
