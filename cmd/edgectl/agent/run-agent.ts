// The life of an agent process: lock, server, node, HTTP, signals, and the way out in the opposite order.

import { memoryTransports } from "../../../internal/api/memory-transport.ts";
import { allocsOf } from "../../../internal/client/device-app.ts";
import type { NodeAgent } from "../../../internal/client/node-agent.ts";
import type { Dial } from "../../../internal/client/transports.ts";
import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import { RESET_IDENTITY } from "../../../internal/domain/node.ts";
import { createLog, type Log, type LogLines } from "../../../internal/runtime/log.ts";
import type { HttpServer, RequestContext, Runtime } from "../../../internal/runtime/runtime.ts";
import type { Server } from "../../../internal/server/server.ts";
import { BUILD } from "../build.ts";
import { advertisedAddress } from "./advertise.ts";
import { nodeSettingsOf } from "./client-settings.ts";
import { type AgentConfig, isLoopback } from "./config.ts";
import { lockDataDirectory } from "./data-lock.ts";
import { Reloads } from "./reload.ts";
import { notifySystemd } from "./systemd-notify.ts";
import { upgradePort } from "./upgrade-port.ts";
import { noteStopped } from "./upgrade-record.ts";
import { UPGRADE_SIGNAL } from "./upgrade-signal.ts";
import { keepWatched, START_AGAIN, settleUpgrade } from "./upgrade-start.ts";
import { wayBack, withWayBack } from "./way-back.ts";

/** Runs until SIGTERM or SIGINT, or until it is to go on as another program; resolves with the exit status. */
export async function runAgent(runtime: Runtime, config: AgentConfig): Promise<number> {
  const log = createLog({ clock: runtime.clock, terminal: runtime.terminal, level: config.logLevel, format: config.logFormat });
  makeDataDirectory(runtime, config);
  const unlock = lockDataDirectory(runtime, config.dataDirectory);
  const parts: Parts = {
    reloads: new Reloads(config, {
      runtime,
      log,
      apply(now) {
        log.level = now.logLevel;
        parts.node?.reload(nodeSettingsOf(now));
      },
    }),
  };
  const signals = listenToSignals(runtime, log);
  let command: readonly string[] | null = null;
  try {
    const started = settleUpgrade(runtime, log, config.dataDirectory, { isAgent: true });
    if (started.kind === "give-way") return START_AGAIN;
    if (started.kind === "become") command = started.command;
    else {
      await startParts(runtime, log, config, parts);
      await notifySystemd(runtime, "READY=1");
      if (started.isUnderWay) keepWatched(runtime, log, config.dataDirectory);
      command = await untilOver(runtime, log, config, { parts, signals });
    }
  } finally {
    await stopParts(log, parts, { isReplaced: command !== null });
    unlock();
    if (config.isDev) await runtime.files.removeTree(config.dataDirectory);
  }
  if (command === null) return 0;
  runtime.host.becomeProgram(command);
  // A runtime that cannot: whoever started this agent, or the upgrade's watcher, starts the other program.
  return START_AGAIN;
}

// --- internal ---

type Parts = { readonly reloads: Reloads; http?: HttpServer; server?: Server; node?: NodeAgent };

/** The command to go on as; null when the agent was told to stop. */
async function untilOver(
  runtime: Runtime,
  log: Log,
  config: AgentConfig,
  { parts, signals }: { readonly parts: Parts; readonly signals: Signals },
): Promise<readonly string[] | null> {
  for (let asked = await signals.next(); asked !== "stop"; asked = await signals.next()) {
    if (asked === "reload") {
      await parts.reloads.reload().catch(() => undefined); // it is in the log
      continue;
    }
    const { takeOver } = await import("./upgrade-take-over.ts");
    const address = localAddress(config.bind, parts.http?.port ?? config.port);
    try {
      const command = await takeOver(runtime, log, { config, address });
      if (command !== null) return command;
    } catch (error) {
      log.error("the upgrade failed", { error: messageOf(error) });
    }
  }
  noteStopped(runtime, config.dataDirectory);
  await notifySystemd(runtime, "STOPPING=1");
  return null;
}

