// edgectl job schema: what editors need to complete and check job files.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

export default defineEdgeCommand({
  description: "Put `#:schema ./job.schema.json` in the first line of a job file, and editors with TOML support complete and check it.",
  operands: "",
  examples: [["job schema > job.schema.json", "write it to a file"]],
  options: { json: { type: "boolean", description: "JSON is what it prints anyway" } },
  async run({ output }) {
    const { jobSchema } = await import("../../../../internal/jobspec/schema.ts");
    output.json(jobSchema());
    return DONE;
  },
});
