// Placement on a real node that offers devices, a folder and a second network: what tasks are given, and what is refused.

import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

function settings(place: Place): string {
  const folder = place.path("offered");
  mkdirSync(folder, { recursive: true });
  return place.write(
    "edgectl.toml",
    `[client]
cpu_total_compute = 4000
memory_total_mb = 1000
min_dynamic_port = 26000
max_dynamic_port = 26003
host_volume = { data = "${folder}:ro" }

[client.reserved]
memory = 100
reserved_ports = "26001"

[client.host_network.loop]
cidr = "127.0.0.0/8"
reserved_ports = "26000"

[client.host_network.absent]
cidr = "203.0.113.0/24"

[client.device."acme/gpu/k80"]
ids = ["g0", "g1"]
attributes = { memory = "11 GiB" }

[client.device.camera]
vendor = "acme"
type = "camera"
name = "none"
paths = ["/dev/no-such-camera"]
`,
  );
}

async function start(place: Place): Promise<void> {
  await place.start({ flags: ["--config", settings(place)] });
  await until("the node", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
}

const DEVICE = (more: string) => `[[group.g.task.main.device]]\nname = "gpu"\n${more}`;
const idle = (id: string, more: Partial<Parameters<typeof shellJob>[0]> = {}) =>
  shellJob({ id, type: "service", script: "env; exec sleep 600", ...more });

/** What the CLI said of a job that was let in. */
function registered(place: Place, toml: string): string {
  const done = place.run(toml, "--detach");
  expect([done.status, done.stderr]).toEqual([0, expect.any(String)]);
  return done.stdout + done.stderr;
}

async function environmentOf(place: Place, job: string): Promise<Readonly<Record<string, string>>> {
  const alloc = await place.untilAlloc(job, "running");
  let lines: string[] = [];
  await until(`the environment of ${job}`, async () => {
    lines = (await place.logs(alloc.ID, "main")).split("\n");
    return lines.some((line) => line.startsWith("NOMAD_JOB_ID="));
  });
  return Object.fromEntries(
    lines.filter((line) => line.includes("=")).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
async function blockedMetric(place: Place, job: string): Promise<any> {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let found: any;
  await until(`${job} to be blocked`, async () => {
    const evals = await place.get(`/v1/job/${job}/evaluations`);
    found = evals.find((one: { Status: string }) => one.Status === "blocked")?.FailedTGAllocs?.g;
    return found !== undefined;
  });
  return found;
}

test(
  "a node offers what its settings say, and tells what of it is not there",
  () =>
    inPlace(async (place) => {
      await start(place);
      const node = await place.get(`/v1/node/${(await place.get("/v1/nodes"))[0].ID}`);
      expect(node.NodeResources.Devices).toMatchObject([
        {
          Vendor: "acme",
          Type: "gpu",
          Name: "k80",
          Instances: [
            { ID: "g0", Healthy: true },
            { ID: "g1", Healthy: true },
          ],
        },
        { Vendor: "acme", Type: "camera", Name: "none", Instances: [{ ID: "/dev/no-such-camera", Healthy: false }] },
      ]);
      expect(node.HostVolumes).toEqual({ data: { Name: "data", Path: place.path("offered"), ReadOnly: true, ID: "" } });
      expect(node.HostNetworks).toMatchObject({ loop: { Interface: "lo", CIDR: "127.0.0.1/32", ReservedPorts: "26000" } });
      expect([node.NodeResources.MinDynamicPort, node.NodeResources.MaxDynamicPort, node.ReservedResources.Memory.MemoryMB]).toEqual([
        26_000, 26_003, 100,
      ]);
      const shown = place.ok("node", "status", "--self");
      expect(shown).toContain("acme/gpu/k80 (g0, g1), acme/camera/none (/dev/no-such-camera unhealthy)");
      expect(shown).toContain(`data (${place.path("offered")}, read-only)`);
      expect(shown).toContain("loop (127.0.0.1 lo)");
      expect(shown).toContain("device-missing:acme/camera/none");
      expect(shown).toContain("host-network-missing:absent");
      const refused = place.cli("agent", "--data-dir", place.path("never"), "--host-volume", "x=/no/such/folder");
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("there is no folder /no/such/folder")]);
    }),
  MINUTE,
);

test(
  "shares of one device go to several tasks, a whole one to one, and who finds none waits until one is free",
  () =>
    inPlace(async (place) => {
      await start(place);
      for (const id of ["half-a", "half-b"]) registered(place, idle(id, { task: DEVICE("count = 0.5\n") }));
      const [a, b] = [await environmentOf(place, "half-a"), await environmentOf(place, "half-b")];
      expect([a.EDGECTL_DEVICE_IDS, b.EDGECTL_DEVICE_IDS, a.NOMAD_DEVICE_ACME_GPU_K80, a.NOMAD_DEVICE_SHARE_ACME_GPU_K80]).toEqual([
        "g0",
        "g0",
        "g0",
        "0.5",
      ]);
      place.run(
        idle("whole", { task: DEVICE('constraint = { attribute = "${device.attr.memory}", operator = ">=", value = "11000 MiB" }\n') }),
        "--detach",
      );
      expect((await environmentOf(place, "whole")).EDGECTL_DEVICE_IDS).toBe("g1");
      registered(place, idle("late", { task: DEVICE("") }));
      expect(await blockedMetric(place, "late")).toMatchObject({ DimensionExhausted: { "devices: no devices match request": 1 } });
      registered(place, idle("never", { task: DEVICE("count = 3\n") }));
      expect(await blockedMetric(place, "never")).toMatchObject({ ConstraintFiltered: { "missing devices": 1 } });
      const nonsense = place.run(idle("nonsense", { task: DEVICE("count = 1.5\n") }));
      expect([nonsense.status, nonsense.stderr]).toEqual([1, expect.stringContaining("a whole number or a share below 1, not 1.5")]);
      place.ok("stop", "--detach", "whole");
      expect((await environmentOf(place, "late")).EDGECTL_DEVICE_IDS).toBe("g1");
      expect(place.ok("alloc", "status", (await place.alloc("half-a")).ID)).toContain("Device: acme/gpu/k80: g0 (0.5 of it)");
      expect((await place.alloc("late")).AllocatedResources.Tasks.main.Devices).toEqual([
        { Vendor: "acme", Type: "gpu", Name: "k80", DeviceIDs: ["g1"] },
      ]);
    }),
  MINUTE,
);

test(
  "a static port is had once per address, dynamic ones leave out what is reserved there",
  () =>
    inPlace(async (place) => {
      await start(place);
      const port = (text: string) => ({ group: `network = { port = { p = { ${text} } } }` });
      registered(place, idle("one", port("static = 26500")));
      registered(place, idle("two", port('static = 26500, host_network = "loop"')));
      expect(await environmentOf(place, "two")).toMatchObject({ NOMAD_IP_p: "127.0.0.1", NOMAD_ADDR_p: "127.0.0.1:26500" });
      const one = await environmentOf(place, "one");
      expect(one.NOMAD_PORT_p).toBe("26500");
      expect(one.NOMAD_IP_p).not.toBe("127.0.0.1");
      registered(place, idle("three", port('static = 26500, host_network = "loop"')));
      expect(await blockedMetric(place, "three")).toMatchObject({ DimensionExhausted: { "network: reserved port collision p=26500": 1 } });
      registered(place, idle("dynamic", port('host_network = "loop"')));
      expect((await environmentOf(place, "dynamic")).NOMAD_PORT_p).toBe("26002");
      const [shared] = (await place.alloc("dynamic")).AllocatedResources.Shared.Ports;
      expect(shared).toMatchObject({ Label: "p", Value: 26_002, HostIP: "127.0.0.1", HostNetwork: "loop" });
      registered(place, idle("nowhere", port('host_network = "absent"')));
      expect(await blockedMetric(place, "nowhere")).toMatchObject({ ConstraintFiltered: { 'missing host network "absent" for port "p"': 1 } });
    }),
  MINUTE,
);

test(
  "a job that asks for a folder goes where it is offered, and only to read where only that is",
  () =>
    inPlace(async (place) => {
      await start(place);
      const volume = (text: string) => ({ group: `volume = { v = { ${text} } }` });
      registered(place, idle("reads", volume('source = "data", read_only = true')));
      await place.untilAlloc("reads", "running");
      registered(place, idle("writes", volume('source = "data"')));
      expect(await blockedMetric(place, "writes")).toMatchObject({ ConstraintFiltered: { "missing compatible host volumes": 1 } });
    }),
  MINUTE,
);

test(
  "cores are a task's own, and count as the MHz they are",
  () =>
    inPlace(async (place) => {
      await start(place);
      const cores = (id: string) => idle(id).replace("cpu = 10,", "cores = 1,");
      registered(place, cores("own"));
      const env = await environmentOf(place, "own");
      const node = await place.get(`/v1/node/${(await place.get("/v1/nodes"))[0].ID}`);
      const count = node.NodeResources.Cpu.TotalCpuCores;
      expect([env.NOMAD_CPU_CORES, env.NOMAD_CPU_LIMIT]).toEqual(["0", String(Math.floor(4000 / count))]);
      expect((await place.alloc("own")).AllocatedResources.Tasks.main.Cpu.ReservedCores).toEqual([0]);
      for (let more = 1; more < count; more++) registered(place, cores(`own-${more}`));
      registered(place, cores("last"));
      expect(await blockedMetric(place, "last")).toMatchObject({ NodesExhausted: 1 });
    }),
  MINUTE,
);

test(
  "memory_max counts once oversubscription is on, and is warned of before",
  () =>
    inPlace(async (place) => {
      await start(place);
      const greedy = (id: string) => idle(id).replace("memory = 10", "memory = 10, memory_max = 50");
      expect(registered(place, greedy("before"))).toContain("`memory_max` is ignored, since memory oversubscription is not enabled");
      expect((await environmentOf(place, "before")).NOMAD_MEMORY_MAX_LIMIT).toBeUndefined();
      const config = (await place.get("/v1/operator/scheduler/configuration")).SchedulerConfig;
      const set = await place.request("PUT", "/v1/operator/scheduler/configuration", { ...config, MemoryOversubscriptionEnabled: true });
      expect([set.status, set.text]).toEqual([200, expect.stringContaining("true")]);
      expect(registered(place, greedy("after"))).not.toContain("memory_max");
      expect((await environmentOf(place, "after")).NOMAD_MEMORY_MAX_LIMIT).toBe("50");
    }),
  MINUTE,
);

/** Nearly all of the node's memory, so that two of these do not fit. */
const large = (id: string, priority: number, more: Partial<Parameters<typeof shellJob>[0]> = {}) =>
  idle(id, { top: `priority = ${priority}`, ...more }).replace("memory = 10", "memory = 600");

test(
  "a system job takes the place of a less important one, and starts when that has gone",
  () =>
    inPlace(async (place) => {
      await start(place);
      registered(
        place,
        large("low", 20, { script: "trap '' TERM; while true; do sleep 0.1; done", task: 'kill_timeout = "1s"\nkill_signal = "SIGTERM"' }),
      );
      const victim = await place.untilAlloc("low", "running");
      registered(place, large("watch", 80, { type: "system" }));
      const taker = await place.untilAlloc("watch", "running");
      expect(taker.PreemptedAllocations).toEqual([victim.ID]);
      expect(taker.Metrics.ScoreMetaData[0].Scores.preemption).toBeGreaterThan(0.99);
      const gone = await place.get(`/v1/allocation/${victim.ID}`);
      expect(gone).toMatchObject({
        DesiredStatus: "evict",
        DesiredDescription: `Preempted by alloc ID ${taker.ID}`,
        PreemptedByAllocation: taker.ID,
      });
      const [ended, begun] = [gone.TaskStates.main.FinishedAt, taker.TaskStates.main.StartedAt].map((text: string) => Date.parse(text));
      expect(begun).toBeGreaterThanOrEqual(ended as number);
      const evals = await place.get("/v1/job/low/evaluations");
      expect(evals.some((one: { TriggeredBy: string }) => one.TriggeredBy === "preemption")).toBe(true);
      expect(place.taskPids(victim.ID)).toEqual([]);
      expect(place.ok("alloc", "status", taker.ID)).toMatch(new RegExp(`Preempted Allocs += ${victim.ID.slice(0, 8)}`));
      expect(place.ok("alloc", "status", victim.ID)).toMatch(new RegExp(`Preempted By += ${taker.ID.slice(0, 8)}`));
      // It comes back once there is room.
      place.ok("stop", "--detach", "watch");
      await until("the job that gave way to run again", async () => {
        const allocs = await place.get("/v1/job/low/allocations");
        return allocs.some((alloc: { ID: string; ClientStatus: string }) => alloc.ID !== victim.ID && alloc.ClientStatus === "running");
      });
    }),
  MINUTE,
);

test(
  "a service pushes another away by its priority where that is switched on, and not before",
  () =>
    inPlace(async (place) => {
      await start(place);
      registered(place, large("low", 20));
      const victim = await place.untilAlloc("low", "running");
      registered(place, large("near", 29));
      registered(place, large("high", 60));
      expect(await blockedMetric(place, "high")).toMatchObject({ DimensionExhausted: { memory: 1 } });
      const config = (await place.get("/v1/operator/scheduler/configuration")).SchedulerConfig;
      const preemption = { ...config.PreemptionConfig, ServiceSchedulerEnabled: true };
      expect((await place.request("PUT", "/v1/operator/scheduler/configuration", { ...config, PreemptionConfig: preemption })).status).toBe(200);
      // Those that wait try again under the new rules.
      const taker = await place.untilAlloc("high", "running");
      expect(taker.PreemptedAllocations).toEqual([victim.ID]);
      const plan = place.cli("plan", place.write("top.toml", large("top", 90)));
      expect(plan.stdout).toContain(taker.ID.slice(0, 8));
      expect((await place.get("/v1/job/near/allocations")).length).toBe(0);
    }),
  MINUTE,
);
