// What an explanation takes over HTTP on a fleet, of a job that has a place and of one that has none.

import { type Figure, figure, percentile, round } from "./measure.ts";

const TIMES = 20;

/** `register` makes a job of so much memory per alloc, and gives its id. */
export async function explanations(address: string, register: (memoryMiB: number) => Promise<string>): Promise<Figure[]> {
  const jobs = [
    ["that is placed", await register(100)],
    ["that fits nowhere", await register(10_000_000)],
  ] as const;
  const figures: Figure[] = [];
  for (const [name, id] of jobs) {
    const samples: number[] = [];
    for (let at = 0; at < TIMES; at++) {
      const began = performance.now();
      const reply = await fetch(`${address}/v1/explain/job/${id}`);
      const body = await reply.text();
      if (!reply.ok || !body.includes(id)) throw new Error(`an explanation was answered with ${reply.status}: ${body.slice(0, 200)}`);
      samples.push(performance.now() - began);
    }
    const value = round(Math.max(...samples));
    const note = `p50 ${round(percentile(samples, 0.5))} ms`;
    figures.push(
      figure({
        name: `explain over HTTP on 5,000 nodes, of a job ${name}, longest`,
        unit: "ms",
        value,
        field: null,
        budget: 1000,
        isRate: false,
        note,
      }),
    );
  }
  return figures;
}
