// edgectl agent install|uninstall: a systemd unit for this executable, checked before anything is enabled.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

interface InstallOptions {
  /** Another root to write under; systemd itself is then left alone. "" = this machine. */
  readonly root: string;
  readonly program: string;
  readonly agentArguments: readonly string[];
}

const UNIT_PATH = "/etc/systemd/system/edgectl.service";
const PROGRAM_PATH = "/usr/local/bin/edgectl";

export async function runInstall(runtime: Runtime, action: "install" | "uninstall", argv: readonly string[]): Promise<number> {
  const options = parseOptions(runtime, argv);
  if (options.root === "" && runtime.host.uid !== 0)
    throw new EdgeError("config", `agent ${action} must be run as root`, { hint: `sudo edgectl agent ${action}` });
  return action === "install" ? install(runtime, options) : uninstall(runtime, options);
}

/** The unit's text. Tasks live outside the unit's cgroup and survive it: only the agent itself is stopped. */
export function unitText(program: string, agentArguments: readonly string[]): string {
  const command = [program, "agent", ...agentArguments].map(quoted).join(" ");
  return `[Unit]
Description=edgectl agent: runs, schedules and explains work on this device
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=all
# Only while an upgrade is under way: counts starts of a program that may not come so far itself.
ExecStartPre=-/bin/sh -c '[ ! -e ${program}.upgrading ] || exec ${program}.previous internal-upgrade start "$$(cat ${program}.upgrading)"'
ExecStart=${command}
ExecReload=-/bin/sh -c 'kill -HUP "$$MAINPID"'
KillMode=process
KillSignal=SIGTERM
Restart=on-failure
RestartSec=2
LimitNOFILE=65536
TasksMax=infinity
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
`;
}

// --- internal ---

function parseOptions(runtime: Runtime, argv: readonly string[]): InstallOptions {
  const rest: string[] = [];
  let root = "";
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    // Every user of the machine may read a unit.
    if (/^--?(?:join-token|client-intro-token)(?:=|$)/.test(word))
      throw new EdgeError("config", "a join token does not belong into a unit, which every user can read", {
        hint: "put it into a file of mode 0600, and install with --join-token-file FILE",
      });
    const match = /^--?root(?:=(.*))?$/.exec(word);
    if (!match) rest.push(word);
    else root = (match[1] ?? argv[++at] ?? "").replace(/\/$/, "");
  }
  return { root, program: runtime.host.selfCommand[0] ?? "", agentArguments: rest };
}

async function install(runtime: Runtime, options: InstallOptions): Promise<number> {
  const { files, terminal } = runtime;
  const unit = options.root + UNIT_PATH;
  const program = options.root + PROGRAM_PATH;
  files.makeDirectory(unit.slice(0, unit.lastIndexOf("/")));
  files.makeDirectory(program.slice(0, program.lastIndexOf("/")));
  if (options.program !== program) await copyProgram(runtime, options.program, program);
  files.writeAtomic(unit, unitText(PROGRAM_PATH, options.agentArguments), 0o644);
  terminal.out(`wrote ${unit}\n`);
  if (options.root !== "") {
    const link = `${options.root}/etc/systemd/system/multi-user.target.wants/edgectl.service`;
    files.makeDirectory(link.slice(0, link.lastIndexOf("/")));
    files.remove(link);
    files.symlink(UNIT_PATH, link);
    terminal.out(`enabled under ${options.root}; it starts at the next boot of that system\n`);
    return 0;
  }
  await systemctl(runtime, ["daemon-reload"]);
  await systemctl(runtime, ["enable", "--now", "edgectl.service"]);
  terminal.out("edgectl is enabled and running (systemctl status edgectl, journalctl -u edgectl)\n");
  return 0;
}

async function uninstall(runtime: Runtime, options: InstallOptions): Promise<number> {
  const { files, terminal } = runtime;
  const unit = options.root + UNIT_PATH;
  if (files.stat(unit) === null) {
    terminal.out("edgectl is not installed as a service\n");
    return 0;
  }
  if (options.root === "") await systemctl(runtime, ["disable", "--now", "edgectl.service"]);
  else files.remove(`${options.root}/etc/systemd/system/multi-user.target.wants/edgectl.service`);
  files.remove(unit);
  if (options.root === "") await systemctl(runtime, ["daemon-reload"]);
  terminal.out(`removed ${unit}; the program and its data directory were left in place\n`);
  return 0;
}

/** Next to the target first, then renamed: a running program is never written over. */
async function copyProgram(runtime: Runtime, from: string, to: string): Promise<void> {
  const copied = await runtime.processes.run("cp", [from, `${to}.new`], { timeoutMs: 120_000 });
  if (copied.code !== 0) throw new EdgeError("config", `the program could not be copied to ${to}: ${copied.stderr.trim()}`);
  runtime.files.chmod(`${to}.new`, 0o755);
  runtime.files.rename(`${to}.new`, to);
}

async function systemctl(runtime: Runtime, args: readonly string[]): Promise<void> {
  const done = await runtime.processes.run("systemctl", args, { timeoutMs: 60_000 });
  if (done.code !== 0)
    throw new EdgeError("config", `systemctl ${args.join(" ")} failed: ${done.stderr.trim() || done.stdout.trim()}`, {
      hint: "is systemd running on this machine? (ps -p 1)",
    });
}

/** systemd's own quoting: percent signs and dollars would otherwise be specifiers and variables. */
function quoted(word: string): string {
  const escaped = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w./:=,@%+-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
