// From a path in a job to the line and column a person should look at.

import { JOB } from "../domain/job-model/job.ts";
import { CONSTRAINT } from "../domain/job-model/placement.ts";
import type { PathPart, SourceForm } from "../domain/job-model/read.ts";
import { pathKey, type Spot, type Spots } from "./positions.ts";
import type { Position } from "./source-problem.ts";

export interface Locator {
  readonly spots: Spots;
  readonly form: SourceForm;
  /** Keys in front of the job's own: "Job" in some JSON files. */
  readonly prefix: readonly PathPart[];
}

/** The position of a source path, or of the nearest thing around it that stands in the text. */
export function locate(locator: Locator, sourcePath: readonly PathPart[], at: "key" | "value"): Position {
  const { spot, isExact } = deepest(locator, candidates(sourcePath, locator.form));
  return isExact ? spot[at] : spot.key;
}

// --- internal ---

const START: Spot = { key: { line: 1, column: 1 }, value: { line: 1, column: 1 } };

interface Found {
  readonly spot: Spot;
  readonly depth: number;
  readonly isExact: boolean;
}

/** Other places the same thing may have been written at. */
function candidates(path: readonly PathPart[], form: SourceForm): readonly (readonly PathPart[])[] {
  const found = [path];
  if (form !== "toml") return found;
  const [root, group, inner, task, ...rest] = path;
  if (root === "group" && inner === "task" && group === task) found.push(["task", group ?? "", ...rest]);
  else if (root === "group" && group !== undefined) found.push(["task", ...path.slice(1)]);
  if (root === "group" && (inner === "update" || inner === "reschedule" || inner === "migrate")) found.push(path.slice(2));
  const restart = path.lastIndexOf("restart");
  if (restart === 4 && inner === "task") found.push(["group", group ?? "", ...path.slice(restart)]);
  const device = path.indexOf("device");
  if (device > 0 && path[device - 1] === "resources") found.push(...candidates([...path.slice(0, device - 1), ...path.slice(device)], form));
  return found;
}

function deepest(locator: Locator, paths: readonly (readonly PathPart[])[]): Found {
  let best: Found = { spot: locator.spots.get(pathKey(locator.prefix)) ?? START, depth: -1, isExact: false };
  for (const path of paths) {
    const found = follow(locator, path);
    if (found.isExact && !best.isExact) best = found;
    else if (found.isExact === best.isExact && found.depth > best.depth) best = found;
  }
  return best;
}

/** Goes down the path as far as the text does. A block that stands once may be written with or without being a list. */
function follow(locator: Locator, path: readonly PathPart[]): Found {
  let at = [...locator.prefix];
  let depth = 0;
  let isExact = true;
  const has = (next: readonly PathPart[]) => locator.spots.has(pathKey(next));
  for (const part of path) {
    const shorthand = SHORTHANDS.find((key) => has([...at, key]));
    if (has([...at, part])) at = [...at, part];
    else if (typeof part === "number" && isExact) continue;
    else if (has([...at, 0, part])) at = [...at, 0, part];
    else if (isExact && shorthand !== undefined && locator.form === "toml") at = [...at, shorthand];
    else {
      isExact = false;
      break;
    }
    depth++;
  }
  return { spot: locator.spots.get(pathKey(at)) ?? START, depth, isExact };
}

const SHORTHANDS = [...Object.keys(CONSTRAINT.shorthands ?? {}), ...periodicShorthands()];

function periodicShorthands(): readonly string[] {
  const periodic = JOB.fields.find((field) => field.key === "periodic");
  return periodic?.kind === "block" ? Object.keys(periodic.block.shorthands ?? {}) : [];
}
