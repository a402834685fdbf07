// The docker driver beside `docker run` of the same image on the same engine: how long a start takes, and what a task costs the agent.

import { nodeFlags, untilHealth } from "../e2e/docker-place.ts";
import { inPlace, type Place, until } from "../e2e/place.ts";
import { DockerEngine, IMAGE } from "../support/docker-engine.ts";
import { dockerJob } from "../support/docker-jobs.ts";
import { findPart } from "../support/real-parts.ts";
import { type Figure, figure, percentile, residentMiB, round } from "./measure.ts";

const STARTS = 20;
const FLOOD_LINES = 200_000;

export async function docker(): Promise<Figure[]> {
  const part = findPart("docker");
  if (part.kind === "missing") {
    process.stderr.write(`bench: docker: skipped, ${part.fix}\n`);
    return [];
  }
  const engine = new DockerEngine();
  const figures: Figure[] = [];
  try {
    await engine.start();
    await inPlace(async (place) => {
      await place.start({ flags: nodeFlags(engine) });
      await untilHealth(place, true);
      figures.push(...(await starts(place, engine)), await output(place));
    });
  } finally {
    await engine.close();
  }
  return figures;
}

// --- internal ---

/** In turns, so that both meet the same machine. */
async function starts(place: Place, engine: DockerEngine): Promise<Figure[]> {
  const [plain, ours]: [number[], number[]] = [[], []];
  const before = residentMiB(place.agent.process.pid ?? 0);
  for (let at = 0; at <= STARTS; at++) {
    const began = performance.now();
    engine.docker("run", "--detach", "--memory", "32m", IMAGE, "sleep", "600");
    const ranMs = performance.now() - began;
    const submittedMs = Date.now();
    await place.request("PUT", "/v1/jobs", sleeper(`bench-${at}`));
    const alloc = await place.untilAlloc(`bench-${at}`, "running");
    // The first of each fills caches.
    if (at === 0) continue;
    plain.push(ranMs);
    ours.push(Date.parse(alloc.TaskStates.main.StartedAt) - submittedMs);
  }
  const perTask = (residentMiB(place.agent.process.pid ?? 0) - before) / (STARTS + 1);
  const ratio = percentile(ours, 0.5) / percentile(plain, 0.5);
  return [
    figure({
      name: "docker: submit to started, over `docker run --detach`, p50",
      unit: "ratio",
      value: round(ratio),
      samples: ours.map((value) => round(value)),
      field: null,
      budget: 1.2,
      isRate: false,
      note: `p50 ${round(percentile(ours, 0.5))} ms, p99 ${round(percentile(ours, 0.99))} ms; docker run ${round(percentile(plain, 0.5))} and ${round(percentile(plain, 0.99))} ms`,
    }),
    figure({
      name: "docker: resident memory of the agent per running container",
      unit: "MiB",
      value: round(perTask, 2),
      field: 30,
      budget: 1,
      isRate: false,
    }),
  ];
}

function sleeper(id: string) {
  const task = { Name: "main", Driver: "docker", Config: { image: IMAGE, command: "sleep", args: ["600"] }, Resources: { CPU: 10, MemoryMB: 32 } };
  return { Job: { ID: id, Type: "service", TaskGroups: [{ Name: "g", Tasks: [task] }] } };
}

/** From the container's first line to the last one in the task's log file. */
async function output(place: Place): Promise<Figure> {
  const began = performance.now();
  place.run(dockerJob({ id: "flood", script: `seq 1 ${FLOOD_LINES}`, memory: 64 }), "--detach");
  const alloc = await place.untilAlloc("flood", "complete", 60_000);
  const seconds = (performance.now() - began) / 1000;
  await until("its last line", async () => (await place.logs(alloc.ID, "main")).endsWith(`${FLOOD_LINES}\n`), 10_000);
  return figure({
    name: "docker: lines of output per second, submit to complete, none lost",
    unit: "lines/s",
    value: round(FLOOD_LINES / seconds, 0),
    field: null,
    budget: 50_000,
    isRate: true,
  });
}
