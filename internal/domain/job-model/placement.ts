// Table of the blocks that say where work may run: constraint, affinity, spread.

import type { Affinity, Constraint, Operator, Spread, SpreadTarget } from "../job.ts";
import { block, choice, int, labelled, type Shorthand, text } from "./dsl.ts";

export const OPERATORS: readonly Operator[] = [
  "=",
  "!=",
  "<",
  "<=",
  ">",
  ">=",
  "regexp",
  "version",
  "semver",
  "set_contains",
  "set_contains_all",
  "set_contains_any",
  "distinct_hosts",
  "distinct_property",
  "is_set",
  "is_not_set",
];

const OPERATOR_ALIASES: Readonly<Record<string, Operator>> = { "==": "=", is: "=", not: "!=" };

/** `version = ">= 1.2"` stands for the operator and its value. */
const VALUE_SHORTHANDS: Readonly<Record<string, Shorthand>> = Object.fromEntries(
  (["regexp", "version", "semver", "set_contains", "set_contains_all", "set_contains_any"] as const).map((operator) => [
    operator,
    {
      doc: `Short for operator "${operator}" with this value`,
      expected: "a string",
      schema: { type: "string" },
      apply: (value: unknown) => (typeof value === "string" ? { operator, value } : null),
    },
  ]),
);

export const CONSTRAINT = block<Constraint>(
  "constraint",
  {
    attribute: text('What is compared: "${attr.cpu.arch}", "${node.class}", "${meta.rack}"', { wire: "LTarget" }),
    operator: choice("How it is compared", OPERATORS, "=", { wire: "Operand", aliases: OPERATOR_ALIASES }),
    value: text("What it is compared with", { wire: "RTarget", isLoose: true }),
  },
  {
    shorthands: {
      ...VALUE_SHORTHANDS,
      distinct_hosts: {
        doc: "true: no two allocations of the group (or the job) on one node",
        expected: "true or false",
        schema: { type: "boolean" },
        apply: (value) => (typeof value === "boolean" ? { operator: "distinct_hosts", value: value ? "" : "false" } : null),
      },
      distinct_property: {
        doc: "At most `value` allocations (1 unless given) per value of this attribute",
        expected: 'an attribute, such as "${meta.rack}"',
        schema: { type: "string" },
        apply: (value) => (typeof value === "string" ? { operator: "distinct_property", attribute: value } : null),
      },
    },
  },
);

export const AFFINITY = block<Affinity>(
  "affinity",
  {
    attribute: text("What is compared", { wire: "LTarget" }),
    operator: choice("How it is compared", OPERATORS, "=", { wire: "Operand", aliases: OPERATOR_ALIASES }),
    value: text("What it is compared with", { wire: "RTarget", isLoose: true }),
    weight: int("How much it counts; negative keeps away", 50, { min: -100, max: 100 }),
  },
  { shorthands: VALUE_SHORTHANDS },
);

const SPREAD_TARGET = block<SpreadTarget>("target", {
  value: text("The attribute's value"),
  percent: int("Share of the allocations that should have it", 0, { min: 0, max: 100 }),
});

export const SPREAD = block<Spread>("spread", {
  attribute: text("The attribute over whose values allocations are spread", { isRequired: true }),
  weight: int("How much it counts beside other spreads and affinities", 50, { min: 1, max: 100 }),
  targets: labelled(SPREAD_TARGET, "value", "Wanted share of one value", { toml: "target", wire: "SpreadTarget" }),
});
