// Asks a port whether somebody is there, and over HTTP what they say. Loaded when the first check is made.

import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { connect } from "node:net";

export interface HttpProbe {
  readonly protocol: "http" | "https";
  readonly address: string;
  readonly port: number;
  /** From the host on, with its query. */
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
  /** Whether the certificate must be good. */
  readonly isVerified: boolean;
  /** Name that the certificate must be for; "" = the host's. */
  readonly serverName: string;
}

/** Resolves once connected, rejects with what stood in the way. */
export function probeTcp(address: string, port: number, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    const timer = setTimeout(() => socket.destroy(new Error("no connection in time")), timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.destroy();
      resolve();
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** The answer's status and the beginning of its body. Redirects within the same address are followed, a few at most. */
export async function probeHttp(
  probe: HttpProbe,
  limits: { readonly timeoutMs: number; readonly bodyBytesMax: number },
): Promise<{ readonly status: number; readonly text: string }> {
  const deadline = AbortSignal.timeout(limits.timeoutMs);
  let path = probe.path;
  for (let hops = 0; ; hops++) {
    const answer = await ask(probe, path, limits.bodyBytesMax, deadline);
    const next = hops < HOPS_MAX ? locationOf(probe, path, answer) : null;
    if (next === null) return { status: answer.status, text: answer.text };
    path = next;
  }
}

// --- internal ---

const HOPS_MAX = 5;

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

function ask(probe: HttpProbe, path: string, bodyBytesMax: number, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const isSecure = probe.protocol === "https";
    const headers = Object.fromEntries(Object.entries(probe.headers).map(([name, values]) => [name, values.length === 1 ? values[0] : [...values]]));
    const options = {
      host: probe.address,
      port: probe.port,
      path,
      method: probe.method,
      headers: { "User-Agent": "edgectl check", Connection: "close", ...headers },
      agent: false,
      signal,
      ...(isSecure ? { rejectUnauthorized: probe.isVerified, ...(probe.serverName === "" ? {} : { servername: probe.serverName }) } : {}),
    } as const;
    const fail = (error: Error) => reject(signal.aborted ? new Error("no answer in time") : error);
    const asked = (isSecure ? requestSecure : requestPlain)(options as never, (response: IncomingMessage) => {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      const done = () => {
        response.destroy();
        const text = Buffer.concat(pieces).subarray(0, bodyBytesMax).toString("utf8");
        resolve({ status: response.statusCode ?? 0, text, location: response.headers.location });
      };
      response.on("data", (piece: Uint8Array) => {
        pieces.push(piece);
        bytes += piece.length;
        // What is beyond is nobody's to read: a check must not fetch a film.
        if (bytes >= bodyBytesMax) done();
      });
      response.on("end", done);
      response.on("error", fail);
    });
    asked.on("error", fail);
    asked.end(probe.body);
  });
}

function locationOf(probe: HttpProbe, path: string, answer: Answer): string | null {
  if (![301, 302, 303, 307, 308].includes(answer.status) || answer.location === undefined || !["GET", "HEAD"].includes(probe.method)) return null;
  const host = probe.address.includes(":") ? `[${probe.address}]` : probe.address;
  const base = `${probe.protocol}://${host}:${probe.port}`;
  try {
    const target = new URL(answer.location, new URL(path, base));
    return target.origin === new URL(base).origin ? target.pathname + target.search : null;
  } catch {
    return null; // a location that is no address is the answer's own fault
  }
}
