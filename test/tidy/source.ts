// A source file as the checks see it: as written, without comments, and without comments and strings.
// Line and column stay the same in all three, so a match in one is a place in all.

export interface Source {
  readonly path: string;
  readonly text: string;
  /** Comments blanked out. */
  readonly uncommented: string;
  /** Comments, strings and regular expressions blanked out. */
  readonly code: string;
}

export interface Problem {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** One rule: the problems it finds in a file. Each message says what to do instead. */
export type Check = (source: Source) => readonly Problem[];

export function parseSource(path: string, text: string): Source {
  return { path, text, ...blank(text) };
}

/** The problem at a character of a source. */
export function problemAt(source: Source, index: number, message: string): Problem {
  return { path: source.path, line: source.text.slice(0, index).split("\n").length, message };
}

/** All places where a pattern (with the g flag) matches one of the source's views. */
export function problemsOf(source: Source, view: "text" | "uncommented" | "code", pattern: RegExp, message: (match: string) => string): Problem[] {
  return [...source[view].matchAll(pattern)].map((match) => problemAt(source, match.index, message(match[0])));
}

// --- internal ---

type Kind = "code" | "comment" | "string";

function blank(text: string): { uncommented: string; code: string } {
  const kinds = classify(text);
  let uncommented = "";
  let code = "";
  for (let index = 0; index < text.length; index++) {
    const char = text[index] ?? "";
    const space = char === "\n" ? char : " ";
    uncommented += kinds[index] === "comment" ? space : char;
    code += kinds[index] === "code" ? char : space;
  }
  return { uncommented, code };
}

/** What each character belongs to. Quotes count as code, so that `import("x")` keeps its shape; so does `${...}` in a template. */
function classify(text: string): Kind[] {
  const kinds: Kind[] = new Array<Kind>(text.length).fill("code");
  // Open braces of each template expression we are inside of, innermost last.
  const braces: number[] = [];
  let index = 0;

  const mark = (end: number, kind: Kind): void => {
    kinds.fill(kind, index, end);
    index = end;
  };
  const template = (): void => {
    const end = templateEnd(text, index);
    const opensExpression = text.startsWith("${", end);
    mark(end, "string");
    index = end + (opensExpression ? 2 : 1);
    if (opensExpression) braces.push(0);
  };

  while (index < text.length) {
    const char = text[index];
    const open = braces.length - 1;
    if (text.startsWith("//", index)) mark(endOf(text, "\n", index), "comment");
    else if (text.startsWith("/*", index)) mark(Math.min(text.length, endOf(text, "*/", index + 2) + 2), "comment");
    else if (char === '"' || char === "'") {
      index++;
      mark(stringEnd(text, index, char), "string");
      index++;
    } else if (char === "`") {
      index++;
      template();
    } else if (char === "/" && startsRegex(text, index)) {
      index++;
      mark(regexEnd(text, index), "string");
      index++;
    } else if (char === "}" && braces[open] === 0) {
      braces.pop();
      index++;
      template();
    } else {
      if (open >= 0 && char === "{") braces[open] = (braces[open] ?? 0) + 1;
      if (open >= 0 && char === "}") braces[open] = (braces[open] ?? 0) - 1;
      index++;
    }
  }
  return kinds;
}

function endOf(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from);
  return found === -1 ? text.length : found;
}

function stringEnd(text: string, from: number, quote: string): number {
  let index = from;
  while (index < text.length && text[index] !== quote && text[index] !== "\n") index += text[index] === "\\" ? 2 : 1;
  return Math.min(index, text.length);
}

function templateEnd(text: string, from: number): number {
  let index = from;
  while (index < text.length && text[index] !== "`" && !text.startsWith("${", index)) index += text[index] === "\\" ? 2 : 1;
  return Math.min(index, text.length);
}

function regexEnd(text: string, from: number): number {
  let index = from;
  let isInClass = false;
  while (index < text.length && text[index] !== "\n") {
    const char = text[index];
    if (char === "/" && !isInClass) return index;
    if (char === "[") isInClass = true;
    if (char === "]") isInClass = false;
    index += char === "\\" ? 2 : 1;
  }
  return Math.min(index, text.length);
}

/** A slash divides after a value and opens a regular expression anywhere else. */
function startsRegex(text: string, index: number): boolean {
  const before = text.slice(Math.max(0, index - 40), index).trimEnd();
  if (before === "" || /(?:^|[^\w$.])(?:return|typeof|case|in|of|void|yield|await)$/.test(before)) return true;
  return !/[\w$)\]}"'`]$/.test(before);
}
