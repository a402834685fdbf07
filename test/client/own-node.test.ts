// What a node says of itself: what it learned stays when its settings are read anew, and its meta outlives it.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MetaFile } from "../../internal/client/meta-file.ts";
import { OwnNode } from "../../internal/client/own-node.ts";
import { asSuccessor, belongingOf, type NodeSpec, type NodeSuccession } from "../../internal/domain/node.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { aNode } from "../fixtures/model.ts";

function withFolder(body: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "edgectl-meta-"));
  try {
    body(join(folder, "meta.json"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function own(
  path: string,
  { meta = {} as Record<string, string>, files = bunRuntime().files, succession = undefined as NodeSuccession | undefined } = {},
) {
  const said: string[] = [];
  const told: NodeSpec[] = [];
  const say = (message: string) => void said.push(message);
  const found = aNode("n1", { meta });
  const node = new OwnNode({
    clock: bunRuntime().clock,
    log: { debug: say, info: say, warn: say, error: say },
    found,
    succession: () => succession,
    metaFile: new MetaFile(files, path),
    changed: (spec) => void told.push(spec),
  });
  return { node, told, said, found };
}

test("meta outlives the agent, over what the settings then say", () =>
  withFolder((path) => {
    const { node, told } = own(path, { meta: { rack: "1", room: "hall" } });
    node.applyMeta({ room: null, season: "winter" });
    expect(told.at(-1)?.meta).toEqual({ rack: "1", season: "winter" });
    node.applyMeta({ season: "winter" });
    expect(told).toHaveLength(1);
    const again = own(path, { meta: { rack: "2", room: "hall" } }).node;
    expect(again.meta).toEqual({
      meta: { rack: "2", season: "winter" },
      dynamic: { room: null, season: "winter" },
      static: { rack: "2", room: "hall" },
    });
  }));

test("a node in another's place is what it took over to its tasks, says its own to servers, and what was unset stays so on both sides", () =>
  withFolder((path) => {
    const counts = { name: "till-7", datacenter: "north", nodePool: "shops", nodeClass: "pi" };
    const succession = { replacedId: "n0", said: belongingOf(aNode("n1")), counts, meta: { rack: "7", room: "hall" } };
    const { node, told } = own(path, { meta: { room: "shed" }, succession });
    expect(node.spec).toMatchObject({ ...counts, meta: { rack: "7", room: "shed" } });
    expect(node.said).toMatchObject({ ...belongingOf(aNode("n1")), meta: { room: "shed" } });
    expect(node.applyMeta({ rack: null }).meta).toEqual({ room: "shed" });
    const last = told.at(-1);
    if (!last) throw new Error("servers are told");
    expect(asSuccessor(last, succession).meta).toEqual({ room: "shed" });
    expect(own(path, { succession }).node.spec.meta).toEqual({ room: "hall" });
  }));

test.each([
  ["nothing", "", true],
  ["zeros", "\0\0\0", true],
  ["a list", "[1]", true],
  ["wrong values", '{"a": 5}', true],
  ["half of it", '{"a": "b', true],
  ["no keys", "{}\n", false],
])("a file that holds %s is left out", (_, text, isSaid) =>
  withFolder((path) => {
    writeFileSync(path, text);
    const { node, said } = own(path, { meta: { a: "static" } });
    expect(node.meta.dynamic).toEqual({});
    expect(said.some((line) => line.includes("cannot be read"))).toBe(isSaid);
    node.applyMeta({ a: "b" });
    expect(own(path).node.meta.dynamic).toEqual({ a: "b" });
  }),
);

test("what the disk does not take has not changed", () =>
  withFolder((path) => {
    const full = () => {
      throw new Error("ENOSPC");
    };
    const { node, told } = own(path, { files: { ...bunRuntime().files, writeAtomic: full } });
    expect(() => node.applyMeta({ a: "b" })).toThrow(/nothing has changed: ENOSPC/);
    expect([node.meta.meta, told]).toEqual([{}, []]);
  }));

test("drivers and meta stay over settings that are read anew", () =>
  withFolder((path) => {
    const { node, told, found } = own(path);
    node.driverChanged("docker", { detected: true, healthy: true, description: "Healthy", attributes: { "driver.docker": "1" } });
    node.applyMeta({ a: "b" });
    node.foundAnew({ ...found, nodeClass: "small", meta: { c: "d" } });
    expect(told.at(-1)).toMatchObject({
      nodeClass: "small",
      meta: { a: "b", c: "d" },
      drivers: { docker: { healthy: true } },
      attributes: { "driver.docker": "1" },
    });
  }));
