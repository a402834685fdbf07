// The one seam to the machine: interfaces only. Clock, chance, SQLite, HTTP, sockets, processes
// and files come in through here; bun.ts, node.ts and the simulator implement it.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in Unix milliseconds: for instants that are stored or shown. */
  nowMs(): number;
  /** Milliseconds since some fixed point of this process: for durations. */
  monotonicMs(): number;
  /** Calls once after the delay. `keepsAlive: false` lets the process end while it waits. */
  after(delayMs: number, call: () => void, options?: { readonly keepsAlive?: boolean }): Timer;
  sleep(delayMs: number): Promise<void>;
  /** Resolves after pending I/O had its turn. */
  yieldTurn(): Promise<void>;
}

export interface Chance {
  uuid(): string;
  /** 0 <= x < 1. */
  fraction(): number;
  /** Unpredictable bytes as hex. */
  secret(bytes: number): string;
}

export interface SqliteStatement {
  run(...params: readonly unknown[]): { readonly changes: number | bigint };
  all(...params: readonly unknown[]): unknown[];
  get(...params: readonly unknown[]): unknown;
  values(...params: readonly unknown[]): unknown[][];
}

export interface SqliteConnection {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  close(): void;
}

export interface FileInfo {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly isFile: boolean;
  readonly sizeBytes: number;
  /** Bytes really taken on disk; smaller than the size when the head was punched out. */
  readonly allocatedBytes: number;
  readonly mode: number;
  readonly modifiedAtMs: number;
  readonly inode: number;
}

/** Of the file system that holds a path. */
export interface DiskSpace {
  readonly totalBytes: number;
  readonly usedBytes: number;
  /** What others than root may still write: less than the rest where some is kept back. */
  readonly freeBytes: number;
  /** 0 where the file system counts none. */
  readonly inodes: number;
  readonly freeInodes: number;
}

export interface AppendFile {
  /** Appends; durable only after `sync`. */
  write(data: string | Uint8Array): void;
  sync(): Promise<void>;
  close(): void;
}

/** Synchronous where the caller must not be interrupted, asynchronous where the disk may be slow. */
export interface Files {
  readText(path: string): string | null;
  readBytes(path: string): Uint8Array | null;
  writeText(path: string, text: string | Uint8Array, mode?: number): void;
  /** Creates the file with this content, or false when it already exists. */
  createExclusive(path: string, text: string): boolean;
  /** Replaces the file as one step that survives a power cut: write, fsync, rename, fsync of the folder. */
  writeAtomic(path: string, text: string | Uint8Array, mode?: number): void;
  append(path: string): AppendFile;
  makeDirectory(path: string, mode?: number): void;
  list(path: string): readonly string[] | null;
  stat(path: string): FileInfo | null;
  /** Like stat, but does not follow a link at the end of the path. */
  lstat(path: string): FileInfo | null;
  realPath(path: string): string | null;
  readLink(path: string): string | null;
  /** A second name for a file, or false when that name is taken. */
  linkExclusive(from: string, to: string): boolean;
  /** Up to `length` bytes from `offset`; shorter at the end of the file, null when there is no file. */
  readAt(path: string, offset: number, length: number): Promise<Uint8Array | null>;
  rename(from: string, to: string): void;
  /** The same, and after a power cut the file still has its new name. Both lie in one folder. */
  renameDurably(from: string, to: string): void;
  remove(path: string): void;
  removeTree(path: string): Promise<void>;
  truncate(path: string, length: number): void;
  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  symlink(target: string, path: string): void;
  isExecutable(path: string): boolean;
  diskSpace(path: string): DiskSpace | null;
  /** A handle for repeated fdatasync calls on one file, kept open. */
  openForSync(path: string): { datasync(): Promise<void>; close(): void };
  temporaryDirectory(prefix: string): string;
}

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Starts a session of its own and lives on when this process ends. */
  readonly isDetached: boolean;
  /** Inherit the terminal, or discard; default discard. */
  readonly output?: "inherit" | "discard";
}

export interface Child {
  readonly pid: number;
  /** Exit code, or 128 + signal. Rejects when the program could not be started. */
  readonly exited: Promise<number>;
  kill(signal: string): void;
}

/** A child whose standard streams are its parent's to read and write. */
export interface PipedChild extends Child {
  /** In pieces as they come; a child whose output nobody takes has to wait. Each is read once. */
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  /** Resolves once the child's input has room again, or nobody reads it any more. */
  write(data: Uint8Array): Promise<void>;
  endInput(): void;
  /** Nobody reads its output any more: the child is told so when it writes. */
  dropOutput(): void;
}

