// edgectl agent: runs the server, the node, or both; install and uninstall make it a systemd service.

import type { Runtime } from "../../../internal/runtime/runtime.ts";

export const help = `Runs edgectl on this machine: a server, a node that runs tasks, or both.

Without --server or --client it is both, listens on 127.0.0.1:4646 and keeps its data in /var/lib/edgectl
(root) or ~/.local/share/edgectl. Tasks go on when the agent stops, unless client.on_agent_stop = "stop".

Usage:
  edgectl agent [--dev | --config FILE] [flags]
  edgectl agent install [flags]      write, enable and start a systemd service
  edgectl agent uninstall [flags]    stop, disable and remove it
  edgectl agent reload               read the settings anew, as does SIGHUP (edgectl agent reload --help)
  edgectl agent upgrade FILE         go on as another program (edgectl agent upgrade --help)

Examples:
  edgectl agent --dev                                   try it out: temporary data, everything cleaned
  edgectl agent                                         a whole cluster on this machine
  edgectl agent --client --servers http://10.0.0.1:4646 --dc greenhouse

Flags:
  --dev            temporary data directory; tasks end with the agent
  --config FILE    settings from a TOML file; flags and variables win over it

Settings (flag, variable, key in the file):
`;

export async function run(runtime: Runtime, argv: readonly string[]): Promise<number> {
  const { readAgentConfig, settingsHelp } = await import("../agent/config.ts");
  if (argv.includes("--help") || argv.includes("-help") || argv.includes("-h")) {
    runtime.terminal.out(`${help}${settingsHelp()}\n`);
    return 0;
  }
  if (argv[0] === "install" || argv[0] === "uninstall") {
    const { runInstall } = await import("../agent/install.ts");
    return runInstall(runtime, argv[0], argv.slice(1));
  }
  const { runAgent } = await import("../agent/run-agent.ts");
  return runAgent(runtime, await readAgentConfig(runtime, argv));
}
