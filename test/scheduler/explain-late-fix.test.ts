// The nearest change where a node has the room and lacks something else; each is made, and the scheduler places then.

import { expect, test } from "bun:test";
import { evalForJob } from "../../internal/cluster/evals.ts";
import type { JobSpec } from "../../internal/domain/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { explainGroup } from "../../internal/scheduler/explain.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, type GroupDraft } from "../fixtures/model.ts";

const { resources: PLENTY } = aNode("plenty");
const gpus = (count: number) => {
  const devices = Array.from({ length: count }, (_, at) => ({ id: `g${at}`, healthy: true }));
  return { resources: { ...PLENTY, devices: [{ vendor: "nvidia", type: "gpu", name: "t4", attributes: {}, devices }] } };
};
const task = (resources: object, group: GroupDraft = {}) => ({ tasks: [{ name: "t", driver: "raw_exec", resources }], ...group });
const light = { cpuMHz: 10, memoryMiB: 10 };
const port = (label: string, number: number) => ({ networks: [{ ports: [{ label, static: number }] }] });
const wants = (group: GroupDraft, own: Partial<JobSpec> = {}) => aSpec({ id: "j", ...own }, group);
const volume = { volumes: [{ name: "d", type: "host", source: "data" }] };
const distinct = (count: number, isDistinct: boolean) =>
  wants(task(light, { count, constraints: isDistinct ? [{ attribute: "", operator: "distinct_hosts", value: "true" }] : [] }));

interface Case {
  readonly node?: Partial<Node>;
  /** What stands there already. */
  readonly before?: JobSpec;
  readonly asked: JobSpec;
  readonly fix: string;
  readonly mended: { readonly node?: Partial<Node>; readonly asked?: JobSpec };
}

const CASES: readonly (readonly [string, Case])[] = [
  [
    "cores that others have",
    {
      before: aSpec({ id: "before" }, task({ cores: 2, memoryMiB: 10 })),
      asked: wants(task({ cores: 4, memoryMiB: 10 })),
      fix: "if cores were 2 instead of 4",
      mended: { asked: wants(task({ cores: 2, memoryMiB: 10 })) },
    },
  ],
  [
    "a port that another has",
    {
      before: aSpec({ id: "before" }, task(light, port("web", 8080))),
      asked: wants(task(light, port("http", 8080))),
      fix: 'if port "http" were chosen there instead of 8080, which is in use',
      mended: { asked: wants(task(light, port("http", 0))) },
    },
  ],
  [
    "chosen ports that are all taken",
    {
      node: { resources: { ...PLENTY, portMin: 20_000, portMax: 20_000 } },
      before: aSpec({ id: "before" }, task(light, port("web", 0))),
      asked: wants(task(light, port("http", 0))),
      fix: "if it had more dynamic ports: client.max_dynamic_port",
      mended: { node: { resources: { ...PLENTY, portMin: 20_000, portMax: 20_001 } } },
    },
  ],
  [
    "devices that others have",
    {
      node: gpus(1),
      before: aSpec({ id: "before" }, task({ ...light, devices: [{ name: "gpu" }] })),
      asked: wants(task({ ...light, devices: [{ name: "nvidia/gpu" }] })),
      fix: "if it had nvidia/gpu x1 to spare",
      mended: { node: gpus(2) },
    },
  ],
  ["one of it on each host", { asked: distinct(2, true), fix: "without the constraint distinct_hosts", mended: { asked: distinct(2, false) } }],
  [
    "a host volume that it does not offer",
    {
      asked: wants(task(light, volume)),
      fix: 'if it offered the host volume "data": client.host_volume in its settings',
      mended: { node: { hostVolumes: { data: { path: "/srv", readOnly: false } } } },
    },
  ],
];

/** The only node, with what stands there, and what is asked of it. */
function clusterOf({ node = {}, before }: Case, asked: JobSpec): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1", node));
  if (before) cluster.start(before);
  cluster.register(asked);
  return cluster;
}

test.each(CASES)("%s", (_name, given) => {
  const cluster = clusterOf(given, given.asked);
  const job = cluster.job("j");
  const plan = cluster.plan(evalForJob(job, "job-register", 0, cluster.context));
  const [group] = job.groups;
  if (!group) throw new Error("it has a group");
  expect(plan.queued).toEqual({ g: 1 });
  const report = explainGroup({ view: cluster.state, job, group, plan, nodeId: null });
  expect(report.fixes.map((fix) => fix.text)).toContain(`1 node (name-n1) would fit ${given.fix}`);

  const mended = clusterOf({ ...given, node: given.mended.node ?? given.node ?? {} }, given.mended.asked ?? given.asked);
  mended.settle();
  expect(mended.live("j").length).toBe(group.count);
});
