// Capabilities: what setpriv is told for each wish, node and user.

import { expect, test } from "bun:test";
import { capabilitiesOf, capabilityName, DEFAULT_CAPABILITIES, KNOWN_CAPABILITIES } from "../../../internal/runner/sandbox/capabilities.ts";

const DEFAULT = `-all,${DEFAULT_CAPABILITIES.map((name) => `+${name}`).join(",")}`;
const without = (name: string) => DEFAULT.replace(`,+${name}`, "");

/** [what, add, drop, allowed, as root, bounding, ambient] */
const CASES: readonly (readonly [string, readonly string[], readonly string[], readonly string[], boolean, string, string])[] = [
  ["root has the default set", [], [], DEFAULT_CAPABILITIES, true, DEFAULT, "-all"],
  ["another user has none", [], [], DEFAULT_CAPABILITIES, false, "-all", "-all"],
  [
    "another user has what it adds, at once",
    ["CAP_NET_BIND_SERVICE"],
    [],
    DEFAULT_CAPABILITIES,
    false,
    "-all,+net_bind_service",
    "-all,+net_bind_service",
  ],
  ["root drops one", [], ["MKNOD"], DEFAULT_CAPABILITIES, true, without("mknod"), "-all"],
  ["root drops all", [], ["all"], DEFAULT_CAPABILITIES, true, "-all", "-all"],
  ["root drops all but one", ["chown"], ["all"], DEFAULT_CAPABILITIES, true, "-all,+chown", "-all"],
  ["what is added and dropped is dropped", ["chown"], ["chown"], DEFAULT_CAPABILITIES, false, "-all", "-all"],
  ["all is all that the node allows", ["all"], [], ["chown", "kill"], false, "-all,+chown,+kill", "-all,+chown,+kill"],
  ["a node that allows few keeps root to them", [], [], ["chown"], true, "-all,+chown", "-all"],
  ["a node that allows more lets it be added", ["net_admin"], ["all"], [...DEFAULT_CAPABILITIES, "net_admin"], true, "-all,+net_admin", "-all"],
];

for (const [name, add, drop, allowed, isRoot, bounding, ambient] of CASES)
  test(`capabilities: ${name}`, () => expect(capabilitiesOf({ add, drop }, allowed, isRoot)).toEqual({ bounding, ambient }));

test("capabilities: what the node does not allow is refused by name, for root and others", () => {
  for (const isRoot of [true, false])
    expect(() => capabilitiesOf({ add: ["sys_admin", "chown"], drop: [] }, DEFAULT_CAPABILITIES, isRoot)).toThrow(
      "does not allow the capabilities sys_admin",
    );
});

test("capabilities: names are known in every spelling, and no others", () => {
  expect(["CAP_SYS_ADMIN", "sys_admin", "Sys_Admin", "all", "fly", ""].map(capabilityName)).toEqual([
    "sys_admin",
    "sys_admin",
    "sys_admin",
    "all",
    null,
    null,
  ]);
  expect(KNOWN_CAPABILITIES).toHaveLength(41);
});
