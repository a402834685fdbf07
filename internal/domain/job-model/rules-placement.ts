// Rules of constraints, affinities and spreads.

import type { Affinity, Constraint, Operator, Spread } from "../job.ts";
import { compilePattern } from "../pattern.ts";
import type { JobProblem, PathPart } from "./read.ts";

type Path = readonly PathPart[];
export type ConstraintLevel = "job" | "group" | "task" | "device";

const VERSION_CHARS_MAX = 256;
const NODE_TARGETS = ["unique.id", "unique.name", "datacenter", "region", "class", "pool"];

export function constraintProblems(constraints: readonly Constraint[], path: Path, level: ConstraintLevel): readonly JobProblem[] {
  return constraints.flatMap((constraint, index) => {
    const at = [...path, index];
    const isDistinct = constraint.operator === "distinct_hosts" || constraint.operator === "distinct_property";
    if (isDistinct && (level === "task" || level === "device")) {
      return [{ path: at, message: `\`${constraint.operator}\` is for jobs and groups, not for a ${level}` }];
    }
    return comparisonProblems(constraint, at);
  });
}

export function affinityProblems(affinities: readonly Affinity[], path: Path): readonly JobProblem[] {
  return affinities.flatMap((affinity, index) => {
    const at = [...path, index];
    const problems: JobProblem[] = [];
    if (affinity.weight === 0) problems.push({ path: [...at, "weight"], message: "`weight` must not be 0" });
    if (["distinct_hosts", "distinct_property", "is_set", "is_not_set"].includes(affinity.operator)) {
      return [...problems, { path: [...at, "operator"], message: `an affinity has no operator \`${affinity.operator}\`` }];
    }
    return [...problems, ...comparisonProblems(affinity, at)];
  });
}

export function spreadProblems(spreads: readonly Spread[], path: Path): readonly JobProblem[] {
  return spreads.flatMap((spread, index) => {
    const at = [...path, index];
    const problems: JobProblem[] = [];
    const wrong = spread.attribute === "" ? null : attributeProblem(spread.attribute);
    if (wrong !== null) problems.push({ path: [...at, "attribute"], message: wrong });
    const total = spread.targets.reduce((sum, target) => sum + target.percent, 0);
    if (total > 100) problems.push({ path: [...at, "targets"], message: `the percents of a spread may add up to 100, they are ${total}` });
    const values = spread.targets.map((target) => target.value);
    const twice = values.find((value, place) => values.indexOf(value) !== place);
    if (twice !== undefined) problems.push({ path: [...at, "targets"], message: `the spread has two targets "${twice}"` });
    return problems;
  });
}

// --- internal ---

interface Comparison {
  readonly attribute: string;
  readonly operator: Operator;
  readonly value: string;
}

function comparisonProblems({ attribute, operator, value }: Comparison, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  if (operator === "distinct_hosts") {
    if (attribute !== "") problems.push({ path: [...path, "attribute"], message: "`distinct_hosts` takes no attribute" });
    if (!["", "true", "false"].includes(value)) problems.push({ path: [...path, "value"], message: "`distinct_hosts` is true or false" });
    return problems;
  }
  const wrongAttribute = attribute === "" ? `the operator \`${operator}\` needs an \`attribute\`` : attributeProblem(attribute);
  if (wrongAttribute !== null) problems.push({ path: [...path, "attribute"], message: wrongAttribute });
  const wrongValue = valueProblem(operator, value);
  if (wrongValue !== null) problems.push({ path: [...path, "value"], message: wrongValue });
  return problems;
}

function attributeProblem(attribute: string): string | null {
  const target = /^\$\{([a-z]+)\.([^{}]+)\}$/.exec(attribute);
  const [, kind = "", name = ""] = target ?? [];
  if (kind === "node" && !NODE_TARGETS.includes(name)) return `a node has no "${name}" (known: ${NODE_TARGETS.join(", ")})`;
  if (["node", "attr", "meta", "device"].includes(kind)) return null;
  return `\`attribute\` must be a target such as "\${attr.kernel.name}", "\${meta.rack}" or "\${node.class}", is "${attribute}"`;
}

function valueProblem(operator: Operator, value: string): string | null {
  switch (operator) {
    case "is_set":
    case "is_not_set":
      return value === "" ? null : `\`${operator}\` takes no value`;
    case "regexp":
      return regexpProblem(value);
    case "version":
      return isVersionRange(value, /^v?\d+(\.\d+)*([-.+~]?[0-9A-Za-z.+~-]+)?$/, true)
        ? null
        : `"${value}" is no version constraint, such as ">= 1.2, < 2.0"`;
    case "semver":
      return isVersionRange(value, /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$|^v?\d+(\.\d+)?$/, false)
        ? null
        : `"${value}" is no semver constraint, such as ">= 1.2.0, < 2.0.0"`;
    case "distinct_property":
      return value === "" || /^[1-9]\d{0,8}$/.test(value) ? null : `\`distinct_property\` takes a count of at least 1, not "${value}"`;
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "set_contains":
    case "set_contains_all":
    case "set_contains_any":
      return value === "" ? `the operator \`${operator}\` needs a \`value\`` : null;
    case "=":
    case "!=":
    case "distinct_hosts":
      return null;
  }
}

function regexpProblem(value: string): string | null {
  if (value === "") return "the operator `regexp` needs a `value`";
  const pattern = compilePattern(value);
  return pattern.kind === "pattern" ? null : `"${value}" is no regular expression: it ${pattern.message}`;
}

function isVersionRange(range: string, version: RegExp, isPessimisticAllowed: boolean): boolean {
  return range.split(",").every((part) => {
    const [, operator = "", text = ""] = /^(>=|<=|!=|~>|=|>|<)?\s*(\S+)$/.exec(part.trim()) ?? [];
    // The patterns take time in the square of the length.
    if (text.length > VERSION_CHARS_MAX) return false;
    return version.test(text) && (operator !== "~>" || isPessimisticAllowed);
  });
}
