// What a server asks of this node while connected: logs, files, restart, signal, stats.
// Streams send no more than their credit ahead of the reader.

import { Arrivals, LinkWindow } from "../api/link-window.ts";
import { type CallableNode, NodeCalls } from "../api/node-calls.ts";
import { type ExecResult, KNOWN_CALLS, type ListedFile, type NodeCall, type NodeMessage, type ServerMessage } from "../api/node-protocol.ts";
import { UnknownKinds } from "../api/unknown-kinds.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { parseMetaChanges } from "../domain/node-meta.ts";
import { withinRoot } from "../domain/paths.ts";
import type { AllocRunner } from "../runner/alloc-runner.ts";
import { allocDirectory } from "../runner/layout.ts";
import type { LogStream } from "../runner/log-store.ts";
import { logPosition } from "../runner/log-store.ts";
import type { Log, LogLines } from "../runtime/log.ts";
import { LogMonitor } from "../runtime/log-monitor.ts";
import type { FileInfo, Runtime } from "../runtime/runtime.ts";
import type { Garbage } from "./garbage.ts";
import { OpenCommand, refuseTooMany } from "./open-command.ts";
import { OutStream, pumpFile } from "./out-stream.ts";
import type { OwnNode } from "./own-node.ts";
import type { Stats } from "./stats/stats.ts";
import type { UpgradeReceiver } from "./upgrade-receiver.ts";

export interface CallsParts {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  send(message: NodeMessage): void;
  runner(allocId: string): AllocRunner | undefined;
  /** A run now of the job that this alloc makes the node fire. */
  fire(allocId: string): { readonly childId: string; readonly allocId: string };
  readonly upgrades: UpgradeReceiver;
  readonly stats: Stats;
  readonly log: Log;
  /** Null where nobody can watch the agent's log. */
  readonly logs: LogLines | null;
  garbage(): Garbage;
  readonly own: Pick<OwnNode, "meta" | "applyMeta">;
}

interface OpenCall {
  /** "" = it is about no allocation. */
  readonly allocId: string;
  /** Of a command, once it runs. */
  command: OpenCommand | null;
  /** Whether it counts among the commands of its alloc and node. */
  commandOf: string | null;
  readonly stream: OutStream;
  /** As long as the call is this connection's. */
  send(message: NodeMessage): void;
}

export class Calls {
  readonly #parts: CallsParts;
  readonly #open = new Map<number, OpenCall>();
  readonly #arrivals: Arrivals;
  readonly #unknown = new UnknownKinds();
  #link = new LinkWindow(null);

  constructor(parts: CallsParts) {
    this.#parts = parts;
    this.#arrivals = new Arrivals((bytes) => parts.send({ kind: "arrived", bytes }));
  }

  /** A connection stands. Null = its server does not tell what arrived. */
  joined(linkWindowBytes: number | null): void {
    this.#link = new LinkWindow(linkWindowBytes);
  }

  /** What belongs to calls; all else is of a later version, and skipped. */
  hear(message: ServerMessage): void {
    switch (message.kind) {
      case "call":
        return this.open(message.call, message.request, { takesPieces: message.takesPieces === true });
      case "credit":
        return this.credit(message.call, message.bytes);
      case "cancel":
        return this.cancel(message.call);
      case "arrived":
        return this.#link.acknowledged(message.bytes);
      case "data":
        this.#arrivals.add(message.bytes.length);
        this.#open.get(message.call)?.command?.take(message);
        return;
      case "input-end":
      case "resize":
        this.#open.get(message.call)?.command?.take(message);
        return;
      default:
        this.#skip(message);
    }
  }

