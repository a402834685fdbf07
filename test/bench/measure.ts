// How the benchmarks measure: processes and their memory, bytes written, time, and a client that speaks
// plain HTTP over sockets it keeps open, so that the client is not what is measured.

import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** Every single measurement, where there were several. */
  readonly samples?: readonly number[];
  readonly field: number | null;
  /** Upper bound, or lower bound for rates. */
  readonly budget: number;
  readonly isRate: boolean;
  readonly ok: boolean;
  readonly note?: string;
}

export function figure(parts: Omit<Figure, "ok">): Figure {
  return { ...parts, ok: parts.isRate ? parts.value >= parts.budget : parts.value <= parts.budget };
}

export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** Milliseconds of whole process runs, start to end. */
export function processTimes(command: readonly string[], env: Readonly<Record<string, string>>, runs: number): number[] {
  const [program = "", ...args] = command;
  return Array.from({ length: runs }, () => {
    const began = performance.now();
    const done = spawnSync(program, args, { env: { ...process.env, ...env }, stdio: "ignore" });
    if (done.status !== 0) throw new Error(`${command.join(" ")} ended with ${done.status}`);
    return performance.now() - began;
  });
}

export function residentMiB(pid: number): number {
  return fieldOf(`/proc/${pid}/status`, "VmRSS") / 1024;
}

/** Proportional set size in MiB: shared pages are counted by share. */
export function proportionalMiB(pid: number): number {
  return fieldOf(`/proc/${pid}/smaps_rollup`, "Pss") / 1024;
}

export function anonymousMiB(pid: number): number {
  return fieldOf(`/proc/${pid}/smaps_rollup`, "Anonymous") / 1024;
}

/** Bytes that the process caused to be sent to the disk. */
export function bytesWritten(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Pids whose command line names something below the folder: agent, shims, and tasks by their environment. */
export function pidsOf(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].some((path) => quietly(path)?.includes(folder) === true));
}

/** A file by whose time later changes are known. */
export function markerAt(path: string): string {
  writeFileSync(path, "");
  return path;
}

/** Files below the folder that changed after the marker file. */
export function changedSince(folder: string, marker: string): string[] {
  const done = spawnSync("find", [folder, "-newer", marker], { encoding: "utf8" });
  return done.stdout.split("\n").filter((line) => line !== "");
}

/** Requests a second, and each one's milliseconds, over so many open connections. */
export async function hammer(
  port: number,
  connections: number,
  count: number,
  bodyOf: (at: number) => string,
): Promise<{ readonly perSecond: number; readonly samples: number[] }> {
  let next = 0;
  const samples: number[] = [];
  const one = async () => {
    const channel = await open(port);
    while (next < count) {
      const body = bodyOf(next++);
      const began = performance.now();
      const status = await channel.put("/v1/jobs", body);
      if (status !== 200) throw new Error(`a registration was answered with ${status}`);
      samples.push(performance.now() - began);
    }
    channel.close();
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: connections }, one));
  return { perSecond: count / ((performance.now() - began) / 1000), samples };
}

/** A fixed piece of work for this core: 200 million rounds of xorshift32, in seconds. */
export function calibrate(): number {
  const began = performance.now();
  let x = 2463534242;
  for (let round = 0; round < 200_000_000; round++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  if (x === 0) throw new Error("xorshift never reaches zero");
  return (performance.now() - began) / 1000;
}

/** The disk's own durable appends of 8 KiB, one after the other, measured by a small C-speed loop in Node's thread pool and in line. */
export function diskCommits(folder: string): { readonly perSecond: number; readonly samples: number[] } {
  const { openSync, writeSync, fdatasyncSync, closeSync, unlinkSync } = require("node:fs") as typeof import("node:fs");
  const path = join(folder, "disk-calibration");
  const fd = openSync(path, "w");
  const block = Buffer.alloc(8192, 1);
  const samples = Array.from({ length: 300 }, () => {
    const began = performance.now();
    writeSync(fd, block);
    fdatasyncSync(fd);
    return performance.now() - began;
  });
  closeSync(fd);
  unlinkSync(path);
  return { perSecond: 1000 / (samples.reduce((sum, value) => sum + value, 0) / samples.length), samples };
}

/** The rate at which the client itself can ask, against a server that does nothing. */
export async function clientRate(connections: number, body: string): Promise<number> {
  const server = spawn(
    process.execPath,
    ["-e", "const s = Bun.serve({ port: 0, fetch: async (r) => { await r.text(); return new Response('{}'); } }); console.log(s.port);"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const port = await new Promise<number>((resolve) => server.stdout.once("data", (chunk) => resolve(Number(chunk))));
  const result = await hammer(port, connections, 20_000, () => body);
  server.kill("SIGKILL");
  return result.perSecond;
}

// --- internal ---

function fieldOf(path: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(path, "utf8"))?.[1]);
}

function quietly(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // the process ended, or is another user's
  }
}

interface Channel {
  put(path: string, body: string): Promise<number>;
  close(): void;
}

async function open(port: number): Promise<Channel> {
  const socket: Socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let buffer = "";
  let answered: (status: number) => void = () => undefined;
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    buffer += chunk;
    const end = buffer.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(buffer)?.[1] ?? "0");
    if (buffer.length < end + 4 + length) return;
    const status = Number(buffer.slice(9, 12));
    buffer = buffer.slice(end + 4 + length);
    answered(status);
  });
  return {
    put: (path, body) =>
      new Promise((resolve) => {
        answered = resolve;
        socket.write(
          `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      }),
    close: () => socket.destroy(),
  };
}
