// A node that fires its own jobs, ended at each point of a fire: between claim and start, while its task starts, between its end and its
// record, between record and telling, by kill -9 of the agent and by the loss of power.

import { expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { testWith } from "../support/real-parts.ts";
import { shellJob } from "./jobs.ts";
import { type Agent, inPlace, type Place, until } from "./place.ts";
import { bootWrapper, losePower } from "./reboot.ts";

const MINUTE = 60_000;
/** Milliseconds after the claim is in the journal: a claim is durable, a task begins, ends and is told within some tens of them. */
const STRIKES = [0, 2, 5, 10, 20, 40, 80, 160] as const;

interface Line {
  readonly k: string;
  readonly state?: string;
  readonly fire?: { readonly allocId: string; readonly scheduledAtS: number };
}

function journal(node: Agent): readonly Line[] {
  const path = `${node.dataDirectory}/client/client.journal`;
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line.slice(9)));
}

function claims(node: Agent): readonly string[] {
  return journal(node).flatMap((line) => (line.k === "fire" && line.state === "claimed" ? [line.fire?.allocId ?? ""] : []));
}

/** Spins: a pause of the event loop would be longer than what is aimed at. */
function untilClaim(node: Agent, known: number): void {
  const deadline = Date.now() + MINUTE;
  while (claims(node).length <= known) if (Date.now() > deadline) throw new Error(`no fire was claimed\n${node.log.slice(-2000)}`);
}

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function starts(place: Place, id: string): readonly string[] {
  const path = place.path(`${id}.starts`);
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").filter(Boolean) : [];
}

interface FireRow {
  readonly At: string;
  readonly Status: string;
  readonly ChildID: string;
}

testWith(
  ["root", "unshare"],
  "an agent that is ended at any point of a fire runs it once, or says that it left it out; each is one record, in its order",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      let boot = 0;
      const begin = (isAlone: boolean) =>
        place.start({
          name: "node",
          flags: ["--client", "--servers", server.address],
          wrapper: bootWrapper(place, boot),
          ...(isAlone ? { isExpectedToFail: true as const } : {}),
        });
      let node = await begin(false);
      place.agent = server;
      for (const policy of ["skip", "run"])
        place.run(
          shellJob({
            id: policy,
            script: `echo "$NOMAD_JOB_ID $NOMAD_ALLOC_ID" >> ${place.path(`${policy}.starts`)}`,
            top: `[periodic]\ncron = "* * * * * * *"\nrun_on = "node"\non_unknown = "${policy}"\ncatch_up = "all"`,
            group: 'restart = { attempts = 0, mode = "fail" }',
          }),
        );
      await until("both to have fired", () => starts(place, "skip").length > 0 && starts(place, "run").length > 0, MINUTE);
      await server.kill();
      for (const [at, delayMs] of STRIKES.entries()) {
        untilClaim(node, claims(node).length);
        spin(delayMs);
        place.agent = node;
        if (at % 2 === 0) await node.kill();
        else {
          await losePower(place);
          boot += 1;
        }
        const [skipped, run] = [starts(place, "skip").length, starts(place, "run").length];
        node = await begin(true);
        await until(`fires after strike ${at}`, () => starts(place, "skip").length > skipped && starts(place, "run").length > run, MINUTE);
      }
      await place.start({ name: "server", dataDirectory: server.dataDirectory, port: server.port, flags: ["--server"] });
      const children = async (id: string) =>
        ((await place.get(`/v1/jobs?prefix=${id}/periodic-`)) ?? []).map((job: { readonly ID: string }) => job.ID);
      for (const id of ["skip", "run"]) {
        const ran = starts(place, id).map((line) => line.split(" "));
        await until(
          () => `the runs of ${id} to be told\n${node.log.slice(-2000)}`,
          async () => {
            const known = new Set(await children(id));
            return ran.every(([job = ""]) => known.has(job));
          },
          MINUTE,
        );
        // A second is one run, whatever became of its agent; only what may run twice does, and as that very run.
        const runs = new Map(ran.map(([job = "", alloc = ""]) => [job, alloc]));
        for (const [job, alloc] of ran) expect(runs.get(job ?? "")).toBe(alloc);
        if (id === "skip") expect(ran.map(([job]) => job)).toEqual([...runs.keys()]);
      }
      place.ok("stop", "skip");
      place.ok("stop", "run");
      const { Fires: records } = (await place.get("/v1/explain/job/skip")) as { readonly Fires: readonly FireRow[] };
      expect(new Set(records.map((fire) => fire.At)).size).toBe(records.length);
      expect(records.length).toBeGreaterThan(0);
    }),
  4 * MINUTE,
);
