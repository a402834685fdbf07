// The network between machines: requests and WebSocket messages with delay; links that are cut, also one way. What was
// sent over a cut link arrives when it is mended, as TCP would deliver it; a program that died answers with a reset.

import type { ClientSocket, HttpServer, HttpServerOptions, Network, ServerSocket, SocketHandlers } from "../../internal/runtime/runtime.ts";
import type { VirtualTime } from "./clock.ts";
import type { Machine, Program } from "./machines.ts";
import type { Prng } from "./prng.ts";

interface Listener {
  readonly program: Program;
  readonly options: HttpServerOptions;
}

const REQUEST_TIMEOUT_MS = 15_000;

export class SimNetwork {
  readonly #time: VirtualTime;
  readonly #chance: Prng;
  readonly #listeners = new Map<string, Listener>();
  /** "a>b" for messages that do not get from a to b. */
  readonly #cut = new Set<string>();
  #held: (() => void)[] = [];
  latencyMs: readonly [number, number] = [1, 5];
  /** Orders that a machine received over any of its connections, and the connection that is open now. */
  readonly #orders = new Map<string, { frames: string[]; open: Endpoint | null }>();

  constructor(time: VirtualTime, chance: Prng) {
    this.#time = time;
    this.#chance = chance;
  }

  cut(from: Machine, to: Machine, { isOneWay }: { readonly isOneWay: boolean }): void {
    this.#cut.add(`${from.name}>${to.name}`);
    if (!isOneWay) this.#cut.add(`${to.name}>${from.name}`);
  }