/** Where it answers on this very machine. */
function localAddress(bind: string, port: number): string {
  const host = bind === "0.0.0.0" ? "127.0.0.1" : bind === "::" ? "::1" : bind;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function makeDataDirectory(runtime: Runtime, config: AgentConfig): void {
  const { files } = runtime;
  const path = config.dataDirectory;
  try {
    files.makeDirectory(path, 0o755);
    // A power cut may leave the file without what was written to it: nothing, or zeros.
    const format = files.readText(`${path}/format`)?.replaceAll("\0", "").trim() ?? "";
    if (format === "") files.writeText(`${path}/format`, "1\n");
    else if (format !== "1")
      throw new EdgeError("config", `the data directory ${path} has format ${format}; this program knows format 1`, {
        hint: "start the edgectl that wrote it",
      });
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    throw new EdgeError("config", `the data directory ${path} cannot be written: ${messageOf(error)}`, {
      hint: "make it writable, free some space, or choose another with --data-dir",
      cause: error,
    });
  }
}

async function startParts(runtime: Runtime, log: Log & LogLines, config: AgentConfig, parts: Parts): Promise<void> {
  let handler: (request: Request, context: RequestContext) => Response | Promise<Response> = () =>
    new Response("the agent is starting", { status: 503 });
  // The port first: when it is taken, nothing else must have happened.
  parts.http = await runtime.network.serve({
    host: config.bind,
    port: config.port,
    // A server takes a whole snapshot; its other routes keep to less by themselves.
    maxBodyBytes: config.isServer ? LIMITS.snapshotBytesMax : LIMITS.requestBodyBytesMax,
    fetch: (request, context) => handler(request, context),
  });
  const address = `${config.bind.includes(":") ? `[${config.bind}]` : config.bind}:${parts.http.port}`;
  if (config.isServer) {
    const server = await makeServer(runtime, log, config, advertisedAddress({ ...config, port: parts.http.port }));
    parts.server = server;
    const { createApp } = await import("../../../internal/server/http/app.ts");
    // Requests and other servers may come as soon as it seeks the lease.
    const { withDeviceRoutes } = await import("../../../internal/client/device-app.ts");
    handler = withDeviceRoutes(createApp(server, { ...factsOf(runtime, config, parts), logs: log }), { runtime, node: () => parts.node });
    if (config.join === "open" && !isLoopback(config.bind))
      log.info("any device that reaches this server may join it", { hint: 'server.join = "token" lets in those with a join token alone' });
    server.start();
    await server.untilLeaderKnown(LIMITS.leaderWaitMsMax);
  }
  if (config.isClient) parts.node = await startNode(runtime, log, config, parts);
  if (!parts.server && parts.node) {
    const { createDeviceApp } = await import("../../../internal/client/device-app.ts");
    handler = createDeviceApp({
      runtime,
      node: parts.node,
      servers: config.servers,
      ...BUILD,
      config: configFacts(runtime, config, parts),
      logs: log,
      reload: () => parts.reloads.reload(),
    });
  }
  const roles = [config.isServer ? "server" : "", config.isClient ? "client" : ""].filter((role) => role !== "").join(" and ");
  log.info(`edgectl ${BUILD.version} is running as ${roles}`, {
    address: `http://${address}`,
    data_dir: config.dataDirectory,
    ...(parts.node ? { node: parts.node.identity.id } : {}),
  });
}

async function makeServer(runtime: Runtime, log: Log, config: AgentConfig, address: string): Promise<Server> {
  const { openStore } = await import("../../../internal/store/open-store.ts");
  const { Server } = await import("../../../internal/server/server.ts");
  const store = await openStore(runtime, config.store).catch((error) => {
    throw error instanceof EdgeError && error.code === "store-corrupt" ? withWayBack(error, runtime, config) : error;
  });
  const { region, regions, datacenter, name } = config;
  const snapshots = config.snapshots.everyMs > 0 ? { snapshots: config.snapshots } : {};
  return new Server({
    runtime,
    log,
    store,
    address,
    region,
    regions,
    datacenter,
    name,
    version: BUILD.version,
    gc: config.gc,
    heartbeats: config.heartbeats,
    join: config.join,
    ...snapshots,
    snapshotFolder: config.snapshots.folder,
    programFolder: `${config.dataDirectory}/server/programs`,
    wayBack: () => wayBack(runtime, config),
  });
}

async function startNode(runtime: Runtime, log: Log & LogLines, config: AgentConfig, { server, reloads }: Parts): Promise<NodeAgent> {
  const { NodeAgent } = await import("../../../internal/client/node-agent.ts");
  const { socketDial } = await import("../../../internal/client/transports.ts");
  const dial =
    server && config.servers.length === 0
      ? ownServerDial(server, (url) => socketDial(runtime, () => [url])())
      : socketDial(runtime, () => (config.servers.length > 0 ? config.servers : ["http://127.0.0.1:4646"]));
  const node = new NodeAgent({
    runtime,
    log,
    logs: log,
    dataDirectory: config.dataDirectory,
    ...nodeSettingsOf(config),
    ...(config.isUpgradeEnabled && !config.isServer ? { upgrades: upgradePort(runtime, config) } : {}),
    joinToken: () => joinTokenOf(runtime, log, reloads.config),
    onAgentStop: config.onAgentStop,
    maxLogMB: config.maxLogMB,
    dial,
  });
  if (node.identity.isFromElsewhere)
    log.warn("this node's key was made on another machine, and servers that know that one refuse it here", { hint: RESET_IDENTITY });
  node.start();
  return node;
}

/** Read anew each time: a file may come, or change, while the agent waits to be let in. What is no token the server names as such. */
function joinTokenOf(runtime: Runtime, log: Log, { joinToken, joinTokenFile }: AgentConfig): string | null {
  let text = joinToken;
  try {
    if (joinTokenFile !== "") text = runtime.files.readText(joinTokenFile)?.trim() ?? "";
  } catch (error) {
    log.warn("the join token cannot be read", { file: joinTokenFile, error: messageOf(error) });
  }
  return text === "" ? null : text.slice(0, LIMITS.joinTokenCharsMax);
}

/** The server of this very process, over the same protocol without a socket; while another server leads, that one. */
function ownServerDial(server: Server, dialOther: (url: string) => ReturnType<Dial>): Dial {
  return async () => {
    const leaderAddress = await server.untilLeaderKnown(LIMITS.leaderWaitMsMax);
    if (leaderAddress === "") throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    if (!server.isLeading) return dialOther(`http://${leaderAddress}`);
    const queue: (() => void)[] = [];
    const drain = () => {
      for (const call of queue.splice(0)) call();
    };
    const pair = memoryTransports((call) => {
      queue.push(call);
      if (queue.length === 1) void Promise.resolve().then(drain);
    });
    server.acceptNode(pair.server, { isOwn: true });
    return pair.node;
  };
}

function factsOf(runtime: Runtime, config: AgentConfig, parts: Parts) {
  return {
    ...BUILD,
    datacenter: config.datacenter,
    isClient: config.isClient,
    nodeId: () => parts.node?.identity.id ?? "",
    isNodeJoined: () => parts.node?.isJoined ?? false,
    allocs: () => (parts.node ? allocsOf(parts.node) : []),
    reload: () => parts.reloads.reload(),
    config: configFacts(runtime, config, parts),
  };
}

function configFacts(runtime: Runtime, config: AgentConfig, parts: Parts) {
  return {
    DataDir: config.dataDirectory,
    BindAddr: config.bind,
    Ports: { HTTP: parts.http?.port ?? config.port },
    get LogLevel() {
      return parts.reloads.config.logLevel.toUpperCase();
    },
    DevMode: config.isDev,
    // Tells a start from the one before, also where both are of one program under one pid.
    StartID: runtime.chance.uuid(),
  };
}

async function stopParts(log: Log, parts: Parts, { isReplaced }: { readonly isReplaced: boolean }): Promise<void> {
  const quietly = async (what: string, work: (() => Promise<void>) | undefined) => {
    try {
      await work?.();
    } catch (error) {
      log.error(`${what} did not stop cleanly`, { error: messageOf(error) });
    }
  };
  await quietly("the node", parts.node && (() => (parts.node as NodeAgent).stop({ isReplaced }))); // checked just before
  await quietly("the server", parts.server && (() => (parts.server as Server).stop())); // checked just before
  await quietly("the HTTP listener", parts.http && (() => (parts.http as HttpServer).stop())); // checked just before
}

interface Signals {
  /** What is asked for next; what came before it was asked counts. */
  next(): Promise<"stop" | "upgrade" | "reload">;
}

function listenToSignals(runtime: Runtime, log: Log): Signals {
  let stops = 0;
  let isUpgradeWanted = false;
  let isReloadWanted = false;
  let wake: () => void = () => undefined;
  runtime.host.onSignal(["SIGTERM", "SIGINT"], (signal) => {
    stops += 1;
    if (stops > 1) runtime.host.abort(130);
    log.info("stopping", { signal });
    wake();
  });
  runtime.host.onSignal(["SIGHUP"], () => {
    isReloadWanted = true;
    wake();
  });
  runtime.host.onSignal([UPGRADE_SIGNAL], () => {
    isUpgradeWanted = true;
    wake();
  });
  return {
    async next() {
      while (stops === 0 && !isUpgradeWanted && !isReloadWanted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      if (stops > 0) return "stop";
      if (isUpgradeWanted) {
        isUpgradeWanted = false;
        return "upgrade";
      }
      isReloadWanted = false;
      return "reload";
    },
  };
}
