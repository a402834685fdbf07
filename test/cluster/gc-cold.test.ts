// A sweep over much that has ended: each packed block is unpacked a few times at most, and what is young costs none of its allocs.

import { expect, test } from "bun:test";
import { GC_DEFAULTS } from "../../internal/cluster/gc-rules.ts";
import { put } from "../../internal/domain/tables.ts";
import { State } from "../../internal/state/state.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { sweep } from "../fixtures/gc.ts";
import { aNode, anAlloc, anEval, aSpec } from "../fixtures/model.ts";

class CountingCodec {
  packed = 0;
  unpacked = 0;
  packText(text: string): Uint8Array {
    this.packed += 1;
    return new TextEncoder().encode(text);
  }
  unpackText(packed: Uint8Array): string {
    this.unpacked += 1;
    return new TextDecoder().decode(packed);
  }
}

const codec = new CountingCodec();

class ColdCluster extends Cluster {
  override readonly state = new State(codec);
}

/** Evals with two allocs each, ended in another order than they began. */
function ended(count: number): Cluster {
  const cluster = new ColdCluster();
  cluster.addNodes(aNode("n1"));
  for (let n = 0; n < count; n++) {
    const shuffled = Math.floor(n / 20) * 20 + ((n * 7) % 20);
    cluster.apply([put("evals", anEval(`e${n}`, { status: "complete", createIndex: 0 }))]);
    for (const at of [0, 1])
      cluster.apply([put("allocs", anAlloc(`a${n}-${at}`, { evalId: `e${shuffled}`, clientStatus: "complete", createIndex: 0 }))]);
  }
  return cluster;
}

test("a sweep unpacks each block a few times at most, whatever goes", () => {
  const cluster = ended(6000);
  const blocks = codec.packed;
  expect(blocks).toBeGreaterThan(200);
  codec.unpacked = 0;
  sweep(cluster);
  expect([[...cluster.state.allocs()].length, [...cluster.state.evals()].length]).toEqual([0, 0]);
  expect(codec.unpacked).toBeLessThan(blocks * 3);
});

test("a sweep that finds everything young reads the evaluations once, and no alloc", () => {
  codec.packed = 0;
  const cluster = ended(3000);
  const blocks = codec.packed;
  codec.unpacked = 0;
  expect(sweep(cluster, GC_DEFAULTS).dueAtMs).not.toBeNull();
  expect(codec.unpacked).toBeGreaterThan(0);
  expect(codec.unpacked).toBeLessThan(blocks / 2);
});

test("a dead job whose latest alloc is young is left after a look at that one", () => {
  codec.packed = 0;
  const cluster = ended(0);
  cluster.register(aSpec({ type: "batch" }));
  const job = cluster.job("j");
  cluster.settle();
  for (let n = 0; n < 3000; n++)
    cluster.apply([
      put("allocs", anAlloc(`old${n}`, { jobCreateIndex: job.createIndex, clientStatus: "complete", modifiedAtMs: 1, createIndex: 0 })),
    ]);
  cluster.nowMs += GC_DEFAULTS.jobMs * 2;
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "complete" });
  expect(cluster.job("j").status).toBe("dead");
  cluster.nowMs += GC_DEFAULTS.jobMs / 2;
  codec.unpacked = 0;
  expect(sweep(cluster, { ...GC_DEFAULTS, batchEvalMs: Number.MAX_SAFE_INTEGER / 2 }).dueAtMs).not.toBeNull();
  expect(codec.packed).toBeGreaterThan(20);
  expect(codec.unpacked).toBeLessThan(5);
});
