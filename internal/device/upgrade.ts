// How a program takes the place of another under a running agent, and what is done about one that does not stand up.
// Pure. The record of an upgrade is durable before each step that it names, so that whoever starts next knows where it was.

/**
 * prepared: the new program lies beside the old one, nothing else was changed.
 * swapping: it is about to take the old one's name. starting: it has it, and is not known to be healthy.
 * going-back: the old one is about to get its name again. The others are ends.
 */
export type UpgradeState = "prepared" | "swapping" | "starting" | "going-back" | "healthy" | "went-back" | "abandoned";

export interface Build {
  readonly version: string;
  readonly revision: string;
}

/** An agent as it looks from outside. */
export interface AgentLook extends Build {
  /** Another with each start; "" of programs that say none. */
  readonly startId: string;
  readonly nodeId: string;
  readonly health: Readonly<Record<string, { readonly ok: boolean; readonly message: string }>>;
  /** Client status by alloc. */
  readonly allocs: Readonly<Record<string, string>>;
}

export interface Upgrade {
  readonly id: string;
  readonly state: UpgradeState;
  /** Why it ended as it did, "" where there is nothing to say. */
  readonly reason: string;
  /** The program's file, and what runs it: nothing, or a runtime. */
  readonly program: string;
  readonly runner: readonly string[];
  readonly from: Build;
  readonly to: Build & { readonly sha256: string; readonly inode: number };
  /** A minisign signature of the new program, "" = none. */
  readonly signature: string;
  readonly healthyWithinMs: number;
  /** How long it must have been healthy without a break. */
  readonly healthyForMs: number;
  /** Starts of the new program while nobody watched. */
  readonly starts: number;
  readonly preparedAtMs: number;
  readonly changedAtMs: number;
  readonly before: BeforeUpgrade | null;
}

/** What the old program left behind when it gave way. */
export interface BeforeUpgrade {
  readonly look: AgentLook;
  /** Where it answers. */
  readonly address: string;
  /** As another may start it again: its words after the program's name. */
  readonly argv: readonly string[];
  /** Its process, as text. */
  readonly process: string;
  /** Its unit of systemd, "" = none. */
  readonly unit: string;
  /** It could not become the other program and ended instead: who watches starts that one. */
  readonly isStartOwed: boolean;
  /** Its state file ("" = it has none), and the copies of older schemas that lay beside it, by what tells them apart. */
  readonly stateFile: string;
  /** It is a server over a database, which nobody puts back. */
  readonly isDatabase: boolean;
  readonly schemaCopies: Readonly<Record<string, string>>;
}

export function isSettled(state: UpgradeState): boolean {
  return state === "healthy" || state === "went-back" || state === "abandoned";
}

/** What the disk says to whoever starts. */
export interface StartFacts {
  /** The new program has the name. */
  readonly isSwapped: boolean;
  /** The old one is still there under its other name. */
  readonly isPreviousThere: boolean;
  /** A living process sees this upgrade to its end. */
  readonly isWatched: boolean;
  readonly startsMax: number;
}

/**
 * go-on: nothing to do. give-way: end, and be started by who watches. watch: go on, with someone who watches.
 * go-back: put the old program back, then become it. Each but go-on and give-way with a record to write down first.
 */
export type StartDecision = { readonly kind: "go-on" | "give-way" } | { readonly kind: "settled" | "watch" | "go-back"; readonly upgrade: Upgrade };

/** Decided by every agent that starts where an upgrade is recorded, whichever of the two programs it is. */
export function decideStart(upgrade: Upgrade, facts: StartFacts, nowMs: number): StartDecision {
  const { state } = upgrade;
  if (isSettled(state)) return { kind: "go-on" };
  if (facts.isWatched) return { kind: state === "going-back" ? "give-way" : "go-on" };
  const note = (change: Partial<Upgrade>): Upgrade => ({ ...upgrade, ...change, changedAtMs: nowMs });
  if (state === "going-back") return { kind: "go-back", upgrade };
  if (!facts.isSwapped) {
    const reason = state === "starting" ? "another program took its place" : "the agent ended before anything was changed";
    return { kind: "settled", upgrade: note({ state: "abandoned", reason }) };
  }
  const starts = upgrade.starts + 1;
  if (starts <= facts.startsMax) return { kind: "watch", upgrade: note({ state: "starting", starts }) };
  const reason = `it was started ${upgrade.starts} times and never seen to be healthy`;
  if (facts.isPreviousThere) return { kind: "go-back", upgrade: note({ state: "going-back", reason }) };
  return { kind: "settled", upgrade: note({ state: "healthy", reason: `${reason}, but the program before it is gone: there is no way back` }) };
}

