// edgectl alloc fs: the files of an allocation, listed or printed.

import { type Call, DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";
import { framesOf } from "../../cli/log-follow.ts";
import { tailOf } from "../../cli/log-tail.ts";
import { findLogAlloc } from "../../cli/log-target.ts";
import { wantedEnd } from "../../cli/tail-options.ts";
import { bytesText, instantOrNothing } from "../../cli/times.ts";
import type { AllocStub, WireFile } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "A folder is listed, a file is printed. PATH begins at the allocation's own folder.",
  operands: "ALLOC [PATH]",
  examples: [
    ["alloc fs 3f2a", "the folder of the allocation"],
    ["alloc fs 3f2a alloc/logs/main.stdout.0", "a file"],
    ["alloc fs --stat 3f2a alloc/data", "what a folder is, not what is in it"],
  ],
  options: {
    stat: { type: "boolean", description: "about the file or folder itself" },
    f: { type: "boolean", description: "follow a file" },
    tail: {
      type: "string",
      description: "only the last N lines of a file (10 when N is left out)",
      valueHint: "N",
      bare: { value: "", valuePattern: /^\d+$/ },
    },
    n: { type: "string", description: "the same as --tail N", valueHint: "N" },
    c: { type: "string", description: "only the last N bytes of a file", valueHint: "N" },
    job: { type: "boolean", description: "the first argument is a job: its newest allocation that runs" },
    H: { type: "boolean", description: "for programs: sizes in bytes, instants in full" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const [prefix = "", path = "/"] = call.operands;
    const alloc = call.options.job ? await findLogAlloc(call, prefix, { isJob: true }) : await findAlloc(call.api, prefix);
    const query = { namespace: alloc.Namespace, path };
    const info = await call.api.get<WireFile>(`/v1/client/fs/stat/${alloc.ID}`, query);
    if (call.options.stat) showFiles(call, [info]);
    else if (info.IsDir) showFiles(call, (await call.api.get<readonly WireFile[] | null>(`/v1/client/fs/ls/${alloc.ID}`, query)) ?? []);
    else await printFile(call, alloc, path);
    return DONE;
  },
});

// --- internal ---

function showFiles(call: Call, files: readonly WireFile[]): void {
  if (call.options.json) call.output.json(files);
  else
    call.output.table(
      ["Mode", "Size", "Modified Time", "Name"],
      files.map((file) => [
        file.FileMode,
        call.options.H ? String(file.Size) : bytesText(file.Size),
        call.options.H ? file.ModTime : instantOrNothing(file.ModTime),
        `${file.Name}${file.IsDir ? "/" : ""}`,
      ]),
    );
}

async function printFile(call: Call, alloc: AllocStub, path: string): Promise<void> {
  const { api, options, runtime } = call;
  const query = { namespace: alloc.Namespace, path };
  const end = wantedEnd({ tail: options.tail, n: options.n, c: options.c });
  const stream = (more: Record<string, string | number | boolean>) => api.stream(`/v1/client/fs/stream/${alloc.ID}`, { ...query, ...more });
  let offset = 0;
  if (end?.kind === "lines") {
    const tail = await tailOf((window) => stream({ origin: "end", offset: window, follow: "false" }), end.count);
    await runtime.terminal.outBytes(tail.bytes);
    offset = tail.endOffset;
  } else if (end?.kind === "bytes") {
    for await (const frame of framesOf(await stream({ origin: "end", offset: end.count, follow: "false" }))) {
      await runtime.terminal.outBytes(frame.bytes);
      offset = frame.endOffset;
    }
  } else if (!options.f) {
    for await (const chunk of await api.stream(`/v1/client/fs/cat/${alloc.ID}`, query)) await runtime.terminal.outBytes(chunk);
  }
  if (options.f)
    for await (const frame of framesOf(await stream({ origin: "start", offset, follow: "true" }))) await runtime.terminal.outBytes(frame.bytes);
}
