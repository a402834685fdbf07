// The imports of a source file, static and lazy, and the repository paths they lead to.
import { posix } from "node:path";
import type { Source } from "./source.ts";

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path from the repository's root; null for packages and builtins. */
  readonly path: string | null;
  readonly isTypeOnly: boolean;
  readonly index: number;
}

export function importsOf(source: Source): Import[] {
  return patterns.flatMap((pattern) =>
    [...source.uncommented.matchAll(pattern)]
      // What stands inside a string is somebody else's program.
      .filter((match) => source.code[match.index] !== " ")
      .map((match) => toImport(source, match)),
  );
}

// --- internal ---

const patterns = [
  /\b(?:import|export)\s+(?<type>type\s+)?(?:[\w$*{}\s,]*?)\bfrom\s*["'](?<specifier>[^"'\n]+)["']/g,
  /\bimport\s*["'](?<specifier>[^"'\n]+)["']/g,
  /\b(?:import|require)\(\s*["'](?<specifier>[^"'\n]+)["']\s*\)/g,
];

function toImport(source: Source, match: RegExpMatchArray): Import {
  const specifier = match.groups?.specifier ?? "";
  const path = specifier.startsWith(".") ? posix.normalize(posix.join(posix.dirname(source.path), specifier)) : null;
  return { specifier, path, isTypeOnly: match.groups?.type !== undefined, index: match.index ?? 0 };
}
