// Addresses of other regions, and which of them can live side by side.

import { describe, expect, test } from "bun:test";
import { decodeGreeting, encodeGreeting, parseJoinAddress, parseServerUrl, withRegion } from "../../internal/api/region-codec.ts";
import type { KnownRegions } from "../../internal/domain/setting.ts";

test.each([
  ["http://10.0.0.5:4646", "http://10.0.0.5:4646"],
  ["http://10.0.0.5:4646/", "http://10.0.0.5:4646"],
  ["https://edge.example", "https://edge.example"],
  ["10.0.0.5:4646", "http://10.0.0.5:4646"],
  ["[fd00::1]:4646", "http://[fd00::1]:4646"],
  ["10.0.0.5", null],
  ["http://10.0.0.5/v1", null],
  ["http://me@10.0.0.5", null],
  ["ftp://10.0.0.5", null],
  ["", null],
])("the address %p is %p", (text, want) => {
  expect(parseServerUrl(text)).toBe(want);
});

test.each([
  ["east=http://10.0.0.5:4646", { region: "east", url: "http://10.0.0.5:4646" }],
  ["east=10.0.0.5:4646", { region: "east", url: "http://10.0.0.5:4646" }],
  ["10.0.0.5:4646", { region: null, url: "http://10.0.0.5:4646" }],
  ["http://10.0.0.5", { region: null, url: "http://10.0.0.5" }],
])("to join %p", (text, want) => {
  expect(parseJoinAddress(text)).toEqual(want);
});

test.each(["east=", "east", "=http://x", "east=http://x/y"])("no address to join: %p", (text) => {
  expect(() => parseJoinAddress(text)).toThrow("is no address of a server");
});

describe("regions that meet", () => {
  const own = { region: "global", clusterId: "c-1" };
  const known: KnownRegions = { east: { urls: ["http://a:1"], clusterId: "c-2" } };
  test("a new one is known from then on", () => {
    expect(withRegion(known, own, { region: "west", clusterId: "c-3", urls: ["http://w:1"] })).toEqual({
      ...known,
      west: { urls: ["http://w:1"], clusterId: "c-3" },
    });
  });
  test("another server of a known one is added, the newest first", () => {
    expect(withRegion(known, own, { region: "east", clusterId: "c-2", urls: ["http://b:1", "http://a:1"] }).east?.urls).toEqual([
      "http://b:1",
      "http://a:1",
    ]);
  });
  test.each([
    [{ region: "global", clusterId: "c-9", urls: ["http://x:1"] }, 'two regions are called "global": this one, and another at http://x:1'],
    [{ region: "global", clusterId: "c-1", urls: ["http://x:1"] }, "the server at http://x:1 is of this very region"],
    [{ region: "east", clusterId: "c-9", urls: ["http://x:1"] }, 'two regions are called "east": one at http://a:1, another at http://x:1'],
  ])("refused: %p", (met, message) => {
    expect(() => withRegion(known, own, met)).toThrow(message);
  });
});

test("a greeting goes out and comes back; what is none is null, and URLs that are none are left out", () => {
  const greeting = { region: "east", clusterId: "c", urls: ["http://a:1"] };
  expect(decodeGreeting(JSON.parse(JSON.stringify(encodeGreeting(greeting))))).toEqual(greeting);
  expect(decodeGreeting({ Region: "east", ClusterID: "c", URLs: ["http://a:1", "file:///x", 7] })?.urls).toEqual(["http://a:1"]);
  for (const none of [null, 7, {}, { Region: "", ClusterID: "c", URLs: [] }, { Region: "x", ClusterID: 1, URLs: [] }])
    expect(decodeGreeting(none)).toBeNull();
});
