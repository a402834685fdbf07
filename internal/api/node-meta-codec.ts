// A node's meta on the wire.

import type { NodeMeta } from "../domain/node-meta.ts";
import type { JsonObject } from "./wire.ts";

export function encodeNodeMeta({ meta, dynamic, static: fixed }: NodeMeta): JsonObject {
  return { Meta: meta, Dynamic: dynamic, Static: fixed };
}
