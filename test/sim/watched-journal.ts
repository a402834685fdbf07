// The runtime of a node, with an eye on what it writes down.

import type { Runtime } from "../../internal/runtime/runtime.ts";

/** Tells when a fire is claimed in the journal: what can go wrong around that lasts milliseconds. */
export function watched(runtime: Runtime, claimed: () => void): Runtime {
  const append = (path: string) => {
    const file = runtime.files.append(path);
    const write = (data: string | Uint8Array) => {
      file.write(data);
      if (typeof data === "string" && data.includes('"k":"fire"') && data.includes('"state":"claimed"')) claimed();
    };
    return { ...file, write };
  };
  return { ...runtime, files: { ...runtime.files, append } };
}
