// A node of a test's own container engine, and what the tests of the docker driver ask of it.

import { afterAll, beforeAll } from "bun:test";
import { DockerEngine } from "../support/docker-engine.ts";
import { type DockerJob, dockerJob } from "../support/docker-jobs.ts";
import { findPart, testWith } from "../support/real-parts.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;

/** One engine for all tests of a file. */
export function engineOfFile(): DockerEngine {
  const engine = new DockerEngine();
  beforeAll(async () => {
    if (findPart("docker").kind === "present") await engine.start();
  }, MINUTE);
  afterAll(() => engine.close(), MINUTE);
  return engine;
}

/** A test that needs a real engine. */
export function dockerTest(title: string, body: () => Promise<void>, timeoutMs = MINUTE): void {
  testWith(["root", "docker", "ip", "busybox"], title, body, timeoutMs);
}

export async function withNode(engine: DockerEngine, flags: readonly string[], body: (place: Place) => Promise<void>): Promise<void> {
  await inPlace(async (place) => {
    place.onClose(() => {
      const left = engine.containers();
      if (left.length > 0) engine.try("rm", "--force", ...left);
    });
    await place.start({ flags: nodeFlags(engine, flags) });
    await untilHealth(place, true);
    await body(place);
  });
}

export function nodeFlags(engine: DockerEngine, flags: readonly string[] = []): readonly string[] {
  return ["--client.docker.endpoint", engine.endpoint, ...flags];
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
export async function nodeOf(place: Place): Promise<any> {
  const [node] = await place.get("/v1/nodes");
  return node === undefined ? undefined : place.get(`/v1/node/${node.ID}`);
}

export function untilHealth(place: Place, isHealthy: boolean): Promise<void> {
  return until(`docker to be ${isHealthy ? "healthy" : "unhealthy"}`, async () => (await nodeOf(place))?.Drivers?.docker?.Healthy === isHealthy);
}

export function containerOf(alloc: { readonly ID: string }): string {
  return `main-${alloc.ID}`;
}

export function start(place: Place, job: DockerJob): void {
  const done = place.run(dockerJob(job), "--detach");
  if (done.status !== 0) throw new Error(`${done.stdout}${done.stderr}`);
}

/** Runs the job to its end and returns its output. */
export async function outputOf(place: Place, job: DockerJob): Promise<string> {
  start(place, job);
  const alloc = await place.untilAlloc(job.id, "complete");
  return place.logs(alloc.ID, "main");
}

/** Runs a job that cannot start, and returns what its events say. */
export async function refusalOf(place: Place, job: DockerJob): Promise<string> {
  start(place, { script: "echo it ran; sleep 1", ...job });
  const alloc = await place.untilAlloc(job.id, "failed", 30_000);
  if ((await place.logs(alloc.ID, "main")).includes("it ran")) throw new Error(`${job.id} ran`);
  return eventsOf(alloc).join("\n");
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API
export function eventsOf(alloc: any): readonly string[] {
  return alloc.TaskStates.main.Events.map((event: { readonly DisplayMessage: string }) => event.DisplayMessage);
}
