// Things by their id or a prefix of it. An exact id always wins; a prefix must mean one thing.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Api } from "./api.ts";
import { segment } from "./api.ts";
import type { AllocStub, JobStub, NodeStub, WireEval } from "./wire-types.ts";

export interface FoundJob {
  readonly id: string;
  readonly namespace: string;
  /** False when only a prefix was given. */
  readonly isExact: boolean;
}

const MATCHES_ASKED_MAX = 20;

/** Throws `not-found` for no job, `invalid` for several. `filter` narrows what a prefix may mean. */
export async function findJob(api: Api, idOrPrefix: string, filter?: string): Promise<FoundJob> {
  const found = await findJobIfAny(api, idOrPrefix, filter);
  if (found) return found;
  throw new EdgeError("not-found", `no job has the id "${idOrPrefix}" or begins with it`, { hint: "`edgectl status` lists the jobs" });
}

export async function findJobIfAny(api: Api, idOrPrefix: string, filter?: string): Promise<FoundJob | null> {
  const stubs = (await api.get<readonly JobStub[] | null>("/v1/jobs", { prefix: idOrPrefix, per_page: MATCHES_ASKED_MAX, filter })) ?? [];
  const exact = stubs.filter((stub) => stub.ID === idOrPrefix);
  if (exact.length > 0) return foundOf(exact, idOrPrefix);
  // The children of a periodic job begin with its id too: they do not make its prefix ambiguous.
  const parents = stubs.filter((stub) => stub.ParentID === "" || !stubs.some((other) => other.ID === stub.ParentID));
  return parents.length === 0 ? null : foundOf(parents, idOrPrefix);
}

export function jobPath(job: { readonly id: string }, rest = ""): string {
  return `/v1/job/${segment(job.id)}${rest}`;
}

/** Whether the text can be the beginning of an id that edgectl makes. */
export function isUuidPrefix(text: string): boolean {
  return text.length >= 2 && text.length <= 36 && /^[0-9a-f-]+$/i.test(text) && !text.startsWith("-");
}

export async function findAlloc(api: Api, prefix: string): Promise<AllocStub> {
  return only(await allocsByPrefix(api, prefix), "allocation", prefix, (alloc) => `${alloc.ID} (${alloc.Name}, ${alloc.ClientStatus})`);
}

export function allocsByPrefix(api: Api, prefix: string): Promise<readonly AllocStub[]> {
  return byPrefix<AllocStub>(api, "/v1/allocations", prefix);
}

export async function findEval(api: Api, prefix: string): Promise<WireEval> {
  return only(
    await evalsByPrefix(api, prefix),
    "evaluation",
    prefix,
    (evaluation) => `${evaluation.ID} (job ${evaluation.JobID}, ${evaluation.Status})`,
  );
}

export function evalsByPrefix(api: Api, prefix: string): Promise<readonly WireEval[]> {
  return byPrefix<WireEval>(api, "/v1/evaluations", prefix);
}

/** A node by id, prefix or exact name. */
export async function findNode(api: Api, prefixOrName: string): Promise<NodeStub> {
  const byId = await nodesByPrefix(api, prefixOrName);
  if (byId.length > 0) return only(byId, "node", prefixOrName, (node) => `${node.ID} (${node.Name})`);
  const named = ((await api.get<readonly NodeStub[] | null>("/v1/nodes")) ?? []).filter((node) => node.Name === prefixOrName);
  if (named.length > 1)
    throw new EdgeError(
      "invalid",
      `${named.length} nodes are named "${prefixOrName}":\n${listOf(named.map((node) => `${node.ID} (${node.Status})`))}`,
      {
        hint: "say its id; `edgectl node purge ID` forgets one that does not come back",
      },
    );
  return only(named, "node", prefixOrName, (node) => `${node.ID} (${node.Name})`);
}

export function nodesByPrefix(api: Api, prefix: string): Promise<readonly NodeStub[]> {
  return byPrefix<NodeStub>(api, "/v1/nodes", prefix);
}

// --- internal ---

/** Servers take prefixes with an even number of digits: an odd one is cut off and looked at here. */
async function byPrefix<T extends { readonly ID: string }>(api: Api, path: string, prefix: string): Promise<readonly T[]> {
  if (!isUuidPrefix(prefix)) return [];
  const isOdd = prefix.replaceAll("-", "").length % 2 === 1;
  const found = (await api.get<readonly T[] | null>(path, { prefix: isOdd ? prefix.slice(0, -1) : prefix })) ?? [];
  const wanted = prefix.toLowerCase();
  return found.filter((item) => item.ID.startsWith(wanted));
}

function only<T>(found: readonly T[], noun: string, prefix: string, describe: (item: T) => string): T {
  const [first] = found;
  if (first === undefined) throw new EdgeError("not-found", `no ${noun} has the id "${prefix}" or begins with it`);
  if (found.length === 1) return first;
  throw new EdgeError("invalid", `"${prefix}" is the beginning of several ${noun}s:\n${listOf(found.map(describe))}`, {
    hint: "type more of the id",
  });
}

function foundOf(stubs: readonly JobStub[], idOrPrefix: string): FoundJob {
  const [first] = stubs;
  if (first === undefined || stubs.length > 1) {
    const names = stubs.map((stub) => (stub.Namespace === stubs[0]?.Namespace ? stub.ID : `${stub.ID} in namespace ${stub.Namespace}`));
    throw new EdgeError("invalid", `"${idOrPrefix}" is the beginning of several jobs:\n${listOf(names)}`, { hint: "type more of the id" });
  }
  return { id: first.ID, namespace: first.Namespace, isExact: first.ID === idOrPrefix };
}

const NAMES_SHOWN_MAX = 10;

function listOf(names: readonly string[]): string {
  const more = names.length > NAMES_SHOWN_MAX ? [`  and ${names.length - NAMES_SHOWN_MAX} more`] : [];
  return [...names.slice(0, NAMES_SHOWN_MAX).map((name) => `  ${name}`), ...more].join("\n");
}
