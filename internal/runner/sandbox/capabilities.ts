// Linux capabilities of a task: a default set, what the job adds and drops, and what the node allows at most.

import { EdgeError } from "../../domain/errors.ts";

/** Of every task that runs as root, unless it drops some. Those of other users have none but what their job adds. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "audit_write",
  "chown",
  "dac_override",
  "fowner",
  "fsetid",
  "kill",
  "mknod",
  "net_bind_service",
  "setfcap",
  "setgid",
  "setpcap",
  "setuid",
  "sys_chroot",
];

const OTHERS =
  "audit_control audit_read block_suspend bpf checkpoint_restore dac_read_search ipc_lock ipc_owner lease linux_immutable mac_admin mac_override net_admin net_broadcast net_raw perfmon sys_admin sys_boot sys_module sys_nice sys_pacct sys_ptrace sys_rawio sys_resource sys_time sys_tty_config syslog wake_alarm";
export const KNOWN_CAPABILITIES: readonly string[] = [...DEFAULT_CAPABILITIES, ...OTHERS.split(" ")];

export interface CapabilityWish {
  readonly add: readonly string[];
  readonly drop: readonly string[];
}

/** `CAP_NET_ADMIN`, `net_admin` and `NET_ADMIN` are one; null for what is none. `all` stands for itself. */
export function capabilityName(text: string): string | null {
  const name = text.toLowerCase().replace(/^cap_/, "");
  return name === "all" || KNOWN_CAPABILITIES.includes(name) ? name : null;
}

/** What setpriv is told: the bounding set, and those that a user other than root has at once. Throws `invalid` for what the node forbids. */
export function capabilitiesOf(
  wish: CapabilityWish,
  allowed: readonly string[],
  isRoot: boolean,
): { readonly bounding: string; readonly ambient: string } {
  const add = namesOf(wish.add, allowed);
  const drop = new Set(namesOf(wish.drop, KNOWN_CAPABILITIES));
  const refused = add.filter((name) => !allowed.includes(name));
  if (refused.length > 0)
    throw new EdgeError("invalid", `this node does not allow the capabilities ${refused.join(", ")}`, {
      hint: "client.exec_allow_caps on the node lists what cap_add may ask for",
    });
  // Dropping all, then adding some, is how a job says "these and no others".
  const isEmptied = wish.drop.some((name) => capabilityName(name) === "all");
  const basis = isRoot && !isEmptied ? DEFAULT_CAPABILITIES.filter((name) => allowed.includes(name)) : [];
  const kept = [...new Set([...basis.filter((name) => !drop.has(name)), ...add.filter((name) => isEmptied || !drop.has(name))])].sort();
  return { bounding: setOf(kept), ambient: isRoot ? setOf([]) : setOf(kept) };
}

// --- internal ---

function namesOf(texts: readonly string[], all: readonly string[]): readonly string[] {
  return texts.flatMap((text) => {
    const name = capabilityName(text);
    return name === null ? [] : name === "all" ? all : [name];
  });
}

function setOf(names: readonly string[]): string {
  return ["-all", ...names.map((name) => `+${name}`)].join(",");
}