  /** Delivers an earlier order once more, as a confused relay might. */
  repeatOrder(to: Machine): boolean {
    const known = this.#orders.get(to.name);
    if (!known?.open?.isOpen || known.frames.length === 0) return false;
    known.open.received(this.#chance.pick(known.frames));
    return true;
  }

  mend(a: Machine, b: Machine): void {
    this.#cut.delete(`${a.name}>${b.name}`);
    this.#cut.delete(`${b.name}>${a.name}`);
    this.#release();
  }

  mendAll(): void {
    this.#cut.clear();
    this.#release();
  }

  isCut(from: Machine, to: Machine): boolean {
    return this.#cut.has(`${from.name}>${to.name}`);
  }

  /** Carries something from one machine to another; over a cut link it waits until that is mended. */
  carry(from: Machine, to: Machine, arrive: () => void): void {
    const send = () => this.carry(from, to, arrive);
    if (this.isCut(from, to)) {
      this.#held.push(send);
      return;
    }
    const [min, max] = this.latencyMs;
    const delayMs = from === to ? 0.05 : min + this.#chance.fraction() * (max - min);
    this.#time.after(delayMs, () => {
      // Cut while it was on its way: it is sent again.
      if (this.isCut(from, to)) this.#held.push(send);
      else arrive();
    });
  }

  of(program: Program): Network {
    return {
      serve: async (options) => this.#serve(program, options),
      fetch: (url, init) => this.#fetch(program, url, init ?? {}),
      connectSocket: (url, headers, handlers) => this.#connect(program, url, headers, handlers),
    };
  }

  // --- internal ---

  #recordOrder(to: Endpoint, data: string | Uint8Array): void {
    if (typeof data !== "string" || !data.startsWith('{"kind":"desired"')) return;
    const { name } = to.program.machine;
    const known = this.#orders.get(name) ?? { frames: [], open: null };
    known.frames = [...known.frames.slice(-30), data];
    known.open = to;
    this.#orders.set(name, known);
  }

  #release(): void {
    const held = this.#held;
    this.#held = [];
    for (const send of held) send();
  }

  #serve(program: Program, options: HttpServerOptions): HttpServer {
    const address = `${program.machine.address}:${options.port}`;
    this.#listeners.set(address, { program, options });
    program.onCrash(() => {
      if (this.#listeners.get(address)?.program === program) this.#listeners.delete(address);
    });
    return { port: options.port, stop: async () => void this.#listeners.delete(address) };
  }

  #machineOf: (address: string) => Machine | undefined = () => undefined;

  /** Which machine has an address, whether or not anything listens there. */
  set machineOf(find: (address: string) => Machine | undefined) {
    this.#machineOf = find;
  }

  #fetch(program: Program, url: string, init: RequestInit): Promise<Response> {
    return new Promise<Response>((resolve, reject) => {
      const { machine } = program;
      let isSettled = false;
      const settle = (call: () => void) => {
        if (isSettled) return;
        isSettled = true;
        timeout.isCancelled = true;
        program.run(call);
      };
      const fail = (code: string) => settle(() => reject(Object.assign(new Error(`${code} ${url}`), { code })));
      const timeout = this.#time.after(REQUEST_TIMEOUT_MS, () => fail("ETIMEDOUT"));
      init.signal?.addEventListener("abort", () => fail("AbortError"));
      const address = new URL(url).host;
      const target = this.#machineOf(address);
      if (!target) return fail("ENOTFOUND");
      this.carry(machine, target, () => {
        // Given up before it arrived: the connection was closed behind it.
        if (isSettled) return;
        const listener = this.#listeners.get(address);
        if (!listener) return this.carry(target, machine, () => fail("ECONNREFUSED"));
        const reset = () => this.carry(target, machine, () => fail("ECONNRESET"));
        listener.program.onCrash(reset);
        listener.program.run(() => {
          const { signal: _theirs, ...rest } = init;
          const request = new Request(url, rest);
          const context = { remoteAddress: machine.address, upgrade: () => new Response(null, { status: 400 }), disableIdleTimeout: () => undefined };
          Promise.resolve(listener.options.fetch(request, context)).then(
            (response) => {
              if (listener.program.isAlive) this.carry(target, machine, () => settle(() => resolve(response)));
            },
            () => reset(),
          );
        });
      });
    });
  }

  #connect(program: Program, url: string, headers: Readonly<Record<string, string>>, handlers: SocketHandlers): ClientSocket {
    const address = new URL(url).host;
    const target = this.#machineOf(address);
    const client = new Endpoint(program, handlers);
    const refuse = () => client.closed(1006, "no connection");
    if (!target) {
      this.#time.after(1, refuse);
      return client;
    }
    const timeout = this.#time.after(REQUEST_TIMEOUT_MS, refuse);
    this.carry(program.machine, target, () => {
      const listener = this.#listeners.get(address);
      if (!listener) return this.carry(target, program.machine, refuse);
      listener.program.run(() => {
        const request = new Request(url.replace(/^ws/, "http"), { headers: { ...headers, upgrade: "websocket" } });
        let accepted: SocketHandlers | null = null;
        const upgrade = (their: SocketHandlers) => {
          accepted = their;
          return new Response(null);
        };
        const context = { remoteAddress: program.machine.address, upgrade, disableIdleTimeout: () => undefined };
        Promise.resolve(listener.options.fetch(request, context)).then(
          () => {
            timeout.isCancelled = true;
            if (!accepted || !listener.program.isAlive) return this.carry(target, program.machine, refuse);
            const server = new Endpoint(listener.program, accepted);
            this.#join(client, server);
            server.opened();
            this.carry(target, program.machine, () => client.opened());
          },
          () => this.carry(target, program.machine, refuse),
        );
      });
    });
    return client;
  }

  /** Two ends of one connection; each direction keeps its order. */
  #join(a: Endpoint, b: Endpoint): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const queue: (() => void)[] = [];
      const pump = () => {
        const next = queue[0];
        if (!next) return;
        this.carry(from.program.machine, to.program.machine, () => {
          queue.shift();
          next();
          pump();
        });
      };
      const push = (arrive: () => void) => {
        queue.push(arrive);
        if (queue.length === 1) pump();
      };
      from.transmit = (data) =>
        push(() => {
          // Nobody is there any more: the machine itself answers with a reset.
          if (!to.program.isAlive) this.carry(to.program.machine, from.program.machine, () => from.closed(1006, "reset"));
          else {
            this.#recordOrder(to, data);
            to.received(data);
          }
        });
      from.hangUp = (code, reason) => push(() => to.closed(code, reason));
      from.program.onCrash(() => push(() => to.closed(1006, "reset")));
    }
  }
}

class Endpoint implements ClientSocket {
  readonly program: Program;
  readonly #handlers: SocketHandlers;
  isOpen = false;
  #isClosed = false;
  transmit: (data: string | Uint8Array) => void = () => undefined;
  hangUp: (code: number, reason: string) => void = () => undefined;

  constructor(program: Program, handlers: SocketHandlers) {
    this.program = program;
    this.#handlers = handlers;
  }

  opened(): void {
    if (this.#isClosed) return;
    this.isOpen = true;
    this.program.run(() => {
      if (!this.#isClosed) this.#handlers.open(this as ServerSocket);
    });
  }

  received(data: string | Uint8Array): void {
    this.program.run(() => {
      if (!this.#isClosed) this.#handlers.message(data);
    });
  }

  closed(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.isOpen = false;
    this.program.run(() => this.#handlers.close(code, reason));
  }

  send(data: string | Uint8Array): void {
    if (!this.#isClosed && this.program.isAlive) this.transmit(data);
  }

  close(code: number, reason: string): void {
    if (this.#isClosed || !this.program.isAlive) return;
    this.hangUp(code, reason);
    this.#isClosed = true;
    this.isOpen = false;
    this.program.machine.time.after(0, () => this.program.run(() => this.#handlers.close(code, reason)));
  }

  bufferedBytes(): number {
    return 0;
  }

  pause(): void {
    // Nobody here is slow to read.
  }

  resume(): void {
    // As above.
  }
}
