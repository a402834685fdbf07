// /v1/operator/scheduler/configuration: how the scheduler places, and whether jobs are let in and evaluations are run.

import type { Query } from "../../api/query.ts";
import { decodeSchedulerConfig, encodeSchedulerConfig } from "../../api/scheduler-codec.ts";
import { setScheduler } from "../../cluster/settings.ts";
import { EdgeError } from "../../domain/errors.ts";
import { jsonBody } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";

export function getSchedulerConfig(exchange: Exchange): Promise<Response> {
  return read(exchange, ["settings:scheduler"], (view) => {
    const config = view.schedulerConfig();
    const meta = { Index: config.modifyIndex, LastContact: 0, KnownLeader: true, NextToken: "" };
    return { index: config.modifyIndex, body: { SchedulerConfig: encodeSchedulerConfig(config), ...meta } };
  });
}

export async function putSchedulerConfig(exchange: Exchange): Promise<Response> {
  const enforceIndex = enforcedIndex(exchange.query);
  const value = decodeSchedulerConfig(await jsonBody(exchange));
  const { result, index } = await exchange.server.leader.ledger.write((view) => setScheduler(view, { value, enforceIndex }));
  return written(exchange, index, { Updated: result, Index: index });
}

/** The version that `?cas` names; null where it names none. */
export function enforcedIndex(query: Query): number | null {
  const cas = query.all.get("cas");
  if (cas === null || cas === "") return null;
  if (!/^\d{1,15}$/.test(cas)) throw new EdgeError("invalid", `Error parsing cas value: "${cas}" is no whole number`);
  return Number(cas);
}
