// The life of an agent process: lock, server, node, HTTP, signals, and the way out in the opposite order.

import { memoryTransports } from "../../../internal/api/memory-transport.ts";
import type { NodeAgent } from "../../../internal/client/node-agent.ts";
import type { Dial } from "../../../internal/client/transports.ts";
import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Log } from "../../../internal/runtime/log.ts";
import { createLog } from "../../../internal/runtime/log.ts";
import type { HttpServer, RequestContext, Runtime } from "../../../internal/runtime/runtime.ts";
import type { Server } from "../../../internal/server/server.ts";
import { BUILD } from "../build.ts";
import { advertisedAddress } from "./advertise.ts";
import type { AgentConfig } from "./config.ts";
import { lockDataDirectory } from "./data-lock.ts";
import { notifySystemd } from "./systemd-notify.ts";
import { wayBack, withWayBack } from "./way-back.ts";

/** Runs until SIGTERM or SIGINT; resolves with the exit status. */
export async function runAgent(runtime: Runtime, config: AgentConfig): Promise<number> {
  const log = createLog({ clock: runtime.clock, terminal: runtime.terminal, level: config.logLevel, format: config.logFormat });
  makeDataDirectory(runtime, config);
  const unlock = lockDataDirectory(runtime, config.dataDirectory);
  const parts: { http?: HttpServer; server?: Server; node?: NodeAgent } = {};
  const stopped = untilSignal(runtime, log);
  try {
    await startParts(runtime, log, config, parts);
    await notifySystemd(runtime, "READY=1");
    await stopped;
    await notifySystemd(runtime, "STOPPING=1");
  } finally {
    await stopParts(log, parts);
    unlock();
    if (config.isDev) await runtime.files.removeTree(config.dataDirectory);
  }
  return 0;
}

// --- internal ---

type Parts = { http?: HttpServer; server?: Server; node?: NodeAgent };

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

async function startParts(runtime: Runtime, log: Log, config: AgentConfig, parts: Parts): Promise<void> {
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
    handler = createApp(server, factsOf(config, parts));
    server.start();
    await server.untilLeaderKnown(LIMITS.leaderWaitMsMax);
  }
  if (config.isClient) parts.node = await startNode(runtime, log, config, parts.server);
  if (!parts.server && parts.node) {
    const { createDeviceApp } = await import("../../../internal/client/device-app.ts");
    handler = createDeviceApp({ runtime, node: parts.node, servers: config.servers, version: BUILD.version });
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
    ...snapshots,
    snapshotFolder: config.snapshots.folder,
    wayBack: () => wayBack(runtime, config),
  });
}

async function startNode(runtime: Runtime, log: Log, config: AgentConfig, server: Server | undefined): Promise<NodeAgent> {
  const { NodeAgent } = await import("../../../internal/client/node-agent.ts");
  const { socketDial } = await import("../../../internal/client/transports.ts");
  const dial =
    server && config.servers.length === 0
      ? ownServerDial(server, (url) => socketDial(runtime, () => [url])())
      : socketDial(runtime, () => (config.servers.length > 0 ? config.servers : ["http://127.0.0.1:4646"]));
  const node = new NodeAgent({
    runtime,
    log,
    dataDirectory: config.dataDirectory,
    settings: {
      name: config.name,
      region: config.region,
      datacenter: config.datacenter,
      nodeClass: config.nodeClass,
      nodePool: config.nodePool,
      meta: config.meta,
      cpuTotalMHz: config.cpuTotalMHz,
      memoryTotalMiB: config.memoryTotalMiB,
      isRawExecEnabled: config.isRawExecEnabled,
      isJavaEnabled: config.isJavaEnabled,
      ...(config.docker ? { docker: config.docker } : {}),
      ...(config.exec ? { exec: config.exec } : {}),
      offers: config.offers,
      version: BUILD.version,
    },
    onAgentStop: config.onAgentStop,
    dial,
  });
  node.start();
  return node;
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
    server.acceptNode(pair.server);
    return pair.node;
  };
}

function factsOf(config: AgentConfig, parts: Parts) {
  return {
    version: BUILD.version,
    commit: BUILD.commit,
    datacenter: config.datacenter,
    isClient: config.isClient,
    nodeId: () => parts.node?.identity.id ?? "",
    isNodeJoined: () => parts.node?.isJoined ?? false,
    config: {
      DataDir: config.dataDirectory,
      BindAddr: config.bind,
      Ports: { HTTP: parts.http?.port ?? config.port },
      LogLevel: config.logLevel.toUpperCase(),
      DevMode: config.isDev,
    },
  };
}

async function stopParts(log: Log, parts: Parts): Promise<void> {
  const quietly = async (what: string, work: (() => Promise<void>) | undefined) => {
    try {
      await work?.();
    } catch (error) {
      log.error(`${what} did not stop cleanly`, { error: messageOf(error) });
    }
  };
  await quietly("the node", parts.node && (() => (parts.node as NodeAgent).stop())); // checked just before
  await quietly("the server", parts.server && (() => (parts.server as Server).stop())); // checked just before
  await quietly("the HTTP listener", parts.http && (() => (parts.http as HttpServer).stop())); // checked just before
}

function untilSignal(runtime: Runtime, log: Log): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    runtime.host.onSignal(["SIGTERM", "SIGINT"], (signal) => {
      count += 1;
      if (count > 1) runtime.host.abort(130);
      log.info("stopping", { signal });
      resolve();
    });
  });
}
