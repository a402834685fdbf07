// edgectl node drain: empties a node, follows that, or ends it.

import { parseDurationMs } from "../../../../internal/domain/duration.ts";
import { EdgeError } from "../../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../../cli/command.ts";
import { monitorDrain } from "../../cli/drain-monitor.ts";
import { findNode } from "../../cli/find.ts";
import { selfOrNamed } from "../../cli/node-operand.ts";
import type { NodeStub } from "../../cli/wire-types.ts";

const DEADLINE_DEFAULT = "1h";

export default defineEdgeCommand({
  description:
    "Services move to other nodes as their migrate blocks say, batch jobs may finish until the deadline, system jobs stop last. The node takes nothing new, also afterwards, until it is made eligible. Without --detach the command follows the drain to its end.",
  operands: "[NODE]",
  examples: [
    ["node drain --enable greenhouse-2", "empty the node within an hour"],
    ['node drain --enable --deadline 10m -m "new disk" greenhouse-2', "within ten minutes, and say why"],
    ["node drain --enable --force greenhouse-2", "stop everything there at once"],
    ["node drain --disable greenhouse-2", "keep what is left, and give it new work"],
    ["node drain --monitor greenhouse-2", "follow a drain that was begun before"],
  ],
  options: {
    enable: { type: "boolean", description: "begin to drain, or change how" },
    disable: { type: "boolean", description: "end the drain" },
    monitor: { type: "boolean", description: "follow a drain" },
    deadline: { type: "string", description: "when what is left is stopped (default 1h)", valueHint: "DURATION" },
    // An option that begins with "no-" would be read as the other one's opposite.
    "without-deadline": { type: "boolean", description: "wait for batch jobs however long they take", alias: ["no-deadline"] },
    force: { type: "boolean", description: "stop everything at once" },
    "ignore-system": { type: "boolean", description: "let system jobs run on" },
    "keep-ineligible": { type: "boolean", description: "with --disable: no new work for it yet" },
    message: { type: "string", description: "why; kept with the drain", alias: ["m"], valueHint: "TEXT" },
    meta: { type: "string", description: "a note kept with the drain; may be given again", isRepeated: true, valueHint: "KEY=VALUE" },
    self: { type: "boolean", description: "the node of the agent that is asked" },
    yes: { type: "boolean", description: "drain a node that is named by a prefix only", alias: ["y"] },
    detach: { type: "boolean", description: "return once the drain is registered" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const { options, api, output } = call;
    if ([options.enable, options.disable, options.monitor && !options.enable].filter(Boolean).length !== 1)
      throw new EdgeError("invalid", "say one of --enable, --disable and --monitor");
    const body = options.monitor && !options.enable ? null : bodyOf(call);
    const name = await selfOrNamed(call);
    const node = await findNode(api, name);
    if (body) {
      if (options.enable && !options.yes && !options.self) refusePrefix(name, node);
      const reply = await api.put(`/v1/node/${node.ID}/drain`, { NodeID: node.ID, ...body });
      if (options.json && (options.detach || options.disable)) output.json(reply);
      else if (!options.json) output.line(`node ${node.Name} (${node.ID.slice(0, 8)}) ${options.enable ? "drains" : "drains no more"}`);
      if (options.detach || options.disable) return DONE;
    }
    const say = options.json ? (line: string) => call.progress.info(line) : (line: string) => output.line(line);
    const status = await monitorDrain({ ...call, say }, node);
    if (options.json) output.json(await api.get(`/v1/node/${node.ID}`));
    return status;
  },
});

// --- internal ---

type Options = Partial<
  Readonly<Record<"enable" | "disable" | "force" | "without-deadline" | "ignore-system" | "keep-ineligible", boolean | undefined>>
> & {
  readonly deadline?: string | undefined;
  readonly message?: string | undefined;
};

function bodyOf(call: Pick<Call, "repeated"> & { readonly options: Options }): object {
  const { options } = call;
  const given = (["deadline", "without-deadline", "force", "ignore-system"] as const).filter((name) => options[name] !== undefined);
  if (options.disable && given.length > 0) throw new EdgeError("invalid", `--${given[0]} goes with --enable only`);
  if (options.enable && options["keep-ineligible"]) throw new EdgeError("invalid", "--keep-ineligible goes with --disable only");
  if (given.filter((name) => name !== "ignore-system").length > 1)
    throw new EdgeError("invalid", "--deadline, --no-deadline and --force exclude each other");
  const meta = Object.fromEntries(call.repeated("meta").map(readMeta));
  if (options.message !== undefined) meta.message = options.message;
  const Meta = Object.keys(meta).length === 0 ? null : meta;
  if (options.disable) return { DrainSpec: null, MarkEligible: !options["keep-ineligible"], Meta };
  return { DrainSpec: { Deadline: deadlineOf(options), IgnoreSystemJobs: options["ignore-system"] ?? false }, MarkEligible: false, Meta };
}

/** In nanoseconds: -1 by force, 0 for none. */
function deadlineOf(options: Options): number {
  if (options.force) return -1;
  if (options["without-deadline"]) return 0;
  const text = options.deadline ?? DEADLINE_DEFAULT;
  const ms = parseDurationMs(text);
  if (ms === null || ms <= 0)
    throw new EdgeError("invalid", `--deadline "${text}" is no duration above 0`, { hint: "write it like 10m or 1h30m; --force and --no-deadline" });
  return ms * 1e6;
}

function readMeta(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new EdgeError("invalid", `--meta "${text}" is no KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** To stop what runs on a machine takes more than the first digits of its id. */
function refusePrefix(name: string, node: NodeStub): void {
  if (node.ID === name || node.Name === name) return;
  throw new EdgeError("invalid", `"${name}" is only the beginning of a node's id: ${node.ID} (${node.Name})`, {
    hint: `edgectl node drain --enable ${node.ID}, or add --yes`,
  });
}
