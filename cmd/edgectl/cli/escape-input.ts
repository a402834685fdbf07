// The way out of a terminal that takes every key: at the beginning of a line the escape character, then a dot.

export interface Typed {
  /** What goes to the other side. */
  readonly bytes: Uint8Array;
  readonly isLeaving: boolean;
}

export class EscapeInput {
  /** Null = nothing is special. */
  readonly #escape: number | null;
  #isAtLineStart = true;
  /** The escape character was typed, and is not sent before it is clear what it meant. */
  #isHeld = false;

  /** One ASCII character, or `none`. */
  constructor(character: string) {
    this.#escape = character === "none" ? null : character.charCodeAt(0);
  }

  push(piece: Uint8Array): Typed {
    const bytes: number[] = [];
    for (const byte of piece) {
      if (this.#isHeld) {
        this.#isHeld = false;
        if (byte === DOT) return { bytes: new Uint8Array(bytes), isLeaving: true };
        // Twice means itself once; before anything else it was meant.
        bytes.push(this.#escape ?? byte);
        if (byte === this.#escape) {
          this.#isAtLineStart = false;
          continue;
        }
      } else if (byte === this.#escape && this.#isAtLineStart) {
        this.#isHeld = true;
        continue;
      }
      bytes.push(byte);
      this.#isAtLineStart = byte === RETURN || byte === NEWLINE;
    }
    return { bytes: new Uint8Array(bytes), isLeaving: false };
  }
}

// --- internal ---

const DOT = 0x2e;
const RETURN = 0x0d;
const NEWLINE = 0x0a;
