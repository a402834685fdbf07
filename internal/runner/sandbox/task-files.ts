// Small shell files of one attempt: the task's environment, read by its own user at the very end, and the devices
// that it asked for, made in a /dev of its own.

import { DEVICE_FILES, DEVICE_LINKS } from "./mounts.ts";
import type { Tools } from "./tools.ts";

/** Sets the task's environment and forgets edgectl's. Names that a shell cannot export go through `env`. */
export function envScript(env: Readonly<Record<string, string>>, isImage: boolean): string {
  const entries = Object.entries(env);
  const isName = (name: string) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
  const plain = entries.filter(([name]) => isName(name)).map(([name, value]) => `export ${name}=${quote(value)}\n`);
  const odd = entries.filter(([name]) => !isName(name)).map(([name, value]) => quote(`${name}=${value}`));
  const path = isImage && env.PATH === undefined ? "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH\n" : "";
  return `unset ${OWN_NAMES.join(" ")}\n${path}${plain.join("")}${odd.length > 0 ? `set -- env ${odd.join(" ")} "$@"\n` : ""}`;
}

/** Fills the empty /dev below the root: the common few, and the devices asked for, for the task's group alone. */
export function deviceScript(
  tools: Tools,
  root: string,
  tablePath: string,
  wishes: readonly { readonly path: string; readonly access: "r" | "w" | "rw" }[],
  gid: number,
): string {
  const { cp, chown, chmod, mount } = tools.paths;
  const dev = quote(`${root}/dev`);
  const lines = [`${cp} -a ${[...DEVICE_FILES].map((name) => `/dev/${name}`).join(" ")} ${dev}/ || exit 125`];
  const links = Object.entries(DEVICE_LINKS).map(([name, target]) => `ln -s ${target} ${dev}/${name}`);
  lines.push(`{ ${links.join(" && ")}; } || exit 125`);
  for (const { path, access } of wishes) {
    if (COMMON.has(path)) continue;
    const [source, target] = [quote(path), quote(`${root}${path}`)];
    const folder = path.slice(0, path.lastIndexOf("/"));
    lines.push(`[ -c ${source} ] || [ -b ${source} ] || { echo ${quote(`${path} is no device on this node`)} >&2; exit 125; }`);
    if (folder !== "/dev") lines.push(`mkdir -p ${quote(`${root}${folder}`)} || exit 125`);
    lines.push(`${cp} -aL ${source} ${target} && ${chown} 0:${gid} ${target} && ${chmod} ${MODES[access]} ${target} || exit 125`);
  }
  lines.push(`mkdir ${dev}/pts ${dev}/shm && ${mount} --all --fstab ${quote(tablePath)} || exit 125`);
  lines.push(`${mount} -o remount,ro,nosuid,noexec ${dev} || exit 125`);
  return `${lines.join("\n")}\n`;
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// --- internal ---

/** Everything that the shim and what follows it are told by environment. */
const OWN_NAMES = [
  "EDGECTL_TASK_SCRIPT",
  "EDGECTL_SANDBOX_TASK",
  "EDGECTL_ENTER",
  "EDGECTL_LEAVE",
  "EDGECTL_PID_NAMESPACE",
  "EDGECTL_CGROUPS",
  "EDGECTL_ROOT",
  "EDGECTL_MOUNT",
  "EDGECTL_PIVOT",
  "EDGECTL_UMOUNT",
  "EDGECTL_PRLIMIT",
  "EDGECTL_RLIMITS",
  "EDGECTL_SETPRIV",
  "EDGECTL_OOM_SCORE_ADJ",
  "EDGECTL_TERMINAL",
  "EDGECTL_INIT",
  "EDGECTL_NSENTER",
  "SHELL",
  "PATH",
  "PWD",
  "OLDPWD",
];

const COMMON: ReadonlySet<string> = new Set([...DEVICE_FILES, ...Object.keys(DEVICE_LINKS)].map((name) => `/dev/${name}`));

const MODES = { r: "440", w: "220", rw: "660" } as const;