  open(call: number, request: NodeCall, { takesPieces }: { readonly takesPieces: boolean } = { takesPieces: false }): void {
    // The next connection numbers its calls anew: what ends late says nothing in the name of another.
    const send = (message: NodeMessage) => {
      if (this.#open.get(call) === state) this.#parts.send(message);
    };
    const state: OpenCall = {
      // Whoever asks for it to go is not who keeps it.
      allocId: "allocId" in request && request.method !== "alloc-gc" ? request.allocId : "",
      command: null,
      commandOf: null,
      stream: new OutStream({ call, runtime: this.#parts.runtime, link: this.#link, send }),
      send,
    };
    this.#open.set(call, state);
    const reply = async (result: unknown) => {
      const bytes = takesPieces ? new TextEncoder().encode(JSON.stringify(result)) : null;
      if (bytes === null || bytes.length <= LIMITS.frameBytesMax) send({ kind: "reply", call, result });
      else if (await state.stream.sendAll("bulk", "", bytes)) send({ kind: "reply-end", call });
    };
    this.#answer(call, request, state, reply)
      .catch((error) => send({ kind: "call-failed", call, code: error instanceof EdgeError ? error.code : "internal", message: messageOf(error) }))
      .finally(() => {
        if (this.#open.get(call) === state) this.#open.delete(call);
      });
  }

  credit(call: number, bytes: number): void {
    this.#open.get(call)?.stream.grant(bytes);
  }

  cancel(call: number): void {
    const state = this.#open.get(call);
    if (!state) return;
    state.stream.cancel();
    state.command?.close();
  }

  /** Somebody reads its files, or is inside it. */
  isUsing(allocId: string): boolean {
    return [...this.#open.values()].some((call) => call.allocId === allocId);
  }

  endAll(): void {
    for (const call of this.#open.keys()) this.cancel(call);
    this.#open.clear();
  }

  // --- internal ---

  #skip(message: ServerMessage): void {
    const kind = this.#unknown.first(message);
    if (kind !== null) this.#parts.log.warn("the server said what this version does not know: it is skipped", { kind });
  }

  async #answer(call: number, request: NodeCall, state: OpenCall, reply: (result: unknown) => Promise<void>): Promise<void> {
    switch (request.method) {
      case "logs":
        return this.#logs(request, state.stream);
      case "file-stream":
        return this.#fileStream(request, state.stream);
      case "file-read":
        return this.#fileRead(request, state.stream);
      case "file-list":
        return reply(this.#fileList(request.allocId, request.path));
      case "file-stat":
        return reply(this.#fileStat(request.allocId, request.path));
      case "restart":
        return reply(this.#restart(request));
      case "signal":
        return reply(this.#signal(request));
      case "schedule-set":
        this.#runner(request.allocId).schedule(request.task, request.state === "scheduled" ? undefined : request.state);
        return reply(null);
      case "schedule-get":
        return reply(this.#runner(request.allocId).scheduleState(request.task));
      case "upgrade-offer":
      case "upgrade-piece":
      case "upgrade-apply":
      case "upgrade-status":
        return reply(await this.#parts.upgrades.answer(request));
      case "exec":
        return reply(await this.#exec(call, request, state));
      case "monitor":
        return this.#monitor(request, state.stream);
      case "fire":
        return reply(this.#parts.fire(request.allocId));
      case "host-stats":
        return reply(await this.#parts.stats.ofHost());
      case "node-meta":
        // A server of a later version may allow more than this node takes.
        return reply(request.changes === null ? this.#parts.own.meta : this.#parts.own.applyMeta(parseMetaChanges(request.changes)));
      case "node-gc":
        return reply(await this.#parts.garbage().collectAll());
      case "alloc-gc":
        await this.#parts.garbage().collect(this.#runner(request.allocId));
        return reply(null);
      case "alloc-checks":
        return reply(this.#runner(request.allocId).checks.readings());
      case "alloc-stats":
        return reply(await this.#parts.stats.ofAlloc(this.#runner(request.allocId), { withDisk: request.withDisk === true }));
      default:
        throw new EdgeError("unsupported", `this node's edgectl does not know "${methodOf(request)}": upgrade it`);
    }
  }

  #runner(allocId: string): AllocRunner {
    const runner = this.#parts.runner(allocId);
    if (!runner)
      throw new EdgeError(
        "not-found",
        `Unknown allocation "${allocId}" on its node, which collected it (client.gc_max_allocs, gc_disk_usage_threshold and gc_max_age say when)`,
      );
    return runner;
  }

  async #exec(call: number, request: NodeCall & { method: "exec" }, state: OpenCall): Promise<ExecResult> {
    const runner = this.#runner(request.allocId);
    const task = runner.task(request.task);
    if (!task) throw new EdgeError("not-found", `task "${request.task}" is not part of the allocation`);
    const command = request.isOfJob === true ? runner.interpolated(request.task, request.command) : request.command;
    const others = [...this.#open.values()].filter((one) => one.commandOf !== null);
    refuseTooMany(
      request.allocId,
      others.map((one) => one.commandOf ?? ""),
    );
    state.commandOf = request.allocId;
    const opened = OpenCommand.start(
      task.handle,
      { ...request, command },
      {
        stream: state.stream,
        took: (bytes) => state.send({ kind: "input-credit", call, bytes }),
      },
    );
    state.command = opened;
    if (state.stream.isCancelled) opened.close();
    return opened.run();
  }

  async #monitor({ level, format }: NodeCall & { method: "monitor" }, stream: OutStream): Promise<void> {
    if (!this.#parts.logs) throw new EdgeError("unsupported", "this agent's log cannot be watched");
    const monitor = new LogMonitor(this.#parts.logs, { level, format });
    stream.onCancel(() => monitor.stop());
    this.#parts.log.debug("a monitor was attached", { level });
    let sent = 0;
    for (let text = await monitor.next(); text !== null; text = await monitor.next()) {
      const bytes = new TextEncoder().encode(text);
      if (!(await stream.sendAll("bulk", "", bytes, sent))) return;
      sent += bytes.length;
    }
  }

  async #logs(request: NodeCall & { method: "logs" }, stream: OutStream): Promise<void> {
    const runner = this.#runner(request.allocId);
    if (!runner.group.tasks.some((task) => task.name === request.task))
      throw new EdgeError(
        "not-found",
        `task "${request.task}" is not part of the allocation (it has ${runner.group.tasks.map((task) => task.name).join(", ")})`,
      );
    const find = () => logPosition(this.#parts.runtime, this.#parts.allocRoot, request.allocId, request.task, request.stream as LogStream);
    await pumpFile(this.#parts.runtime, stream, {
      file: `${request.task}.${request.stream}.0`,
      request,
      position: () => find() ?? { path: "", headOffset: 0, endOffset: 0 },
      // A finished task writes no more: its followers are let go once they have everything.
      isEnded: () => this.#parts.runner(request.allocId)?.task(request.task)?.record.state.state === "dead",
    });
  }

  async #fileStream(request: NodeCall & { method: "file-stream" }, stream: OutStream): Promise<void> {
    const path = this.#resolve(request.allocId, request.path);
    const info = this.#parts.runtime.files.stat(path);
    if (info === null) throw new EdgeError("invalid", `file "${request.path}" does not exist`);
    if (info.isDirectory) throw new EdgeError("invalid", `file "${request.path}" is a directory`);
    await pumpFile(this.#parts.runtime, stream, {
      file: info.name,
      request,
      position: () => ({ path, headOffset: 0, endOffset: this.#parts.runtime.files.stat(path)?.sizeBytes ?? 0 }),
      isEnded: () => false,
    });
  }

  async #fileRead(request: NodeCall & { method: "file-read" }, stream: OutStream): Promise<void> {
    const path = this.#resolve(request.allocId, request.path);
    const info = this.#parts.runtime.files.stat(path);
    if (info === null) throw new EdgeError("not-found", `file "${request.path}" does not exist`);
    if (info.isDirectory) throw new EdgeError("invalid", `file "${request.path}" is a directory`);
    const endOffset = request.limit < 0 ? info.sizeBytes : Math.min(info.sizeBytes, request.offset + request.limit);
    await pumpFile(this.#parts.runtime, stream, {
      file: info.name,
      request: { offset: request.offset, origin: "start", isFollowing: false },
      position: () => ({ path, headOffset: 0, endOffset }),
      isEnded: () => true,
    });
  }

  /** A user's path inside the alloc's folder, links followed and checked too. */
  #resolve(allocId: string, path: string): string {
    this.#runner(allocId);
    const { files } = this.#parts.runtime;
    const root = allocDirectory(this.#parts.allocRoot, allocId);
    const inside = withinRoot(path);
    if (inside === null || inside.split("/")[0] === ".control") throw new EdgeError("invalid", `path "${path}" escapes the alloc directory`);
    if (inside.split("/")[1] === "secrets") throw new EdgeError("permission-denied", "Reading secret file prohibited");
    const full = `${root}/${inside}`;
    const real = files.realPath(full);
    const realRoot = files.realPath(root) ?? root;
    if (real !== null && real !== realRoot && !real.startsWith(`${realRoot}/`))
      throw new EdgeError("invalid", `path "${path}" escapes the alloc directory`);
    return full;
  }

  #fileList(allocId: string, path: string): ListedFile[] {
    const { files } = this.#parts.runtime;
    const full = this.#resolve(allocId, path);
    const info = files.stat(full);
    if (info === null) throw new EdgeError("not-found", `file "${path}" does not exist`);
    if (!info.isDirectory) return [listed(info)];
    const names = (files.list(full) ?? []).filter((name) => name !== ".control");
    return names.flatMap((name) => {
      const entry = files.lstat(`${full}/${name}`);
      return entry === null ? [] : [listed(entry)];
    });
  }

  #fileStat(allocId: string, path: string): ListedFile {
    const info = this.#parts.runtime.files.stat(this.#resolve(allocId, path));
    if (info === null) throw new EdgeError("not-found", `file "${path}" does not exist`);
    return listed(info);
  }

  #restart(request: NodeCall & { method: "restart" }): null {
    const runner = this.#runner(request.allocId);
    const tasks = request.task === "" ? [...runner.taskRunners()] : [runner.task(request.task)];
    const running = tasks.filter((task) => task !== undefined && task.handle !== null);
    if (request.task !== "" && runner.task(request.task) === undefined)
      throw new EdgeError("not-found", `Could not find task named "${request.task}" in allocation`);
    if (running.length === 0) throw new EdgeError("internal", "Task not running");
    for (const task of running) task?.restart();
    return null;
  }

  #signal(request: NodeCall & { method: "signal" }): null {
    const runner = this.#runner(request.allocId);
    if (request.task !== "" && runner.task(request.task) === undefined)
      throw new EdgeError("not-found", `Could not find task named "${request.task}" in allocation`);
    const tasks = request.task === "" ? [...runner.taskRunners()].filter((task) => task.handle !== null) : [runner.task(request.task)];
    if (tasks.length === 0) throw new EdgeError("internal", "Task not running");
    for (const task of tasks) task?.signal(request.signal === "" ? "SIGINT" : request.signal);
    return null;
  }
}

/** The same calls, made by the node's own agent: there is no connection in between. */
export function callsOfOwn(parts: Omit<CallsParts, "send">, nodeId: string): CallableNode {
  const calls = new Calls({ ...parts, send: (message) => void asking.handle(message) });
  const asking = new NodeCalls({ nodeId, knownCalls: KNOWN_CALLS, send: (message) => calls.hear(message) });
  return asking;
}

// --- internal ---

/** Of a server that knows more than this node. */
function methodOf(request: never): string {
  return String((request as { readonly method?: unknown }).method).slice(0, 40);
}

function listed(info: FileInfo): ListedFile {
  return {
    name: info.name,
    isDirectory: info.isDirectory,
    sizeBytes: info.sizeBytes,
    mode: modeText(info),
    modifiedAtMs: info.modifiedAtMs,
    contentType: info.isDirectory ? "" : "application/octet-stream",
  };
}

/** As Go prints it: `drwxr-xr-x`. */
function modeText(info: FileInfo): string {
  const bits = ["---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"];
  const kind = info.isDirectory ? "d" : (info.mode & 0o170000) === 0o120000 ? "L" : "-";
  return kind + [6, 3, 0].map((shift) => bits[(info.mode >> shift) & 7]).join("");
}
