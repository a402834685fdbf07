// Two WebSockets joined: what comes from one goes to the other, and a slow reader on one side makes the other wait.

import { LIMITS } from "../domain/limits.ts";
import type { ClientSocket, Runtime, ServerSocket, SocketHandlers } from "./runtime.ts";

export interface Relay {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The other end's URL, "" for nobody. */
  base(): Promise<string>;
}

export function relaySocket(runtime: Runtime, { path, headers, base }: Relay): SocketHandlers {
  const early: (string | Uint8Array)[] = [];
  const flow = { toUpstream: new Flow(runtime), toClient: new Flow(runtime) };
  let client: ServerSocket | null = null;
  let upstream: ClientSocket | null = null;
  let isOpen = false;
  let isClosed = false;
  const connect = async (opened: ServerSocket): Promise<void> => {
    client = opened;
    const url = await base();
    if (isClosed) return;
    if (url === "") return opened.close(1013, "nobody can answer now: connect again");
    upstream = runtime.network.connectSocket(`${url.replace(/^http/, "ws")}${path}`, headers, {
      open(socket) {
        isOpen = true;
        for (const data of early.splice(0)) socket.send(data);
      },
      message(data) {
        opened.send(data);
        if (upstream) flow.toClient.sent(upstream, opened);
      },
      close(code, reason) {
        if (isClosed) return;
        if (code !== 1006 && code !== 1005) return opened.close(code, reason.slice(0, 100));
        if (isOpen) return opened.close(1013, reason.slice(0, 100));
        void refusalOf(runtime, `${url}${path}`, headers).then((refusal) => isClosed || opened.close(refusal.code, refusal.reason));
      },
    });
  };
  return {
    open: (opened) => void connect(opened),
    message(data) {
      if (isOpen && upstream && client) {
        upstream.send(data);
        flow.toUpstream.sent(client, upstream);
      } else if (early.length < LIMITS.relayEarlyFramesMax) early.push(data);
    },
    close(code, reason) {
      isClosed = true;
      upstream?.close(code === 1006 || code === 1005 ? 1000 : code, reason.slice(0, 100));
    },
  };
}

// --- internal ---

const LOOK_MS = 20;

/** Stops the one that sends while the one that takes has more waiting than it should. */
class Flow {
  readonly #runtime: Runtime;
  #isPaused = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  sent(from: ServerSocket, to: ServerSocket): void {
    if (this.#isPaused || to.bufferedBytes() <= LIMITS.relayedBytesMax) return;
    this.#isPaused = true;
    from.pause();
    const look = () => {
      if (to.bufferedBytes() > LIMITS.relayedBytesMax) return void this.#runtime.clock.after(LOOK_MS, look, { keepsAlive: false });
      this.#isPaused = false;
      from.resume();
    };
    look();
  }
}

/** A handshake does not say why it failed; the same address asked as a plain request does. */
async function refusalOf(
  runtime: Runtime,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ readonly code: number; readonly reason: string }> {
  const nobody = { code: 1013, reason: "" };
  if (!ANSWERED.test(url)) return nobody;
  try {
    const response = await runtime.network.fetch(url, { headers });
    const reason = (await response.text()).slice(0, 100);
    return { code: response.status === 500 ? 1011 : 1008, reason };
  } catch {
    return nobody; // gone, or not there yet
  }
}

/** Addresses whose plain request changes nothing and is answered at once. */
const ANSWERED = /\/(?:exec|action)\?/;
