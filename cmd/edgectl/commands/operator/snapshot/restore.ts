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
    ["operator snapshot restore --offline greenhouse.snap --data-dir /var/lib/edgectl", "make a new state file in the place of a damaged one"],
  ],
  options: {
    offline: { type: "boolean", description: "make the state file anew while no agent runs; the old one is moved aside" },
    "data-dir": { type: "string", description: "with --offline: the agent's data directory", valueHint: "DIR" },
    store: { type: "string", description: "with --offline: the server's store, where it is not in the data directory", valueHint: "URL" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run({ runtime, api, operands, options, output }) {
    const [path] = operands;
    if (path === undefined) throw new EdgeError("invalid", "the name of a snapshot is missing");
    const { snapshot, bytes } = await readSnapshot(runtime, path);
    const { header } = snapshot;
    const what = `restored ${snapshotSummary(snapshot)} of index ${header.index}, made ${instantText(header.madeAtMs)} by edgectl ${header.madeBy}`;
    if (options.offline) {
      const { restoreOffline } = await import("../../../agent/restore-offline.ts");
      const {
        path: file,
        index,
        clusterId,
        aside,
      } = await restoreOffline(runtime, snapshot, { dataDirectory: options["data-dir"], store: options.store });
      if (options.json) output.json({ File: file, Index: index, ClusterID: clusterId, Aside: aside });
      else {
        output.line(what);
        if (aside !== "") output.line(`the old file is ${aside}`);
        output.line(`start the agent: it goes on at index ${index}`);
      }
      return DONE;
    }
    if (options["data-dir"] !== undefined || options.store !== undefined)
      throw new EdgeError("invalid", "--data-dir and --store say which file to make anew: they belong to --offline");
    const reply = await api.raw("PUT", "/v1/operator/snapshot", { body: bytes });
    const answer = JSON.parse(new TextDecoder().decode(reply.body)) as { readonly Index: number; readonly ClusterID: string }; // the server's promise
    if (options.json) output.json(answer);
    else {
      output.line(what);
      output.line(`the region goes on at index ${answer.Index}`);
    }
    return DONE;
  },
});
