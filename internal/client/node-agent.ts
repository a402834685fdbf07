// The node agent: takes orders, runs allocations, reports what became of them. It starts what it was last
// told to run without waiting for a server, and never restarts anything for bookkeeping's sake.

import { type DesiredAlloc, isNewerOrder, isOlderOrder, type NodeMemory, type OrderPosition, type ServerMessage } from "../api/node-protocol.ts";
import { decideSteps } from "../device/desired.ts";
import { onBootOf } from "../device/on-boot.ts";
import { messageOf } from "../domain/errors.ts";
import type { NodeSpec } from "../domain/node.ts";
import { join } from "../domain/paths.ts";
import type { JobVersion } from "../domain/tables.ts";
import { hasBegun, recordOnDisk, removeStrays } from "../runner/adopt.ts";
import { type AllocRecord, endedUnseen, firstRecord, hasAttempts } from "../runner/alloc-record.ts";
import { AllocRunner, stopTasks } from "../runner/alloc-runner.ts";
import type { Driver } from "../runner/drivers/driver.ts";
import { readBootId } from "../runtime/process-identity.ts";
import { Calls, callsOfOwn } from "./calls.ts";
import { Connection } from "./connection.ts";
import { CutOff } from "./cut-off.ts";
import { DeviceView } from "./device-view.ts";
import { DiskWatch } from "./disk-watch.ts";
import { fingerprint } from "./fingerprint/fingerprint.ts";
import { Fires } from "./fires.ts";
import { Garbage } from "./garbage.ts";
import { loadIdentity, type NodeIdentity } from "./identity.ts";
import { Journal } from "./journal.ts";
import { LogBounds } from "./log-bounds.ts";
import { MetaFile } from "./meta-file.ts";
import { makeNodeDrivers } from "./node-drivers.ts";
import type { NodeAgentOptions, ReloadedNode } from "./node-options.ts";
import { OwnEvents } from "./own-events.ts";
import { OwnNode } from "./own-node.ts";
import { Reports } from "./reports.ts";
import { Stats } from "./stats/stats.ts";
import { UpgradeReceiver } from "./upgrade-receiver.ts";

/** Why such an alloc goes. */
const NOT_SHOWN = "no server shows it any more";

