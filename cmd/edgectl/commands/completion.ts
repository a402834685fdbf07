// edgectl completion: scripts for shells, made from the table of commands and the options of each.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../cli/command.ts";
import { COMMANDS } from "../cli/command-table.ts";
import { bashScript, fishScript, type Word, zshScript } from "../cli/completion-scripts.ts";
import { GLOBAL_OPTIONS } from "../cli/global-options.ts";
import { optionRows } from "../cli/help.ts";

export default defineEdgeCommand({
  description: "Put the script where your shell looks for completions, or evaluate it when the shell starts.",
  operands: "SHELL",
  examples: [
    ["completion bash > /etc/bash_completion.d/edgectl", "for bash"],
    ["completion zsh > ~/.zfunc/_edgectl", "for zsh, where ~/.zfunc is in fpath"],
    ["completion fish > ~/.config/fish/completions/edgectl.fish", "for fish"],
  ],
  options: { json: { type: "boolean", description: "print the words and options as JSON" } },
  async run(call) {
    const [shell = ""] = call.operands;
    const words = await allWords();
    const script = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell];
    if (!script) throw new EdgeError("invalid", `there is no completion for "${shell}"`, { hint: "use bash, zsh or fish" });
    if (call.options.json) call.output.json(words);
    else call.runtime.terminal.out(script(words));
    return DONE;
  },
});

// --- internal ---

/** Every way to type every command, with the options it takes. */
async function allWords(): Promise<readonly Word[]> {
  const leaves = await Promise.all(
    COMMANDS.filter((entry) => !entry.isHidden).map(async (entry) => {
      const command = (await entry.load()).default;
      const options = [...optionRows(command.options), ...optionRows(GLOBAL_OPTIONS)].map(([spelling, help]) => ({
        name: optionName(spelling),
        help,
      }));
      return [entry.words, ...(entry.aliases ?? [])].map((words) => ({ words, help: entry.summary, options }));
    }),
  );
  const agent = ["agent", "agent install", "agent uninstall"].map((words) => ({
    words,
    help: "run the server and node on this machine",
    options: [],
  }));
  return [...leaves.flat(), ...agent, { words: "help", help: "show help", options: [] }];
}

/** The longest spelling, without its value. */
function optionName(spelling: string): string {
  const dashed = spelling.split(" ").filter((word) => word.startsWith("-"));
  return (dashed.at(-1) ?? "").replace(/,$/, "");
}