export interface Completed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Processes {
  spawn(options: SpawnOptions): Child;
  /** A session of its own that ends with its streams, if it minds them. */
  open(options: Omit<SpawnOptions, "isDetached" | "output">): PipedChild;
  /** Runs a short program to its end, output captured (1 MB at most), killed after the timeout. */
  run(
    command: string,
    args: readonly string[],
    options?: { readonly timeoutMs?: number; readonly env?: Readonly<Record<string, string>> },
  ): Promise<Completed>;
  /** False when there is no such process. A negative pid names a process group. */
  signal(pid: number, signal: string | 0): boolean;
}

export interface ServerSocket {
  send(data: string | Uint8Array): void;
  close(code: number, reason: string): void;
  /** Bytes accepted but not yet handed to the kernel. */
  bufferedBytes(): number;
  /** Stops reading, so that the other side has to wait; what was read already still comes. */
  pause(): void;
  resume(): void;
}

export interface SocketHandlers {
  open(socket: ServerSocket): void;
  message(data: string | Uint8Array): void;
  close(code: number, reason: string): void;
}

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  /** `upgrade` turns the request into a WebSocket and returns true when it could. */
  fetch(request: Request, context: RequestContext): Response | Promise<Response>;
  readonly maxBodyBytes: number;
}

export interface RequestContext {
  readonly remoteAddress: string;
  upgrade(handlers: SocketHandlers): Response;
  /** Lets this exchange be silent for as long as it needs. */
  disableIdleTimeout(): void;
}

export interface HttpServer {
  readonly port: number;
  stop(): Promise<void>;
}

export interface ClientSocket extends ServerSocket {
  readonly isOpen: boolean;
}

export interface Network {
  /** Throws EdgeError `busy` when the address is taken. */
  serve(options: HttpServerOptions): Promise<HttpServer>;
  /** Sends a write once, and rejects when its connection breaks before the answer; a read may be sent again. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
  connectSocket(url: string, headers: Readonly<Record<string, string>>, handlers: SocketHandlers): ClientSocket;
}

export interface Host {
  readonly pid: number;
  readonly uid: number;
  readonly argv: readonly string[];
  /** The name the program was called by, without its folder: a link named `nomad` says so. */
  readonly programName: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly homeDirectory: string;
  /** Command line that starts this very program again: the executable, or runtime and script. */
  readonly selfCommand: readonly string[];
  readonly isTerminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  readonly terminalColumns: number;
  residentBytes(): number;
  onSignal(signals: readonly string[], call: (signal: string) => void): void;
  readonly canBecomeProgram: boolean;
  /**
   * Goes on as another program under the same pid, with the same environment and standard streams: does not return.
   * False where the runtime cannot; throws when that program cannot be started.
   */
  becomeProgram(command: readonly string[]): false;
  /** Ends the process at once, for the crash path of a broken invariant. */
  abort(code: number): never;
}

export interface Terminal {
  out(text: string): void;
  outBytes(data: Uint8Array): Promise<void>;
  error(text: string): void;
  errorBytes(data: Uint8Array): Promise<void>;
  /** Standard input in pieces as they come, until its end; read once. What is not taken waits where it is. */
  input(): AsyncIterable<Uint8Array>;
  /** Each key as it is, without echo; put back when the process ends, too. Does nothing where input is no terminal. */
  setRaw(isRaw: boolean): void;
  size(): { readonly columns: number; readonly rows: number };
  readInput(maxBytes: number): Promise<string>;
}

export interface Hashing {
  sha256Hex(text: string): string;
  /** A sum over pieces as they come. */
  newSha256(): RunningHash;
  /** The same with BLAKE2b: 64 bytes. */
  newBlake2b(): RunningHash;
  /** Whether the holder of the key (32 bytes) signed this message. False also for what is no key or signature. */
  isSignedEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export interface RunningHash {
  update(piece: string | Uint8Array): void;
  /** Ends it; SHA-256 has 32 bytes. */
  digest(): Uint8Array;
}

/** A whole piece at once. */
export interface Compression {
  /** Off the event loop where the machine can, as is unpacking it. */
  gzip(data: Uint8Array): Promise<Uint8Array>;
  /** All members of the file, one after another. Throws for what is no gzip, or grows beyond the limit. */
  gunzip(data: Uint8Array, bytesMax: number): Promise<Uint8Array>;
  /** At once and quickly, for memory: no other program or version need be able to read it. */
  packText(text: string): Uint8Array;
  unpackText(packed: Uint8Array): string;
}

export interface Runtime {
  readonly name: "bun" | "node" | "simulated";
  readonly version: string;
  readonly architecture: string;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly hashing: Hashing;
  readonly compression: Compression;
  readonly files: Files;
  readonly processes: Processes;
  readonly network: Network;
  readonly host: Host;
  readonly terminal: Terminal;
  /** Throws EdgeError `unsupported` where the runtime has no SQLite. */
  openSqlite(path: string, options: { readonly isReadOnly: boolean }): Promise<SqliteConnection>;
}
