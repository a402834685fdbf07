// Servers of an older and a newer program over one file, with the real network between them.

import { afterAll, expect, test } from "bun:test";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { createLog } from "../../internal/runtime/log.ts";
import type { RequestContext, Runtime } from "../../internal/runtime/runtime.ts";
import { createApp } from "../../internal/server/http/app.ts";
import { Server } from "../../internal/server/server.ts";
import { openStore } from "../../internal/store/open-store.ts";
import { copySqlite } from "../../internal/store/sqlite/copy.ts";
import { serverFacts } from "../sim/server-facts.ts";

const machine = bunRuntime();
const folder = machine.files.temporaryDirectory("edgectl-upgrade-");
afterAll(() => machine.files.removeTree(folder));

/** What the program starts as a process of its own runs here at once. Each server needs a living process that it passes for. */
const runtimeOf = (pid: number): Runtime => ({
  ...machine,
  host: { ...machine.host, pid },
  processes: {
    ...machine.processes,
    run: async (_command, args) => {
      const [path = "", target = ""] = args.slice(args.indexOf("internal-copy") + 1);
      await copySqlite(machine, path, target);
      return { code: 0, stdout: "", stderr: "" };
    },
  },
});

interface Started {
  readonly server: Server;
  log(): string;
  stop(): Promise<void>;
}

async function start(store: string, name: string, schema: number): Promise<Started> {
  const lines: string[] = [];
  const runtime = runtimeOf(name === "older" ? process.ppid : process.pid);
  const terminal = { ...machine.terminal, out: (text: string) => void lines.push(text), error: (text: string) => void lines.push(text) };
  const log = createLog({ clock: machine.clock, terminal, level: "info", format: "text" });
  let answer: (request: Request, context: RequestContext) => Response | Promise<Response> = () => new Response("", { status: 503 });
  const http = await machine.network.serve({
    host: "127.0.0.1",
    port: 0,
    maxBodyBytes: 1_000_000,
    fetch: (request, context) => answer(request, context),
  });
  const server = new Server({
    runtime,
    log,
    store: await openStore(runtime, store, { schema }),
    programFolder: "/nowhere",
    address: `127.0.0.1:${http.port}`,
    region: "global",
    datacenter: "dc1",
    name,
    version: `${schema}.0.0`,
  });
  answer = createApp(server, serverFacts(""));
  server.start();
  await server.untilLeaderKnown(5000);
  const stop = async () => {
    await server.stop();
    await http.stop();
  };
  return { server, log: () => lines.join(""), stop };
}

async function until(what: () => string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const beganMs = machine.clock.monotonicMs(); !(await isTrue()); await machine.clock.sleep(10))
    if (machine.clock.monotonicMs() - beganMs > 15_000) throw new Error(`waited for ${what()}`);
}

test("a newer server joins an older leader, takes over, and the older one follows it with a loud word and leads never again", async () => {
  const url = `sqlite:${folder}/state.db`;
  const schemaNow = async () => (await older.server.options.store.readLease()).schema;
  const older = await start(url, "older", 1);
  const newer = await start(url, "newer", 2);
  await until(newer.log, () => newer.server.leaderAddress === older.server.options.address);
  expect([older.server.isLeading, newer.server.isLeading, await schemaNow()]).toEqual([true, false, 1]);
  await until(newer.log, () => older.server.peers.list().length === 1);

  await older.server.transferLeadership();
  await until(newer.log, () => newer.server.isLeading);
  expect(await schemaNow()).toBe(2);
  expect(newer.log()).toContain("the store's schema was raised");
  await until(older.log, () => older.log().includes("this server cannot lead any more and only follows; upgrade it schema=2 known=1"));
  await until(older.log, () => older.server.leaderAddress === newer.server.options.address);

  // The newer one goes, and nobody leads rather than somebody who would break what it wrote.
  await newer.stop();
  await machine.clock.sleep(2500);
  expect(older.server.isLeading).toBe(false);
  expect(older.log().match(/cannot lead any more/g)?.length).toBe(1);
  await older.stop();

  const again = await start(url, "again", 2);
  await until(again.log, () => again.server.isLeading);
  expect(again.log()).not.toContain("schema");
  await again.stop();
}, 60_000);
