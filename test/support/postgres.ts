// A PostgreSQL server of the test's own: a cluster in a temporary folder, on a port of loopback and a socket in that
// folder, ended by its pid and removed. The system's cluster is never touched. Runs under Bun and under Node.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian keeps the server's programs out of PATH, in a folder per version. */
export function findPostgresPrograms(): { readonly version: string; readonly folder: string } | null {
  const versions = [18, 17, 16, 15, 14, 13].filter((major) => existsSync(`/usr/lib/postgresql/${major}/bin/postgres`));
  return versions[0] === undefined ? null : { version: String(versions[0]), folder: `/usr/lib/postgresql/${versions[0]}/bin` };
}

/** Why tests against PostgreSQL are skipped; false where they run. Fails at once where nothing may be skipped. */
export function postgresSkipReason(): string | false {
  if (findPostgresPrograms() !== null) return false;
  const reason = "no postgresql (install the Debian package postgresql)";
  if (process.env.EDGECTL_TEST_REQUIRE === "1") throw new Error(`EDGECTL_TEST_REQUIRE=1 and a real part is missing: ${reason}`);
  return reason;
}

/** An ordinary user's, with everything that has to be encoded in a URL. */
export const PASSWORD = "pa:ss/wo@rd %1";
export const USER = "edge";

export class PostgresServer {
  readonly folder: string;
  readonly port: number;
  #process: ChildProcess | null = null;
  #databases = 0;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  /** A running server with the user above; `settings` as in postgresql.conf. */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), "edgectl-postgres-"));
    const server = new PostgresServer(folder, await freePort());
    own(folder);
    server.program("initdb", "-D", server.data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions");
    const hba = ["local all owner trust", "local replication owner trust", "host replication owner 127.0.0.1/32 trust"];
    for (const host of ["127.0.0.1/32", "::1/128"]) hba.push(`host all all ${host} scram-sha-256`);
    server.write("pg_hba.conf", `${hba.join("\n")}\n`);
    server.set(settings);
    await server.boot();
    server.sql(`CREATE ROLE ${USER} LOGIN PASSWORD '${PASSWORD}'`);
    return server;
  }

  /** A standby that follows this server under a name; not started yet. */
  async standby(name: string): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), "edgectl-postgres-"));
    const standby = new PostgresServer(folder, await freePort());
    own(folder);
    this.program("pg_basebackup", "-h", this.folder, "-p", String(this.port), "-U", "owner", "-D", standby.data, "-X", "stream", "--no-sync");
    standby.write("standby.signal", "");
    standby.set({ primary_conninfo: `host=127.0.0.1 port=${this.port} user=owner application_name=${name}` });
    return standby;
  }

  /** Starts the server and waits until it answers. */
  async boot(): Promise<void> {
    const [program = "", ...rest] = asPostgres(join(programs(), "postgres"), "-D", this.data);
    const log = join(this.folder, "log");
    writeFileSync(log, "");
    const child = spawn("sh", ["-c", `exec "$@" 2>>'${log}'`, "sh", program, ...rest], { stdio: "ignore" });
    this.#process = child;
    running.add(this);
    const deadline = Date.now() + 30_000;
    while (
      spawnSync(join(programs(), "pg_isready"), ["-q", "-h", this.folder, "-p", String(this.port), "-U", "owner", "-d", "postgres"]).status !== 0
    ) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`PostgreSQL did not start:\n${readFileSync(log, "utf8")}`);
      await new Promise((done) => setTimeout(done, 25));
    }
  }

  get log(): string {
    return readFileSync(join(this.folder, "log"), "utf8");
  }

  /** A new empty database that belongs to the user. */
  createDatabase(): string {
    const name = `test_${++this.#databases}`;
    this.sql(`CREATE DATABASE ${name} OWNER ${USER}`);
    return name;
  }

  /** `hosts` instead of this server's own; `options` is what follows the question mark. */
  url(database: string, more: { readonly password?: string; readonly hosts?: string; readonly options?: string } = {}): string {
    const { password = PASSWORD, hosts = `127.0.0.1:${this.port}`, options } = more;
    return `postgres://${USER}:${encodeURIComponent(password)}@${hosts}/${database}${options === undefined ? "" : `?${options}`}`;
  }

  /** Runs a statement as the cluster's owner; its rows, columns separated by "|". */
  sql(statement: string, database = "postgres"): string {
    const address = ["-h", this.folder, "-p", String(this.port), "-U", "owner", "-d", database];
    return this.program("psql", ...address, "-v", "ON_ERROR_STOP=1", "-X", "-A", "-t", "-q", "-c", statement).trim();
  }

  /** Ends it at once, without the checkpoint of a clean end, which takes seconds; its next start recovers. */
  stop(): Promise<void> {
    return this.#end((child) => child.kill("SIGQUIT"));
  }

  /** Ends it as a power cut would, every process of it at once. */
  crash(): Promise<void> {
    return this.#end((child) => {
      const children = childrenOf(child.pid ?? -1);
      child.kill("SIGKILL");
      for (const pid of children) kill(pid);
    });
  }

  async #end(kill: (child: ChildProcess) => void): Promise<void> {
    const child = this.#process;
    this.#process = null;
    running.delete(this);
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    kill(child);
    await ended;
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.crash();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Lines at the end of postgresql.conf; the last of a name counts. */
  set(settings: Readonly<Record<string, string>>): void {
    const fixed = {
      port: String(this.port),
      listen_addresses: "127.0.0.1",
      unix_socket_directories: this.folder,
      shared_buffers: "32MB",
      fsync: "on",
    };
    const lines = Object.entries({ ...fixed, ...settings }).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
    const before = readFileSync(join(this.data, "postgresql.conf"), "utf8");
    this.write("postgresql.conf", `${before}\n${lines.join("\n")}\n`);
  }

  /** A file in the data folder, readable by the server alone. */
  write(name: string, text: string): void {
    const path = join(this.data, name);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    own(path);
  }

  get data(): string {
    return join(this.folder, "data");
  }

  program(name: string, ...words: readonly string[]): string {
    const [program = "", ...rest] = asPostgres(join(programs(), name), ...words);
    const done = spawnSync(program, rest, { encoding: "utf8", timeout: 60_000, cwd: this.folder });
    if (done.status !== 0) throw new Error(`${name} ended with ${done.status}: ${done.stderr}${done.stdout}`);
    return done.stdout;
  }

  /** At the end of the test process, whatever happened. */
  abandon(): void {
    this.#process?.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// --- internal ---

const running = new Set<PostgresServer>();
process.on("exit", () => {
  for (const server of running) server.abandon();
});

function programs(): string {
  const found = findPostgresPrograms();
  if (found === null) throw new Error("there is no PostgreSQL here");
  return found.folder;
}

/** PostgreSQL refuses root. It ends with this process, should the test be killed. */
function asPostgres(...words: readonly string[]): readonly string[] {
  const user = process.getuid?.() === 0 ? ["--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
  return ["setpriv", ...user, "--pdeathsig=INT", ...words];
}

function own(path: string): void {
  if (process.getuid?.() !== 0) return;
  const id = (flag: string) => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
  chownSync(path, id("-u"), id("-g"));
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself when its parent did.
  }
}

function childrenOf(parent: number): readonly number[] {
  const parentOf = (pid: number) => Number(/^PPid:\t(\d+)$/m.exec(quietRead(`/proc/${pid}/status`))?.[1] ?? 0);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

function quietRead(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process ended between listing and looking
  }
}

export function freePort(): Promise<number> {
  return new Promise((done, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
