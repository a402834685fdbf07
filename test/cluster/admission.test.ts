// Who may join: tokens, what they are bound to, whose place a node takes, and that no order of events admits one too many.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JoinTerms } from "../../internal/cluster/admission.ts";
import { setDrain } from "../../internal/cluster/drain.ts";
import { collectGarbage, GC_START } from "../../internal/cluster/gc.ts";
import { GC_DEFAULTS, GC_FORCED, type GcThresholds } from "../../internal/cluster/gc-rules.ts";
import { createJoinToken, type JoinTokenInput, revokeJoinToken } from "../../internal/cluster/join-tokens.ts";
import { purgeNode } from "../../internal/cluster/node-purge.ts";
import { registerNode, setEligibility } from "../../internal/cluster/nodes.ts";
import { silenceNodes } from "../../internal/cluster/silence.ts";
import { EdgeError } from "../../internal/domain/errors.ts";
import { isSameHash, joinTokenIdOf, joinTokenText, type ShownToken, standingOf } from "../../internal/domain/join-token.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { Node } from "../../internal/domain/node.ts";
import { joinTokenKey } from "../../internal/domain/setting.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anAlloc, aSpec } from "../fixtures/model.ts";

const HOUR_MS = 3_600_000;

function create(cluster: Cluster, own: Partial<JoinTokenInput> = {}): ShownToken {
  const input = { id: "t1", secretHash: "hash of t1", nodeName: "", nodePool: "", uses: 1, ttlMs: HOUR_MS, replaces: "", ...own };
  cluster.do((view, context) => createJoinToken(view, input, context));
  return { id: input.id, secretHash: input.secretHash };
}

/** A node that is not the server's own says hello where tokens are asked for. */
function join(cluster: Cluster, id: string, token?: ShownToken, own: Partial<Node> = {}, { isTokenRequired = true } = {}): Node {
  const join: JoinTerms = { isTokenRequired, ...(token === undefined ? {} : { token }) };
  const spec = aNode(id, { machineId: "", ...own });
  const remembered = cluster.state.node(id)?.incarnation ?? 0;
  return cluster.do((view, context) =>
    registerNode(view, { spec, secretHash: spec.secretHash, classOf: (node) => node.nodePool, remembered, join }, context),
  );
}

function down(cluster: Cluster, nodeId: string): void {
  cluster.do((view, context) => silenceNodes(view, { nodeIds: [nodeId] }, context));
}

function tokenOf(cluster: Cluster, id = "t1") {
  return cluster.state.setting(joinTokenKey(id))?.value;
}

function refusalOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof EdgeError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "admitted";
}

describe("a node that is not known", () => {
  const shown: ShownToken = { id: "t1", secretHash: "hash of t1" };
  test.each<[string, Partial<JoinTokenInput>, ShownToken | undefined, Partial<Node>, RegExp]>([
    ["without a token", {}, undefined, {}, /^permission-denied: node name-n1 \(n1\) is not known here, and joining takes a join token/],
    ["with what is no token", {}, null, {}, /what this node shows as its join token is none/],
    ["with a token nobody made", {}, { id: "t2", secretHash: "hash of t1" }, {}, /join token t2 is not known here/],
    ["with a wrong secret", {}, { id: "t1", secretHash: "another" }, {}, /join token t1 is not known here: it was mistyped, revoked, or expired/],
    ["with a good one", {}, shown, {}, /^admitted$/],
    ["of another name", { nodeName: "shed" }, shown, {}, /join token t1 admits a node named "shed", this one is "name-n1"/],
    ["of the name", { nodeName: "name-n1" }, shown, {}, /^admitted$/],
    ["of another pool", { nodePool: "shops" }, shown, {}, /admits nodes of pool "shops", this one is of "default"/],
    ["of the pool", { nodePool: "shops" }, shown, { nodePool: "shops" }, /^admitted$/],
  ])("%s", (_what, made, token, own, want) => {
    const cluster = new Cluster();
    create(cluster, made);
    expect(refusalOf(() => join(cluster, "n1", token, own))).toMatch(want);
    expect(cluster.state.node("n1") !== undefined).toBe(want.test("admitted"));
    expect(tokenOf(cluster)?.used).toBe(want.test("admitted") ? 1 : 0);
  });

  test("joins without a token where none is asked for; one that it shows has to be good there too", () => {
    const cluster = new Cluster();
    expect(refusalOf(() => join(cluster, "n1", { id: "gone", secretHash: "x" }, {}, { isTokenRequired: false }))).toContain("is not known here");
    expect(join(cluster, "n1", undefined, {}, { isTokenRequired: false }).admittedBy).toBeUndefined();
  });

  test("is told that another has its name, and so are people", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("old", { name: "shed" }));
    down(cluster, "old");
    const node = join(cluster, "n1", undefined, { name: "shed" }, { isTokenRequired: false });
    expect(node.events.at(-1)?.message).toBe("Node registered; node old, which is down, has its name too");
  });
});