export class NodeAgent {
  readonly identity: NodeIdentity;
  readonly allocRoot: string;
  readonly device: DeviceView;
  readonly #options: NodeAgentOptions;
  readonly #journal: Journal;
  readonly #connection: Connection;
  readonly #calls: Calls;
  readonly #logs: LogBounds;
  readonly #cutOff: CutOff;
  readonly #reports: Reports;
  readonly #fires: Fires;
  readonly #garbage: Garbage;
  readonly #disk: DiskWatch;
  readonly #drivers: ReadonlyMap<string, Driver>;
  readonly #runners = new Map<string, AllocRunner>();
  /** Whose end each alloc that was not begun waits for. */
  readonly #waitingFor = new Map<string, Set<string>>();
  /** Allocs that a reboot ended and that begin again when a server says so. */
  readonly #untilOrdered = new Set<string>();
  readonly #isRebooted: boolean;
  readonly #own: OwnNode;
  readonly #events: OwnEvents;
  #isStopped = false;

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    const { runtime, log, dataDirectory, settings } = options;
    const directory = join(dataDirectory, "client");
    this.allocRoot = join(dataDirectory, "alloc");
    runtime.files.makeDirectory(directory, 0o700);
    runtime.files.makeDirectory(this.allocRoot, 0o711);
    this.identity = loadIdentity(runtime, directory);
    this.#own = new OwnNode({
      clock: runtime.clock,
      log,
      found: fingerprint(runtime, settings, this.identity, this.allocRoot),
      metaFile: new MetaFile(runtime.files, join(directory, "meta.json")),
      succession: () => this.#journal.state.memory?.succession,
      changed: (node) => this.#connection.send({ kind: "node-updated", node }),
    });
    this.#journal = new Journal(runtime, join(directory, "client.journal"), log);
    this.#drivers =
      options.makeDrivers?.(this.allocRoot) ?? makeNodeDrivers({ runtime, log, directory, allocRoot: this.allocRoot, settings, node: this.node });
    this.#connection = new Connection({
      runtime,
      log,
      dial: options.dial,
      secret: this.identity.secret,
      joinToken: () => options.joinToken?.() ?? null,
      node: () => this.#own.said,
      lastOrder: () => this.#journal.state.position,
      memory: () => this.#journal.state.memory,
      joined: (memory, linkWindowBytes) => {
        this.#calls.joined(linkWindowBytes);
        this.#joined(memory);
      },
      message: (message) => this.#message(message),
      lost: () => {
        this.#calls.endAll();
        this.#cutOff.lost();
      },
    });
    const bootId = readBootId(runtime.files);
    const knownBootId = this.#journal.state.bootId;
    this.#isRebooted = knownBootId !== "" && knownBootId !== bootId;
    if (knownBootId !== bootId) this.#journal.append({ k: "boot", id: bootId });
    const runners = () => this.#runners.values();
    const looked = () => {
      for (const driver of this.#drivers.values()) driver.refresh?.();
    };
    this.#logs = new LogBounds({ runtime, log, allocRoot: this.allocRoot, maxMB: options.maxLogMB ?? 0, runners, looked });
    this.#cutOff = new CutOff({ runtime, log, journal: this.#journal, connection: () => this.#connection, runners });
    const connection = () => this.#connection;
    this.#events = new OwnEvents(runtime.clock, connection);
    const incarnation = () => this.#journal.state.memory?.incarnation;
    this.#reports = new Reports({ runtime, connection, incarnation, sendFires: (which) => this.#fires.send(which) });
    this.#fires = new Fires({
      runtime,
      log,
      journal: this.#journal,
      nodeId: this.identity.id,
      reports: this.#reports,
      connection,
      runners,
      runner: (id) => this.#runners.get(id),
      begin: (alloc, job) => this.#startAlloc(alloc, job),
      isProven: (id, job, group) => hasBegun(runtime.files, this.allocRoot, { id, job, group }, (name) => this.#drivers.get(name)),
    });
    this.#disk = new DiskWatch({ runtime, allocRoot: this.allocRoot, isEnforced: options.isDiskEnforced === true, runners });
    this.#garbage = new Garbage({
      runtime,
      log,
      allocRoot: this.allocRoot,
      ...(options.collect ? { settings: options.collect } : {}),
      runners,
      heldFor: (id) => this.#heldFor(id),
      journal: this.#journal,
      runner: (id) => this.#runners.get(id),
      forgotten: (id) => this.#forgotten(id),
      events: this.#events,
    });
    const calls = {
      runtime,
      log,
      logs: options.logs ?? null,
      allocRoot: this.allocRoot,
      runner: (id: string) => this.#runners.get(id),
      fire: (id: string) => this.#fires.force(id),
      stats: new Stats({ runtime, allocRoot: this.allocRoot, node: () => this.node }),
      garbage: () => this.#garbage,
      own: this.#own,
      upgrades: new UpgradeReceiver(runtime, join(directory, "upgrade"), options.upgrades ?? null),
    };
    this.#calls = new Calls({ ...calls, send: (message) => this.#connection.send(message) });
    const own = { own: this.#own, connection: this.#connection, journal: this.#journal, runners: this.#runners };
    this.device = new DeviceView({ ...own, fires: this.#fires, cutOff: this.#cutOff, calls: callsOfOwn(calls, this.identity.id) });
  }

  /** As its drivers know it now, and as its server calls it. */
  get node(): NodeSpec {
    return this.#own.spec;
  }

  get isJoined(): boolean {
    return this.#connection.isJoined;
  }

  /** The newest order that was carried out. */
  get lastOrder(): OrderPosition | null {
    return this.#journal.state.position;
  }

  allocRunners(): Iterable<AllocRunner> {
    return this.#runners.values();
  }

  start(): void {
    for (const driver of this.#drivers.values()) driver.watch?.((state) => this.#own.driverChanged(driver.name, state));
    const held = [...this.#journal.state.allocs.values()].filter(({ alloc, job }) => !this.#fires.isHeldBack(alloc, job));
    for (const { alloc, job, record } of held)
      this.#runners.set(alloc.id, this.#newRunner(alloc, job, this.#taken(job, alloc, record ?? firstRecord(alloc))));
    for (const { alloc } of held) {
      const runner = this.#runners.get(alloc.id);
      if (!runner || runner.isDone) continue;
      if (!this.#fires.changed(runner)) this.#reports.note(runner.report());
      if (alloc.desiredStatus === "run" && !runner.isStopping && this.#isWaitedWith(runner)) this.#untilOrdered.add(alloc.id);
      else if (alloc.desiredStatus === "run") this.#startInTurn(runner, alloc);
      else {
        this.#startRunner(runner);
        runner.stop({ skipsDelay: alloc.skipsShutdownDelay === true });
      }
    }
    this.#fires.start();
    this.#cutOff.look();
    if (this.#journal.state.memory !== null && (this.#options.joinToken?.() ?? null) !== null)
      this.#options.log.info("this node has joined before: its join token is not shown unless a server refuses it");
    this.#connection.start();
    this.#logs.arm();
    this.#disk.arm();
    this.#garbage.look();
  }

  /** Its settings are others now; its drivers and what runs stay as they are. */
  reload({ settings, collect, isDiskEnforced }: ReloadedNode): void {
    this.#garbage.settings = collect;
    this.#disk.isEnforced = isDiskEnforced;
    this.#own.foundAnew(fingerprint(this.#options.runtime, settings, this.identity, this.allocRoot));
  }

  /** Leaves: by default tasks run on without the agent. Whoever takes its place keeps them in any case. */
  async stop(options: { readonly isReplaced?: boolean } = {}): Promise<void> {
    // The last that a server was heard of, also for the agent that comes next.
    if (this.#connection.isJoined) this.#cutOff.lost();
    const left = [...this.#runners.values()].filter((runner) => !runner.isDone).length;
    if (this.#options.onAgentStop === "keep" && !options.isReplaced && left > 0) {
      const message = `Agent stopped: its tasks run on without supervision until it is back (${left} ${left === 1 ? "allocation" : "allocations"})`;
      this.#events.note({ kind: "stop", subsystem: "Cluster", message });
    }
    // Gone from the server first: it would replace what ends here by something new, on this very node.
    this.#connection.stop();
    if (this.#options.onAgentStop === "stop" && !options.isReplaced) await stopTasks(this.#options.runtime.clock, [...this.#runners.values()]);
    this.#isStopped = true;
    for (const runner of this.#runners.values()) runner.release();
    for (const driver of this.#drivers.values()) driver.stop?.();
    this.#logs.stop();
    this.#garbage.stop();
    this.#disk.stop();
    this.#cutOff.stop();
    this.#reports.stop();
    this.#fires.stop();
    this.#calls.endAll();
    this.#journal.close();
  }

  // --- internal ---

  /** What was cut off for too long is stopped and not begun again, whatever the last order was. */
  #taken(job: JobVersion, alloc: DesiredAlloc, record: AllocRecord): AllocRecord {
    const group = job.groups.find((candidate) => candidate.name === alloc.group);
    return group && !record.isDone && this.#cutOff.isOver(group) ? { ...record, isStopping: true } : record;
  }

  /** After a reboot: another may have taken its place. */
  #isWaitedWith(runner: AllocRunner): boolean {
    return this.#isRebooted && onBootOf(runner.group) === "wait";
  }

  #startOrdered(): void {
    for (const id of this.#untilOrdered) {
      const held = this.#journal.state.allocs.get(id);
      const runner = this.#runners.get(id);
      if (held && runner && !runner.isStopping) this.#startInTurn(runner, held.alloc);
    }
    this.#untilOrdered.clear();
  }

  #newRunner(alloc: DesiredAlloc, job: JobVersion, record: AllocRecord): AllocRunner {
    return new AllocRunner(alloc, job, record, {
      runtime: this.#options.runtime,
      allocRoot: this.allocRoot,
      driver: (name) => this.#drivers.get(name),
      node: () => this.node,
      changed: (runner) => this.#changed(runner),
    });
  }

  #changed(runner: AllocRunner): void {
    if (this.#isStopped) return;
    this.#journal.append({ k: "record", id: runner.alloc.id, record: runner.record });
    if (!this.#fires.changed(runner)) this.#reports.note(runner.report());
    else if (runner.isDone) this.#garbage.look();
    if (runner.isDone) this.#startWaiting(runner.alloc.id);
    this.#logs.arm();
    this.#disk.arm();
  }

  #message(message: ServerMessage): void {
    switch (message.kind) {
      case "desired":
        return this.#order(message);
      case "report-ack":
        this.#reports.acknowledged(message.sequence);
        this.#fires.acknowledged(message.sequence);
        return this.#garbage.look();
      case "forget":
        for (const id of message.ids) if (!this.#fires.forget(id)) void this.#garbage.remove(id, NOT_SHOWN);
        return;
      case "report-refused":
        this.#options.log.warn("the server could not store a status report: it is sent again", { reason: message.message });
        this.#fires.refused(message.sequence);
        return this.#reports.refused(message.sequence);
      default:
        return this.#calls.hear(message);
    }
  }

  #order(order: ServerMessage & { kind: "desired" }): void {
    const { position: before } = this.#journal.state;
    if (order.isFull ? isOlderOrder(order.position, before) : !isNewerOrder(order.position, before)) {
      this.#options.log.warn(`${order.isFull ? "a full" : "an"} order older than the last one was ignored`, { ...order.position });
      return;
    }
    const modifyIndexOf = (id: string) => this.#journal.state.allocs.get(id)?.alloc.modifyIndex ?? 0;
    const held = new Map([...this.#runners].map(([id, runner]) => [id, { ...runner.standing(), modifyIndex: modifyIndexOf(id) }]));
    const { allocs, known } = this.#fires.order(order);
    const steps = decideSteps({ wanted: allocs, isFull: order.isFull, known, held });
    const wanted = new Map(allocs.map((alloc) => [alloc.id, alloc]));
    for (const step of steps) {
      const alloc = wanted.get(step.id);
      const job = alloc && order.jobs[alloc.jobKey];
      if (step.kind === "forget") void this.#garbage.remove(step.id, NOT_SHOWN);
      else if (step.kind === "report")
        this.#reports.note((this.#runners.get(step.id) as AllocRunner).report()); // it is held
      else if (step.kind === "stop" && alloc) this.#stopAlloc(alloc);
      else if ((step.kind === "start" || step.kind === "end") && alloc && job) this.#startAlloc(alloc, job);
      else if (step.kind === "update" && alloc && job) this.#updateAlloc(alloc, job);
    }
    if (order.isFull) this.#startOrdered();
    if (order.isFull) void this.#removeStrays({ ...order, known });
    if (steps.length > 0) this.#cutOff.look();
    const last = this.#journal.state.position;
    if (steps.length > 0 || last?.clusterId !== order.position.clusterId || last.epoch !== order.position.epoch)
      this.#journal.append({ k: "position", position: order.position });
  }

  #startAlloc(alloc: DesiredAlloc, job: JobVersion): void {
    this.#journal.append({ k: "alloc", alloc, job });
    // Usually there is nothing on disk; a node that lost its journal takes up what still runs.
    const record = recordOnDisk(this.#options.runtime.files, this.allocRoot, alloc.id, job, alloc.group);
    const first = { ...record, tasks: { ...firstRecord(alloc).tasks, ...record.tasks }, isStopping: alloc.desiredStatus !== "run" };
    // What this node fires begins by its own decision, never by an order.
    const isOver = job.isFiredByNode === true && !this.#journal.state.fires.has(alloc.id) && !hasAttempts(first);
    const runner = this.#newRunner(alloc, job, isOver ? endedUnseen(first) : first);
    this.#runners.set(alloc.id, runner);
    if (isOver) this.#changed(runner);
    else this.#startInTurn(runner, alloc);
    this.#garbage.look();
  }

  /** It begins when its predecessor, and those that make room for it, are gone: ports, devices and files are free then. */
  #startInTurn(runner: AllocRunner, alloc: DesiredAlloc): void {
    const before = [alloc.previousAlloc, ...(alloc.preemptedAllocs ?? [])].filter((id) => this.#runners.get(id)?.isDone === false);
    if (before.length > 0 && !hasAttempts(runner.record) && !runner.isStopping) this.#waitingFor.set(alloc.id, new Set(before));
    else this.#startRunner(runner);
  }

  #startRunner(runner: AllocRunner): void {
    try {
      runner.start();
    } catch (error) {
      this.#options.log.error("an allocation could not be started", { alloc: runner.alloc.id, error: messageOf(error) });
    }
  }

  #startWaiting(endedId: string): void {
    for (const [id, before] of [...this.#waitingFor]) {
      if (!before.delete(endedId) || before.size > 0) continue;
      this.#waitingFor.delete(id);
      const runner = this.#runners.get(id);
      if (runner && !runner.isStopping) this.#startRunner(runner);
    }
  }

  #stopAlloc(alloc: DesiredAlloc): void {
    const known = this.#journal.state.allocs.get(alloc.id);
    if (known) this.#journal.append({ k: "alloc", alloc, job: known.job });
    this.#waitingFor.delete(alloc.id);
    this.#runners.get(alloc.id)?.stop({ skipsDelay: alloc.skipsShutdownDelay === true });
  }

  #updateAlloc(alloc: DesiredAlloc, job: JobVersion): void {
    this.#journal.append({ k: "alloc", alloc, job });
    this.#runners.get(alloc.id)?.update(job);
  }

  /** Why the files of an ended allocation must stay. */
  #heldFor(id: string): string | null {
    if (this.#reports.isWaiting(id)) return "no server knows of its end yet";
    return this.#calls.isUsing(id) ? "its files are being read" : null;
  }

  #forgotten(id: string): void {
    this.#runners.delete(id);
    this.#reports.drop(id);
    this.#journal.append({ k: "forget", id });
  }

  #removeStrays(order: ServerMessage & { kind: "desired" }): Promise<void> {
    const { runtime, log } = this.#options;
    const known = new Set([...order.known, ...order.allocs.map((alloc) => alloc.id), ...this.#runners.keys()]);
    return removeStrays({ files: runtime.files, log, allocRoot: this.allocRoot, known, drivers: [...this.#drivers.values()] });
  }

  #joined(memory: NodeMemory): void {
    const known = this.#journal.state.memory;
    if (JSON.stringify(known) !== JSON.stringify(memory)) this.#journal.append({ k: "memory", memory });
    this.#cutOff.joined();
    this.#reports.joined();
    this.#events.send();
  }
}
