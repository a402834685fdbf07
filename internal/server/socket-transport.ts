// The node connection over a WebSocket, as the server's end sees it.

import type { NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import { decodeMessage, encodeMessage } from "../api/node-protocol.ts";
import { messageOf } from "../domain/errors.ts";
import type { ServerSocket, SocketHandlers } from "../runtime/runtime.ts";

/** Socket handlers that hand a transport to `accept` as soon as the socket is open. */
export function serverTransport<Out extends ServerMessage, In extends NodeMessage>(accept: (transport: Transport<Out, In>) => void): SocketHandlers {
  let socket: ServerSocket | null = null;
  let onMessage: (message: In) => void = () => undefined;
  let onClose: (reason: string) => void = () => undefined;
  return {
    open(opened) {
      socket = opened;
      accept({
        send: (message) => opened.send(encodeMessage(message)),
        close: (reason) => opened.close(1000, reason.slice(0, 100)),
        bufferedBytes: () => opened.bufferedBytes(),
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
        onMessage(decodeMessage<In>(data));
      } catch (error) {
        socket?.close(1003, messageOf(error).slice(0, 100));
      }
    },
    close: (_code, reason) => onClose(reason || "the connection was closed"),
  };
}
