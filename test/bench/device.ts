// What a device goes through: a start with all of its tasks, their output, and ten thousand of their ends.

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { shellJob } from "../e2e/jobs.ts";
import { freePort, inPlace, type Place, sleep, until } from "../e2e/place.ts";
import { bootWrapper, losePower } from "../e2e/reboot.ts";
import { type Figure, figure, percentile, pidsOf, residentMiB, round } from "./measure.ts";

const TASKS = 20;
const BOOTS = 5;

/** From the start of the agent after a restart of the machine to the last of its tasks' own first step. */
export async function boot(): Promise<Figure[]> {
  const samples = { with: [] as number[], without: [] as number[] };
  await inPlace(async (place) => {
    mkdirSync(place.path("starts"));
    const server = await place.start({ name: "server", flags: ["--server"] });
    const node = { name: "node", dataDirectory: place.path("data-node"), flags: ["--client", "--servers", server.address] };
    await place.start({ ...node, wrapper: bootWrapper(place, 0) });
    place.cliWith({ env: { EDGECTL_ADDR: server.address } }, "run", "--detach", place.write("sleepers.toml", starters(place)));
    await untilStarted(place, 0);
    for (let at = 1; at <= 2 * BOOTS; at++) {
      const kind = at % 2 === 0 ? "without" : "with";
      await losePower(place);
      const flags = kind === "with" ? node.flags : ["--client", "--servers", `http://127.0.0.1:${await freePort()}`];
      const beganMs = Date.now();
      await place.start({ ...node, flags, wrapper: bootWrapper(place, at), isExpectedToFail: true });
      samples[kind].push((await untilStarted(place, beganMs)) - beganMs);
    }
  });
  return (["with", "without"] as const).map((kind) =>
    figure({
      name: `start of the agent to ${TASKS} tasks running, ${kind} a server, p50`,
      unit: "ms",
      value: round(percentile(samples[kind], 0.5), 0),
      samples: samples[kind].map((value) => round(value, 0)),
      field: null,
      budget: 2000,
      isRate: false,
    }),
  );
}

const LOG_MB = 200;
const LINE = "a line of a sensor's output, as long as such lines are: 21.5 C";

/** What a task's output costs it, beside the same program that writes a file; and how fast it is followed. */
export async function output(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    await place.start();
    const script = `yes ${JSON.stringify(LINE)} | head -c ${LOG_MB}000000`;
    const plain = await secondsOf(place, "plain", `${script} >"$NOMAD_TASK_DIR/out"`);
    const logged = await secondsOf(place, "logged", script);
    results.push(
      figure({
        name: "output of a task, raw_exec",
        unit: "MB/s",
        value: round(LOG_MB / logged, 0),
        field: null,
        budget: 100,
        isRate: true,
        note: `the same program into a file: ${round(LOG_MB / plain, 0)} MB/s`,
      }),
    );
    const { ID } = await place.alloc("logged");
    const began = performance.now();
    const reply = await fetch(`${place.agent.address}/v1/client/fs/logs/${ID}?task=main&type=stdout&plain=true`);
    const bytes = (await reply.arrayBuffer()).byteLength;
    results.push(
      figure({
        name: "reading a task's output over the API",
        unit: "MB/s",
        value: round(bytes / 1000 / (performance.now() - began), 0),
        field: null,
        budget: 20,
        isRate: true,
        note: `${round(bytes / 1_000_000, 0)} MB`,
      }),
    );
  });
  return results;
}

const ENDS = 10_000;
/** As many warm up what an agent makes once. */
const WARM_ENDS = 4_000;
const FLAPPING = 10;
/** By then a heap that is not used has been given back. */
const REST_MS = 15_000;

/** Ten thousand ends and restarts: what the agent holds at rest afterwards, beside what it held at rest before them. */
export async function ends(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    await place.start();
    await flap(place, "warm", WARM_ENDS);
    const before = held(place);
    const perSecond = await flap(place, "flapping", ENDS);
    const after = held(place);
    const note = `${round(perSecond, 0)} ends and restarts a second of ${FLAPPING} tasks; before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`;
    const growth = (name: keyof Held, unit: string, budget: number) =>
      figure({
        name: `growth over ${ENDS} ends and restarts: ${name}`,
        unit,
        value: round(after[name] - before[name], 1),
        field: null,
        budget,
        isRate: false,
        note,
      });
    results.push(
      growth("resident", "MiB", 10),
      growth("descriptors", "descriptors", 2),
      growth("processes", "processes", FLAPPING),
      growth("files", "files", FLAPPING * 5),
    );
  });
  return results;
}

// --- internal ---

function starters(place: Place): string {
  const script = `date +%s%3N >${place.path("starts")}/$NOMAD_ALLOC_INDEX; exec sleep 100000`;
  return shellJob({ id: "sleepers", type: "service", script, group: `count = ${TASKS}` });
}

/** The instant of the last one's start, once all began after this one. */
async function untilStarted(place: Place, sinceMs: number): Promise<number> {
  let starts: number[] = [];
  await until(
    "all tasks to start",
    () => {
      const folder = place.path("starts");
      starts = readdirSync(folder).map((name) => Number(readFileSync(join(folder, name), "utf8")));
      return starts.filter((ms) => ms > sinceMs).length === TASKS;
    },
    60_000,
  );
  return Math.max(...starts);
}

async function secondsOf(place: Place, id: string, script: string): Promise<number> {
  const timed = `b=$(date +%s%N); ${script}; e=$(date +%s%N); echo $(((e - b) / 1000)) >"$NOMAD_ALLOC_DIR/took"`;
  place.run(
    shellJob({ id, script: timed, task: "logs = { max_files = 10, max_file_size = 30 }", group: "ephemeral_disk = { size = 1000 }" }),
    "--detach",
  );
  const { ID } = await place.untilAlloc(id, "complete", 120_000);
  return Number(readFileSync(join(place.agent.dataDirectory, "alloc", ID, "alloc/took"), "utf8")) / 1e6;
}

interface Held {
  readonly resident: number;
  readonly descriptors: number;
  readonly processes: number;
  readonly files: number;
}

function held(place: Place): Held {
  const pid = place.agent.process.pid ?? 0;
  return {
    resident: round(residentMiB(pid), 1),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    processes: pidsOf(place.folder).length,
    files: filesBelow(place.agent.dataDirectory),
  };
}

/** So many ends of tasks that fail at once, then rest without anything of them. Returns how many ended in a second. */
async function flap(place: Place, id: string, count: number): Promise<number> {
  const group = `count = ${FLAPPING}\nrestart = { attempts = 1000000, interval = "24h", delay = "1ms", mode = "delay" }`;
  const began = performance.now();
  place.run(shellJob({ id, type: "service", script: "exit 1", group }), "--detach");
  const restarts = async () => {
    const allocs: readonly { readonly TaskStates: { readonly main?: { readonly Restarts: number } } | null }[] = await place.get(
      `/v1/job/${id}/allocations`,
    );
    return allocs.reduce((sum, alloc) => sum + (alloc.TaskStates?.main?.Restarts ?? 0), 0);
  };
  await until(`${count} ends`, async () => (await restarts()) >= count, 1_200_000);
  const perSecond = count / ((performance.now() - began) / 1000);
  place.ok("stop", id);
  await sleep(REST_MS);
  await place.request("PUT", "/v1/client/gc");
  await sleep(2000);
  return perSecond;
}

function filesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).length;
}
