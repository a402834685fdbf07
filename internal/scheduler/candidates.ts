// The order in which nodes come up for a group's placements, so that each costs the buckets and a logarithm, not all nodes.
//
// A cell holds nodes of equal spread values and as many score terms: inside it, order by the sum of the other terms is
// order by score, whatever the spread's term is just now, so placing moves no node but the one that was used. Cells whose
// spread term is the same (no longer by value, but by how often the value is used) are a bucket, of which only the best
// cell is looked at. Of equal scores the lowest place wins, which is the lowest node id.

import { IndexedHeap } from "./heap.ts";

/** More score terms than there are. */
const COUNTS = 8;

export interface SpreadTerms {
  /** The spread term of the nodes of this tuple of values, as things stand. */
  termOf(tuple: number): number;
  /** Tuples with the same text have the same term for as long as nothing is placed. */
  signatureOf(tuple: number): string;
}

interface Bucket {
  readonly signature: string;
  readonly count: number;
  readonly cells: IndexedHeap;
  /** Its place in the list of buckets. */
  at: number;
}

export interface Choice {
  readonly candidate: number;
  readonly mean: number;
}

export class CandidateOrder {
  readonly #sums: Float64Array;
  readonly #candidatePlaces: Int32Array;
  readonly #cellOf: Int32Array;
  readonly #identity: Int32Array;
  readonly #tupleOf: Int32Array;
  readonly #spread: SpreadTerms | null;
  readonly #cells: (IndexedHeap | undefined)[];
  readonly #cellKeys: Float64Array;
  readonly #cellTies: Int32Array;
  readonly #cellPlaces: Int32Array;
  readonly #bucketOf: (Bucket | undefined)[];
  readonly #buckets: Bucket[] = [];
  readonly #bySignature = new Map<string, Bucket>();

  /** `tupleOf` says which tuple of spread values each candidate has; without spreads there is one. */
  constructor(input: { readonly tupleOf: Int32Array; readonly tuples: number; readonly spread: SpreadTerms | null }) {
    const { length } = input.tupleOf;
    this.#tupleOf = input.tupleOf;
    this.#spread = input.spread;
    this.#sums = new Float64Array(length);
    this.#candidatePlaces = new Int32Array(length).fill(-1);
    this.#cellOf = new Int32Array(length).fill(-1);
    this.#identity = new Int32Array(length);
    for (let at = 0; at < length; at++) this.#identity[at] = at;
    const cells = input.tuples * COUNTS;
    this.#cells = new Array(cells).fill(undefined);
    this.#cellKeys = new Float64Array(cells);
    this.#cellTies = new Int32Array(cells);
    this.#cellPlaces = new Int32Array(cells).fill(-1);
    this.#bucketOf = new Array(cells).fill(undefined);
  }

  has(candidate: number): boolean {
    return this.#cellOf[candidate] !== -1;
  }

