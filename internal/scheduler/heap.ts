// A heap of small whole numbers whose order lies in columns: the highest key is on top, of equal keys the lowest tie.
// Any item can be taken out or moved when its key changed, since each one's place is known.

export class IndexedHeap {
  readonly #keys: Float64Array;
  readonly #ties: Int32Array;
  readonly #places: Int32Array;
  readonly #items: number[] = [];

  /** `places` holds -1 for each item that is in no heap; several heaps may share it as long as an item is in one of them. */
  constructor(columns: { readonly keys: Float64Array; readonly ties: Int32Array; readonly places: Int32Array }) {
    this.#keys = columns.keys;
    this.#ties = columns.ties;
    this.#places = columns.places;
  }

  get size(): number {
    return this.#items.length;
  }

  /** -1 when it is empty. */
  get top(): number {
    return this.#items.length === 0 ? -1 : (this.#items[0] as number); // it has one
  }

  add(item: number): void {
    this.#items.push(item);
    this.#up(this.#items.length - 1, item);
  }

  /** The item's key or tie changed. */
  moved(item: number): void {
    const place = this.#places[item] as number; // the columns are as long as there are items
    this.#up(place, item);
    this.#down(this.#places[item] as number, item); // set just now
  }

  remove(item: number): void {
    const place = this.#places[item] as number; // the columns are as long as there are items
    const last = this.#items.pop() as number; // it holds the item, so it is not empty
    this.#places[item] = -1;
    if (last === item) return;
    this.#items[place] = last;
    this.#places[last] = place;
    this.moved(last);
  }

  // --- internal ---

  #isBefore(a: number, b: number): boolean {
    const difference = (this.#keys[a] as number) - (this.#keys[b] as number); // the columns are as long as there are items
    return difference > 0 || (difference === 0 && (this.#ties[a] as number) < (this.#ties[b] as number)); // so are the ties
  }

  #up(from: number, item: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#items[above] as number; // above a place there is one
      if (!this.#isBefore(item, other)) break;
      this.#set(place, other);
      place = above;
    }
    this.#set(place, item);
  }

  #down(from: number, item: number): void {
    let place = from;
    for (let below = 2 * place + 1; below < this.#items.length; below = 2 * place + 1) {
      const right = below + 1;
      if (right < this.#items.length && this.#isBefore(this.#items[right] as number, this.#items[below] as number)) below = right; // both are within
      const other = this.#items[below] as number; // within
      if (!this.#isBefore(other, item)) break;
      this.#set(place, other);
      place = below;
    }
    this.#set(place, item);
  }

  #set(place: number, item: number): void {
    this.#items[place] = item;
    this.#places[item] = place;
  }
}