describe("a token", () => {
  test("is noted at the node, and the node at the token", () => {
    const cluster = new Cluster();
    const node = join(cluster, "n1", create(cluster));
    expect(node.admittedBy).toBe("t1");
    expect(node.events.at(-1)?.message).toBe("Node registered with join token t1");
    expect(tokenOf(cluster)?.lastUse).toEqual({ nodeId: "n1", nodeName: "name-n1", atMs: cluster.nowMs });
  });

  test("that is used up names who used it", () => {
    const cluster = new Cluster();
    const token = create(cluster);
    join(cluster, "n1", token);
    expect(refusalOf(() => join(cluster, "n2", token))).toMatch(/join token t1 is used up: it admitted one node, the last was name-n1 \(n1\)/);
  });

  test("that expired says since when", () => {
    const cluster = new Cluster();
    const token = create(cluster);
    cluster.nowMs += HOUR_MS + 5000;
    expect(refusalOf(() => join(cluster, "n1", token))).toMatch(/join token t1 expired 5s ago/);
  });

  test("does not admit again whom it admitted and who was purged, however often it may be used", () => {
    const cluster = new Cluster();
    const token = create(cluster, { uses: 5 });
    join(cluster, "n1", token);
    cluster.do((view, context) => purgeNode(view, { nodeId: "n1" }, context));
    expect(refusalOf(() => join(cluster, "n1"))).toContain("joining takes a join token");
    expect(refusalOf(() => join(cluster, "n1", token))).toMatch(/join token t1 admitted this node before, and the node was purged since/);
    expect(refusalOf(() => join(cluster, "n1", create(cluster, { id: "t2", secretHash: "2" })))).toBe("admitted");
  });

  test("is not looked at for a node that is known: an answer that was lost costs no second use", () => {
    const cluster = new Cluster();
    const token = create(cluster);
    join(cluster, "n1", token);
    expect(join(cluster, "n1", token).admittedBy).toBe("t1");
    cluster.do((view) => revokeJoinToken(view, { id: "t1" }));
    expect(refusalOf(() => join(cluster, "n1", token))).toBe("admitted");
    expect(refusalOf(() => join(cluster, "n1"))).toBe("admitted");
  });

  test("does not let anybody in under another's id", () => {
    const cluster = new Cluster();
    join(cluster, "n1", create(cluster, { uses: 2 }));
    expect(refusalOf(() => join(cluster, "n1", { id: "t1", secretHash: "hash of t1" }, { secretHash: "a thief's" }))).toContain(
      "known under another secret",
    );
  });

  test.each<[string, Partial<JoinTokenInput>, RegExp]>([
    ["no use at all", { uses: 0 }, /^invalid: .*uses must be from 1 to 10000 \(joinTokenUsesMax\)/],
    ["half a use", { uses: 1.5 }, /uses must be from/],
    ["too many uses", { uses: LIMITS.joinTokenUsesMax + 1 }, /uses must be from/],
    ["no time", { ttlMs: 0 }, /its time must be from 1s to 8760h0m0s \(joinTokenTtlMsMax\)/],
    ["no number as its time", { ttlMs: Number.NaN }, /its time must be/],
    ["endless time", { ttlMs: Number.POSITIVE_INFINITY }, /its time must be/],
    ["a name without end", { nodeName: "n".repeat(256) }, /the node's name is longer than 255 characters \(nodeNameCharsMax\)/],
    ["a pool that cannot be", { nodePool: "a b" }, /"a b" is no name of a node pool/],
    ["the pool of all", { nodePool: "all" }, /name another, or none/],
    ["a node that is not there", { replaces: "n9" }, /^not-found: there is no node n9 to replace/],
    ["several in the place of one", { replaces: "old", uses: 2 }, /uses must be 1/],
    ["a name beside the replaced one's", { replaces: "old", nodeName: "x" }, /do not say them/],
  ])("with %s is not made", (_what, own, want) => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("old"));
    expect(refusalOf(() => create(cluster, own))).toMatch(want);
    expect([...cluster.state.joinTokens()]).toEqual([]);
  });

  test("is not made where there are too many, until some are gone", () => {
    const cluster = new Cluster();
    for (let at = 0; at < LIMITS.joinTokensMax; at++) create(cluster, { id: `t${at}`, secretHash: `${at}` });
    expect(refusalOf(() => create(cluster, { id: "more" }))).toMatch(/^too-large: there are 1000 join tokens already \(joinTokensMax\)/);
    cluster.do((view) => revokeJoinToken(view, { id: "t7" }));
    create(cluster, { id: "more" });
  });

  test("that is not there cannot be revoked", () => {
    expect(refusalOf(() => new Cluster().do((view) => revokeJoinToken(view, { id: "t1" })))).toBe("not-found: join token not found");
  });
});

