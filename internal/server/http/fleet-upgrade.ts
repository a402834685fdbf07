// /v1/operator/upgrade: a new program over many nodes. The programs are sent first, each named by its sum.

import { compileFilter } from "../../api/filter.ts";
import { decodeFleetInput, encodeFleetUpgrade } from "../../api/fleet-codec.ts";
import { encodeNode } from "../../api/node-codec.ts";
import { startFleetUpgrade, stopFleetUpgrade } from "../../cluster/fleet-upgrade.ts";
import { EdgeError } from "../../domain/errors.ts";
import { jsonBody } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { json, read, written } from "./reply.ts";

export async function takeProgram(exchange: Exchange): Promise<Response> {
  const sha256 = exchange.path.split("/").at(-1) ?? "";
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new EdgeError("invalid", `"${sha256}" is no SHA-256`);
  exchange.context.disableIdleTimeout();
  const { server } = exchange;
  if (!server.isLeading) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
  server.programs.makeRoom((server.leader.view.setting("fleet-upgrade")?.value.programs ?? []).map((program) => program.sha256));
  await server.programs.take(sha256, exchange.request.body);
  return json(exchange, { SHA256: sha256 });
}

/** With the programs that this server has not got: whoever began it sends them again after another server came to lead. */
export function getFleetUpgrade(exchange: Exchange): Promise<Response> {
  const { server } = exchange;
  return read(exchange, ["settings:fleet-upgrade"], (view) => {
    const row = view.setting("fleet-upgrade");
    const missing = (row?.value.programs ?? []).map(({ sha256 }) => sha256).filter((sha256) => !server.programs.has(sha256));
    return { index: row?.modifyIndex ?? 0, body: row ? encodeFleetUpgrade(row.value, { missing, node: (id) => view.node(id) }) : null };
  });
}

export async function putFleetUpgrade(exchange: Exchange): Promise<Response> {
  const { server } = exchange;
  const { filter, nodePool, ...input } = decodeFleetInput(await jsonBody(exchange));
  const absent = input.programs.find(({ sha256 }) => !server.programs.has(sha256));
  if (absent)
    throw new EdgeError("invalid", `the program ${absent.sha256} was not sent to this server`, {
      hint: "send it to /v1/operator/upgrade/program/SHA256 first",
    });
  const matches = filter === "" ? () => true : compileFilter(filter);
  const { result, index } = await server.leader.ledger.write((view, context) => {
    const nodes = [...view.nodes()].filter((node) => (nodePool === "" || node.nodePool === nodePool) && matches(encodeNode(node)));
    return startFleetUpgrade(view, { ...input, nodes }, context);
  });
  server.programs.keepOnly(result.programs.map(({ sha256 }) => sha256));
  return written(exchange, index, encodeFleetUpgrade(result, { missing: [], node: (id) => server.leader.view.node(id) }));
}

export async function deleteFleetUpgrade(exchange: Exchange): Promise<Response> {
  const { server } = exchange;
  const { result, index } = await server.leader.ledger.write(stopFleetUpgrade);
  return written(exchange, index, encodeFleetUpgrade(result, { missing: [], node: (id) => server.leader.view.node(id) }));
}
