// The runtime of a simulated program: production code gets its clock, chance, files, network and SQLite from here.

import { createHash } from "node:crypto";
import { deflateRawSync, gunzipSync, gzipSync, inflateRawSync } from "node:zlib";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import type { Program } from "./machines.ts";
import type { SimNetwork } from "./network.ts";
import type { Prng } from "./prng.ts";
import type { SqliteFiles } from "./sqlite-files.ts";

export interface SimRuntimeParts {
  readonly program: Program;
  readonly network: SimNetwork;
  readonly chance: Prng;
  /** The machine's SQLite file; absent on machines that have none. */
  readonly sqlite?: SqliteFiles;
  kill(pid: number): boolean;
}

export function simRuntime({ program, network, chance, sqlite, kill }: SimRuntimeParts): Runtime {
  const { machine } = program;
  const after = (delayMs: number, call: () => void) => {
    const scheduled = machine.time.after(delayMs / machine.rate, () => program.run(call));
    return {
      cancel: () => {
        scheduled.isCancelled = true;
      },
    };
  };
  const sleep = (delayMs: number) => new Promise<void>((resolve) => after(delayMs, resolve));
  const files = machine.disk.files();
  return {
    name: "simulated",
    version: "0",
    architecture: "x64",
    clock: { nowMs: () => machine.wallMs, monotonicMs: () => machine.monotonicMs, after, sleep, yieldTurn: () => sleep(0.01) },
    chance: {
      uuid: () => `${chance.hex(8)}-${chance.hex(4)}-4${chance.hex(3)}-8${chance.hex(3)}-${chance.hex(12)}`,
      fraction: () => chance.fraction(),
      secret: (bytes) => chance.hex(bytes * 2),
    },
    hashing: {
      sha256Hex: (text) => createHash("sha256").update(text).digest("hex"),
      newSha256() {
        const hash = createHash("sha256");
        return { update: (piece) => void hash.update(piece), digest: () => hash.digest() };
      },
      newBlake2b: () => {
        throw new Error("simulated programs check no signatures");
      },
      isSignedEd25519: () => false,
    },
    // At once: the machine's own threads would end it at no certain time.
    compression: {
      gzip: async (data) => gzipSync(data),
      gunzip: async (data, bytesMax) => gunzipSync(data, { maxOutputLength: bytesMax }),
      packText: (text) => deflateRawSync(text, { level: 1 }),
      unpackText: (packed) => inflateRawSync(packed).toString(),
    },
    files: {
      ...files,
      openForSync: (path) => ({
        datasync: async () => {
          const bytes = path.endsWith("-wal") && sqlite ? sqlite.walBytes() : 0;
          await new Promise<void>((resolve, reject) => {
            const done = () => (machine.syncFails ? reject(new Error("disk I/O error")) : resolve());
            after(machine.syncDelayMs * (0.5 + chance.fraction()), done);
          });
          sqlite?.synced(bytes);
        },
        close: () => undefined,
      }),
    },
    processes: {
      spawn: () => {
        throw new Error("simulated programs start nothing themselves");
      },
      open: () => {
        throw new Error("simulated programs start nothing themselves");
      },
      run: async () => ({ code: 0, stdout: "", stderr: "" }),
      signal: (pid, signal) => (signal === "SIGKILL" ? kill(pid) : true),
    },
    network: network.of(program),
    host: {
      pid: program.pid,
      uid: 0,
      argv: [],
      programName: "edgectl",
      env: {},
      cwd: "/",
      homeDirectory: "/root",
      selfCommand: ["edgectl"],
      isTerminal: { stdin: false, stdout: false, stderr: false },
      terminalColumns: 80,
      residentBytes: () => 0,
      onSignal: () => undefined,
      canBecomeProgram: false,
      becomeProgram: () => false,
      abort: () => {
        throw new Error("aborted");
      },
    },
    terminal: {
      out: () => undefined,
      outBytes: async () => undefined,
      error: () => undefined,
      errorBytes: async () => undefined,
      input: async function* () {},

      setRaw: () => undefined,
      size: () => ({ columns: 80, rows: 24 }),
      readInput: async () => "",
    },
    openSqlite: () => {
      if (!sqlite) throw new Error(`machine ${machine.name} has no SQLite file`);
      return sqlite.connect(program);
    },
  };
}
