// What Bun and Node share: clock, chance, processes, host and terminal through node: modules.

import { writeSync } from "node:fs";
import { homedir } from "node:os";
import { basename } from "node:path";
import { EdgeError } from "../domain/errors.ts";
import { openPiped, signalNumber } from "./piped-child.ts";
import type { Chance, Child, Clock, Completed, Compression, Hashing, Host, Processes, RunningHash, SpawnOptions, Terminal } from "./runtime.ts";

// Loaded at first use: these modules take longer to load than a short command takes to run.
const childProcess = () => require("node:child_process") as typeof import("node:child_process"); // what the module is
const cryptography = () => require("node:crypto") as typeof import("node:crypto"); // what the module is
const zlib = () => require("node:zlib") as typeof import("node:zlib"); // what the module is

export { posixFiles } from "./posix-files.ts";

export const posixClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, call, options) {
    // setTimeout holds at most 2^31 - 1 ms and fires at once beyond: long waits are cut and resumed by their owner.
    const handle = setTimeout(call, Math.min(Math.max(delayMs, 0), 2_147_483_647));
    if (options?.keepsAlive === false) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
};

export const posixChance: Chance = {
  uuid: () => cryptography().randomUUID(),
  fraction: () => cryptography().randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  secret: (bytes) => cryptography().randomBytes(bytes).toString("hex"),
};

export const posixHashing: Hashing = {
  sha256Hex: (text) => cryptography().createHash("sha256").update(text).digest("hex"),
  newSha256: () => runningHash("sha256"),
  newBlake2b: () => runningHash("blake2b512"),
  isSignedEd25519(publicKey, message, signature) {
    const { createPublicKey, verify } = cryptography();
    // The key's 32 bytes in the one envelope that all runtimes read.
    const envelope = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), publicKey]);
    try {
      return verify(null, message, createPublicKey({ key: envelope, format: "der", type: "spki" }), signature);
    } catch {
      // Not the bytes of a key: nothing is signed by it.
      return false;
    }
  },
};

export const posixCompression: Compression = {
  gzip: (data) => new Promise((resolve, reject) => zlib().gzip(data, (error, result) => (error ? reject(error) : resolve(result)))),
  gunzip: (data, bytesMax) =>
    new Promise((resolve, reject) =>
      zlib().gunzip(data, { maxOutputLength: bytesMax }, (error, result) => (error ? reject(error) : resolve(result))),
    ),
  // zstd packs smaller and in half the time; Node has it from 22.15 on. The copy leaves the larger buffer it was made in.
  packText: (text) => {
    const { zstdCompressSync, deflateRawSync, constants } = zlib();
    const data = Buffer.from(text);
    return new Uint8Array(
      zstdCompressSync ? zstdCompressSync(data, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }) : deflateRawSync(data, { level: 1 }),
    );
  },
  unpackText: (packed) => {
    const { zstdDecompressSync, inflateRawSync } = zlib();
    return (zstdDecompressSync ? zstdDecompressSync(packed) : inflateRawSync(packed)).toString();
  },
};

export const posixProcesses: Processes = { spawn, open: openPiped, run, signal };

export function posixHost(selfCommand: readonly string[], userArguments: readonly string[]): Host {
  return {
    pid: process.pid,
    uid: process.getuid?.() ?? -1,
    argv: userArguments,
    // An executable has its own name in argv0; there a script's is the runtime's, and the script stands in argv[1].
    programName: basename((selfCommand.length === 1 ? process.argv0 : process.argv[1]) ?? ""),
    env: process.env,
    cwd: process.cwd(),
    homeDirectory: homedir(),
    selfCommand,
    // Touching a standard stream sets it up, which takes a millisecond: only who asks pays.
    isTerminal: {
      get stdin() {
        return process.stdin.isTTY === true;
      },
      get stdout() {
        return process.stdout.isTTY === true;
      },
      get stderr() {
        return process.stderr.isTTY === true;
      },
    },
    get terminalColumns() {
      return process.stdout.columns ?? 80;
    },
    residentBytes: () => process.memoryUsage.rss(),
    onSignal(signals, call) {
      for (const signal of signals) process.on(signal, () => call(signal));
    },
    canBecomeProgram: typeof process.execve === "function",
    becomeProgram([file = "", ...args]) {
      process.execve?.(file, [process.argv0, ...args], process.env);
      return false;
    },
    abort: (code) => process.exit(code),
  };
}

export const posixTerminal: Terminal = {
  out: (text) => writeAll(1, text),
  outBytes: (data) =>
    new Promise((resolve, reject) => {
      process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
    }),
  error: (text) => writeAll(2, text),
  errorBytes: (data) =>
    new Promise((resolve, reject) => {
      process.stderr.write(data, (error) => (error ? reject(error) : resolve()));
    }),
  async *input() {
    for await (const piece of process.stdin) yield new Uint8Array(piece as Buffer); // no encoding was set
  },
  setRaw(isRaw) {
    if (process.stdin.isTTY === true) process.stdin.setRawMode(isRaw);
  },
  size: () => ({ columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 }),
  async readInput(maxBytes) {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of process.stdin) {
      size += chunk.length;
      if (size > maxBytes) throw new EdgeError("too-large", `standard input is larger than ${maxBytes} bytes`);
      chunks.push(Buffer.from(chunk));
    }
    return Buffer.concat(chunks).toString("utf8");
  },
};

// --- internal ---

function runningHash(algorithm: "sha256" | "blake2b512"): RunningHash {
  const hash = cryptography().createHash(algorithm);
  return { update: (piece) => void hash.update(piece), digest: () => hash.digest() };
}

/** Writes at once and in full, without setting up a stream. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      // A reader that has seen enough, as in `edgectl logs web | head`, is no failure.
      if (code === "EPIPE") process.exit(0);
      if (code !== "EAGAIN") throw error;
      // The other end shares a pipe that does not block: wait until it has read some.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

const OUTPUT_BYTES_MAX = 1_000_000;

function spawn(options: SpawnOptions): Child {
  const output = options.output === "inherit" ? "inherit" : "ignore";
  const child = childProcess().spawn(options.command, [...options.args], {
    cwd: options.cwd,
    env: { ...options.env },
    detached: options.isDetached,
    stdio: ["ignore", output, output],
  });
  const exited = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signalName) => resolve(code ?? 128 + signalNumber(signalName)));
  });
  if (options.isDetached) child.unref();
  return { pid: child.pid ?? -1, exited, kill: (name) => void child.kill(name as NodeJS.Signals) };
}

function run(
  command: string,
  args: readonly string[],
  options: { readonly timeoutMs?: number; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Completed> {
  return new Promise((resolve) => {
    const child = childProcess().spawn(command, [...args], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs ?? 10_000,
      killSignal: "SIGKILL",
      ...(options.env ? { env: { ...options.env } } : {}),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      if (stdout.length < OUTPUT_BYTES_MAX) stdout += chunk.toString("utf8");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (stderr.length < OUTPUT_BYTES_MAX) stderr += chunk.toString("utf8");
    });
    child.once("error", (error) => resolve({ code: 127, stdout, stderr: stderr || error.message }));
    child.once("close", (code, signalName) => resolve({ code: code ?? 128 + signalNumber(signalName), stdout, stderr }));
  });
}

function signal(pid: number, name: string | 0): boolean {
  try {
    process.kill(pid, name as NodeJS.Signals);
    return true;
  } catch (error) {
    // EPERM means that it lives but is not ours to signal; only ESRCH means gone.
    return error instanceof Error && "code" in error && error.code === "EPERM" && name === 0;
  }
}