  /** Puts it in, or where it belongs now: its terms but the spread's added up, and how many terms it has with the spread's. */
  put(candidate: number, sum: number, count: number): void {
    const cell = (this.#tupleOf[candidate] as number) * COUNTS + count; // each candidate has a tuple
    const before = this.#cellOf[candidate];
    this.#sums[candidate] = sum;
    if (before === cell) this.#heapOf(cell).moved(candidate);
    else {
      if (before !== -1) this.remove(candidate);
      this.#cellOf[candidate] = cell;
      this.#heapOf(cell).add(candidate);
    }
    this.#rankCell(cell);
  }

  /** Puts all in at once that have a count above zero: the same as one after the other, and faster. */
  fill(sums: Float64Array, counts: Uint8Array): void {
    for (let candidate = 0; candidate < counts.length; candidate++) {
      const count = counts[candidate] as number; // within
      if (count === 0) continue;
      const cell = (this.#tupleOf[candidate] as number) * COUNTS + count; // each candidate has a tuple
      this.#sums[candidate] = sums[candidate] as number; // as many as there are counts
      this.#cellOf[candidate] = cell;
      this.#heapOf(cell).add(candidate);
    }
    for (let cell = 0; cell < this.#cells.length; cell++) if (this.#cells[cell]) this.#rankCell(cell);
  }

  /** Puts one back that was taken out, as it was then. */
  restore(candidate: number, count: number): void {
    this.put(candidate, this.#sums[candidate] as number, count); // it was in
  }

  /** The number of its score terms; 0 when it is not in. */
  countOf(candidate: number): number {
    const cell = this.#cellOf[candidate] as number; // as many as there are candidates
    return cell === -1 ? 0 : cell % COUNTS;
  }

  remove(candidate: number): void {
    const cell = this.#cellOf[candidate] as number; // as many as there are candidates
    if (cell === -1) return;
    this.#cellOf[candidate] = -1;
    this.#heapOf(cell).remove(candidate);
    this.#rankCell(cell);
  }

  /** The best of those that are in; null when there is none. */
  best(): Choice | null {
    let candidate = -1;
    let mean = 0;
    for (const bucket of this.#buckets) {
      const cell = bucket.cells.top;
      const tie = this.#cellTies[cell] as number; // no bucket is empty
      const score = this.#meanOf(cell, bucket.count);
      if (candidate !== -1 && (score < mean || (score === mean && tie > candidate))) continue;
      candidate = tie;
      mean = score;
    }
    return candidate === -1 ? null : { candidate, mean };
  }

  /** The counts of these tuples' values changed: each cell of theirs goes to the bucket it belongs to now. */
  tupleMoved(tuple: number): void {
    for (let count = 1; count < COUNTS; count++) {
      const cell = tuple * COUNTS + count;
      if (!this.#bucketOf[cell]) continue;
      this.#leaveBucket(cell);
      this.#enterBucket(cell);
    }
  }

  // --- internal ---

  #meanOf(cell: number, count: number): number {
    const sum = this.#cellKeys[cell] as number; // as many as there are cells
    if (!this.#spread) return sum / count;
    return (sum + this.#spread.termOf(Math.floor(cell / COUNTS))) / count;
  }

  #heapOf(cell: number): IndexedHeap {
    const known = this.#cells[cell];
    if (known) return known;
    const heap = new IndexedHeap({ keys: this.#sums, ties: this.#identity, places: this.#candidatePlaces });
    this.#cells[cell] = heap;
    return heap;
  }

  /** A cell counts by its best node: that one may be another now. */
  #rankCell(cell: number): void {
    const { top } = this.#heapOf(cell);
    if (top === -1) {
      if (this.#bucketOf[cell]) this.#leaveBucket(cell);
      return;
    }
    this.#cellKeys[cell] = this.#sums[top] as number; // as many as there are candidates
    this.#cellTies[cell] = top;
    const bucket = this.#bucketOf[cell];
    if (bucket) bucket.cells.moved(cell);
    else this.#enterBucket(cell);
  }

  #enterBucket(cell: number): void {
    const count = cell % COUNTS;
    const signature = `${count} ${this.#spread?.signatureOf(Math.floor(cell / COUNTS)) ?? ""}`;
    let bucket = this.#bySignature.get(signature);
    if (!bucket) {
      const cells = new IndexedHeap({ keys: this.#cellKeys, ties: this.#cellTies, places: this.#cellPlaces });
      bucket = { signature, count, cells, at: this.#buckets.length };
      this.#bySignature.set(signature, bucket);
      this.#buckets.push(bucket);
    }
    bucket.cells.add(cell);
    this.#bucketOf[cell] = bucket;
  }

  #leaveBucket(cell: number): void {
    const bucket = this.#bucketOf[cell];
    if (!bucket) return;
    this.#bucketOf[cell] = undefined;
    bucket.cells.remove(cell);
    if (bucket.cells.size > 0) return;
    this.#bySignature.delete(bucket.signature);
    const last = this.#buckets.pop();
    if (!last || last === bucket) return;
    last.at = bucket.at;
    this.#buckets[bucket.at] = last;
  }
}
