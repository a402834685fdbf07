// What is printed on standard output: titles, aligned key-values, tables, JSON.

import type { Runtime } from "../../../internal/runtime/runtime.ts";

export interface Output {
  line(text?: string): void;
  /** A section's title with a blank line before it. */
  title(text: string): void;
  /** Aligned `key = value` lines. */
  pairs(rows: readonly Pair[]): void;
  /** Columns two spaces apart; the first row is the head. Says `none` when there is nothing below the head. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): void;
  json(value: unknown): void;
  /** The text as it stands out on a terminal; as it is where there is no colour. */
  readonly paint: Paint;
}

export type Paint = (style: "bold" | "green" | "red" | "yellow" | "cyan", text: string) => string;

export type Pair = readonly [name: string, value: string | number | boolean];

export function createOutput(runtime: Pick<Runtime, "terminal">, options: { readonly isColored: boolean }): Output {
  const line = (text = "") => runtime.terminal.out(`${text}\n`);
  const paint: Paint = (style, text) => (options.isColored ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text);
  const bold = (text: string) => paint("bold", text);
  return {
    line,
    paint,
    title: (text) => line(`\n${bold(text)}`),
    pairs: (rows) => alignPairs(rows).forEach((row) => void line(row)),
    table(head, rows) {
      if (rows.length === 0) return line("none");
      const [first = "", ...others] = alignTable([head, ...rows]);
      line(bold(first));
      for (const other of others) line(other);
    },
    json: (value) => line(JSON.stringify(value, null, 2)),
  };
}

export function alignPairs(rows: readonly Pair[]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => printable(`${name.padEnd(width)} = ${value}`));
}

export function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    });
  return rows.map((row) =>
    row
      .map((cell, column) => printable(cell) + " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join("  ")
      .trimEnd(),
  );
}

/** Names and messages come from elsewhere: escape codes in them must not reach a terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, " ");
}

// --- internal ---

const STYLES = { bold: 1, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

function widthOf(text: string): number {
  let width = 0;
  for (const character of printable(text))
    width += /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}/u.test(character) ? 2 : 1;
  return width;
}
