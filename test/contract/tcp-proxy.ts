// A network between a client and a server that can be cut and silenced: what a test cannot do to loopback itself.

import { connect, createServer, type Socket } from "node:net";

export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  /** Data goes nowhere, in both directions. */
  isSilent = false;
  #answersLeft = Number.POSITIVE_INFINITY;
  readonly #server = createServer((client) => this.#accept(client));
  readonly #target: number;

  constructor(targetPort: number) {
    this.#target = targetPort;
  }

  listen(): Promise<number> {
    return new Promise((done) => {
      this.#server.listen(0, "127.0.0.1", () => {
        const address = this.#server.address();
        done(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  }

  /** Lets so many answers of the server pass, then cuts that connection instead of passing the next. */
  cutAfter(answers: number): void {
    this.#answersLeft = answers;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  // --- internal ---

  #accept(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.on("data", (data) => {
        if (this.isSilent) return;
        if (socket === server && this.#answersLeft-- === 0) {
          this.#answersLeft = Number.POSITIVE_INFINITY;
          client.destroy();
          server.destroy();
        } else other.write(data);
      });
    }
  }
}
