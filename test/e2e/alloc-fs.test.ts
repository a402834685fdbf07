// Files and logs of an allocation by each of Nomad's options, one by one.

import { expect, test } from "bun:test";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;
const LINES = Array.from({ length: 30 }, (_, at) => `out ${at + 1}\n`).join("");
const ERRORS = Array.from({ length: 12 }, (_, at) => `err ${at + 1}\n`).join("");
const lastOf = (text: string, count: number) =>
  text
    .split("\n")
    .slice(-count - 1)
    .join("\n");

test(
  "alloc fs and alloc logs: every option says what it says in Nomad",
  () =>
    inPlace(async (place) => {
      await place.start({});
      const alloc = await aFinishedJob(place);
      const id = alloc.ID.slice(0, 8);
      const stamp = "2026-01-02T03:04:05.678Z";
      const data = join(place.agent.dataDirectory, "alloc", alloc.ID, "alloc/data");
      writeFileSync(join(data, "two-kib"), "x".repeat(2048));
      utimesSync(join(data, "two-kib"), new Date(stamp), new Date(stamp));

      const cases: readonly (readonly [words: readonly string[], want: string | RegExp])[] = [
        [["alloc", "fs", id], /drwx\S+ +\S+ \S+ +\S+ +alloc\/\n/],
        [["alloc", "fs", id, "alloc/data/"], /-rw\S+ +2\.0 KiB +2026-01-02T03:04:05Z +two-kib\n/],
        [["alloc", "fs", "-H", id, "alloc/data/"], /-rw\S+ +2048 +2026-01-02T03:04:05\.678Z +two-kib\n/],
        [["alloc", "fs", "-stat", "-H", id, "alloc/data/two-kib"], /^Mode +Size +Modified Time +Name\n-rw\S+ +2048 +\S+ +two-kib\n$/],
        [["alloc", "fs", "-stat", id, "alloc/data"], /^Mode .*\ndrwx\S+ .* data\/\n$/],
        [["alloc", "fs", "-json", "-stat", id, "alloc/data/two-kib"], /"Name": "two-kib",\s+"IsDir": false,\s+"Size": 2048/],
        [["alloc", "fs", id, "alloc/logs/main.stdout.0"], LINES],
        [["alloc", "fs", "-job", "talk", "alloc/logs/main.stdout.0"], LINES],
        [["alloc", "fs", "-tail", id, "alloc/logs/main.stdout.0"], lastOf(LINES, 10)],
        [["alloc", "fs", "-tail", "-n", "3", id, "alloc/logs/main.stdout.0"], lastOf(LINES, 3)],
        [["alloc", "fs", "-n=3", id, "alloc/logs/main.stdout.0"], lastOf(LINES, 3)],
        [["alloc", "fs", "-tail", "-c", "10", id, "alloc/logs/main.stdout.0"], LINES.slice(-10)],
        [["alloc", "fs", "-c", "10", id, "alloc/logs/main.stdout.0"], LINES.slice(-10)],
        [["alloc", "fs", "-verbose", id, "alloc/logs/main.stderr.0"], ERRORS],
        [["alloc", "logs", "-stdout", id], LINES],
        [["alloc", "logs", "-stderr", id], ERRORS],
        [["alloc", "logs", "-stderr", id, "main"], ERRORS],
        [["alloc", "logs", "-stderr", "-task", "main", id], ERRORS],
        [["alloc", "logs", "-stdout", "-job", "talk"], LINES],
        [["alloc", "logs", "-stdout", "-job", "talk", "main"], LINES],
        [["alloc", "logs", "-stdout", "-tail", id], lastOf(LINES, 10)],
        [["alloc", "logs", "-stdout", "-tail", "-n", "3", id], lastOf(LINES, 3)],
        [["alloc", "logs", "-stdout", "-n", "3", id], lastOf(LINES, 3)],
        [["alloc", "logs", "-stdout", "-tail", "-c", "10", id], LINES.slice(-10)],
        [["alloc", "logs", "-stdout", "-c", "10", id], LINES.slice(-10)],
        [["alloc", "logs", "-stdout", "-f", "-tail", "-n", "3", id], lastOf(LINES, 3)],
        [["alloc", "logs", "-stdout", "-f", "-c", "10", id], LINES.slice(-10)],
        [["alloc", "logs", "-f", "-stderr", "-verbose", id, "main"], ERRORS],
      ];
      for (const [words, want] of cases) {
        const done = place.cli(...words);
        const isWanted = typeof want === "string" ? done.stdout === want : want.test(done.stdout);
        expect([words.join(" "), done.status, isWanted ? "as wanted" : done.stdout, done.stderr]).toEqual([words.join(" "), 0, "as wanted", ""]);
      }
      const both = place.cli("alloc", "logs", id);
      expect([both.status, both.stdout, both.stderr]).toEqual([0, LINES, ERRORS]);

      for (const [words, says] of [
        [["alloc", "fs", "-n", "3", "-c", "3", id, "alloc/logs/main.stdout.0"], "both -n and -c are given"],
        [["alloc", "logs", "-n", "3", "-c", "3", id], "both -n and -c are given"],
        [["alloc", "logs", "-n", "many", id], "--n"],
        [["alloc", "fs", id, "alloc/none"], 'file "alloc/none" does not exist'],
        [["alloc", "fs", id, "../../.."], "escapes the alloc directory"],
        [["alloc", "fs", "-job", "nobody"], "no job"],
        [["alloc", "logs", "-task", "none", id], 'has no task "none"'],
      ] as const) {
        const done = place.cli(...words);
        expect([words.join(" "), done.status, done.stderr]).toEqual([words.join(" "), 1, expect.stringContaining(says)]);
      }
    }),
  MINUTE,
);

// --- internal ---

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API
async function aFinishedJob(place: Place): Promise<any> {
  place.write("out", LINES);
  place.write("err", ERRORS);
  const script = `cat ${place.path("out")}; cat ${place.path("err")} >&2`;
  place.run(shellJob({ id: "talk", script }), "--detach");
  const alloc = await place.untilAlloc("talk", "complete");
  await until("its logs", async () => (await place.logs(alloc.ID, "main")).length === LINES.length);
  return alloc;
}