describe("a node in the place of another", () => {
  function withOld(status: "ready" | "down" = "down"): { readonly cluster: Cluster; readonly token: ShownToken } {
    const cluster = new Cluster();
    const datacenter = "north";
    const old = aNode("old", { name: "shed", nodePool: "shops", datacenter, nodeClass: "pi", meta: { rack: "7", kept: "old" }, machineId: "" });
    cluster.addNodes(old);
    cluster.do((view, context) => setEligibility(view, { nodeId: "old", eligibility: "ineligible" }, context));
    const token = create(cluster, { replaces: "old" });
    if (status === "down") down(cluster, "old");
    return { cluster, token };
  }

  test("has its name, pool, datacenter, class, meta and standing; the old one is gone in the same step", () => {
    const { cluster, token } = withOld();
    const before = cluster.state.index;
    const node = join(cluster, "new", token, { meta: { kept: "new" } });
    expect(node).toMatchObject({ name: "shed", nodePool: "shops", datacenter: "north", nodeClass: "pi", eligibility: "ineligible" });
    expect(node).toMatchObject({ meta: { rack: "7", kept: "new" }, computedClass: "shops" });
    expect(cluster.state.index).toBe(before + 1);
    expect(cluster.state.node("old")).toBeUndefined();
    expect(node.events.at(-1)?.message).toBe("Node registered with join token t1, in the place of node old, which was purged");
  });

  test("keeps that when it comes back as before, and has its own word where it says another", () => {
    const { cluster, token } = withOld();
    join(cluster, "new", token);
    const before = cluster.state.index;
    expect(join(cluster, "new").name).toBe("shed");
    expect(cluster.state.index).toBe(before);
    expect(join(cluster, "new", undefined, { name: "renamed", nodePool: "edge" })).toMatchObject({
      name: "renamed",
      nodePool: "edge",
      datacenter: "north",
    });
  });

  test("goes on with its drain", () => {
    const { cluster, token } = withOld("ready");
    const drain = { deadlineMs: HOUR_MS, ignoresSystemJobs: false };
    cluster.do((view, context) => setDrain(view, { nodeId: "old", drain, isMarkedEligible: false, meta: null }, context));
    down(cluster, "old");
    expect(join(cluster, "new", token).drain?.deadlineMs).toBe(HOUR_MS);
  });

  test("is not let in while that one lives, or is not known any more", () => {
    const { cluster, token } = withOld("ready");
    expect(refusalOf(() => join(cluster, "new", token))).toMatch(/puts a node in the place of shed \(old\), which is alive/);
    expect(tokenOf(cluster)?.used).toBe(0);
    cluster.do((view, context) => purgeNode(view, { nodeId: "old" }, context));
    expect(refusalOf(() => join(cluster, "new", token))).toMatch(/which is not known any more/);
  });

  test("gets what is still waited for there, too", () => {
    const { cluster, token } = withOld("ready");
    cluster.register(aSpec({ id: "waits", nodePool: "shops" }));
    cluster.settle();
    const old = cluster.state.node("old");
    if (!old) throw new Error("it is there");
    cluster.apply([
      { table: "nodes", op: "put", row: { ...old, status: "disconnected" } },
      { table: "allocs", op: "put", row: anAlloc("a1", { jobId: "waits", nodeId: "old", clientStatus: "unknown" }) },
    ]);
    join(cluster, "new", token);
    const due = [...cluster.state.evals()].filter((one) => one.status === "pending").map((one) => `${one.jobId} ${one.triggeredBy}`);
    expect(due).toEqual(["waits node-update"]);
  });

  test("gets what ran there: one evaluation for each job", () => {
    const { cluster, token } = withOld("ready");
    cluster.do((view, context) => setEligibility(view, { nodeId: "old", eligibility: "eligible" }, context));
    const constraints = [{ attribute: "${node.unique.name}", value: "shed" }];
    const place = { datacenters: ["*"], nodePool: "shops" };
    cluster.register(aSpec({ id: "named", ...place, constraints }, { count: 1 }));
    cluster.register(aSpec({ id: "everywhere", type: "system", ...place }));
    cluster.settle();
    down(cluster, "old");
    cluster.settle();
    join(cluster, "new", token);
    const due = [...cluster.state.evals()].filter((one) => one.status === "pending").map((one) => one.jobId);
    expect(due.sort()).toEqual([...new Set(due)].sort());
    cluster.settle();
    const placed = [...cluster.state.allocs()].filter((alloc) => alloc.nodeId === "new" && alloc.desiredStatus === "run");
    expect(placed.map((alloc) => alloc.jobId)).toContain("everywhere");
  });
});

