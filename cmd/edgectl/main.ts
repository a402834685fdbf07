// The executable for Bun: makes the runtime, runs the command, and owns the exit status.

import { bunRuntime } from "../../internal/runtime/bun.ts";
import { runCli } from "./cli.ts";

// A reader that has seen enough, as in `edgectl logs web | head`, is no failure.
process.stdout.on("error", () => process.exit(0));
const runtime = bunRuntime();
const status = await runCli(runtime);
await runtime.terminal.outBytes(new Uint8Array()); // what was written before is in the pipe now
process.exit(status);
