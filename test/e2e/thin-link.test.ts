// A node behind a thin link: what is many bytes long waits for what is urgent, and a reader who stops reading stops
// nobody else.

import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { residentMiB } from "../bench/measure.ts";
import { type LinkQuality, ThinLink } from "../support/thin-link.ts";
import { shellJob } from "./jobs.ts";
import { inPlace, type Place, until } from "./place.ts";

const MINUTE = 60_000;
const LOG_BYTES = 100_000_000;
const LINE = "a line of a log that is long\n";
/** Ten times the size of all windows. */
const ROOM = "logs = { max_files = 2, max_file_size = 120 }";
const FOLLOWERS = 12;

test(
  "with many followers of a long log on a thin link, others are answered before the link carried what the followers may have on their way",
  () =>
    inPlace(async (place) => {
      const { link, nodeId } = await thinNode(place, { bytesPerSecond: 64_000, latencyMs: 20 });
      const alloc = await longLog(place);
      place.run(shellJob({ id: "other", type: "service", script: "exec sleep 1000" }), "--detach");
      const other = await place.untilAlloc("other", "running");
      const followers = Array.from({ length: FOLLOWERS }, () => follow(place, alloc.ID));
      await until("each follower to have something", () => followers.every((one) => one.bytes > 16_384), MINUTE);
      const bytesUntil = async (work: () => Promise<unknown>): Promise<number> => {
        const before = link.up.bytes;
        await work();
        return link.up.bytes - before;
      };
      const stat = await bytesUntil(() => place.get(`/v1/client/fs/stat/${other.ID}?path=/alloc`));
      const exec = await bytesUntil(async () => {
        expect(await place.cliBeside("alloc", "exec", "-task", "main", other.ID, "/bin/echo", "here")).toEqual({
          status: 0,
          stdout: "here\n",
          stderr: "",
        });
      });
      const stop = await bytesUntil(async () => {
        expect((await place.request("DELETE", "/v1/job/other")).status).toBe(200);
        await until("the order to be carried out and told", async () => (await place.get(`/v1/allocation/${other.ID}`)).ClientStatus === "complete");
      });
      // Each follower may have a window of 64 KiB ahead of it; together they share one.
      const bound = 4 * 65_536;
      expect({ stat: stat < bound, exec: exec < bound, stop: stop < 2 * bound, bytes: [stat, exec, stop] }).toMatchObject({
        stat: true,
        exec: true,
        stop: true,
      });
      expect(followers.every((one) => one.bytes < LOG_BYTES / 10)).toBe(true);
      const node = await place.get(`/v1/node/${nodeId}`);
      expect([node.Status, node.Events.filter((event: { Message: string }) => /missed|down|disconnect/i.test(event.Message))]).toEqual(["ready", []]);
      for (const one of followers) one.socket.destroy();
    }),
  3 * MINUTE,
);

test(
  "a folder with many files is listed whole, and others are answered before the link carried the list",
  () =>
    inPlace(async (place) => {
      const { link } = await thinNode(place, { bytesPerSecond: 64_000, latencyMs: 20 });
      const script = `cd "$NOMAD_ALLOC_DIR/data"; i=0; while [ $i -lt 6000 ]; do i=$((i + 1)); : > "a-file-with-a-long-name-$i"; done; : > ../all; exec sleep 1000`;
      place.run(shellJob({ id: "many", type: "service", script }), "--detach");
      const alloc = await place.untilAlloc("many", "running");
      await until("its files", async () => (await place.request("GET", `/v1/client/fs/stat/${alloc.ID}?path=/alloc/all`)).status === 200);
      const before = link.up.bytes;
      let listed: readonly unknown[] | null = null;
      const listing = place.get(`/v1/client/fs/ls/${alloc.ID}?path=/alloc/data`).then((files) => {
        listed = files;
      });
      await until("the list to be on its way", () => link.up.bytes > before + 100_000, MINUTE);
      const asked = link.up.bytes;
      await place.get(`/v1/client/fs/stat/${alloc.ID}?path=/alloc`);
      expect([link.up.bytes - asked < 4 * 65_536, listed]).toEqual([true, null]);
      await listing;
      expect([(listed as readonly unknown[] | null)?.length, link.up.bytes - before > 8 * 65_536]).toEqual([6000, true]);
    }),
  3 * MINUTE,
);

