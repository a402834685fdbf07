// Whether the wall clock can be believed: a device without a battery wakes in 1970.

import type { Runtime } from "./runtime.ts";

declare const EDGECTL_BUILT_AT_MS: number | undefined;

/** No honest clock is before the program was built. Run from source, a fixed day serves. */
export const BUILT_AT_MS: number = typeof EDGECTL_BUILT_AT_MS === "number" ? EDGECTL_BUILT_AT_MS : 1_760_000_000_000;

export function isClockPlausible(runtime: Pick<Runtime, "clock">): boolean {
  return runtime.clock.nowMs() >= BUILT_AT_MS;
}
