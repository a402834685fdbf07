// Two transports joined inside one process: an agent that is server and client speaks the same protocol
// without a socket. Messages arrive in a later turn, as they would from a network.

import type { NodeMessage, ServerMessage, Transport } from "./node-protocol.ts";

export interface TransportPair {
  readonly server: Transport<ServerMessage, NodeMessage>;
  readonly node: Transport<NodeMessage, ServerMessage>;
}

/** `later` runs a call in a later turn of the event loop, in order. */
export function memoryTransports(later: (call: () => void) => void): TransportPair {
  let isClosed = false;
  const close = (reason: string) => {
    if (isClosed) return;
    isClosed = true;
    later(() => {
      server.closed(reason);
      node.closed(reason);
    });
  };
  const server = end<ServerMessage, NodeMessage>(
    (message) => later(() => node.deliver(message)),
    close,
    () => isClosed,
  );
  const node = end<NodeMessage, ServerMessage>(
    (message) => later(() => server.deliver(message)),
    close,
    () => isClosed,
  );
  return { server: server.transport, node: node.transport };
}

// --- internal ---

interface End<Out, In> {
  readonly transport: Transport<Out, In>;
  deliver(message: In): void;
  closed(reason: string): void;
}

function end<Out, In>(pass: (message: Out) => void, close: (reason: string) => void, isClosed: () => boolean): End<Out, In> {
  let onMessage: (message: In) => void = () => undefined;
  let onClose: (reason: string) => void = () => undefined;
  return {
    transport: {
      send: (message) => {
        if (!isClosed()) pass(message);
      },
      close,
      bufferedBytes: () => 0,
      onMessage: (call) => {
        onMessage = call;
      },
      onClose: (call) => {
        onClose = call;
      },
    },
    deliver: (message) => {
      if (!isClosed()) onMessage(message);
    },
    closed: (reason) => onClose(reason),
  };
}
