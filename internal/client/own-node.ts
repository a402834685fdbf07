// What this node says of itself: as it was found at the start, and as its drivers know it now.

import type { NodeSpec } from "../domain/node.ts";
import type { DriverState } from "../runner/drivers/driver.ts";
import type { Log } from "../runtime/log.ts";
import type { Clock } from "../runtime/runtime.ts";
import { withDriverState } from "./driver-health.ts";

export interface OwnNodeParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly found: NodeSpec;
  /** Servers are to know. */
  changed(node: NodeSpec): void;
}

export class OwnNode {
  readonly #parts: OwnNodeParts;
  #spec: NodeSpec;

  constructor(parts: OwnNodeParts) {
    this.#parts = parts;
    this.#spec = parts.found;
  }

  get spec(): NodeSpec {
    return this.#spec;
  }

  driverChanged(name: string, state: DriverState): void {
    this.#spec = withDriverState(this.#spec, name, state, this.#parts.clock.nowMs());
    this.#parts.log.info(`driver ${name}: ${state.description}`);
    this.#parts.changed(this.#spec);
  }
}
