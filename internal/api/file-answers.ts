// What is asked of the files and logs of an allocation over HTTP, answered by whoever can ask its node.

import { EdgeError } from "../domain/errors.ts";
import { json } from "./json-answer.ts";
import type { ListedFile, NodeCall } from "./node-protocol.ts";
import { isSet, isUnsetOrTrue, type Query } from "./query.ts";
import { frames, raw, type StreamExchange } from "./stream-answers.ts";
import type { JsonObject } from "./wire.ts";

export interface FileExchange extends StreamExchange {
  readonly query: Query;
}

/** `action` is the path after `/v1/client/fs/`. Throws the node's own errors, and not-found for an action that there is not. */
export async function answerAboutFiles(exchange: FileExchange, action: string, allocId: string): Promise<Response> {
  const { node } = exchange;
  const path = exchange.query.all.get("path") ?? "/";
  switch (action) {
    case "ls":
      return json(exchange.query, ((await node.call({ method: "file-list", allocId, path })) as readonly ListedFile[]).map(encodeFile));
    case "stat":
      return json(exchange.query, encodeFile((await node.call({ method: "file-stat", allocId, path })) as ListedFile));
    case "cat":
      return raw(exchange, { method: "file-read", allocId, path, offset: 0, limit: -1 });
    case "readat":
      return raw(exchange, {
        method: "file-read",
        allocId,
        path,
        offset: numberOf(exchange, "offset"),
        limit: exchange.query.all.has("limit") ? numberOf(exchange, "limit") : -1,
      });
    case "stream":
      return frames(exchange, {
        method: "file-stream",
        allocId,
        path,
        offset: numberOf(exchange, "offset"),
        origin: originOf(exchange),
        isFollowing: isUnsetOrTrue(exchange.query, "follow"),
      });
    case "logs":
      return logs(exchange, allocId);
    default:
      throw new EdgeError("not-found", "");
  }
}

// --- internal ---

function logs(exchange: FileExchange, allocId: string): Promise<Response> {
  const { all } = exchange.query;
  const task = all.get("task") ?? "";
  if (task === "") throw new EdgeError("invalid", "must provide task name");
  const type = all.get("type") ?? "";
  if (type !== "stdout" && type !== "stderr") throw new EdgeError("invalid", "log type must be stdout or stderr");
  const call: NodeCall = {
    method: "logs",
    allocId,
    task,
    stream: type,
    offset: numberOf(exchange, "offset"),
    origin: originOf(exchange),
    isFollowing: isSet(exchange.query, "follow"),
  };
  return isSet(exchange.query, "plain") ? raw(exchange, call) : frames(exchange, call);
}

function numberOf(exchange: FileExchange, name: string): number {
  const text = exchange.query.all.get(name);
  if (text === null || text === "") return 0;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new EdgeError("invalid", `error parsing ${name}: "${text}" is no whole number`);
  return value;
}

function originOf(exchange: FileExchange): "start" | "end" {
  const origin = exchange.query.all.get("origin") ?? "start";
  if (origin !== "start" && origin !== "end") throw new EdgeError("invalid", "origin must be start or end");
  return origin;
}

function encodeFile(file: ListedFile): JsonObject {
  return {
    Name: file.name,
    IsDir: file.isDirectory,
    Size: file.sizeBytes,
    FileMode: file.mode,
    ModTime: new Date(file.modifiedAtMs).toISOString(),
    ContentType: file.contentType,
  };
}
