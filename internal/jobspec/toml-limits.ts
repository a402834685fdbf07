// What a TOML text may be before a parser sees it: the parsers take time in the square of a line's length and call
// themselves for what is nested. One pass over the text; it judges sizes only, never whether the text is valid.

import { LIMITS } from "../domain/limits.ts";
import type { Position } from "./source-problem.ts";

/** The first line that is too long or nested too deeply; null when the text may be parsed. */
export function tomlSizeProblem(text: string): (Position & { readonly message: string }) | null {
  const scan: Scan = { at: 0, line: 1, chargedFrom: 0, lineStart: 0, depth: 0 };
  while (scan.at < text.length) {
    const problem = step(text, scan);
    if (problem !== null) return { line: scan.line, column: Math.max(1, scan.at - scan.lineStart), message: problem };
  }
  return isLong(scan) ? { line: scan.line, column: 1, message: LONG_LINE } : null;
}

// --- internal ---

interface Scan {
  at: number;
  line: number;
  lineStart: number;
  /** From where the line's characters count: what a multi-line string or a comment of its own takes costs nothing. */
  chargedFrom: number;
  depth: number;
}

const LONG_LINE =
  `a line may have ${LIMITS.tomlLineCharsMax} characters at most (tomlLineCharsMax): ` +
  "break the list, or write a long text as a multi-line string that begins on its own line";

const TOO_DEEP = `brackets may be nested ${LIMITS.tomlDepthMax} deep at most (tomlDepthMax)`;

/** Goes past one character, comment or string; the text's problem where it is one. */
function step(text: string, scan: Scan): string | null {
  const char = text[scan.at];
  scan.at += 1;
  switch (char) {
    case "\n":
      if (isLong(scan, scan.at - 1)) return backTo(scan);
      nextLine(scan);
      return null;
    case "#":
      skipComment(text, scan);
      return null;
    case '"':
    case "'":
      return skipString(text, scan, char);
    case "[":
    case "{":
      scan.depth += 1;
      return scan.depth > LIMITS.tomlDepthMax ? TOO_DEEP : null;
    case "]":
    case "}":
      scan.depth = Math.max(0, scan.depth - 1);
      return null;
    default:
      return null;
  }
}

function isLong(scan: Scan, end = scan.at): boolean {
  return end - scan.chargedFrom > LIMITS.tomlLineCharsMax;
}

function backTo(scan: Scan): string {
  scan.at = scan.lineStart + 1;
  return LONG_LINE;
}

function nextLine(scan: Scan): void {
  scan.line += 1;
  scan.lineStart = scan.at;
  scan.chargedFrom = scan.at;
}

function skipComment(text: string, scan: Scan): void {
  const end = text.indexOf("\n", scan.at);
  const isAlone = text.slice(scan.lineStart, scan.at - 1).trim() === "";
  scan.at = end < 0 ? text.length : end;
  if (isAlone) scan.chargedFrom = scan.at;
}

function skipString(text: string, scan: Scan, quote: string): string | null {
  if (text.startsWith(quote.repeat(2), scan.at)) {
    scan.at += 2;
    return skipMultiLine(text, scan, quote.repeat(3));
  }
  while (scan.at < text.length && text[scan.at] !== "\n" && text[scan.at] !== quote) scan.at += quote === '"' && text[scan.at] === "\\" ? 2 : 1;
  if (text[scan.at] === quote) scan.at += 1;
  return null;
}

/** Its first line counts, as other things may stand beside it; the lines it fills alone do not. */
function skipMultiLine(text: string, scan: Scan, quotes: string): string | null {
  let isFirstLine = true;
  while (scan.at < text.length && !text.startsWith(quotes, scan.at)) {
    const char = text[scan.at];
    // A backslash may stand before the end of the line, which is then counted in its own turn.
    const isEscape = char === "\\" && quotes === '"""' && text[scan.at + 1] !== "\n";
    scan.at += isEscape ? 2 : 1;
    if (char !== "\n") continue;
    if (isFirstLine && isLong(scan, scan.at - 1)) return backTo(scan);
    nextLine(scan);
    isFirstLine = false;
  }
  // Up to two quotes may stand before the three that end it.
  for (let quote = 0; quote < 5 && text[scan.at] === quotes[0]; quote++) scan.at += 1;
  if (!isFirstLine) scan.chargedFrom = scan.at;
  return null;
}
