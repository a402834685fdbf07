// A child process whose standard streams are ours: pieces as they come, with pressure back in both directions.

import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { PipedChild, SpawnOptions } from "./runtime.ts";

// Loaded at first use: it takes longer to load than a short command takes to run.
const childProcess = () => require("node:child_process") as typeof import("node:child_process"); // what the module is

export function openPiped(options: Omit<SpawnOptions, "isDetached" | "output">): PipedChild {
  const child = childProcess().spawn(options.command, [...options.args], {
    cwd: options.cwd,
    env: { ...options.env },
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const { stdin, stdout, stderr } = child;
  // A child that reads no further, or was never there, is told by its exit.
  stdin.on("error", () => undefined);
  // A stream that nobody listens to is emptied into nothing when its child ends.
  for (const stream of [stdout, stderr]) stream.on("readable", () => undefined);
  const exited = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signalName) => resolve(code ?? 128 + signalNumber(signalName)));
  });
  exited.catch(() => undefined);
  return {
    pid: child.pid ?? -1,
    exited,
    kill: (name) => void child.kill(name as NodeJS.Signals),
    stdout: piecesOf(stdout),
    stderr: piecesOf(stderr),
    write: (data) => (stdin.destroyed || stdin.write(data) ? Promise.resolve() : untilRoom(stdin)),
    endInput: () => void stdin.end(),
    dropOutput() {
      stdout.destroy();
      stderr.destroy();
    },
  };
}

export function signalNumber(name: NodeJS.Signals | null): number {
  return name === null ? 0 : constants.signals[name];
}

// --- internal ---

async function* piecesOf(stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of stream) yield new Uint8Array(piece as Buffer); // no encoding was set
  } catch (error) {
    // What was dropped on this side ends here.
    if (!stream.destroyed) throw error;
  }
}

function untilRoom(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of EVENTS) stream.off(event, done);
      resolve();
    };
    for (const event of EVENTS) stream.on(event, done);
  });
}

const EVENTS = ["drain", "close", "error"] as const;
