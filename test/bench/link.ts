// What a node's connection costs a link on which nothing happens.

import { inPlace, sleep, until } from "../e2e/place.ts";
import { ThinLink } from "../support/thin-link.ts";
import { type Figure, figure, round } from "./measure.ts";

/** A node is told 10 to 20 seconds by chance, and speaks at half of it. */
const MEAN_BEAT_S = 7.5;
/** IPv4 and TCP with timestamps. */
const TCP_HEADER_BYTES = 52;

/** What a node that has nothing to do costs its link. */
export async function idleLink(): Promise<Figure[]> {
  const results: Figure[] = [];
  await inPlace(async (place) => {
    const server = await place.start({ name: "server", flags: ["--server"] });
    const wire = new ThinLink(server.port, { bytesPerSecond: 100_000_000 });
    place.onClose(() => wire.close());
    await place.start({ name: "node", flags: ["--client", "--servers", `http://127.0.0.1:${await wire.listen()}`] });
    place.agent = server;
    await until("the node to be ready", async () => (await place.get("/v1/nodes"))[0]?.Status === "ready");
    await sleep(2000);
    const [joined, heartbeats] = [wire.up.bytes + wire.down.bytes, wire.up.pieces];
    await sleep(90_000);
    const perBeat = (wire.up.bytes + wire.down.bytes - joined) / (wire.up.pieces - heartbeats);
    const beats = 3600 / MEAN_BEAT_S;
    // Question, answer, and the acknowledgement of the answer.
    const headers = 3 * TCP_HEADER_BYTES;
    results.push(
      figure({
        name: "link idle bytes per hour",
        unit: "bytes",
        value: Math.round(beats * (perBeat + headers)),
        field: null,
        budget: 150_000,
        isRate: false,
        note: `${round(perBeat, 0)} bytes a heartbeat and ${headers} of TCP/IP, ${beats} an hour; of 5,000 nodes each ${Math.round((beats / 10) * (perBeat + headers))} an hour; joining ${joined} bytes`,
      }),
    );
  });
  return results;
}