describe("garbage collection", () => {
  function sweep(cluster: Cluster, thresholds: GcThresholds, { keepsNodes = false } = {}): void {
    for (let from: typeof GC_START | null = GC_START; from !== null; ) {
      const at: typeof GC_START = from;
      from = cluster.do((view, context) => collectGarbage(view, { thresholds, from: at, keepsNodes }, context)).next;
    }
  }

  test("forgets tokens a day after they expired, and no others", () => {
    const cluster = new Cluster();
    create(cluster, { id: "long", secretHash: "l", ttlMs: 100 * HOUR_MS });
    create(cluster);
    cluster.nowMs += 24 * HOUR_MS;
    sweep(cluster, GC_DEFAULTS);
    expect(tokenOf(cluster)).toBeDefined();
    cluster.nowMs += HOUR_MS;
    sweep(cluster, GC_DEFAULTS);
    expect(tokenOf(cluster)).toBeUndefined();
    sweep(cluster, GC_FORCED);
    expect(tokenOf(cluster, "long")).toBeDefined();
  });

  test("keeps nodes whose rows are what admits them, and ends what never reported there", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    cluster.register(aSpec());
    cluster.settle();
    down(cluster, "n1");
    cluster.apply([{ table: "allocs", op: "put", row: anAlloc("a9", { nodeId: "n1", desiredStatus: "stop", clientStatus: "running" }) }]);
    cluster.settle();
    cluster.nowMs += 48 * HOUR_MS;
    sweep(cluster, GC_FORCED, { keepsNodes: true });
    expect(cluster.state.node("n1")).toBeDefined();
    expect(cluster.state.alloc("a9")?.clientStatus ?? "gone").not.toBe("running");
    const index = cluster.state.index;
    sweep(cluster, GC_FORCED, { keepsNodes: true });
    expect(cluster.state.index).toBe(index);
    sweep(cluster, GC_FORCED);
    expect(cluster.state.node("n1")).toBeUndefined();
  });

  test("keeps a node whose place may still be taken", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("old"));
    create(cluster, { replaces: "old", ttlMs: 72 * HOUR_MS });
    down(cluster, "old");
    cluster.nowMs += 48 * HOUR_MS;
    sweep(cluster, GC_DEFAULTS);
    expect(cluster.state.node("old")).toBeDefined();
    cluster.nowMs += 25 * HOUR_MS;
    sweep(cluster, GC_DEFAULTS);
    expect(cluster.state.node("old")).toBeUndefined();
  });
});

