// A node's meta for a person.

import type { Call } from "./command.ts";

export interface WireNodeMeta {
  readonly Meta: Readonly<Record<string, string>> | null;
  readonly Dynamic: Readonly<Record<string, string | null>> | null;
  readonly Static: Readonly<Record<string, string>> | null;
}

export function showNodeMeta(call: Call, { Meta, Dynamic, Static }: WireNodeMeta): void {
  const [meta, dynamic, fixed] = [Meta ?? {}, Dynamic ?? {}, Static ?? {}];
  const keys = [...new Set([...Object.keys(meta), ...Object.keys(dynamic)])].sort();
  call.output.table(
    ["Key", "Value", "From"],
    keys.map((key) => {
      if (!Object.hasOwn(dynamic, key)) return [key, meta[key] ?? "", "the agent's settings"];
      const over = Object.hasOwn(fixed, key) ? `, over "${fixed[key]}" of the settings` : "";
      return [key, dynamic[key] ?? "(unset)", `set while it runs${over}`];
    }),
  );
}
