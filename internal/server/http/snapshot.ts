// /v1/operator/snapshot: everything there is as one file, and everything replaced by one.

import { indexHeaders } from "../../api/http-error.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { decodeSnapshot } from "../../store/snapshot/decode-snapshot.ts";
import { boundedBytes } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { json } from "./reply.ts";

export async function saveSnapshot(exchange: Exchange): Promise<Response> {
  exchange.context.disableIdleTimeout();
  const { bytes, header, sha256 } = await exchange.server.takeSnapshot();
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    // made by this program, never shared memory
    status: 200,
    headers: {
      "Content-Type": "application/x-gzip",
      "Content-Length": String(bytes.length),
      Digest: `sha-256=${Buffer.from(sha256).toString("base64")}`,
      ...indexHeaders(header.index),
    },
  });
}

/** Nothing is changed before the whole file was looked through. */
export async function restoreSnapshot(exchange: Exchange): Promise<Response> {
  const { server, context } = exchange;
  context.disableIdleTimeout();
  if (!server.isLeading) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
  const file = await boundedBytes(exchange.request, LIMITS.snapshotBytesMax, "snapshotBytesMax");
  const snapshot = await decodeSnapshot(server.options.runtime, file);
  const { index, clusterId } = await server.restore(snapshot);
  const { header } = snapshot;
  const body = {
    Index: index,
    ClusterID: clusterId,
    SnapshotIndex: header.index,
    SnapshotMadeAtMs: header.madeAtMs,
    Rows: Object.fromEntries(header.counts),
  };
  return json(exchange, body, { "X-Nomad-Index": String(index) });
}
