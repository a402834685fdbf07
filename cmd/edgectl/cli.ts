// The program behind every entry point: words to a command, errors to a message, all of it to an exit status.

import { EdgeError } from "../../internal/domain/errors.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { commandsUnder, type Dispatched, dispatch, findCommand, type RawWord } from "./cli/dispatch.ts";
import { describeFailure } from "./cli/failure.ts";

/** Resolves with the exit status; throws nothing. */
export async function runCli(runtime: Runtime): Promise<number> {
  const { argv } = runtime.host;
  try {
    return await run(runtime, dispatch(argv));
  } catch (error) {
    const failure = describeFailure(error, { isDebug: argv.some((word) => /^--?debug$/.test(word)) });
    runtime.terminal.error(failure.text);
    return failure.status;
  }
}

// --- internal ---

async function run(runtime: Runtime, dispatched: Dispatched): Promise<number> {
  switch (dispatched.kind) {
    case "raw":
      return runRaw(runtime, dispatched.name, dispatched.argv);
    case "help":
      return showHelp(runtime, dispatched.topic);
    case "command": {
      const { runLeaf } = await import("./cli/run-leaf.ts");
      return runLeaf(runtime, dispatched);
    }
  }
}

async function runRaw(runtime: Runtime, name: RawWord, argv: readonly string[]): Promise<number> {
  const [path = "", target = ""] = argv;
  switch (name) {
    case "agent":
      return (await import("./commands/agent.ts")).run(runtime, argv);
    case "internal-checkpoint":
      if (path === "") throw new EdgeError("invalid", "internal-checkpoint needs the path of a store");
      await (await import("../../internal/store/sqlite/checkpoint.ts")).checkpointSqlite(runtime, path);
      return 0;
    case "internal-check": {
      if (path === "") throw new EdgeError("invalid", "internal-check needs the path of a store");
      const { checkSqlite, verdictText } = await import("../../internal/store/sqlite/check.ts");
      runtime.terminal.out(`${verdictText(await checkSqlite(runtime, path))}\n`);
      return 0;
    }
    case "internal-upgrade":
      if (target === "") throw new EdgeError("invalid", "internal-upgrade needs what to do and a data directory");
      return (await import("./agent/upgrade-words.ts")).runUpgradeWord(runtime, path, target);
    case "internal-copy":
      if (target === "") throw new EdgeError("invalid", "internal-copy needs the path of a store and of its copy");
      await (await import("../../internal/store/sqlite/copy.ts")).copySqlite(runtime, path, target);
      return 0;
  }
}

async function showHelp(runtime: Runtime, topic: string): Promise<number> {
  const { helpOfAll, helpOfCommand, helpOfGroup } = await import("./cli/help.ts");
  const show = (text: string) => {
    runtime.terminal.out(text);
    return 0;
  };
  if (topic === "") return show(helpOfAll());
  if (topic.split(" ")[0] === "agent" && !findCommand(topic)) return runRaw(runtime, "agent", ["--help"]);
  const entry = findCommand(topic);
  // A word can be a command and a group at once, as no word is here today: the command explains itself.
  if (entry) return show(helpOfCommand(entry, (await entry.load()).default, topic));
  if (commandsUnder(topic).length > 0) return show(helpOfGroup(topic));
  return run(runtime, dispatch(topic.split(" ")));
}
