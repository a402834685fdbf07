// The frames of a log stream: JSON objects one after another, cut anywhere by the network.

export interface LogFrame {
  /** Position of the first byte of `bytes`. */
  readonly startOffset: number;
  /** Position after its last byte. */
  readonly endOffset: number;
  readonly bytes: Uint8Array;
  readonly file: string;
}

/** Collects chunks and gives the frames that are whole; half a frame at the end is lost with its connection, and asked for again. */
export class FrameReader {
  #text = "";
  readonly #decoder = new TextDecoder();

  /** Throws SyntaxError for what is no frame. Heartbeats are left out. */
  push(chunk: Uint8Array): LogFrame[] {
    this.#text += this.#decoder.decode(chunk, { stream: true });
    const frames: LogFrame[] = [];
    for (let end = objectEnd(this.#text); end > 0; end = objectEnd(this.#text)) {
      const frame = decodeFrame(this.#text.slice(0, end));
      this.#text = this.#text.slice(end);
      if (frame !== null) frames.push(frame);
    }
    return frames;
  }
}

// --- internal ---

/** Where the first object ends. Its strings are base64 and file names: no brace stands in them unescaped but in a name, so strings are skipped. */
function objectEnd(text: string): number {
  let isInString = false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isInString) {
      if (character === "\\") at += 1;
      else if (character === '"') isInString = false;
      else if (character !== undefined) {
        // Base64 is long: straight to the next quote or backslash.
        const next = nextSpecial(text, at);
        if (next < 0) return -1;
        at = next - 1;
      }
    } else if (character === '"') isInString = true;
    else if (character === "{") depth += 1;
    else if (character === "}") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

function nextSpecial(text: string, from: number): number {
  const quote = text.indexOf('"', from);
  const backslash = text.slice(from, quote < 0 ? undefined : quote).indexOf("\\");
  return backslash < 0 ? quote : from + backslash;
}

function decodeFrame(text: string): LogFrame | null {
  const frame = JSON.parse(text) as { readonly Offset?: number; readonly Data?: string; readonly File?: string }; // checked field by field
  if (typeof frame.Data !== "string" || frame.Data === "") return null;
  const bytes = new Uint8Array(Buffer.from(frame.Data, "base64"));
  const endOffset = typeof frame.Offset === "number" ? frame.Offset : bytes.length;
  return { startOffset: endOffset - bytes.length, endOffset, bytes, file: frame.File ?? "" };
}
