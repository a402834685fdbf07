// What a running task of each driver holds: proportional memory, and processes, its own program and all that stands around it.

import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeFlags, untilHealth } from "../e2e/docker-place.ts";
import { inPlace, type Place, pidsWith, root, sleep, until } from "../e2e/place.ts";
import { bootSector } from "../support/boot-sector.ts";
import { DockerEngine, IMAGE } from "../support/docker-engine.ts";
import { spawnJar } from "../support/java-class.ts";
import { findPart, type RealPart } from "../support/real-parts.ts";
import { type Figure, figure, pidsOf, proportionalMiB, round } from "./measure.ts";

/** How many tasks, and how each is asked to sleep. */
interface Kind {
  readonly driver: string;
  readonly count: number;
  readonly config: string;
  readonly needs: readonly RealPart[];
  readonly budget: { readonly mib: number; readonly processes: number };
  readonly flags?: (place: Place) => readonly string[];
  readonly note?: string;
}

const SLEEP = 'command = "/bin/sleep", args = ["100000"]';
/** What the program itself takes is its own affair, and not edgectl's. */
const NO_BUDGET = Number.POSITIVE_INFINITY;

const kinds: readonly Kind[] = [
  { driver: "raw_exec", count: 20, config: SLEEP, needs: [], budget: { mib: 0.5, processes: 2 } },
  { driver: "exec", count: 20, config: SLEEP, needs: ["root", "unshare", "nsenter"], budget: { mib: 0.75, processes: 3 } },
  {
    driver: "java",
    count: 5,
    config: 'jar_path = "/usr/local/report.jar", args = ["/bin/sleep", "100000"], jvm_options = ["-XX:+UseSerialGC"]',
    needs: ["root", "unshare", "nsenter", "java"],
    budget: { mib: NO_BUDGET, processes: 4 },
    note: "the JVM and the sleep that it starts are two of the processes, and nearly all of the memory",
  },
  {
    driver: "chroot",
    count: 5,
    config: SLEEP,
    needs: ["root", "python"],
    budget: { mib: NO_BUDGET, processes: 3 },
    flags: (place) => ["--plugin-dir", place.path("plugins")],
    note: "docs/drivers/chroot, in Python: a watcher per task is its own; the driver's process, one for all tasks, is not counted",
  },
  {
    driver: "qemu",
    // Each locks the image.
    count: 1,
    config: 'image_path = "IMAGES/boot.img"',
    needs: ["root", "qemu-system"],
    budget: { mib: NO_BUDGET, processes: 2 },
    flags: (place) => ["--client.qemu.image-paths", place.path("images")],
    note: "the emulator with a guest of one sector",
  },
];

export async function driverWeights(): Promise<Figure[]> {
  const results: Figure[] = [];
  for (const kind of kinds) {
    const missing = kind.needs.map((part) => findPart(part)).find((part) => part.kind === "missing");
    if (missing?.kind === "missing") process.stderr.write(`bench: ${kind.driver}: skipped, ${missing.fix}\n`);
    else results.push(...(await weigh(kind)));
  }
  return [...results, ...(await weighContainers())];
}

// --- internal ---

async function weigh(kind: Kind): Promise<Figure[]> {
  let results: Figure[] = [];
  await inPlace(async (place) => {
    prepare(place);
    const bind = `mount --bind ${place.path("usr-local")} /usr/local && exec "$@"`;
    const wrapper = kind.driver === "java" ? ["unshare", "--mount", "sh", "-c", bind, "sh"] : [];
    await place.start({ wrapper, flags: kind.flags?.(place) ?? [] });
    await until(`${kind.driver} on the node`, () => new RegExp(`^Drivers\\s+=.*\\b${kind.driver}\\b`, "m").test(place.ok("node", "status", "-self")));
    const before = new Set(pidsOf(place.folder));
    place.run(sleepers(kind.driver, kind.count, kind.config.replace("IMAGES", place.path("images"))), "--detach");
    const ids = await untilRunning(place, kind.count);
    await sleep(1000);
    const all = new Set([...pidsOf(place.folder), ...ids.flatMap((id) => pidsWith(`EDGECTL_TASK_TOKEN=${id}`))]);
    results = weights(
      kind,
      [...all].filter((pid) => !before.has(pid)),
    );
    place.ok("stop", "sleepers");
    await untilRunning(place, 0);
  });
  return results;
}

/** A container's processes belong to the engine: the task, and the engine's own supervisor of it. */
async function weighContainers(): Promise<Figure[]> {
  const part = findPart("docker");
  if (part.kind === "missing") return [];
  const kind: Kind = {
    driver: "docker",
    count: 5,
    config: `image = "${IMAGE}", command = "sleep", args = ["100000"]`,
    needs: [],
    budget: { mib: NO_BUDGET, processes: 2 },
    note: "the engine's supervisor per container is one process, and nearly all of the memory; edgectl's own part is the agent's",
  };
  const engine = new DockerEngine();
  let results: Figure[] = [];
  try {
    await engine.start();
    await inPlace(async (place) => {
      await place.start({ flags: nodeFlags(engine) });
      await untilHealth(place, true);
      place.run(sleepers("docker", kind.count, kind.config), "--detach");
      await untilRunning(place, kind.count);
      const mains = engine.containers().map((id) => Number(engine.docker("inspect", "--format", "{{.State.Pid}}", id)));
      results = weights(kind, [...new Set(mains.flatMap((pid) => [pid, parentOf(pid)]))]);
      place.ok("stop", "sleepers");
      await untilRunning(place, 0);
    });
  } finally {
    await engine.close();
  }
  return results;
}

function weights(kind: Kind, pids: readonly number[]): Figure[] {
  const shared = { field: null, isRate: false, ...(kind.note === undefined ? {} : { note: kind.note }) };
  const mib = pids.reduce((sum, pid) => sum + proportionalMiB(pid), 0) / kind.count;
  return [
    figure({
      ...shared,
      name: `memory (PSS) per task of ${kind.driver}, with all around it`,
      unit: "MiB",
      value: round(mib, 3),
      budget: kind.budget.mib,
    }),
    figure({
      ...shared,
      name: `processes per task of ${kind.driver}, itself included`,
      unit: "processes",
      value: round(pids.length / kind.count),
      budget: kind.budget.processes,
    }),
  ];
}

function prepare(place: Place): void {
  for (const name of ["plugins", "images", "usr-local"]) mkdirSync(place.path(name), { mode: 0o755 });
  copyFileSync(join(root, "docs/drivers/chroot"), place.path("plugins/chroot"));
  chmodSync(place.path("plugins/chroot"), 0o755);
  writeFileSync(place.path("usr-local/report.jar"), spawnJar());
  writeFileSync(place.path("images/boot.img"), bootSector("sleep 1000"));
}

function sleepers(driver: string, count: number, config: string): string {
  return `id = "sleepers"
type = "service"
[group.g]
count = ${count}
[group.g.task.t]
driver = "${driver}"
kill_timeout = "100ms"
config = { ${config} }
resources = { cpu = 1, memory = 48 }
`;
}

/** The ids of those that run, once they are so many. */
async function untilRunning(place: Place, count: number): Promise<string[]> {
  let ids: string[] = [];
  await until(
    `${count} tasks to run`,
    async () => {
      const allocs: readonly { readonly ID: string; readonly ClientStatus: string }[] = await place.get("/v1/job/sleepers/allocations");
      ids = allocs.filter((alloc) => alloc.ClientStatus === "running").map((alloc) => alloc.ID);
      return ids.length === count;
    },
    60_000,
  );
  return ids;
}

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
