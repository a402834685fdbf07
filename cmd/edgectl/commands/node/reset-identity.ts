// edgectl node reset-identity: on the device itself, for a copy of another's card or data directory.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

export default defineEdgeCommand({
  description:
    "Run on the device itself, with its agent stopped; it speaks to no server. The device gets a new id and key, and joins as a new node. What the old one had (its key, its journal, meta that was set while it ran, the files of its allocations) is moved aside within the data directory. The server's account of the old node stays as it is: `edgectl node purge` ends that.",
  operands: "",
  examples: [
    ["node reset-identity", "after copying a card: the copy becomes a node of its own"],
    ["node reset-identity --stop-tasks --data-dir /var/lib/edgectl", "end what the old node left running here, too"],
  ],
  options: {
    "data-dir": { type: "string", description: "the agent's data directory, where it is another than the default", valueHint: "DIR" },
    config: { type: "string", description: "the agent's config file", valueHint: "FILE" },
    "stop-tasks": { type: "boolean", description: "end tasks that the old node left running" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run({ runtime, options, output, progress }) {
    const { resetIdentity } = await import("../../agent/reset-identity.ts");
    const place = { dataDirectory: options["data-dir"], configPath: options.config };
    const done = await resetIdentity(runtime, place, { stopsTasks: options["stop-tasks"] === true });
    if (options.json) {
      output.json({ OldNodeID: done.oldId, NodeID: done.newId, Aside: done.aside, TasksEnded: done.tasksEnded });
      return DONE;
    }
    output.line(`this device is node ${done.newId} from now on${done.oldId === "" ? "" : `; it was ${done.oldId}`}`);
    if (done.tasksEnded > 0) output.line(`${done.tasksEnded === 1 ? "one task was" : `${done.tasksEnded} tasks were`} ended`);
    if (done.aside !== "") output.line(`what the old node had is in ${done.aside}; remove it once nothing in it is needed`);
    progress.info('start the agent: it joins as a new node, by a join token of its own where servers ask for one (server.join = "token")');
    return DONE;
  },
});
