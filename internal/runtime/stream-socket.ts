// A stream to another machine, plain or under TLS, for libraries that speak their protocol over a socket they are given.
// Loaded lazily by the few who need it.

import { connect, type Socket } from "node:net";
import { checkServerIdentity, connect as connectTls, type TLSSocket } from "node:tls";

export type { Socket } from "node:net";

/** Where to connect: a port of a host, under TLS where that is said, or a socket file. */
export type StreamAddress = { readonly host: string; readonly port: number; readonly tls?: StreamTls } | { readonly path: string };

/** As PEM: who may have signed the other side's certificate (null = those that the system trusts), and who this side is. */
export interface StreamTls {
  readonly authorities: string | null;
  readonly identity: { readonly certificate: string; readonly key: string } | null;
}

/** Rejects with the system's error, or when the other side does not prove to be `host`. Ended by `signal`. */
export async function openStream(address: StreamAddress, signal: AbortSignal): Promise<Socket> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const plain = "path" in address ? connect(address.path) : connect(address.port, address.host);
    settle(plain, "connect", signal, { resolve: () => resolve(plain), reject });
  });
  if ("path" in address || address.tls === undefined) return socket;
  const { authorities, identity } = address.tls;
  return secureStream(socket, { host: address.host, isVerified: true, certificates: authorities, identity }, signal);
}

/** Sends these bytes and resolves with the first that come back. */
export function askStream(socket: Socket, question: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let answer: Uint8Array = new Uint8Array();
    socket.once("data", (data: Uint8Array) => {
      answer = data;
      socket.emit("answered");
    });
    settle(socket, "answered", signal, { resolve: () => resolve(answer), reject });
    socket.write(question);
  });
}

/** The same stream under TLS. With `certificates` the other side must prove to be `host`; null takes any. */
export function secureStream(
  socket: Socket,
  options: {
    readonly host: string;
    readonly isVerified: boolean;
    readonly certificates: string | null;
    readonly identity?: StreamTls["identity"];
  },
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const { host, isVerified, certificates, identity = null } = options;
    const isAddress = /^[\d.]+$|:/.test(host);
    const secure = connectTls({
      socket,
      rejectUnauthorized: isVerified,
      ...(isAddress ? {} : { servername: host }),
      ...(certificates === null ? {} : { ca: certificates }),
      ...(identity === null ? {} : { cert: identity.certificate, key: identity.key }),
      // An address is no server name, and without one the runtime would check for "localhost".
      checkServerIdentity: (_name, certificate) => (isVerified ? checkServerIdentity(host, certificate) : undefined),
    });
    settle(secure, "secureConnect", signal, { resolve: () => resolve(secure), reject });
  });
}

// --- internal ---

/** Resolves at the event; rejects, and destroys the socket, when it fails, ends or is given up before. */
function settle(
  socket: Socket,
  event: string,
  signal: AbortSignal,
  { resolve, reject }: { readonly resolve: () => void; readonly reject: (error: Error) => void },
): void {
  const done = (error: Error | null) => {
    socket.off(event, succeed);
    socket.off("error", done);
    socket.off("close", end);
    signal.removeEventListener("abort", give);
    if (error === null) return resolve();
    // Whatever else the dying socket has to say was said by this error.
    socket.on("error", () => undefined);
    socket.destroy();
    reject(error);
  };
  const succeed = () => done(null);
  const end = () => done(Object.assign(new Error("the other side closed the connection"), { code: "ECONNRESET" }));
  const give = () => done(Object.assign(new Error("it took too long"), { code: "ETIMEDOUT" }));
  socket.on(event, succeed);
  socket.on("error", done);
  socket.on("close", end);
  signal.addEventListener("abort", give);
  if (signal.aborted) give();
}
