// The machine's own addresses and the interfaces they are on, from /proc alone.

import type { Files } from "../../runtime/runtime.ts";
import { readLine } from "./reading.ts";

export interface LocalAddress {
  readonly address: string;
  /** "" where no route tells it. */
  readonly interface: string;
}

/** IPv4 first, each kind in the kernel's order; link-local IPv6 ones are of no use without their interface and left out. */
export function addressesOf(files: Files): readonly LocalAddress[] {
  const routes = readRoutes(files);
  const four = [...(readLine(files, "/proc/net/fib_trie") ?? "").matchAll(/\|-- (\d+\.\d+\.\d+\.\d+)\s+\/32 host LOCAL/g)].map(
    (match) => match[1] ?? "",
  );
  const six = (readLine(files, "/proc/net/if_inet6") ?? "").split("\n").flatMap((line) => {
    const [hex = "", , , scope = "", , name = ""] = line.trim().split(/\s+/);
    return hex.length === 32 && scope !== LINK_SCOPE ? [{ address: sixOf(hex), interface: name }] : [];
  });
  return [...[...new Set(four)].map((address) => ({ address, interface: interfaceOf(address, routes) })), ...six];
}

// --- internal ---

const LINK_SCOPE = "20";

interface Route {
  readonly interface: string;
  readonly network: number;
  readonly mask: number;
}

/** Routes without a gateway: those of the networks that the machine itself is in. */
function readRoutes(files: Files): readonly Route[] {
  const lines = (readLine(files, "/proc/net/route") ?? "").split("\n").slice(1);
  return lines.flatMap((line) => {
    const [name = "", destination = "", gateway = "", , , , , mask = ""] = line.trim().split(/\s+/);
    return /^0{8}$/.test(gateway) && mask !== "00000000" ? [{ interface: name, network: reversed(destination), mask: reversed(mask) }] : [];
  });
}

/** The interface whose network the address is in, the narrowest one first. */
function interfaceOf(address: string, routes: readonly Route[]): string {
  if (address.startsWith("127.")) return "lo";
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const fitting = routes.filter((route) => (value & route.mask) >>> 0 === route.network);
  return fitting.sort((a, b) => b.mask - a.mask)[0]?.interface ?? "";
}

/** The kernel prints these words in the machine's own byte order, which is little-endian on all that edgectl runs on. */
function reversed(hex: string): number {
  const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

function sixOf(hex: string): string {
  const groups = (hex.match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16).toString(16));
  const text = groups.join(":");
  // The longest run of zeros is left out, as people write it.
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const run = runs[0];
  if (run === undefined) return text;
  const [before, after] = [text.slice(0, run.index), text.slice(run.index + run[0].length)];
  return `${before}::${after.replace(/^:/, "")}`;
}
