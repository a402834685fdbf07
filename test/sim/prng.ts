// One seeded generator for a whole run, forked by name so that new draws in one place do not shift those in another.

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  readonly #seed: string;

  constructor(seed: string) {
    this.#seed = seed;
    // xmur3 spreads the text over the four words of sfc32.
    let hash = 1779033703 ^ seed.length;
    const next = () => {
      hash = Math.imul(hash ^ (hash >>> 16), 2246822507);
      hash = Math.imul(hash ^ (hash >>> 13), 3266489909);
      hash ^= hash >>> 16;
      return hash >>> 0;
    };
    for (let at = 0; at < seed.length; at++) hash = Math.imul(hash ^ seed.charCodeAt(at), 3432918353);
    [this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next()];
    for (let round = 0; round < 12; round++) this.fraction();
  }

  fork(name: string): Prng {
    return new Prng(`${this.#seed}/${name}`);
  }

  /** 0 <= x < 1. */
  fraction(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(0, items.length - 1)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  hex(characters: number): string {
    let text = "";
    while (text.length < characters) text += this.integer(0, 15).toString(16);
    return text;
  }
}
