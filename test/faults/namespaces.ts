// A network for one test: each node in a network namespace of its own, joined to the servers' addresses by a bridge,
// and ways to cut it: both directions, one of them, or a single server. Needs root and iproute2, nothing of the kernel's
// packet filters: a direction is silenced by a neighbour entry that leads nowhere.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";

/** A link address that nobody has: frames to it are dropped by everyone. */
const NOWHERE = "02:00:00:00:de:ad";
const PREFIX = "edgectl-faults-";

export interface NetworkSize {
  readonly servers: number;
  readonly nodes: number;
}

export class Network {
  readonly size: NetworkSize;
  readonly #subnet: string;
  readonly #bridge: string;
  readonly #id: string;

  /** Makes everything, or throws with nothing left behind. */
  constructor(size: NetworkSize) {
    removeLeftovers();
    this.size = size;
    this.#id = String(process.pid);
    this.#subnet = freeSubnet();
    this.#bridge = `ef${this.#id}`;
    try {
      this.#make();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  serverAddress(at: number): string {
    return `${this.#subnet}.${at + 1}`;
  }

  /** Put before a program, it runs in the node's namespace, and under the pid that was started. */
  wrapper(at: number): string[] {
    return ["nsenter", `--net=/run/netns/${this.#namespace(at)}`];
  }

  /** The node's link: both ends notice. */
  setLink(at: number, state: "up" | "down"): void {
    ip("link", "set", this.#link(at), state);
  }

  /** What the node sends to these servers is lost, without a sign. */
  mute(at: number, servers: readonly number[]): () => void {
    const addresses = servers.map((server) => this.serverAddress(server));
    for (const address of addresses) ip("-n", this.#namespace(at), "neigh", "replace", address, "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent");
    return () => {
      for (const address of addresses) ipOrNothing("-n", this.#namespace(at), "neigh", "del", address, "dev", "eth0");
    };
  }

  /** What any server sends to the node is lost, without a sign. */
  deafen(at: number): () => void {
    ip("neigh", "replace", this.#nodeAddress(at), "lladdr", NOWHERE, "dev", this.#bridge, "nud", "permanent");
    return () => ipOrNothing("neigh", "del", this.#nodeAddress(at), "dev", this.#bridge);
  }

  close(): void {
    for (let at = 0; at < this.size.nodes; at++) ipOrNothing("netns", "del", this.#namespace(at));
    for (let at = 0; at < this.size.nodes; at++) ipOrNothing("link", "del", this.#link(at));
    ipOrNothing("link", "del", this.#bridge);
  }

  // --- internal ---

  #make(): void {
    ip("link", "add", this.#bridge, "type", "bridge");
    for (let at = 0; at < this.size.servers; at++) ip("addr", "add", `${this.serverAddress(at)}/24`, "dev", this.#bridge);
    ip("link", "set", this.#bridge, "up");
    for (let at = 0; at < this.size.nodes; at++) {
      const namespace = this.#namespace(at);
      ip("netns", "add", namespace);
      ip("link", "add", this.#link(at), "type", "veth", "peer", "name", "eth0", "netns", namespace);
      ip("link", "set", this.#link(at), "master", this.#bridge, "up");
      ip("-n", namespace, "addr", "add", `${this.#nodeAddress(at)}/24`, "dev", "eth0");
      ip("-n", namespace, "link", "set", "eth0", "up");
      ip("-n", namespace, "link", "set", "lo", "up");
    }
  }

  #namespace(at: number): string {
    return `${PREFIX}${this.#id}-${at}`;
  }

  /** Names of links have fifteen characters at most. */
  #link(at: number): string {
    return `ef${this.#id}-${at}`;
  }

  #nodeAddress(at: number): string {
    return `${this.#subnet}.${at + 101}`;
  }
}

// --- internal ---

/** Of tests that were killed before they could clear up: their process is gone. */
function removeLeftovers(): void {
  const names = existsSync("/run/netns") ? readdirSync("/run/netns").filter((name) => name.startsWith(PREFIX)) : [];
  for (const name of names) {
    const pid = name.slice(PREFIX.length).split("-")[0] ?? "";
    if (existsSync(`/proc/${pid}`)) continue;
    ipOrNothing("netns", "del", name);
    ipOrNothing("link", "del", `ef${pid}`);
  }
}

function freeSubnet(): string {
  const taken = spawnSync("ip", ["-o", "addr"], { encoding: "utf8" }).stdout + spawnSync("ip", ["route"], { encoding: "utf8" }).stdout;
  for (let at = 0; at < 250; at++) {
    const subnet = `10.231.${(process.pid + at) % 250}`;
    if (!taken.includes(`${subnet}.`)) return subnet;
  }
  throw new Error("every subnet of 10.231.0.0/16 is taken");
}

function ip(...words: readonly string[]): void {
  const done = spawnSync("ip", words, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`ip ${words.join(" ")}: ${done.stderr}`);
}

/** For what may be gone already. */
function ipOrNothing(...words: readonly string[]): void {
  spawnSync("ip", words);
}