test(
  "a reader who stops reading: the link falls silent, memory stays as it is, and others read on",
  () =>
    inPlace(async (place) => {
      const { link } = await thinNode(place, { bytesPerSecond: 20_000_000 });
      const alloc = await longLog(place);
      const reader = follow(place, alloc.ID);
      await until("the log to come", () => reader.bytes > 1_000_000);
      const before = agentsResidentMiB(place);
      reader.socket.pause();
      // What the kernel's own buffers hold is the reader's.
      let last = -1;
      await until("the link to fall silent", async () => {
        const isSilent = link.up.bytes === last;
        last = link.up.bytes;
        await new Promise((done) => setTimeout(done, 500));
        return isSilent;
      });
      expect(link.up.bytes).toBeLessThan(LOG_BYTES / 3);
      const second = follow(place, alloc.ID);
      await until("another reader to have all of it", () => second.bytes >= LOG_BYTES, MINUTE);
      second.socket.destroy();
      const grown = agentsResidentMiB(place).map((now, at) => now - (before[at] ?? 0));
      expect(Math.max(...grown)).toBeLessThan(64);
      // And it goes on where it stopped.
      const stopped = reader.bytes;
      reader.socket.resume();
      await until("the first reader to go on", () => reader.bytes > stopped + 10_000_000, MINUTE);
      reader.socket.destroy();
    }),
  3 * MINUTE,
);

// --- internal ---

/** A server, and a node that knows it only over the link. */
async function thinNode(place: Place, quality: LinkQuality): Promise<{ readonly link: ThinLink; readonly nodeId: string }> {
  const server = await place.start({ name: "server", flags: ["--server"] });
  const link = new ThinLink(server.port, quality);
  place.onClose(() => link.close());
  const port = await link.listen();
  await place.start({ name: "node", flags: ["--client", "--servers", `http://127.0.0.1:${port}`, "--name", "thin"] });
  place.agent = server;
  let nodeId = "";
  await until("the node to be ready", async () => {
    const nodes = await place.get("/v1/nodes");
    nodeId = nodes[0]?.ID ?? "";
    return nodes[0]?.Status === "ready";
  });
  return { link, nodeId };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the API
async function longLog(place: Place): Promise<any> {
  const script = `yes ${JSON.stringify(LINE.trim())} | head -c ${LOG_BYTES}; : > "$NOMAD_ALLOC_DIR/data/written"; exec sleep 1000`;
  place.run(shellJob({ id: "long", type: "service", script, task: ROOM, group: "ephemeral_disk = { size = 500 }" }), "--detach");
  const alloc = await place.untilAlloc("long", "running");
  await until(
    "the log to be written",
    async () => (await place.request("GET", `/v1/client/fs/stat/${alloc.ID}?path=/alloc/data/written`)).status === 200,
  );
  return alloc;
}

interface Follower {
  readonly socket: Socket;
  bytes: number;
}

/** A plain HTTP client of the log, which really stops reading where it is told to. */
function follow(place: Place, allocId: string): Follower {
  const socket = connect(place.agent.port, "127.0.0.1");
  const follower: Follower = { socket, bytes: 0 };
  socket.on("error", () => undefined);
  socket.on("data", (data) => {
    follower.bytes += data.length;
  });
  socket.write(`GET /v1/client/fs/logs/${allocId}?task=main&type=stdout&follow=true&plain=true HTTP/1.1\r\nHost: x\r\n\r\n`);
  place.onClose(() => socket.destroy());
  return follower;
}

/** Of all agents of this place. */
function agentsResidentMiB(place: Place): number[] {
  return place.agents.map((agent) => residentMiB(agent.process.pid ?? 0));
}
