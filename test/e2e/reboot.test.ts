// Devices lose their power. What ran begins again with the machine, at once, as often as it takes, with or without a server.

import { expect } from "bun:test";
import { appendFileSync, readFileSync } from "node:fs";
import { testWith } from "../support/real-parts.ts";
import { NO_RETRY, shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";
import { bootWrapper, losePower } from "./reboot.ts";

const LOSSES = 4;

testWith(
  ["root", "unshare"],
  "power lost four times in a row, each time without a server: services begin again at once, more often than their policy allows failures; batch runs are tried again, but for those that may run once only",
  () =>
    inPlace(async (place) => {
      const server = await place.start({ name: "server", flags: ["--server"] });
      const boot = (at: number) =>
        place.start({
          name: "node",
          flags: ["--client", "--servers", server.address],
          wrapper: bootWrapper(place, at),
          isExpectedToFail: true,
        });
      await boot(0);
      const job = (id: string, type: string, policy: string) => {
        appendFileSync(place.path(id), "");
        const text = shellJob({ id, type, group: policy, script: `echo $NOMAD_ALLOC_ID >>${place.path(id)}; exec sleep 1000` });
        place.cliWith({ env: { EDGECTL_ADDR: server.address } }, "run", "--detach", place.write(`${id}.toml`, text));
      };
      const twice = 'restart = { attempts = 2, interval = "30m", delay = "10m", mode = "fail" }';
      job("reader", "service", twice);
      job("import", "batch", twice);
      job("payment", "batch", NO_RETRY);
      const starts = (id: string) => readFileSync(place.path(id), "utf8").split("\n").filter(Boolean);
      await until("all to run", () => ["reader", "import", "payment"].every((id) => starts(id).length === 1));
      await server.kill();
      for (let at = 1; at <= LOSSES; at++) {
        await losePower(place);
        await boot(at);
        await until(`boot ${at}: both to begin again`, () => starts("reader").length === at + 1 && starts("import").length === at + 1);
      }
      expect(starts("payment")).toHaveLength(1);
      expect(new Set(starts("reader")).size).toBe(1);

      const node = place.agent;
      await place.start({ name: "server", dataDirectory: server.dataDirectory, port: server.port, flags: ["--server"] });
      expect(node.process.exitCode).toBeNull();
      const reader = await untilTold(place, "reader", "running", LOSSES);
      expect(JSON.stringify(reader.TaskStates.main.Events)).toContain("The machine started again: this does not count");
      await untilTold(place, "import", "running", LOSSES);
      const payment = await place.untilAlloc("payment", "failed", 40_000);
      expect(JSON.stringify(payment.TaskStates.main.Events)).toContain("Policy allows no restarts");
      for (const id of ["reader", "import", "payment"]) expect(await place.get(`/v1/job/${id}/allocations`)).toHaveLength(1);
    }),
  120_000,
);

/** The job's allocation, once the server knows how often it began again. */
// biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
async function untilTold(place: Place, job: string, status: string, restarts: number): Promise<any> {
  await until(`the news of ${job}`, async () => (await place.alloc(job))?.TaskStates?.main?.Restarts === restarts, 40_000);
  return place.untilAlloc(job, status);
}
