// Node pools: made by operators, or by the first node that names one; `default` and `all` are always there.

import { EdgeError } from "../domain/errors.ts";
import type { Job } from "../domain/job.ts";
import { BUILT_IN_POOLS, type NodePool } from "../domain/setting.ts";
import { type Change, put, remove } from "../domain/tables.ts";
import type { Outcome, View } from "../domain/view.ts";

/** Undefined for a pool that nobody made and that no node is in. */
export function findNodePool(view: View, name: string): NodePool | undefined {
  const known = BUILT_IN_POOLS.find((pool) => pool.name === name) ?? view.nodePool(name);
  if (known) return known;
  // A node that joined under an older program made no row.
  for (const node of view.nodes()) if (node.nodePool === name) return unmade(name);
  return undefined;
}

/** Every pool, by name. */
export function allNodePools(view: View): readonly NodePool[] {
  const pools = new Map([...BUILT_IN_POOLS, ...view.nodePools()].map((pool) => [pool.name, pool]));
  for (const { nodePool } of view.nodes()) if (!pools.has(nodePool)) pools.set(nodePool, unmade(nodePool));
  return [...pools.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Makes the pool, or changes it to what is given. */
export function putNodePool(view: View, pool: Omit<NodePool, "createIndex" | "modifyIndex">): Outcome<null> {
  const problem = problemOf(pool);
  if (problem !== null) throw new EdgeError("invalid", `invalid node pool "${pool.name}": ${problem}`);
  if (isBuiltIn(pool.name)) throw new EdgeError("invalid", `modifying node pool "${pool.name}" is not allowed`);
  const { name, description, meta, algorithm, memoryOversubscription } = pool;
  const createIndex = view.nodePool(name)?.createIndex ?? 0;
  return { changes: [put("node_pools", { name, description, meta, algorithm, memoryOversubscription, createIndex, modifyIndex: 0 })], result: null };
}

/** Throws `not-found`, and says who is in the way while the pool has nodes or jobs that have not ended. */
export function deleteNodePool(view: View, name: string): Outcome<null> {
  if (isBuiltIn(name)) throw new EdgeError("invalid", `deleting node pool "${name}" is not allowed`);
  if (findNodePool(view, name) === undefined) throw new EdgeError("not-found", "node pool not found");
  const nodes = [...view.nodes()].filter((node) => node.nodePool === name);
  if (nodes.length > 0)
    throw new EdgeError("internal", `node pool "${name}" has nodes: ${some(nodes.map((node) => node.name))}`, {
      hint: "move them by their agents' client.node_pool, or purge those that are gone",
    });
  const jobs = [...jobsInPool(view, name)].filter((job) => job.status !== "dead");
  if (jobs.length > 0)
    throw new EdgeError("internal", `node pool "${name}" has non-terminal jobs: ${some(jobs.map((job) => job.id))}`, {
      hint: "stop them, or run them in another pool",
    });
  const row = view.nodePool(name);
  return { changes: row ? [remove("node_pools", row)] : [], result: null };
}

export function* jobsInPool(view: View, name: string): Iterable<Job> {
  for (const head of view.jobHeads()) {
    const job = view.job(head.namespace, head.id);
    if (job?.nodePool === name) yield job;
  }
}

/** What is wrong with the pool that a job names, in Nomad's words; null for nothing. */
export function jobPoolProblem(view: View, job: { readonly id: string; readonly nodePool: string }): string | null {
  return findNodePool(view, job.nodePool) ? null : `job "${job.id}" is in nonexistent node pool "${job.nodePool}"`;
}

/** A node that names a pool makes it. Throws for the pool that holds all nodes: none is in it by choice. */
export function poolOfNode(view: View, name: string): readonly Change[] {
  if (name === "all")
    throw new EdgeError("invalid", 'node is not allowed to register in node pool "all"', {
      hint: "every node is in it: name another in client.node_pool",
    });
  return isBuiltIn(name) || view.nodePool(name) ? [] : [put("node_pools", { ...unmade(name), createIndex: 0, modifyIndex: 0 })];
}

export function isPoolName(name: string): boolean {
  return /^[a-zA-Z0-9-_]{1,128}$/.test(name);
}

// --- internal ---

const NAME_PATTERN = "^[a-zA-Z0-9-_]{1,128}$";
const DESCRIPTION_CHARS_MAX = 256;

function isBuiltIn(name: string): boolean {
  return BUILT_IN_POOLS.some((pool) => pool.name === name);
}

function unmade(name: string): NodePool {
  return { name, description: "", meta: {}, algorithm: null, memoryOversubscription: null, createIndex: 1, modifyIndex: 1 };
}

function problemOf(pool: Pick<NodePool, "name" | "description">): string | null {
  if (!isPoolName(pool.name)) return `invalid name "${pool.name}", must match regex ${NAME_PATTERN}`;
  return pool.description.length > DESCRIPTION_CHARS_MAX ? `description longer than ${DESCRIPTION_CHARS_MAX}` : null;
}

function some(names: readonly string[]): string {
  const shown = [...names].sort().slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}
