// The executable for Node: makes the runtime, runs the command, and owns the exit status.

import { nodeRuntime } from "../../internal/runtime/node.ts";
import { runCli } from "./cli.ts";

// A reader that has seen enough, as in `edgectl logs web | head`, is no failure.
process.stdout.on("error", () => process.exit(0));

// Neither node:sea nor getBuiltinModule is in Node 18, which no single executable is made of.
const sea = process.getBuiltinModule?.("node:sea");
const runtime = nodeRuntime({ isSingleExecutable: sea?.isSea() === true, scriptPath: process.argv[1] ?? "" });

runCli(runtime).then(async (status) => {
  await runtime.terminal.outBytes(new Uint8Array()); // what was written before is in the pipe now
  process.exit(status);
});
