// The arm64 executable, as a whole agent: server, store, client, a job and its log.
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../scripts/compile.ts";
import { testWith } from "../support/real-parts.ts";
import { edgectl, finish, freePort, inWorkplace, readyNode, root, until } from "./emulated-agent.ts";

testWith(
  ["qemu-aarch64", "arm64 libraries"],
  "an arm64 agent is server and client at once, runs a job and shows its log",
  () =>
    inWorkplace(async (place) => {
      const outfile = place.path("edgectl-arm64");
      compile({ entry: join(root, "cmd", "edgectl", "main.ts"), outfile, base: "bun-linux-arm64" });
      const arm64 = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", outfile];
      expect(finish([...arm64, "version"]).status).toBe(0);

      const port = await freePort();
      const address = `http://127.0.0.1:${port}`;
      const agent = ["agent", "--server", "--client", "--data-dir", place.path("data"), "--port", String(port), "--name", "board"];
      place.start("board", [...arm64, ...agent]);
      const details = () => place.logOf("board");
      const node = await until("the board is ready", () => readyNode(address, "board"), { timeoutMs: 60_000, details });
      expect(node.Attributes["cpu.arch"]).toBe("arm64");
      console.log(`emulated: node board, cpu.arch = ${node.Attributes["cpu.arch"]}`);

      writeFileSync(place.path("hello.toml"), hello);
      edgectl(address, "run", place.path("hello.toml"));
      const log = await until("the log", () => (edgectl(address, "logs", "hello").includes("hello from") ? true : undefined), {
        timeoutMs: 60_000,
        details,
      });
      expect(log).toBe(true);
      edgectl(address, "stop", "--purge", "hello");
    }),
  240_000,
);

// --- internal ---

const hello = `id = "hello"
type = "batch"

[task.hello]
driver = "raw_exec"
config = { command = "/bin/sh", args = ["-c", "echo hello from $NOMAD_TASK_NAME"] }
resources = { cpu = 20, memory = 16 }
`;
