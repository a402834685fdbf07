// The node's end of the connection: over a WebSocket, or from object to object inside one process.

import type { NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import { decodeMessage, encodeMessage } from "../api/node-protocol.ts";
import { messageOf } from "../domain/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";

export type NodeTransport = Transport<NodeMessage, ServerMessage>;
/** Dials; throws, or reports through onClose, when nobody answers. */
export type Dial = () => Promise<NodeTransport>;

/** Dials the servers in turn, one more each time. */
export function socketDial(runtime: Runtime, servers: () => readonly string[]): Dial {
  let attempt = 0;
  return () => {
    const list = servers();
    const base = list[attempt++ % Math.max(list.length, 1)] ?? "http://127.0.0.1:4646";
    const url = `${base.replace(/^http/, "ws").replace(/\/$/, "")}/v1/node/connect`;
    return new Promise<NodeTransport>((resolve, reject) => {
      let onMessage: (message: ServerMessage) => void = () => undefined;
      let onClose: (reason: string) => void = () => undefined;
      let isOpen = false;
      const socket = runtime.network.connectSocket(
        url,
        {},
        {
          open() {
            isOpen = true;
            resolve({
              send: (message) => socket.send(encodeMessage(message)),
              close: (reason) => socket.close(1000, reason.slice(0, 100)),
              bufferedBytes: () => socket.bufferedBytes(),
              onMessage: (call) => {
                onMessage = call;
              },
              onClose: (call) => {
                onClose = call;
              },
            });
          },
          message(data) {
            try {
              onMessage(decodeMessage<ServerMessage>(data));
            } catch (error) {
              socket.close(1003, messageOf(error).slice(0, 100));
            }
          },
          close(_code, reason) {
            if (isOpen) onClose(reason || "the connection was closed");
            else reject(new Error(`${base} does not answer`));
          },
        },
      );
    });
  };
}
