// edgectl operator store migrate: a server's state from one store to another, while no server uses either.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import type { Runtime } from "../../../../../internal/runtime/runtime.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";

export default defineEdgeCommand({
  description:
    "Stop every server first. Indexes and the cluster's id are kept, the epoch rises, the old store stays as it is: start the servers with --store and the new URL, and never again with the old one. A password is better kept out of the command line: PGPASSWORD counts where a URL has none.",
  operands: "",
  examples: [
    ["operator store migrate --from sqlite:/var/lib/edgectl/server/state.db --to postgres://edge@db1,db2/edgectl", "from a file to PostgreSQL"],
    ["operator store migrate --from postgres://edge@db1/edgectl --to sqlite:/var/lib/edgectl/server/state.db", "and back"],
  ],
  options: {
    from: { type: "string", description: "the store that holds the state", valueHint: "URL" },
    to: { type: "string", description: "the store that shall hold it", valueHint: "URL" },
    force: { type: "boolean", description: "replace what the target holds" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run({ runtime, options, output, progress }) {
    const [from, to] = [urlOf("from", options.from), urlOf("to", options.to)];
    if (from === to) throw new EdgeError("invalid", "--from and --to name the same store");
    const { openStore, titleOfStore } = await import("../../../../../internal/store/open-store.ts");
    const { moveStore } = await import("../../../../../internal/store/move-store.ts");
    await checkThere(runtime, from);
    const source = await openStore(runtime, from);
    try {
      const target = await openStore(runtime, to);
      try {
        const [fromTitle, toTitle] = [titleOfStore(from), titleOfStore(to)];
        const moved = await moveStore(runtime, {
          source: { store: source, title: fromTitle },
          target: { store: target, title: toTitle },
          isForced: options.force === true,
          onWait: (title) => progress.info(`waiting whether a server that uses ${title} is alive`),
        });
        const tables = Object.fromEntries(moved.counts);
        if (options.json) {
          output.json({ From: fromTitle, To: toTitle, ClusterID: moved.clusterId, Index: moved.index, Epoch: moved.epoch, Tables: tables });
          return DONE;
        }
        output.table(
          ["Table", "Rows"],
          [...moved.counts].map(([table, count]) => [table, String(count)]),
        );
        output.line(`\n${toTitle} holds everything up to index ${moved.index}; start the servers with --store and its URL`);
        return DONE;
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  },
});

// --- internal ---

function urlOf(option: string, url: string | undefined): string {
  if (url) return url;
  throw new EdgeError("invalid", `--${option} is missing`, { hint: "edgectl operator store migrate --help shows both" });
}

/** A file that is not there would be made, and found to be empty. */
async function checkThere(runtime: Runtime, url: string): Promise<void> {
  const { parseStoreUrl } = await import("../../../../../internal/store/open-store.ts");
  const parsed = parseStoreUrl(url);
  if (parsed.kind === "sqlite" && runtime.files.stat(parsed.path) === null)
    throw new EdgeError("not-found", `there is no state file ${parsed.path}`, { hint: "check --from" });
}
