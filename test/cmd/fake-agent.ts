// A runtime for the CLI's tests: an agent that answers by a table, files in memory, a clock that moves when slept on.

import { runCli } from "../../cmd/edgectl/cli.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";

export interface FakeAgentOptions {
  /** Answers by method and path, `GET /v1/jobs`; a function sees the query. Undefined: nothing listens. */
  readonly routes?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly programName?: string;
}

export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly error: string;
  /** What was asked, as `GET http://host/v1/jobs?prefix=x`. */
  readonly asked: readonly string[];
  readonly bodies: readonly unknown[];
  readonly files: ReadonlyMap<string, string>;
}

/** An answer that is no 200. */
export function refusal(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { status, headers });
}

/** An answer with the index a client blocks on. */
export function indexed(index: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { "X-Nomad-Index": String(index) } });
}

/** Runs the whole CLI, as main.ts does. */
export async function edgectl(argv: readonly string[], options: FakeAgentOptions = {}): Promise<Ran> {
  const files = new Map(Object.entries(options.files ?? {}));
  const ran = { out: "", error: "", asked: [] as string[], bodies: [] as unknown[] };
  let nowMs = 1_800_000_000_000;
  const runtime = {
    name: "simulated",
    version: "1",
    architecture: "x64",
    clock: {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      after: () => ({ cancel: () => undefined }),
      sleep: async (ms: number) => {
        nowMs += ms;
      },
      yieldTurn: async () => undefined,
    },
    files: {
      readText: (path: string) => files.get(path) ?? null,
      stat: (path: string) => (files.has(path) ? { isDirectory: false, sizeBytes: files.get(path)?.length ?? 0 } : null),
      createExclusive: (path: string, text: string) => !files.has(path) && files.set(path, text) !== undefined,
    },
    network: {
      fetch: async (address: string, init: RequestInit = {}) => {
        const url = new URL(address);
        ran.asked.push(`${init.method} ${decodeURIComponent(address)}`);
        if (typeof init.body === "string") ran.bodies.push(JSON.parse(init.body));
        if (options.routes === undefined) throw new TypeError("connection refused");
        // A blocking query lasts as long as it may: the answer is the same then.
        if (url.searchParams.has("wait")) nowMs += Number.parseInt(url.searchParams.get("wait") ?? "0", 10);
        const route = options.routes[`${init.method} ${decodeURIComponent(url.pathname)}`];
        const answer = typeof route === "function" ? await route(url.searchParams) : route;
        if (answer instanceof Response) return answer.clone();
        return answer === undefined ? new Response("not here", { status: 404 }) : indexed(7, answer);
      },
    },
    host: {
      argv,
      programName: options.programName ?? "edgectl",
      env: options.env ?? {},
      cwd: "/home/ada",
      homeDirectory: "/home/ada",
      uid: 1000,
      isTerminal: { stdin: false, stdout: false, stderr: false },
    },
    terminal: {
      out: (text: string) => {
        ran.out += text;
      },
      outBytes: async (bytes: Uint8Array) => {
        ran.out += new TextDecoder().decode(bytes);
      },
      error: (text: string) => {
        ran.error += text;
      },
      readInput: async () => options.input ?? "",
    },
  } as unknown as Runtime; // only what the CLI's leaves touch
  const status = await runCli(runtime);
  return { ...ran, status, files };
}
