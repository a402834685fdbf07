// Who watches a log: from its own level on, in order, and never more of it in memory than the bound.

import { expect, test } from "bun:test";
import { LIMITS } from "../../internal/domain/limits.ts";
import { createLog } from "../../internal/runtime/log.ts";
import { LogMonitor } from "../../internal/runtime/log-monitor.ts";

const AT_MS = Date.UTC(2026, 7, 21, 12, 0, 0, 7);

test("a monitor has its own level, whatever the agent writes, and lines as Nomad's log has them", async () => {
  const { log, written } = aLog("error");
  const monitor = new LogMonitor(log, { level: "debug", format: "text" });
  log.debug("a look", { path: "/v1/jobs", words: "two words" });
  log.warn("careful");
  expect(await monitor.next()).toBe(
    '2026-08-21T12:00:00.007Z [DEBUG] a look path=/v1/jobs words="two words"\n2026-08-21T12:00:00.007Z [WARN]  careful\n',
  );
  expect(written).toEqual([]);
  const warnings = new LogMonitor(log, { level: "warn", format: "json" });
  log.info("not shown");
  log.error("it broke", { node: "n" });
  const line = JSON.parse((await warnings.next()) ?? "");
  expect(line).toEqual({ "@level": "error", "@message": "it broke", "@module": "edgectl", "@timestamp": "2026-08-21T12:00:00.007Z", node: "n" });
});

test("lines that nobody takes are dropped beyond the bound and counted, and those after them come again", async () => {
  const { log } = aLog("error");
  const monitor = new LogMonitor(log, { level: "info", format: "text" });
  for (let line = 0; line < LIMITS.monitorLinesMax + 40; line++) log.info(`line ${line}`);
  const lines = ((await monitor.next()) ?? "").trimEnd().split("\n");
  expect(lines).toHaveLength(LIMITS.monitorLinesMax + 1);
  expect(lines.at(-1)).toEndWith("[WARN]  40 lines dropped: the reader is too slow");
  log.info("after it");
  expect(await monitor.next()).toEndWith("[INFO]  after it\n");
});

test("a monitor that is stopped ends, and makes room for another", async () => {
  const { log } = aLog("info");
  const watch = () => new LogMonitor(log, { level: "info", format: "text" });
  const monitors = Array.from({ length: LIMITS.logWatchersMax }, watch);
  expect(watch).toThrow(/watch this agent's log already \(logWatchersMax\)/);
  const next = monitors[0]?.next();
  monitors[0]?.stop();
  expect(await next).toBeNull();
  expect(watch).not.toThrow();
});

// --- internal ---

function aLog(level: "info" | "error") {
  const written: string[] = [];
  const clock = { nowMs: () => AT_MS } as never; // a log asks for the time alone
  return { log: createLog({ clock, terminal: { error: (text) => void written.push(text) }, level, format: "text" }), written };
}
