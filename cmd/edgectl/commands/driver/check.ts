// edgectl driver check: whether an executable is a driver, tried on the real thing; no agent is needed.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import type { JsonMap } from "../../../../internal/domain/job.ts";
import { DONE, defineEdgeCommand, FAILED } from "../../cli/command.ts";

export default defineEdgeCommand({
  description:
    "Starts the executable as an agent would and tries each promise of a driver: it is greeted, runs tasks, dies, is started again. Prints what was seen; ends with 1 when a promise is not kept.\nA driver that takes `command` and `args` is given shells to run; for others FILE (TOML) holds [config], the config of a task that runs until it is told to end, and [ending] with config and exit_code, of one that ends by itself; [exec] with shell, the words before a script in the first.",
  operands: "DRIVER",
  examples: [
    ["driver check ./my-driver", "a driver that takes command and args"],
    ["driver check --config tasks.toml --json ./my-driver", "any other, for a script"],
  ],
  options: {
    config: { type: "string", valueHint: "FILE", description: "tasks for a driver that takes no command and args" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const { files, host } = call.runtime;
    const [operand = ""] = call.operands;
    const path = files.realPath(operand.startsWith("/") ? operand : `${host.cwd}/${operand}`);
    if (path === null || !files.stat(path)?.isFile) throw new EdgeError("not-found", `there is no file "${operand}"`);
    if (!files.isExecutable(path)) throw new EdgeError("invalid", `"${operand}" is not executable`, { hint: `chmod 755 ${operand}` });
    const tasks = call.options.config === undefined ? {} : await readTasks(files.readText(call.options.config), call.options.config);
    const { checkDriver } = await import("../../../../internal/runner/drivers/external/conformance.ts");
    const folder = files.temporaryDirectory("edgectl-driver-");
    const ending = mapOf(tasks.ending);
    const results = await checkDriver({
      runtime: call.runtime,
      path,
      folder,
      config: mapOf(tasks.config),
      ending: ending && mapOf(ending.config) ? { config: mapOf(ending.config) ?? {}, exitCode: Number(ending.exit_code ?? 0) } : null,
      shell: wordsOf(mapOf(tasks.exec)?.shell),
      settings: mapOf(tasks.settings) ?? {},
    });
    await files.removeTree(folder);
    const isKept = results.every((result) => result.outcome !== "failed");
    if (call.options.json) call.output.json({ Driver: path, Kept: isKept, Promises: results });
    else
      call.output.table(
        ["Outcome", "Promise", "Seen"],
        results.map(({ outcome, promise, seen }) => [outcome, promise, seen]),
      );
    return isKept ? DONE : FAILED;
  },
});

// --- internal ---

async function readTasks(text: string | null, path: string): Promise<JsonMap> {
  if (text === null) throw new EdgeError("not-found", `there is no file "${path}"`);
  const { parse } = await import("@ltd/j-toml");
  try {
    return JSON.parse(JSON.stringify(parse(text, { bigint: false }))) as JsonMap; // tables as plain maps
  } catch (error) {
    throw new EdgeError("invalid", `${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function mapOf(value: unknown): JsonMap | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonMap) : null; // a map, as just seen
}

function wordsOf(value: unknown): readonly string[] | null {
  return Array.isArray(value) ? value.map(String) : null;
}
