// Containers of this node that no task knows any more, as after a lost data directory: removed once they are old enough.
// Only those with this node's label; a container of anybody else is never touched.

import type { Runtime, Timer } from "../../../runtime/runtime.ts";
import { LABEL } from "./container.ts";
import type { EngineWatch } from "./engine-watch.ts";
import { removeContainer } from "./handle.ts";
import type { Images } from "./images.ts";
import type { DockerSettings } from "./settings.ts";

export interface DanglingParts {
  readonly runtime: Runtime;
  readonly settings: DockerSettings;
  readonly nodeId: string;
  readonly watch: EngineWatch;
  readonly images: Images;
  warn(message: string, fields: Readonly<Record<string, string>>): void;
}

export class DanglingContainers {
  readonly #parts: DanglingParts;
  readonly #expected = new Map<string, number>();
  #timer: Timer;
  #isSettled = false;

  constructor(parts: DanglingParts) {
    this.#parts = parts;
    this.#timer = this.#arm();
  }

  stop(): void {
    this.#timer.cancel();
  }

  /** A task has, or is about to have, the container of this name; until the returned function is called. */
  expect(name: string): () => void {
    this.#expected.set(name, (this.#expected.get(name) ?? 0) + 1);
    return () => {
      const left = (this.#expected.get(name) ?? 1) - 1;
      if (left > 0) this.#expected.set(name, left);
      else this.#expected.delete(name);
    };
  }

  // --- internal ---

  /** The first look is a whole period after the start: tasks of before have been taken up by then. */
  #arm(): Timer {
    const { runtime, settings } = this.#parts;
    return runtime.clock.after(
      settings.danglingPeriodMs,
      () => {
        void this.#look().finally(() => {
          this.#timer = this.#arm();
        });
      },
      { keepsAlive: false },
    );
  }

  async #look(): Promise<void> {
    const { runtime, settings, nodeId, watch, warn } = this.#parts;
    if (!this.#isSettled) this.#parts.images.uses.settle();
    this.#isSettled = true;
    const engine = watch.engine;
    if (engine === null || !settings.isDanglingGcEnabled) return;
    const filters = encodeURIComponent(JSON.stringify({ label: [`${LABEL.nodeId}=${nodeId}`] }));
    const found = await engine.json("GET", `/containers/json?all=1&filters=${filters}`).catch(() => null); // the next look is soon
    for (const container of found?.members() ?? []) {
      const name = container.texts("Names")[0]?.replace(/^\//, "") ?? "";
      if (this.#expected.has(name)) continue;
      // Ended ones that are kept on purpose stay.
      if (!settings.isContainerGcEnabled && container.text("State") !== "running") continue;
      if (runtime.clock.nowMs() - container.number("Created") * 1000 < settings.danglingGraceMs) continue;
      warn("a container of this node that no task knows any more is removed", { container: name });
      await removeContainer(engine, container.text("Id"));
    }
  }
}
