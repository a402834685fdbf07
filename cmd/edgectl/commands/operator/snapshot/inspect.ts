// edgectl operator snapshot inspect: what a file holds, looked at on this machine alone.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { readSnapshot, snapshotPairs } from "../../../cli/snapshot-text.ts";
import { bytesText } from "../../../cli/times.ts";

export default defineEdgeCommand({
  description: "Needs no agent. A file that is cut off or damaged anywhere is refused, as `restore` would.",
  operands: "FILE",
  examples: [["operator snapshot inspect greenhouse.snap", "who made it, when, and how many rows it has"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run({ runtime, operands, options, output }) {
    const [path] = operands;
    if (path === undefined) throw new EdgeError("invalid", "the name of a snapshot is missing");
    const { snapshot, bytes } = await readSnapshot(runtime, path);
    const { header, sizes } = snapshot;
    const rows = [...header.counts].map(([table, count]) => ({ Name: table, Rows: count, Bytes: sizes.get(table) ?? 0 }));
    if (options.json) {
      output.json({
        File: path,
        Bytes: bytes.length,
        MadeAtMs: header.madeAtMs,
        MadeBy: header.madeBy,
        Region: header.region,
        ClusterID: header.clusterId,
        Index: header.index,
        Epoch: header.epoch,
        Schema: header.schema,
        Tables: rows,
      });
      return DONE;
    }
    output.pairs([
      ...snapshotPairs(snapshot),
      ["Size", `${bytesText(bytes.length)}, unpacked ${bytesText(rows.reduce((sum, row) => sum + row.Bytes, 0))}`],
    ]);
    output.title("Tables");
    output.table(
      ["Table", "Rows", "Size"],
      rows.map((row) => [row.Name, String(row.Rows), bytesText(row.Bytes)]),
    );
    return DONE;
  },
});
