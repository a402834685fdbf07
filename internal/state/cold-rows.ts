// Rows that have ended, as JSON text in compressed blocks. A row is known by its slot alone; who keeps the keys is the
// caller. The block that is being filled is plain text: what ended just now is likely read next, and is packed once.
//
// Invariants: a closed block never changes, so whoever holds one has a picture of it; a slot is given again only after
// its row was removed; a closed block holds more than a quarter of living rows, or just lost none.

import { assert } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

/** How text becomes bytes and comes back. What is packed lives no longer than the program that packed it. */
export interface RowCodec {
  packText(text: string): Uint8Array;
  unpackText(packed: Uint8Array): string;
}

export interface ColdOptions {
  readonly codec: RowCodec;
  readonly rowsPerBlock: number;
  /** A block is closed when it has that much text. */
  readonly blockChars: number;
  /** Blocks that stay unpacked after they were read. */
  readonly blocksUnpacked: number;
}

/** Text as it is: for a state that is thrown away soon. */
export const UNPACKED_CODEC: RowCodec = {
  packText: (text) => new TextEncoder().encode(text),
  unpackText: (packed) => new TextDecoder().decode(packed),
};

export function coldOptions(codec: RowCodec): ColdOptions {
  return {
    codec,
    rowsPerBlock: LIMITS.coldRowsPerBlock,
    blockChars: LIMITS.coldBlockChars,
    blocksUnpacked: LIMITS.coldBlocksUnpacked,
  };
}

interface Block {
  /** While it is filled, and for ever where one row is too long to be packed at once. */
  texts: string[] | null;
  packed: Uint8Array | null;
  chars: number;
  count: number;
  readonly dead: Set<number>;
}

/** Reads rows of the instant at which it was made. */
export type ColdPicture = (slot: number) => string;

export class ColdRows {
  readonly #options: ColdOptions;
  readonly #blocks: (Block | null)[] = [];
  readonly #freeBlocks: number[] = [];
  readonly #unpacked = new Map<Block, readonly string[]>();
  #open = -1;

  constructor(options: ColdOptions) {
    this.#options = options;
  }

  /** Blocks that hold rows. */
  get blockCount(): number {
    return this.#blocks.length - this.#freeBlocks.length;
  }

  /** Slot of the row that has this text from now on. */
  add(text: string): number {
    const block = this.#openBlock();
    const slot = this.#open * this.#options.rowsPerBlock + block.count;
    block.texts?.push(text);
    block.count += 1;
    block.chars += text.length;
    if (block.count >= this.#options.rowsPerBlock || block.chars >= this.#options.blockChars) this.#close(block);
    return slot;
  }

  text(slot: number): string {
    const text = this.#textsOf(this.#blockOf(slot))[slot % this.#options.rowsPerBlock];
    assert(text !== undefined && text !== "", "a slot that is in use has a row");
    return text;
  }

  /** Forgets the row. The texts of a block that is mostly dead then are handed back: they lost their slots and are to be added again. */
  remove(slot: number): readonly string[] {
    const { rowsPerBlock } = this.#options;
    const block = this.#blockOf(slot);
    const at = slot % rowsPerBlock;
    assert(!block.dead.has(at), "a row is removed once");
    block.dead.add(at);
    const id = Math.floor(slot / rowsPerBlock);
    if (id === this.#open) {
      if (block.texts) block.texts[at] = "";
      return [];
    }
    const living = block.count - block.dead.size;
    if (living * 4 > block.count) return [];
    const texts = living === 0 ? [] : this.#textsOf(block).filter((_text, position) => !block.dead.has(position));
    this.#free(id);
    return texts;
  }

  /** What every slot that is in use now holds, whatever becomes of it. */
  picture(): ColdPicture {
    const blocks = this.#blocks.map((block) => (block?.texts ? { ...block, texts: [...block.texts] } : block));
    const { rowsPerBlock } = this.#options;
    let last: { readonly id: number; readonly texts: readonly string[] } = { id: -1, texts: [] };
    return (slot) => {
      const id = Math.floor(slot / rowsPerBlock);
      const block = blocks[id];
      assert(block, "a picture has the blocks of its slots");
      if (last.id !== id) last = { id, texts: this.#unpack(block) };
      return last.texts[slot % rowsPerBlock] ?? "";
    };
  }

  // --- internal ---

  #openBlock(): Block {
    const open = this.#blocks[this.#open];
    if (open) return open;
    this.#open = this.#freeBlocks.pop() ?? this.#blocks.length;
    const block: Block = { texts: [], packed: null, chars: 0, count: 0, dead: new Set() };
    this.#blocks[this.#open] = block;
    return block;
  }

  #close(block: Block): void {
    const id = this.#open;
    this.#open = -1;
    if (block.dead.size === block.count) return this.#free(id);
    const { texts, chars } = block;
    // One call may not take longer than a heartbeat can wait: a single huge row stays as it is.
    if (texts === null || chars > LIMITS.coldPackedCharsMax) return;
    block.packed = this.#options.codec.packText(texts.join("\n"));
    block.texts = null;
    this.#remember(block, texts);
  }

  #free(id: number): void {
    const block = this.#blocks[id];
    if (block) this.#unpacked.delete(block);
    this.#blocks[id] = null;
    this.#freeBlocks.push(id);
  }

  #blockOf(slot: number): Block {
    const block = this.#blocks[Math.floor(slot / this.#options.rowsPerBlock)];
    assert(block, "a slot that is in use has a block");
    return block;
  }

  #textsOf(block: Block): readonly string[] {
    if (block.texts) return block.texts;
    const known = this.#unpacked.get(block);
    if (known) return known;
    const texts = this.#unpack(block);
    this.#remember(block, texts);
    return texts;
  }

  #unpack(block: Block): readonly string[] {
    if (block.texts) return block.texts;
    assert(block.packed, "a closed block is packed");
    // No row's JSON has a line break in it.
    return this.#options.codec.unpackText(block.packed).split("\n");
  }

  #remember(block: Block, texts: readonly string[]): void {
    if (this.#unpacked.size >= this.#options.blocksUnpacked) {
      const [oldest] = this.#unpacked.keys();
      if (oldest) this.#unpacked.delete(oldest);
    }
    this.#unpacked.set(block, texts);
  }
}
