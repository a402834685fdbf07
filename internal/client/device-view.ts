// What a node's own agent can be asked without any server: all that the node knows, its files and figures, when it was alone last.

import type { CallableNode } from "../api/node-calls.ts";
import type { NodeSpec } from "../domain/node.ts";
import type { NodeMeta } from "../domain/node-meta.ts";
import type { View } from "../domain/view.ts";
import type { AllocRunner } from "../runner/alloc-runner.ts";
import type { Connection } from "./connection.ts";
import type { CutOff } from "./cut-off.ts";
import { deviceState } from "./device-state.ts";
import type { Fires } from "./fires.ts";
import type { Journal } from "./journal.ts";

export interface DeviceViewParts {
  readonly own: { readonly spec: NodeSpec; readonly meta: NodeMeta };
  readonly connection: Connection;
  readonly journal: Journal;
  readonly runners: ReadonlyMap<string, AllocRunner>;
  readonly fires: Fires;
  readonly cutOff: CutOff;
  /** What a server may ask of this node, asked by its own agent. */
  readonly calls: CallableNode;
}

export class DeviceView {
  readonly #parts: DeviceViewParts;

  constructor(parts: DeviceViewParts) {
    this.#parts = parts;
  }

  get calls(): CallableNode {
    return this.#parts.calls;
  }

  meta(): NodeMeta {
    return this.#parts.own.meta;
  }

  /** How many fires of this node no server knows. */
  get untoldFires(): number {
    return this.#parts.journal.state.fires.size;
  }

  /** When a server was heard last: null while there is one. `isStart`: none was since this agent started then. */
  lastHeard(): { readonly atMs: number | null; readonly isStart: boolean } {
    return this.#parts.cutOff.silence();
  }

  /** Why a server does not let it join; "" where none said so. */
  refusal(): string {
    return this.#parts.connection.refusal;
  }

  /** As it is now. */
  state(): View {
    const { own, connection, journal, runners, fires } = this.#parts;
    const { allocs, memory, position, fires: untold } = journal.state;
    const held = [...runners].flatMap(([id, runner]) => {
      const alloc = allocs.get(id)?.alloc;
      return alloc ? [{ alloc, job: runner.job, report: runner.report() }] : [];
    });
    const firing = fires.standing();
    return deviceState({
      node: own.spec,
      incarnation: memory?.incarnation ?? 0,
      isJoined: connection.isJoined,
      silentSinceMs: this.lastHeard().atMs,
      index: position?.index ?? 0,
      held: [...held, ...firing],
      fires: [...untold.values()].map(({ fire }) => fire),
      settled: firing,
    });
  }
}
