// The shape of a file: its name, its length, its header, and nothing left lying in it.
import { basename } from "node:path";
import { type Check, problemAt, problemsOf } from "./source.ts";

export const linesMax = 400;

/** Files that may be longer, each with its reason. */
export const longFiles: Readonly<Record<string, string>> = {
  "internal/domain/job.ts": "types alone: the job model is read as one page",
};

export const checkLength: Check = (source) => {
  const lines = source.text.trimEnd().split("\n").length;
  if (lines <= linesMax || isTest(source.path) || source.path in longFiles) return [];
  const message = `${lines} lines, more than ${linesMax}: it holds two ideas; split it, or list it in test/tidy/file-shape.ts with the reason`;
  return [problemAt(source, 0, message)];
};

export const checkName: Check = (source) => {
  const name = basename(source.path);
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|node|d))*\.ts$/.test(name)) {
    return [problemAt(source, 0, `file name "${name}": use kebab-case.ts`)];
  }
  if (name === "index.ts" && source.path.startsWith("internal/")) {
    return [problemAt(source, 0, "index.ts is a barrel: import from the file that holds the thing, and remove this one")];
  }
  const vague = name.split(/[-.]/).find((part) => vagueNames.includes(part));
  return vague === undefined ? [] : [problemAt(source, 0, `"${vague}" in a file name says nothing: name the one idea the file holds`)];
};

export const checkHeader: Check = (source) => {
  const first = source.text.replace(/^#!.*\n/, "");
  if (isTest(source.path) || /^\/[/*]/.test(first)) return [];
  return [problemAt(source, 0, "no header: open with one to three comment lines on what the file is for and what it refuses to do")];
};

export const checkLeftovers: Check = (source) => [
  ...problemsOf(source, "text", /@ts-(?:ignore|nocheck)\b/g, (found) => `${found}: fix the type, or use @ts-expect-error with the reason`),
  ...problemsOf(source, "code", /\b(?:test|it|describe)\.only\s*\(/g, (found) => `${found}: it hides every other test; remove .only`),
  ...problemsOf(source, "text", /\b(?:TODO|FIXME|XXX)\b/g, (found) => `${found}: do it now, or say in a whole sentence what is not done and why`),
];

// --- internal ---

const vagueNames = ["util", "utils", "helper", "helpers", "common", "lib", "manager", "misc"];

function isTest(path: string): boolean {
  return path.endsWith(".test.ts");
}
