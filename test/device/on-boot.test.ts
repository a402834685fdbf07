// Who waits for a server after a boot of the machine.

import { expect, test } from "bun:test";
import { onBootOf } from "../../internal/device/on-boot.ts";
import type { TaskGroup } from "../../internal/domain/job.ts";
import { canonicalizeJob } from "../../internal/domain/job-model/defaults.ts";

const volume = (accessMode: string, readOnly = false) => ({ volumes: [{ name: "v", source: "v", accessMode, readOnly }] });
const disconnect = (stopOnClientAfterMs: number | null) => ({ disconnect: { stopOnClientAfterMs } });

test.each([
  ["a plain group starts", {}, "start"],
  ["one that may not run long without a server waits", disconnect(5000), "wait"],
  ["one that is only waited for starts", disconnect(null), "start"],
  ["one that has a volume for itself waits", volume("single-node-writer"), "wait"],
  ["a volume of many writers is no reason", volume("multi-node-multi-writer"), "start"],
  ["nor is one that is only read", volume("single-node-writer", true), "start"],
  ["what the group says counts: start", { ...disconnect(5000), onBoot: "start" }, "start"],
  ["what the group says counts: wait", { onBoot: "wait" }, "wait"],
] as const)("%s", (_name, group, want) => {
  const job = canonicalizeJob({ id: "j", groups: [{ name: "g", ...group }] });
  expect(onBootOf(job.groups[0] as TaskGroup)).toBe(want);
});
