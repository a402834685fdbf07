// Runs one command: arguments through citty, connection, output, and the command's own exit status.

import { parseArgs } from "citty";
import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { createApi } from "./api.ts";
import { checkOperands, normalizeArguments } from "./arguments.ts";
import type { Call, OptionDefinitions, Options } from "./command.ts";
import type { CommandEntry } from "./command-table.ts";
import { describeFailure } from "./failure.ts";
import { connectionOf, GLOBAL_OPTIONS } from "./global-options.ts";
import { createOutput } from "./output.ts";
import { createProgress } from "./progress.ts";

export interface Leaf {
  readonly entry: CommandEntry;
  /** The words it was called by. */
  readonly typed: string;
  readonly argv: readonly string[];
}

/** Throws what the command throws, except where the command has an exit status of its own for errors. */
export async function runLeaf(runtime: Runtime, leaf: Leaf): Promise<number> {
  const command = (await leaf.entry.load()).default;
  try {
    const definitions: OptionDefinitions = { ...GLOBAL_OPTIONS, ...command.options };
    const given = normalizeArguments(leaf.argv, definitions, command.isVerbatimAfter);
    if (given.isHelpWanted) {
      const { helpOfCommand } = await import("./help.ts");
      runtime.terminal.out(helpOfCommand(leaf.entry, command, leaf.typed));
      return 0;
    }
    checkOperands(command.operands, given.operands, `edgectl ${leaf.typed} [options] ${command.operands}`.trimEnd());
    const options: Options<OptionDefinitions> = parseArgs<PlainDefinitions>([...given.args], plainDefinitions(definitions));
    const progress = createProgress(runtime);
    const call: Call = {
      runtime,
      api: createApi(runtime, connectionOf(runtime, options)),
      output: createOutput(runtime, { isColored: isColored(runtime, options.color) }),
      progress,
      options,
      operands: given.operands,
      repeated: (option) => given.repeated.get(option) ?? [],
      calledAs: runtime.host.programName === "nomad" ? "nomad" : "edgectl",
      isVerbose: options.verbose === true,
    };
    const status = await command.run(call);
    await progress.flush();
    return status;
  } catch (error) {
    if (command.failureStatus === undefined) throw error;
    const isDebug = leaf.argv.some((word) => /^--?debug$/.test(word));
    runtime.terminal.error(describeFailure(error instanceof Error ? error : new EdgeError("internal", String(error)), { isDebug }).text);
    return command.failureStatus;
  }
}

// --- internal ---

type PlainDefinitions = Record<string, { type: "boolean"; description: string } | { type: "string"; description: string }>;

/** citty's own part of the definitions: it takes aliases again, and they are settled here already. */
function plainDefinitions(definitions: OptionDefinitions): PlainDefinitions {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, { type, description }]) => [name, { type, description } as PlainDefinitions[string]]),
  ); // each is one of the two
}

function isColored(runtime: Runtime, asked: unknown): boolean {
  if (typeof asked === "boolean") return asked;
  return runtime.host.isTerminal.stdout && !runtime.host.env.NO_COLOR && runtime.host.env.TERM !== "dumb";
}
