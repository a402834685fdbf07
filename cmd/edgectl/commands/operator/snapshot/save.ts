// edgectl operator snapshot save: everything there is, as one checked file.

import { EdgeError, messageOf } from "../../../../../internal/domain/errors.ts";
import type { Runtime } from "../../../../../internal/runtime/runtime.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { snapshotSummary } from "../../../cli/snapshot-text.ts";
import { bytesText, instantText } from "../../../cli/times.ts";

export default defineEdgeCommand({
  description:
    "Taken while the servers run, of one instant. It holds what jobs hold, secrets in their environment among it, so only its owner may read it. An existing file is left alone; without FILE the name is made of the time.",
  operands: "[FILE]",
  examples: [
    ["operator snapshot save", "edgectl-20260314T092653Z.snap in this folder"],
    ["operator snapshot save /mnt/usb/greenhouse.snap", "somewhere safer"],
  ],
  options: {
    stale: { type: "boolean", description: "ask any server; it hands the request to the leader" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run({ runtime, api, operands, options, output }) {
    const path = operands[0] ?? `edgectl-${instantText(runtime.clock.nowMs()).replace(/[-:]/g, "")}.snap`;
    if (runtime.files.lstat(path) !== null)
      throw new EdgeError("conflict", `${path} exists already: it is left as it is`, { hint: "choose another name, or remove it first" });
    const reply = await api.raw("GET", "/v1/operator/snapshot", { query: { stale: options.stale } });
    checkDigest(runtime, reply.headers.get("Digest"), reply.body);
    const { decodeSnapshot } = await import("../../../../../internal/store/snapshot/decode-snapshot.ts");
    const snapshot = await decodeSnapshot(runtime, reply.body);
    write(runtime, path, reply.body);
    const { index } = snapshot.header;
    if (options.json) output.json({ File: path, Bytes: reply.body.length, Index: index, Rows: Object.fromEntries(snapshot.header.counts) });
    else output.line(`${path}: ${snapshotSummary(snapshot)} at index ${index}, ${bytesText(reply.body.length)}`);
    return DONE;
  },
});

// --- internal ---

/** The digest of what was sent, against what came. */
function checkDigest(runtime: Runtime, header: string | null, body: Uint8Array): void {
  const want = /^sha-256=(.+)$/i.exec(header ?? "")?.[1];
  if (want === undefined) throw new EdgeError("internal", "the snapshot came without a digest: nothing was written");
  const sum = runtime.hashing.newSha256();
  sum.update(body);
  if (Buffer.from(sum.digest()).toString("base64") !== want)
    throw new EdgeError("internal", "the snapshot was damaged on its way: nothing was written", { hint: "try again", isRetryable: true });
}

function write(runtime: Runtime, path: string, body: Uint8Array): void {
  try {
    runtime.files.writeAtomic(path, body, 0o600);
  } catch (error) {
    throw new EdgeError("invalid", `${path} cannot be written: ${messageOf(error)}`, {
      hint: "choose another folder, or free some space",
      cause: error,
    });
  }
}