/** What is wrong with the agent that answers, compared with the one before; null = nothing. */
export function faultOf(upgrade: Pick<Upgrade, "to" | "before">, look: AgentLook | null): string | null {
  const before = upgrade.before?.look;
  if (look === null) return "it does not answer";
  if (before && before.startId !== "" && look.startId === before.startId) return "the agent did not start again";
  if (look.version !== upgrade.to.version || look.revision !== upgrade.to.revision)
    return `edgectl ${look.version} (${look.revision}) answers in its place`;
  if (!before) return null;
  if (look.nodeId !== before.nodeId) return `it is node ${look.nodeId || "of no id"}, and was ${before.nodeId}`;
  for (const [part, { ok }] of Object.entries(before.health)) {
    const now = look.health[part];
    // What ailed before is not the new program's fault: a device without a network is no reason to go back.
    if (ok && now?.ok !== true) return `its ${part} is not healthy: ${now?.message ?? "there is none"}`;
  }
  for (const [id, status] of Object.entries(before.allocs)) {
    const now = look.allocs[id];
    if (status === "running" && (now === undefined || now === "pending"))
      return `allocation ${id.slice(0, 8)}, which ran, is ${now ?? "not known to it"}`;
  }
  return null;
}

export interface WatchFacts {
  readonly watchedMs: number;
  /** Since when without a break nothing was wrong; null = something is. */
  readonly faultlessMs: number | null;
  readonly fault: string | null;
  /** Its process: the one that runs, none any more, or ended because somebody stopped the agent. */
  readonly process: "runs" | "gone" | "stopped";
  /** How long there has been none. */
  readonly goneMs: number;
  /** How long whatever started the agent may take to start it again. */
  readonly supervisorMsMax: number;
  /** The new program was not started yet and must be. */
  readonly isStartOwed: boolean;
}

/** leave: somebody stopped the agent; its next start goes on from here. */
export type WatchDecision = { readonly kind: "wait" | "healthy" | "leave" | "start" } | { readonly kind: "go-back"; readonly reason: string };

export function decideWatch(upgrade: Pick<Upgrade, "healthyWithinMs" | "healthyForMs">, facts: WatchFacts): WatchDecision {
  if (facts.process === "stopped") return { kind: "leave" };
  if (facts.faultlessMs !== null && facts.faultlessMs >= upgrade.healthyForMs) return { kind: "healthy" };
  if (facts.process === "gone" && facts.goneMs >= facts.supervisorMsMax)
    return facts.isStartOwed ? { kind: "start" } : { kind: "go-back", reason: "it ended by itself" };
  if (facts.watchedMs < upgrade.healthyWithinMs || facts.faultlessMs !== null) return { kind: "wait" };
  return { kind: "go-back", reason: facts.fault ?? "it did not stay healthy" };
}

/** Less than 0 where the first is the older; versions that say nothing comparable are equal. */
export function compareVersions(a: string, b: string): number {
  const parse = (text: string) => /^v?(\d+)\.(\d+)\.(\d+)(?:-([\w.]+))?/.exec(text);
  const [left, right] = [parse(a), parse(b)];
  if (!left || !right) return 0;
  for (const at of [1, 2, 3]) {
    const difference = Number(left[at]) - Number(right[at]);
    if (difference !== 0) return difference;
  }
  // 1.2.0-rc.1 comes before 1.2.0.
  if (left[4] === right[4]) return 0;
  if (left[4] === undefined || right[4] === undefined) return left[4] === undefined ? 1 : -1;
  return left[4] < right[4] ? -1 : 1;
}
