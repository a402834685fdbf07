// House style, as a test: every check over every tracked or new file of the repository.
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { checkBannedCalls, checkBannedSql } from "./banned-calls.ts";
import { checkHeader, checkLeftovers, checkLength, checkName, linesMax, longFiles } from "./file-shape.ts";
import { checkLayers, checkOracles, checkSynchronous } from "./layers.ts";
import { checkNode18 } from "./node-18.ts";
import { checkPlaces, checkVersions } from "./repository.ts";
import { type Check, parseSource, type Source } from "./source.ts";

const root = join(import.meta.dir, "..", "..");
const files = trackedFiles();
const sources = files.filter((file) => file.path.endsWith(".ts"));

describe("tidy", () => {
  const cases: readonly (readonly [string, Check, readonly Source[]])[] = [
    ["imports follow the table of layers", checkLayers, sources],
    ["oracles share nothing with what they judge", checkOracles, sources],
    ["decisions are synchronous", checkSynchronous, sources],
    ["clock, chance, timers, environment and output go through the runtime", checkBannedCalls, sources],
    ["SQL takes instants and chance as parameters", checkBannedSql, sources],
    ["nothing is used that Node 18 lacks", checkNode18, sources],
    ["files hold one idea", checkLength, sources],
    ["file names say what the file holds", checkName, sources],
    ["files open with a header", checkHeader, sources],
    // The checks and their tests have to name what they look for.
    ["nothing is left lying", checkLeftovers, sources.filter((file) => !file.path.startsWith("test/tidy/"))],
    ["no file names a machine or a package host", checkPlaces, files.filter((file) => !file.path.startsWith("test/tidy/"))],
    ["dependencies are pinned", checkVersions, files],
  ];

  for (const [name, check, inputs] of cases) {
    test(name, () => {
      const problems = inputs.flatMap((file) => [...check(file)]).map((problem) => `${problem.path}:${problem.line}: ${problem.message}`);
      expect(problems).toEqual([]);
    });
  }

  test("every exception still exists and is still needed", () => {
    const isNeeded = (path: string) => files.some((file) => file.path === path && file.text.trimEnd().split("\n").length > linesMax);
    const stale = Object.keys(longFiles).filter((path) => !isNeeded(path));
    expect(stale).toEqual([]);
  });
});

// --- internal ---

/** New files count before they are added, ignored ones never. */
function trackedFiles(): Source[] {
  const listed = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  if (listed.status !== 0) throw new Error(`git ls-files failed: ${listed.stderr}`);
  const paths = listed.stdout.split("\n").filter((path) => path !== "" && path !== "package-lock.json");
  return paths.filter((path) => isText(join(root, path))).map((path) => parseSource(path, readFileSync(join(root, path), "utf8")));
}

function isText(path: string): boolean {
  // A file that was just removed is still listed until that is committed.
  if (!existsSync(path) || !statSync(path).isFile()) return false;
  return !readFileSync(path).subarray(0, 4_096).includes(0);
}
