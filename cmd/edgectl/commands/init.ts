// edgectl init: an example job file with comments. Never writes over a file.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../cli/command.ts";

export default defineEdgeCommand({
  description: "Writes job.toml, or another file when one is named. A file that exists is left alone.",
  operands: "[FILE]",
  examples: [
    ["init", "a service in job.toml"],
    ["init --type periodic report.toml", "a job that runs every quarter of an hour"],
  ],
  options: {
    type: { type: "string", description: "service, batch or periodic (default service)", valueHint: "KIND" },
    short: { type: "boolean", description: "Nomad's option for fewer comments; these are few", isHidden: true },
  },
  async run({ runtime, output, options, operands }) {
    const { exampleJob } = await import("../../../internal/jobspec/example-job.ts");
    const kind = options.type ?? "service";
    if (kind !== "service" && kind !== "batch" && kind !== "periodic")
      throw new EdgeError("invalid", `there is no example of type "${kind}"`, { hint: "use --type service, batch or periodic" });
    const path = operands[0] ?? "job.toml";
    const full = path.startsWith("/") ? path : `${runtime.host.cwd}/${path}`;
    if (!runtime.files.createExclusive(full, exampleJob(kind)))
      throw new EdgeError("conflict", `the file ${path} exists already`, { hint: "name another: edgectl init FILE" });
    output.line(`wrote ${path}; start it with: edgectl run ${path}`);
    return DONE;
  },
});
