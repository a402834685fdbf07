// /v1/services, /v1/service/:name, and the services of one allocation.

import { compileFilter } from "../../api/filter.ts";
import { requireUuid } from "../../api/ids.ts";
import { list } from "../../api/list.ts";
import { encodeRegistration } from "../../api/service-codec.ts";
import { hideService } from "../../cluster/services.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Registration } from "../../domain/registration.ts";
import type { View } from "../../domain/view.ts";
import type { Exchange } from "./reply.ts";
import { json, read } from "./reply.ts";

/** Names with their tags, by namespace. */
export function listServices(exchange: Exchange): Promise<Response> {
  const { query } = exchange;
  return read(exchange, WATCHED, (view) => {
    const groups = new Map<string, Map<string, Set<string>>>();
    for (const { namespace, name, tags } of exchange.server.services.registrationsIn(view, query.namespace)) {
      const names = groups.get(namespace) ?? new Map<string, Set<string>>();
      groups.set(namespace, names.set(name, new Set([...(names.get(name) ?? []), ...tags])));
    }
    const matches = query.filter === "" ? () => true : compileFilter(query.filter);
    const body = [...groups].map(([Namespace, names]) => ({
      Namespace,
      Services: [...names].map(([ServiceName, tags]) => ({ ServiceName, Tags: [...tags].sort() })).filter((service) => matches(service)),
    }));
    const found = body.filter((group) => group.Services.length > 0);
    return { index: indexOf(exchange, view, `list ${query.namespace} ${query.filter}`, found), body: found };
  });
}

export function serviceRoute(exchange: Exchange): Promise<Response> {
  const [, name = "", id = "", ...rest] = exchange.path.split("/");
  if (name === "" || rest.length > 0) throw new EdgeError("not-found", "");
  const { method } = exchange.request;
  if (method === "DELETE" && id !== "") return remove(exchange, name, id);
  if (method === "GET" && id === "") return instances(exchange, name);
  throw new EdgeError("method-not-allowed", "Invalid method");
}

export function allocServices(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "alloc");
  return read(exchange, [`allocs:${id}`], (view) => {
    const alloc = view.alloc(id);
    if (!alloc) return { index: view.tableIndex("allocs"), body: null, missing: "alloc not found" };
    return { index: alloc.modifyIndex, body: exchange.server.services.registrationsOf(view, alloc).map(encodeRegistration) };
  });
}

/** Those of all its allocations, whatever versions they run. */
export function servicesOfJob(exchange: Exchange, id: string): Promise<Response> {
  const { namespace } = exchange.query;
  return read(exchange, [`allocs/job:${namespace}/${id}`], (view) => {
    const { services } = exchange.server;
    const found = [...view.liveAllocsOfJob(namespace, id)].flatMap((alloc) => services.registrationsOf(view, alloc));
    found.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { index: indexOf(exchange, view, `job ${namespace} ${id}`, found), body: found.map(encodeRegistration) };
  });
}

// --- internal ---

/** Both jobs and nodes have a say in what is listed, but nothing that does not change an alloc as well. */
const WATCHED = ["allocs"];

function indexOf(exchange: Exchange, view: View, what: string, content: unknown): number {
  return exchange.server.services.indexOf(what, content, Math.max(view.tableIndex("allocs"), 1));
}

function instances(exchange: Exchange, name: string): Promise<Response> {
  const { query } = exchange;
  const choice = parseChoice(query.all.get("choose"));
  return read(exchange, WATCHED, (view) => {
    const all = exchange.server.services.registrationsIn(view, query.namespace).filter((registration) => registration.name === name);
    const found = choice === null ? all : choose(all, choice, (text) => exchange.server.options.runtime.hashing.sha256Hex(text));
    const index = indexOf(exchange, view, `service ${query.namespace} ${name} ${query.all.get("choose") ?? ""}`, found);
    return list(query, {
      items: found,
      index,
      encode: encodeRegistration,
      tokenOf: (registration) => registration.id,
      compare: choice === null ? (a, b) => (a.id < b.id ? -1 : 1) : () => 0,
    });
  });
}

interface Choice {
  readonly count: number;
  readonly key: string;
}

/** `N|key`: who asks with one key is always given the same ones, as long as they are there. */
function parseChoice(text: string | null): Choice | null {
  if (text === null || text === "") return null;
  const [count = "", key = "", ...more] = text.split("|");
  if (!/^[1-9]\d{0,8}$/.test(count) || key === "" || more.length > 0)
    throw new EdgeError("invalid", `Failed to parse value of "choose" (${text}): write it as NUMBER|KEY`);
  return { count: Number(count), key };
}

/** Each instance has its own rank for a key, so that one that goes moves nobody else's. */
function choose(all: readonly Registration[], choice: Choice, hash: (text: string) => string): readonly Registration[] {
  const ranked = all.map((registration) => ({ registration, rank: hash(`${choice.key}\u001f${registration.allocId}`) }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0));
  return ranked.slice(0, choice.count).map(({ registration }) => registration);
}

async function remove(exchange: Exchange, name: string, id: string): Promise<Response> {
  const { leader } = exchange.server;
  const found = exchange.server.services.registrationsIn(leader.view, exchange.query.namespace).find((one) => one.name === name && one.id === id);
  if (!found) throw new EdgeError("not-found", "service registration not found");
  const { index } = await leader.ledger.write((view, context) => hideService(view, { allocId: found.allocId, registrationId: id }, context));
  return json(exchange, null, { "X-Nomad-Index": String(index) });
}
