// Ranges of addresses and sets of numbers, as they stand in settings.

import { expect, test } from "bun:test";
import { isInRange, parseRange } from "../../internal/domain/address.ts";
import { parseNumbers, printNumbers } from "../../internal/domain/number-set.ts";

const RANGES: readonly (readonly [string, string, boolean])[] = [
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.1.2.3/8", "10.9.9.9", true],
  ["192.168.1.128/25", "192.168.1.127", false],
  ["192.168.1.128/25", "192.168.1.128", true],
  ["0.0.0.0/0", "255.255.255.255", true],
  ["1.2.3.4/32", "1.2.3.4", true],
  ["1.2.3.4/32", "1.2.3.5", false],
  ["0.0.0.0/0", "::1", false],
  ["::/0", "::1", true],
  ["fd00::/64", "fd00::1:2:3:4", true],
  ["fd00::/64", "fd00:0:0:1::1", false],
  ["::1/128", "0:0:0:0:0:0:0:1", true],
  ["::/0", "1.2.3.4", false],
];

for (const [range, address, want] of RANGES) {
  test(`${address} is ${want ? "" : "not "}in ${range}`, () => {
    const parsed = parseRange(range);
    expect(parsed && isInRange(address, parsed)).toBe(want);
  });
}

for (const text of ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "256.0.0.0/8", "::/129", "1::2::3/64", "1:2:3/64", "g::/64", "eth0/8"]) {
  test(`"${text}" is no range`, () => {
    expect(parseRange(text)).toBeNull();
  });
}

const SETS: readonly (readonly [string, readonly number[] | null, string])[] = [
  ["", [], ""],
  ["5", [5], "5"],
  ["3,1,2", [1, 2, 3], "1-3"],
  ["0-1", [0, 1], "0,1"],
  ["0-3,5, 7-8", [0, 1, 2, 3, 5, 7, 8], "0-3,5,7,8"],
  ["9-100", Array.from({ length: 92 }, (_, at) => at + 9), "9-100"],
  ["3-1", null, ""],
  ["1,,2", [1, 2], "1,2"],
  ["101", null, ""],
  ["-1", null, ""],
  ["1-2-3", null, ""],
  ["x", null, ""],
];

for (const [text, want, printed] of SETS) {
  test(`"${text}" up to 100 is ${want === null ? "no set" : `${want.length} numbers`}`, () => {
    expect(parseNumbers(text, 100)).toEqual(want);
    if (want) expect(printNumbers(want)).toBe(printed);
  });
}
