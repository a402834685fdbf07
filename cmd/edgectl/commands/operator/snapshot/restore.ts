// edgectl operator snapshot restore: everything is replaced by what a file holds.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { readSnapshot, snapshotSummary } from "../../../cli/snapshot-text.ts";
import { instantText } from "../../../cli/times.ts";

export default defineEdgeCommand({
  description:
    "The file is checked here, then by the server, before anything is changed. All that came after the snapshot is forgotten: nodes end what it does not name and start what it does. Indexes go on rising, and fires of periodic jobs that took place are not repeated.",
  operands: "FILE",
  examples: [
    ["operator snapshot save before.snap", "keep what is there now"],
    ["operator snapshot restore greenhouse.snap", "and replace it"],
  ],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run({ runtime, api, operands, options, output }) {
    const [path] = operands;
    if (path === undefined) throw new EdgeError("invalid", "the name of a snapshot is missing");
    const { snapshot, bytes } = await readSnapshot(runtime, path);
    const reply = await api.raw("PUT", "/v1/operator/snapshot", { body: bytes });
    const answer = JSON.parse(new TextDecoder().decode(reply.body)) as { readonly Index: number; readonly ClusterID: string }; // the server's promise
    if (options.json) output.json(answer);
    else {
      const { header } = snapshot;
      output.line(`restored ${snapshotSummary(snapshot)} of index ${header.index}, made ${instantText(header.madeAtMs)} by edgectl ${header.madeBy}`);
      output.line(`the region goes on at index ${answer.Index}`);
    }
    return DONE;
  },
});
