// Whether a history of one register with compare-and-set is linearizable: whether there is an order of its operations
// that keeps the order of time and in which each answer is right. Wing and Gong's search with Lowe's memoisation. Pure.

/** What was done to the register. Its value is a number, 0 at first. */
export type RegisterCall =
  | { readonly kind: "read" }
  /** Sets `to` where the value is `from`. */
  | { readonly kind: "swap"; readonly from: number; readonly to: number };

export interface RegisterOperation {
  readonly name: string;
  readonly call: RegisterCall;
  readonly startedAtMs: number;
  /** Infinity while nobody knows how it ended: it may take effect at any later time, or never. */
  readonly endedAtMs: number;
  /** `value` is what a read saw. An operation without an end has no answer. */
  readonly answer: { readonly kind: "value"; readonly value: number } | { readonly kind: "swapped" } | { readonly kind: "conflict" } | null;
}

export type Verdict =
  | { readonly kind: "linearizable"; readonly order: readonly string[] }
  | {
      readonly kind: "violation";
      /** The longest order that was found, and what could not be put after it. */
      readonly order: readonly string[];
      readonly stuck: readonly string[];
    }
  /** The search was given up: neither proved. */
  | { readonly kind: "too-large"; readonly steps: number };

export const STEPS_MAX = 5_000_000;

export function checkRegister(operations: readonly RegisterOperation[], stepsMax: number = STEPS_MAX): Verdict {
  // A read without an answer says nothing, and changes nothing.
  const all = operations.filter((one) => one.answer !== null || one.call.kind === "swap").sort((a, b) => a.startedAtMs - b.startedAtMs);
  const isDone = new Uint8Array(all.length);
  const seen = new Set<string>();
  const path: Choice[] = [];
  let [value, longest, needed, steps]: [number, readonly number[], number, number] = [0, [], all.filter(hasEnded).length, 0];
  let next = 0;
  while (needed > 0) {
    if (++steps > stepsMax) return { kind: "too-large", steps };
    const at = nextCandidate(all, isDone, value, next);
    const operation = at === null ? undefined : all[at];
    if (at !== null && operation) {
      isDone[at] = 1;
      const after = valueAfter(operation, value);
      const key = `${after}:${keyOf(isDone)}`;
      if (seen.has(key)) {
        isDone[at] = 0;
        next = at + 1;
        continue;
      }
      seen.add(key);
      path.push({ at, before: value });
      if (path.length > longest.length) longest = path.map((choice) => choice.at);
      if (hasEnded(operation)) needed -= 1;
      [value, next] = [after, 0];
      continue;
    }
    const last = path.pop();
    if (!last) return violation(all, longest);
    isDone[last.at] = 0;
    if (hasEnded(all[last.at])) needed += 1;
    [value, next] = [last.before, last.at + 1];
  }
  return { kind: "linearizable", order: path.map(({ at }) => nameOf(all, at)) };
}

// --- internal ---

interface Choice {
  readonly at: number;
  readonly before: number;
}

function hasEnded(operation: RegisterOperation | undefined): boolean {
  return operation !== undefined && operation.answer !== null;
}

/** The first operation from `from` on that may come now: nothing undone ended before it began, and its answer fits the value. */
function nextCandidate(all: readonly RegisterOperation[], isDone: Uint8Array, value: number, from: number): number | null {
  let earliestEndMs = Number.POSITIVE_INFINITY;
  for (let at = 0; at < all.length; at++) {
    const operation = all[at];
    if (!operation || operation.startedAtMs > earliestEndMs) return null;
    if (isDone[at] === 1) continue;
    if (at >= from && fits(operation, value)) return at;
    if (hasEnded(operation)) earliestEndMs = Math.min(earliestEndMs, operation.endedAtMs);
  }
  return null;
}

/** A swap of unknown outcome is tried only where it would change something: elsewhere it is as if it never came. */
function fits({ call, answer }: RegisterOperation, value: number): boolean {
  if (call.kind === "read") return answer?.kind === "value" && answer.value === value;
  return answer?.kind === "conflict" ? value !== call.from : value === call.from;
}

function valueAfter({ call, answer }: RegisterOperation, value: number): number {
  return call.kind === "swap" && answer?.kind !== "conflict" ? call.to : value;
}

/** Fifteen operations a character; the done ones at the front are only counted, the undone ones at the end left out. */
function keyOf(isDone: Uint8Array): string {
  let front = 0;
  while (isDone[front] === 1) front++;
  const characters: number[] = [];
  for (let at = front; at < isDone.length; at += 15) {
    let bits = 0;
    for (let bit = at; bit < Math.min(at + 15, isDone.length); bit++) bits |= (isDone[bit] ?? 0) << (bit - at);
    characters.push(bits);
  }
  while (characters.at(-1) === 0) characters.pop();
  return `${front}/${String.fromCharCode(...characters)}`;
}

function violation(all: readonly RegisterOperation[], longest: readonly number[]): Verdict {
  const done = new Set(longest);
  const left = all.filter((operation, at) => !done.has(at) && hasEnded(operation));
  const firstEndMs = Math.min(...left.map((one) => one.endedAtMs));
  const stuck = left.filter((one) => one.startedAtMs <= firstEndMs).map(tell);
  return { kind: "violation", order: longest.map((at) => nameOf(all, at)), stuck };
}

function nameOf(all: readonly RegisterOperation[], at: number): string {
  const operation = all[at];
  return operation ? tell(operation) : "";
}

function tell({ name, call, answer, startedAtMs, endedAtMs }: RegisterOperation): string {
  const asked = call.kind === "read" ? "read" : `${call.from} -> ${call.to}`;
  const said = answer === null ? "unknown" : answer.kind === "value" ? String(answer.value) : answer.kind;
  return `${name} [${startedAtMs.toFixed(1)}, ${endedAtMs.toFixed(1)}] ${asked}: ${said}`;
}
