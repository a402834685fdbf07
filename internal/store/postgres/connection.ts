// A connection that is made again after it broke, with growing pauses, to whichever host takes writes. It serves one
// caller at a time. It repeats nothing: what was under way when it broke fails.

import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { ClientParts, OpenClient } from "./open-client.ts";
import { openClient } from "./open-client.ts";
import { describeFailure, isConnectionLost } from "./postgres-failure.ts";

export interface UseOptions {
  /** How long each statement may take; LIMITS.storeAnswerMsMax unless given. */
  readonly answerMs?: number;
  /** Read only: it may be done again on a new connection when the old one turns out to be dead. */
  readonly isRepeatable?: true;
}

export class Connection {
  readonly #parts: ClientParts;
  #open: OpenClient | null = null;
  #hostIndex = 0;
  #failures = 0;
  #nextTryAtMs = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  /** Runs the work when its turn has come. Throws EdgeError. */
  use<T>(work: (client: OpenClient) => Promise<T>, options: UseOptions = {}): Promise<T> {
    const turn = this.#turn.then(() => this.#serve(work, options));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** The work in one transaction: all of it or nothing. */
  transaction<T>(work: (client: OpenClient) => Promise<T>, options: UseOptions & { readonly mode?: string } = {}): Promise<T> {
    return this.use(async (client) => {
      await client.database.execute(`BEGIN ${options.mode ?? ""}`);
      try {
        if (options.answerMs !== undefined) await client.database.execute(`SET LOCAL statement_timeout = ${options.answerMs}`);
        const result = await work(client);
        await client.database.execute("COMMIT");
        return result;
      } catch (error) {
        // Ending the connection undoes it as surely.
        if (isConnectionLost(error)) client.destroy();
        else await client.database.execute("ROLLBACK").catch(() => client.destroy());
        throw error;
      }
    }, options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#open?.end();
    this.#open = null;
  }

  // --- internal ---

  async #serve<T>(work: (client: OpenClient) => Promise<T>, options: UseOptions): Promise<T> {
    const untilMs = this.#parts.runtime.clock.monotonicMs() + LIMITS.storeConnectMsMax;
    for (let repeatsLeft = options.isRepeatable ? 1 : 0; ; repeatsLeft--) {
      const client = await this.#connected(untilMs);
      client.answerMs = options.answerMs ?? LIMITS.storeAnswerMsMax;
      try {
        return await work(client);
      } catch (error) {
        const isLost = client.isClosed || isConnectionLost(error);
        // A standby that was a primary, or a server that shuts down, may keep the connection open.
        if (isLost) client.destroy();
        if (!isLost || repeatsLeft === 0 || error instanceof EdgeError)
          throw describeFailure(error, { target: this.#parts.target, host: client.host });
      }
    }
  }

  /** An open connection; tries until the deadline where trying may help. */
  async #connected(untilMs: number): Promise<OpenClient> {
    const { clock } = this.#parts.runtime;
    if (this.#open && !this.#open.isClosed) return this.#open;
    for (;;) {
      if (this.#isClosed) throw new EdgeError("unreachable", "the store is closed");
      const pauseMs = Math.min(this.#nextTryAtMs, untilMs) - clock.monotonicMs();
      if (pauseMs > 0) await clock.sleep(pauseMs);
      try {
        return await this.#connect();
      } catch (error) {
        this.#failures += 1;
        const growingMs = LIMITS.storeReconnectMsMin * 2 ** Math.min(this.#failures, 10);
        this.#nextTryAtMs = clock.monotonicMs() + Math.min(LIMITS.storeReconnectMsMax, growingMs);
        if (!(error instanceof EdgeError) || !error.isRetryable || this.#nextTryAtMs > untilMs) throw error;
      }
    }
  }

  /** One attempt at each host, beginning with the one that worked last. */
  async #connect(): Promise<OpenClient> {
    const { hosts } = this.#parts.target;
    const problems: EdgeError[] = [];
    for (let tried = 0; tried < hosts.length; tried++) {
      const at = (this.#hostIndex + tried) % hosts.length;
      const host = hosts[at];
      if (!host) continue;
      try {
        const client = await openClient(this.#parts, host);
        this.#hostIndex = at;
        this.#failures = 0;
        this.#open = client;
        if (this.#isClosed) client.destroy();
        return client;
      } catch (error) {
        if (!(error instanceof EdgeError)) throw error;
        problems.push(error);
      }
    }
    throw summary(problems);
  }
}

// --- internal ---

/** One host's error as it is; of several, that which a person must mend first, with what the others said. */
function summary(problems: readonly EdgeError[]): EdgeError {
  const first = problems.find((problem) => !problem.isRetryable) ?? problems[0];
  if (!first) return new EdgeError("config", "the store's URL names no host");
  if (problems.length === 1) return first;
  const message = problems.map((problem) => problem.message).join("; ");
  const options = { ...(first.hint === undefined ? {} : { hint: first.hint }), isRetryable: first.isRetryable, cause: first };
  return new EdgeError(first.code, message, options);
}