type Step =
  | { readonly kind: "join"; readonly node: string; readonly isTokenShown: boolean }
  | { readonly kind: "join unheard"; readonly node: string }
  | { readonly kind: "revoke" }
  | { readonly kind: "expire" }
  | { readonly kind: "purge"; readonly node: string };

const node = fc.constantFrom("a", "b", "c");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("join" as const), node, isTokenShown: fc.boolean() }),
  fc.record({ kind: fc.constant("join unheard" as const), node }),
  fc.record({ kind: fc.constant("revoke" as const) }),
  fc.record({ kind: fc.constant("expire" as const) }),
  fc.record({ kind: fc.constant("purge" as const), node }),
);

test("in any order of joining, lost answers, revoking, expiring and purging a token admits as many as it may, each node once", () => {
  const run = (uses: number, steps: readonly Step[]) => {
    const cluster = new Cluster();
    const token = create(cluster, { uses });
    /** What the outside world believes: whose key a server has said yes to, and who was sent away for good. */
    const admitted = new Set<string>();
    const ever = new Set<string>();
    let isOver = false;
    for (const one of steps) {
      switch (one.kind) {
        case "revoke":
          refusalOf(() => cluster.do((view) => revokeJoinToken(view, { id: "t1" })));
          isOver = true;
          break;
        case "expire":
          cluster.nowMs += HOUR_MS;
          isOver = true;
          break;
        case "purge":
          refusalOf(() => cluster.do((view, context) => purgeNode(view, { nodeId: one.node }, context)));
          admitted.delete(one.node);
          break;
        default: {
          const isShown = one.kind === "join unheard" || one.isTokenShown;
          const may = admitted.has(one.node) || (isShown && !isOver && ever.size < uses && !ever.has(one.node));
          const refusal = refusalOf(() => join(cluster, one.node, isShown ? token : undefined));
          expect(refusal === "admitted").toBe(may);
          if (may) admitted.add(one.node);
          if (may) ever.add(one.node);
        }
      }
      expect(new Set([...cluster.state.nodes()].map((known) => known.id))).toEqual(admitted);
      expect(tokenOf(cluster)?.used ?? ever.size).toBe(ever.size);
    }
  };
  fc.assert(fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 14 }), run), { numRuns: 500 });
});

describe("a token's text", () => {
  const id = "5a24aabf-7829-4913-aeff-bf23f3ca2429";
  test.each<[string, string, string | null]>([
    ["as it is made", joinTokenText(id, "ab".repeat(32)), id],
    ["nothing", "", null],
    ["an id alone", id, null],
    ["a short secret", joinTokenText(id, "ab"), null],
    ["a long secret", joinTokenText(id, "ab".repeat(33)), null],
    ["other digits", joinTokenText(id, "zz".repeat(32)), null],
    ["a line end", `${joinTokenText(id, "ab".repeat(32))}\n`, null],
    ["a megabyte", "edgectl-join.".repeat(80_000), null],
  ])("%s", (_what, text, want) => {
    expect(joinTokenIdOf(text)).toBe(want);
  });

  test("hashes are the same only when they are", () => {
    expect([isSameHash("ab", "ab"), isSameHash("ab", "ac"), isSameHash("ab", "abc"), isSameHash("", "a")]).toEqual([true, false, false, false]);
  });

  test("a token expires at its instant, not after it", () => {
    const cluster = new Cluster();
    create(cluster);
    const token = tokenOf(cluster);
    if (!token) throw new Error("it was made");
    expect([standingOf(token, token.expiresAtMs - 1), standingOf(token, token.expiresAtMs)]).toEqual(["valid", "expired"]);
  });
});
