// A problem in a job file, tied to its line and column, and how a person sees it.

import { shorten } from "../domain/job-model/read.ts";

export interface SourceProblem {
  readonly fileName: string;
  /** From 1; 0 when the problem is not in a file's text. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  /** The line, or the part of a long one around the problem; control characters are replaced. */
  readonly sourceLine: string;
  /** Where the caret goes under `sourceLine`, from 1. */
  readonly caretColumn: number;
  readonly message: string;
  readonly expected?: string;
  /** The nearest right key or name. */
  readonly suggestion?: string;
}

/** What is wrong, before it is tied to a line. */
export interface ProblemText {
  readonly message: string;
  readonly expected?: string | undefined;
  readonly suggestion?: string | undefined;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

const SOURCE_CHARS_MAX = 160;

/** Problems for a terminal: file:line:column, the line, a caret, and the way out. No colour. */
export function formatProblems(problems: readonly SourceProblem[]): string {
  return problems.map(formatProblem).join("\n\n");
}

export function problemAt(fileName: string, lines: readonly string[], position: Position, text: ProblemText): SourceProblem {
  const line = lines[position.line - 1] ?? "";
  const start = line.length <= SOURCE_CHARS_MAX ? 0 : Math.max(0, position.column - 1 - SOURCE_CHARS_MAX / 2);
  return {
    fileName,
    line: position.line,
    column: position.column,
    sourceLine: printable(line.slice(start, start + SOURCE_CHARS_MAX)),
    caretColumn: position.column - start,
    message: printable(shorten(text.message)),
    ...(text.expected === undefined ? {} : { expected: text.expected }),
    ...(text.suggestion === undefined ? {} : { suggestion: text.suggestion }),
  };
}

/** A problem of something that is not in a file, such as a flag. */
export function problemWithoutLine(origin: string, text: ProblemText): SourceProblem {
  return { ...problemAt(origin, [], { line: 0, column: 0 }, text) };
}

export function linesOf(text: string): readonly string[] {
  return text.split(/\r?\n/);
}

// --- internal ---

/** Names and values come from the file: escape codes in them must not reach a terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ");
}

function formatProblem(problem: SourceProblem): string {
  const { fileName, line, column, sourceLine, message, expected, suggestion } = problem;
  const out = [line === 0 ? `${fileName}: ${message}` : `${fileName}:${line}:${column}: ${message}`];
  if (line > 0 && sourceLine.trim() !== "") {
    const gutter = " ".repeat(String(line).length);
    out.push(`  ${line} | ${sourceLine}`, `  ${gutter} | ${" ".repeat(Math.max(0, problem.caretColumn - 1))}^`);
  }
  if (expected !== undefined && !message.includes(expected)) out.push(`  expected: ${expected}`);
  if (suggestion !== undefined) out.push(`  did you mean ${suggestion}?`);
  return out.join("\n");
}
